/* SPDX-License-Identifier: MIT */
/* vgpuctl info: which vGPU that is, and who uses it. */
#include <stdio.h>

#include "call.h"
#include "control/json.h"

static void print_driver(struct json_object *driver)
{
	char text[512];

	snprintf(text, sizeof(text), "%s %s (%s)",
		 json_get_string(driver, "name", "?"),
		 json_get_string(driver, "version", "?"),
		 json_get_string(driver, "path", "?"));
	ctl_print_field("driver", text);
}

static void print_client(struct json_object *client)
{
	char text[64] = "none";

	if (client)
		snprintf(text, sizeof(text), "pid %lld, uid %lld",
			 (long long)json_get_int(client, "pid", -1),
			 (long long)json_get_int(client, "uid", -1));
	ctl_print_field("client", text);
}

static int run(struct ctl *ctl)
{
	struct control_result res;
	struct json_object *p;
	char pid[32];
	int code;

	code = ctl_call(ctl, IO_VGPUD_DEVICE "GetInfo", NULL, &res);
	if (code)
		return code;
	p = res.parameters;
	if (ctl->json) {
		code = ctl_print_json(p);
	} else {
		snprintf(pid, sizeof(pid), "%lld",
			 (long long)json_get_int(p, "pid", -1));
		ctl_print_field("uuid", json_get_string(p, "uuid", "?"));
		ctl_print_field("type", json_get_string(p, "type", "?"));
		ctl_print_field("description",
				json_get_string(p, "description", NULL));
		ctl_print_field("state", json_get_string(p, "state", "?"));
		print_client(json_member(p, "client"));
		ctl_print_field("socket",
				json_get_string(p, "socket", "(inherited)"));
		print_driver(json_member(p, "driver"));
		ctl_print_field("pid", pid);
		ctl_print_field("version", json_get_string(p, "version", "?"));
		code = ctl_flush();
	}
	control_result_release(&res);
	return code;
}

const struct cmd_verb verb_info = {
	.name = "info",
	.summary = "which vGPU that is, and who uses it",
	.text = "Prints the vGPU's name, type and driver, where a VMM finds "
		"it, and the\n"
		"client (the VMM, as a rule) that is attached.",
	.example = "  $ vgpuctl info desk\n"
		   "  $ vgpuctl info desk -o json | jq -r .client.pid\n",
	.operand = "[NAME]",
	.target = ASKS_DEVICE,
	.run = run,
};
