/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <stddef.h>

#define AT(member) .at = offsetof(struct options, member)

static const struct cmd_option options[] = {
	{ 'f', "foreground", NULL, "don't go into the background",
	  AT(foreground) },
	{ 'a', "allow-other", NULL,
	  "let other users look (files that change something remain for you "
	  "and root)",
	  AT(others) },
	{ 0, "vgpud", "FILE",
	  "vgpud's control socket (default: $VGPUD_CONTROL, yours, or the "
	  "system's)",
	  AT(vgpud) },
	{ 0, "debug", NULL, "print what is asked and answered", AT(debug) },
	CMD_HELP_AND_VERSION,
};

const struct cmd_program this_program = {
	.name = "vgpu-tree",
	.usage = "vgpu-tree [OPTION...] FOLDER",
	.about = "Shows vgpud's vGPUs in FOLDER as the kernel shows mediated "
		 "devices in sysfs:\n"
		 "class/mdev_bus and bus/mdev, with the same files, formats "
		 "and errors. It is a\n"
		 "client of vgpud: anybody who may use vgpud may mount it, as "
		 "often as he likes.",
	.options = options,
	.options_title = "Options:",
	.operand = "FOLDER",
	.missing = "where? Name one folder",
	.tail = "Example:\n"
		"  $ vgpu-tree /tmp/tree\n"
		"  $ cat /tmp/tree/class/mdev_bus/*/mdev_supported_types/*/"
		"name\n"
		"  $ MDEVCTL_ENV_ROOT=/tmp/tree mdevctl types\n"
		"  $ fusermount3 -u /tmp/tree\n"
		"\n"
		"Exit status: 0 unmounted; 1 it could not be mounted; 2 wrong "
		"command line.",
};
