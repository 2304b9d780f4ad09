/* SPDX-License-Identifier: MIT */
/* Whom to ask: where vgpud listens, and the vGPU that a name stands for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "call.h"
#include "control/json.h"
#include "instance.h"

#define SYSTEM_SOCKET "/run/vgpud/control.sock"

const char *ctl_default_vgpud(struct ctl *ctl)
{
	const char *path = getenv("VGPUD_CONTROL");
	const char *dir = getenv("XDG_RUNTIME_DIR");
	int n;

	if (path && *path)
		return path;
	if (!geteuid() || !dir || *dir != '/')
		return SYSTEM_SOCKET;
	n = snprintf(ctl->vgpud_buf, sizeof(ctl->vgpud_buf),
		     "%s/vgpud/control.sock", dir);
	if (n < 0 || (size_t)n >= sizeof(ctl->vgpud_buf))
		return SYSTEM_SOCKET;
	/* Somebody without a vgpud of his own means the system's. */
	if (access(ctl->vgpud_buf, F_OK) && !access(SYSTEM_SOCKET, F_OK))
		return SYSTEM_SOCKET;
	return ctl->vgpud_buf;
}

static int find_by_name(struct ctl *ctl, const struct verb *verb)
{
	struct control_result res;
	const char *path;
	int code;

	code = ctl_show(ctl, ctl->operand, &res);
	if (code)
		return code;
	path = json_get_string(json_member(res.parameters, "instance"),
			       "control", "");
	if (strlen(path) >= sizeof(ctl->control_buf))
		code = ctl_fail(EXIT_FAILED, "%s: %s", verb->name,
				"vgpud names a socket that can't be");
	else if (!*path)
		code = ctl_fail(EXIT_FAILED,
				"%s: %s does not run: 'vgpuctl start' starts "
				"it",
				verb->name, ctl->operand);
	else
		ctl->control_path = strcpy(ctl->control_buf, path);
	control_result_release(&res);
	return code;
}

int ctl_find(struct ctl *ctl, const struct verb *verb)
{
	const char *path = ctl->control_path;
	bool said = path && path != getenv("VGPU_CONTROL_PATH");

	if (verb->target == ASKS_NOBODY)
		return 0;
	if (said && (verb->target == ASKS_VGPUD || ctl->operand))
		return ctl_fail(EXIT_USAGE,
				"%s: --control-path is for a vgpu-device that "
				"runs without vgpud; vgpud's own socket is "
				"named with --vgpud",
				verb->name);
	if (verb->target == ASKS_VGPUD)
		return 0;
	if (ctl->operand)
		return find_by_name(ctl, verb);
	if (path && *path)
		return 0;
	return ctl_fail(EXIT_USAGE,
			"%s: whom to ask? Say the NAME of a vGPU that vgpud "
			"has, or --control-path PATH (or VGPU_CONTROL_PATH) "
			"as given to a vgpu-device",
			verb->name);
}
