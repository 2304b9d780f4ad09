# SPDX-License-Identifier: MIT
# Sourced by the other scripts: messages, the source folder and the cache folder.

set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${VGPUD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vgpud}
name=$(basename "$0")

say()
{
	printf '%s: %s\n' "$name" "$*"
}

# die MESSAGE [WHAT TO DO ...]: every further argument is a line of advice.
die()
{
	printf '%s: error: %s\n' "$name" "$1" >&2
	shift
	if [ $# -gt 0 ]; then
		printf '    %s\n' "$@" >&2
	fi
	exit 1
}

# The machine's distribution as "debian 12"; empty fields where unknown.
distribution()
{
	(
		[ ! -r /etc/os-release ] || . /etc/os-release
		printf '%s %s\n' "${ID:-unknown}" "${VERSION_ID:-}"
	)
}
