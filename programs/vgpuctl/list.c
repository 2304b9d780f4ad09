/* SPDX-License-Identifier: MIT */
/* vgpuctl parents, types, list: what there is. */
#include <inttypes.h>
#include <stdio.h>

#include "control/json.h"
#include "instance.h"
#include "table.h"

enum { OPT_QUIET, N_LIST_OPTIONS, OPT_PARENT = N_LIST_OPTIONS, N_OPTIONS };

static const struct cmd_option options[N_OPTIONS] = {
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

/**
 * struct listing - a verb that lists
 * @key: of the method's answer: what is listed
 * @name: of one of these: what --quiet prints
 * @add: its row
 */
struct listing {
	const struct cmd_verb *verb;
	const char *method;
	const char *key, *name;
	const char *headings[TABLE_MAX_COLUMNS];
	size_t n_columns;
	void (*add)(struct table *table, struct json_object *item);
};

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
		  json_get_string(p, "state", NULL),
		  json_get_string(p, "error",
				  json_get_string(p, "description", NULL)));
}

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
		  json_member(t, "problem")
			  ? "its parent has failed: see 'vgpuctl parents'"
			  : json_get_string(t, "description", NULL));
}

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

/* ---- all of them ---------------------------------------------------- */

static const struct listing listings[] = {
	{ &verb_parents,
	  IO_VGPUD_MANAGER "ListParents",
	  "parents",
	  "name",
	  { "PARENT", "DRIVER", "VGPUS", "MEMORY", "SHARES", "PROCESS",
	    "DESCRIPTION" },
	  7,
	  add_parent },
	{ &verb_types,
	  IO_VGPUD_MANAGER "ListTypes",
	  "types",
	  "name",
	  { "TYPE", "PARENT", ">FREE", ">MEMORY", "SCREEN", "DESCRIPTION" },
	  6,
	  add_type },
	{ &verb_list,
	  IO_VGPUD_MANAGER "List",
	  "instances",
	  "uuid",
	  { "UUID", "LABEL", "TYPE", "PARENT", "STATE", ">CLIENT", "REASON" },
	  7,
	  add_instance },
};

static int print_names(const struct listing *l, struct json_object *answer)
{
	for (size_t i = 0; i < json_array_len(answer, l->key); i++)
		ctl_print_line("%s",
			       json_get_string(json_array_at(answer, l->key, i),
					       l->name, "?"));
	return ctl_flush();
}

static int print_table(const struct listing *l, struct json_object *answer)
{
	struct table table = { .n_columns = l->n_columns };

	table_heading(&table, l->headings);
	for (size_t i = 0; i < json_array_len(answer, l->key); i++)
		l->add(&table, json_array_at(answer, l->key, i));
	return table_print(&table);
}

static int run(struct ctl *ctl)
{
	struct json_object *params = json_object_new_object();
	const struct listing *l = listings;
	struct control_result res;
	int code;

	while (l->verb != ctl->verb)
		l++;
	if (ctl->values[OPT_PARENT])
		json_set_string(&params, "parent", ctl->values[OPT_PARENT]);
	code = ctl_call(ctl, l->method, params, &res);
	if (code)
		return code;
	if (ctl->json)
		code = ctl_print_json(res.parameters);
	else if (ctl->values[OPT_QUIET])
		code = print_names(l, res.parameters);
	else
		code = print_table(l, res.parameters);
	control_result_release(&res);
	return code;
}

const struct cmd_verb verb_parents = {
	.name = "parents",
	.summary = "what is shared, and how much of it is taken",
	.text = "Prints the parents: devices, real or of software, that are "
		"shared; with how much\n"
		"of each is taken by the vGPUs that are defined. PROCESS is "
		"how its vgpu-parent is,\n"
		"where it needs one. A parent that can't be used says why in "
		"the place of its\n"
		"description.",
	.example = "  $ vgpuctl parents\n",
	.options = options,
	.n_options = N_LIST_OPTIONS,
	.target = ASKS_VGPUD,
	.run = run,
};

const struct cmd_verb verb_types = {
	.name = "types",
	.summary = "what kinds of vGPUs can be made",
	.text = "Prints the types that the parents offer. FREE is how many "
		"more of it can be made\n"
		"now; making one of another type may lower it, since they "
		"share the parent. A type\n"
		"that can't be started now says so in the place of its "
		"description.",
	.example = "  $ vgpuctl types\n"
		   "  $ vgpuctl types --parent software -o json\n",
	.options = options,
	.n_options = N_OPTIONS,
	.target = ASKS_VGPUD,
	.run = run,
};

const struct cmd_verb verb_list = {
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
	.run = run,
};
