/* SPDX-License-Identifier: MIT */
#include "instance.h"

#include <inttypes.h>
#include <stdio.h>

#include "control/json.h"

struct json_object *ctl_named(const char *name)
{
	struct json_object *params = json_object_new_object();

	json_set_string(&params, "name", name);
	return params;
}

int ctl_show(struct ctl *ctl, const char *name,
	     struct control_result *ret_result)
{
	return ctl_call(ctl, IO_VGPUD_MANAGER "Show", ctl_named(name),
			ret_result);
}

const char *instance_name(struct json_object *instance)
{
	const char *uuid = json_get_string(instance, "uuid", "?");

	return json_get_string(instance, "label", uuid);
}

const char *bytes_text(char *buf, int64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1024 && unit < sizeof(units) / sizeof(*units) - 1) {
		value /= 1024;
		unit++;
	}
	snprintf(buf, INSTANCE_BYTES_MAX,
		 value < 10 && value != (double)(int64_t)value ? "%.1f %s"
							       : "%.0f %s",
		 value, units[unit]);
	return buf;
}

static void print_number(const char *name, int64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRId64, value);
	ctl_print_field(name, text);
}

static void print_client(struct json_object *client)
{
	char text[64] = "none";

	if (client)
		snprintf(text, sizeof(text), "pid %" PRId64 ", uid %" PRId64,
			 json_get_int(client, "pid", -1),
			 json_get_int(client, "uid", -1));
	ctl_print_field("client", text);
}

static void print_parent(struct json_object *p)
{
	const char *state = json_get_string(p, "parent_state", NULL);
	char text[128];

	snprintf(text, sizeof(text), "%s%s%s%s",
		 json_get_string(p, "parent", "?"), state ? " (" : "",
		 state ? state : "", state ? ")" : "");
	ctl_print_field("parent", text);
}

void instance_print(struct json_object *p)
{
	int64_t worker = json_get_int(p, "worker", -1);
	int64_t restarts = json_get_int(p, "restarts", 0);
	int64_t cap = json_get_int(p, "cap", 0);
	char vram[INSTANCE_BYTES_MAX], text[32];

	ctl_print_field("uuid", json_get_string(p, "uuid", "?"));
	ctl_print_field("label", json_get_string(p, "label", NULL));
	ctl_print_field("type", json_get_string(p, "type", "?"));
	print_parent(p);
	ctl_print_field("state", json_get_string(p, "state", "?"));
	ctl_print_field("reason", json_get_string(p, "reason", NULL));
	ctl_print_field("memory", bytes_text(vram, json_get_int(p, "vram", 0)));
	ctl_print_field("autostart",
			json_get_bool(p, "autostart", false) ? "yes" : "no");
	ctl_print_field("policy", json_get_string(p, "policy", "?"));
	if (json_member(p, "weight"))
		print_number("weight", json_get_int(p, "weight", 0));
	if (cap) {
		snprintf(text, sizeof(text), "%" PRId64 " %%", cap);
		ctl_print_field("cap", text);
	}
	if (worker >= 0) {
		print_client(json_member(p, "client"));
		print_number("worker", worker);
	}
	if (restarts)
		print_number("restarts", restarts);
	ctl_print_field("socket", json_get_string(p, "socket", NULL));
	ctl_print_field("control", json_get_string(p, "control", NULL));
}
