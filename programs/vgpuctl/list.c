/* SPDX-License-Identifier: MIT */
/* vgpuctl parents, types, list: what there is. */
#include <inttypes.h>
#include <stdio.h>

#include "control/json.h"
#include "instance.h"
#include "table.h"

enum { OPT_QUIET, N_LIST_OPTIONS, OPT_PARENT = N_LIST_OPTIONS, N_OPTIONS };

static const struct verb_option options[N_OPTIONS] = {
	[OPT_QUIET] = { 'q', "quiet", NULL, "names alone, one a line" },
	[OPT_PARENT] = { 'p', "parent", "PARENT", "of this parent only" },
};

/* A number as text, in a buffer of the caller's. */
#define NUMBER_MAX 24
static const char *number(char *buf, int64_t value)
{
	snprintf(buf, NUMBER_MAX, "%" PRId64, value);
	return buf;
}

typedef void (*add_row_fn)(struct table *table, struct json_object *item);

/* Print member @key of an answer, as JSON, as names or as @table. */
static int print_list(struct ctl *ctl, struct control_result *res,
		      const char *key, const char *name, struct table *table,
		      add_row_fn add_row)
{
	int code;

	if (ctl->json) {
		code = ctl_print_json(res->parameters);
	} else if (ctl->values[OPT_QUIET]) {
		for (size_t i = 0; i < json_array_len(res->parameters, key);
		     i++)
			ctl_print_line(
				"%s",
				json_get_string(
					json_array_at(res->parameters, key, i),
					name, "?"));
		code = ctl_flush();
	} else {
		for (size_t i = 0; i < json_array_len(res->parameters, key);
		     i++)
			add_row(table, json_array_at(res->parameters, key, i));
		code = table_print(table);
	}
	table_free(table);
	control_result_release(res);
	return code;
}

/* ---- parents -------------------------------------------------------- */

/* "used/all", for amounts in bytes or without a unit. */
static void ratio(char *buf, size_t size, struct json_object *p,
		  const char *used, const char *all, bool bytes)
{
	char a[INSTANCE_BYTES_MAX], b[INSTANCE_BYTES_MAX];

	if (bytes) {
		bytes_text(a, json_get_int(p, used, 0));
		bytes_text(b, json_get_int(p, all, 0));
	} else {
		number(a, json_get_int(p, used, 0));
		number(b, json_get_int(p, all, 0));
	}
	snprintf(buf, size, "%s of %s", a, b);
}

static void add_parent(struct table *table, struct json_object *p)
{
	char vram[80], instances[80], shares[80];

	ratio(vram, sizeof(vram), p, "vram_used", "vram", true);
	ratio(instances, sizeof(instances), p, "instances", "max_instances",
	      false);
	ratio(shares, sizeof(shares), p, "shares_used", "shares", false);
	table_row(table, json_get_string(p, "name", "?"),
		  json_get_string(p, "driver", "?"), instances, vram, shares,
		  json_get_string(p, "error",
				  json_get_string(p, "description", NULL)));
}

static int run_parents(struct ctl *ctl)
{
	struct table table = { .n_columns = 6 };
	struct control_result res;
	int code = ctl_call(ctl, IO_VGPUD_MANAGER "ListParents", NULL, &res);

	if (code)
		return code;
	table_row(&table, "PARENT", "DRIVER", "VGPUS", "MEMORY", "SHARES",
		  "DESCRIPTION");
	return print_list(ctl, &res, "parents", "name", &table, add_parent);
}

const struct verb verb_parents = {
	.name = "parents",
	.summary = "what is shared, and how much of it is taken",
	.text = "Prints the parents: devices, real or of software, that are "
		"shared; with how much\n"
		"of each is taken by the vGPUs that are defined. A parent that "
		"can't be used says\n"
		"why in the place of its description.",
	.example = "  $ vgpuctl parents\n",
	.options = options,
	.n_options = N_LIST_OPTIONS,
	.target = ASKS_VGPUD,
	.run = run_parents,
};

/* ---- types ---------------------------------------------------------- */

static void add_type(struct table *table, struct json_object *t)
{
	char available[NUMBER_MAX], vram[INSTANCE_BYTES_MAX], screen[64];

	snprintf(screen, sizeof(screen), "%" PRId64 "x%" PRId64,
		 json_get_int(t, "xres", 0), json_get_int(t, "yres", 0));
	table_row(table, json_get_string(t, "name", "?"),
		  json_get_string(t, "parent", "?"),
		  number(available, json_get_int(t, "available", 0)),
		  bytes_text(vram, json_get_int(t, "vram", 0)),
		  json_get_int(t, "xres", 0) ? screen : NULL,
		  json_get_string(t, "description", NULL));
}

static int run_types(struct ctl *ctl)
{
	struct table table = { .n_columns = 6 };
	struct json_object *params = json_object_new_object();
	struct control_result res;
	int code;

	if (ctl->values[OPT_PARENT])
		json_set_string(&params, "parent", ctl->values[OPT_PARENT]);
	code = ctl_call(ctl, IO_VGPUD_MANAGER "ListTypes", params, &res);
	if (code)
		return code;
	table_row(&table, "TYPE", "PARENT", ">FREE", ">MEMORY", "SCREEN",
		  "DESCRIPTION");
	return print_list(ctl, &res, "types", "name", &table, add_type);
}

const struct verb verb_types = {
	.name = "types",
	.summary = "what kinds of vGPUs can be made",
	.text = "Prints the types that the parents offer. FREE is how many "
		"more of it can be made\n"
		"now; making one of another type may lower it, since they "
		"share the parent.",
	.example = "  $ vgpuctl types\n"
		   "  $ vgpuctl types --parent software -o json\n",
	.options = options,
	.n_options = N_OPTIONS,
	.target = ASKS_VGPUD,
	.run = run_types,
};

/* ---- list ----------------------------------------------------------- */

static void add_instance(struct table *table, struct json_object *i)
{
	struct json_object *client = json_member(i, "client");
	char pid[NUMBER_MAX] = "";

	if (client)
		number(pid, json_get_int(client, "pid", -1));
	table_row(table, json_get_string(i, "uuid", "?"),
		  json_get_string(i, "label", NULL),
		  json_get_string(i, "type", "?"),
		  json_get_string(i, "parent", "?"),
		  json_get_string(i, "state", "?"), pid,
		  json_get_string(i, "reason", ""));
}

static int run_list(struct ctl *ctl)
{
	struct table table = { .n_columns = 7 };
	struct control_result res;
	int code = ctl_call(ctl, IO_VGPUD_MANAGER "List", NULL, &res);

	if (code)
		return code;
	table_row(&table, "UUID", "LABEL", "TYPE", "PARENT", "STATE", ">CLIENT",
		  "REASON");
	return print_list(ctl, &res, "instances", "uuid", &table, add_instance);
}

const struct verb verb_list = {
	.name = "list",
	.summary = "all vGPUs, and how they are",
	.text = "Prints all vGPUs: 'defined' ones are stored and don't run, "
		"'active' ones wait for\n"
		"a VMM, 'attached' ones have one: CLIENT is its process. "
		"'failed' ones tell the\n"
		"REASON.",
	.example = "  $ vgpuctl list\n"
		   "  $ vgpuctl list -o json | jq -r "
		   "'.instances[] | select(.state == \"failed\").uuid'\n",
	.options = options,
	.n_options = N_LIST_OPTIONS,
	.target = ASKS_VGPUD,
	.run = run_list,
};
