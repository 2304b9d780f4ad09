/* SPDX-License-Identifier: MIT */
#include "manager-path.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SYSTEM_SOCKET "/run/vgpud/control.sock"

const char *control_manager_path(char *buf)
{
	const char *path = getenv("VGPUD_CONTROL");
	const char *dir = getenv("XDG_RUNTIME_DIR");
	int n;

	if (path && *path)
		return path;
	if (!geteuid() || !dir || *dir != '/')
		return SYSTEM_SOCKET;
	n = snprintf(buf, CONTROL_MANAGER_PATH_MAX, "%s/vgpud/control.sock",
		     dir);
	if (n < 0 || n >= CONTROL_MANAGER_PATH_MAX)
		return SYSTEM_SOCKET;
	/* Somebody without a vgpud of his own means the system's. */
	if (access(buf, F_OK) && !access(SYSTEM_SOCKET, F_OK))
		return SYSTEM_SOCKET;
	return buf;
}
