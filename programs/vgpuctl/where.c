/* SPDX-License-Identifier: MIT */
/* Whom to ask: the vGPU that a name stands for. */
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "control/json.h"
#include "instance.h"

static int find_by_name(struct ctl *ctl, const struct cmd_verb *verb)
{
	struct json_object *instance;
	struct control_result res;
	const char *path;
	int code;

	code = ctl_show(ctl, ctl->operand, &res);
	if (code)
		return code;
	instance = json_member(res.parameters, "instance");
	path = json_get_string(instance, "control", "");
	if (strlen(path) >= sizeof(ctl->control_buf))
		code = ctl_fail(EXIT_FAILED, "%s: %s", verb->name,
				"vgpud names a socket that can't be");
	else if (!*path || !json_member(instance, "worker"))
		code = ctl_fail(EXIT_FAILED,
				"%s: %s does not run: 'vgpuctl start' starts "
				"it",
				verb->name, ctl->operand);
	else
		ctl->control_path = strcpy(ctl->control_buf, path);
	control_result_release(&res);
	return code;
}

int ctl_find(struct ctl *ctl, const struct cmd_verb *verb)
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
