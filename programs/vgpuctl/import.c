/* SPDX-License-Identifier: MIT */
/*
 * vgpuctl import: definitions as mdevctl stores or dumps them.
 *
 * Either a file of /etc/mdevctl.d/PARENT/UUID, which is one definition and has
 * its name from the file's:
 *   { "mdev_type": "...", "start": "auto", "attrs": [] }
 * or what 'mdevctl list -d --dumpjson' prints:
 *   [ { "PARENT": [ { "UUID": { "mdev_type": ... } } ] } ]
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/json.h"
#include "control/message.h"
#include "instance.h"
#include "util/cleanup.h"

#define IMPORT_MAX_BYTES (16u << 20)

enum { OPT_PARENT, OPT_TYPE, OPT_DRY_RUN, N_OPTIONS };

static const struct cmd_option options[N_OPTIONS] = {
	[OPT_PARENT] = { 'p', "parent", "PARENT",
			 "of this parent, whatever the file says" },
	[OPT_TYPE] = { 0, "type", "TYPE",
		       "of this type, whatever the file says" },
	[OPT_DRY_RUN] = { 'n', "dry-run", NULL,
			  "say what would be defined, and define nothing" },
};

struct import {
	struct ctl *ctl;
	struct json_object *types; /* what vgpud offers */
	struct json_object *done;  /* what was defined, for JSON */
	int code;
};

static void failed(struct import *import, int code)
{
	if (!import->code)
		import->code = code;
}

/* The type that mdevctl knows as "DRIVER-NAME"; NULL: none. */
static struct json_object *find_type(struct json_object *types,
				     const char *name, const char *parent)
{
	for (size_t i = 0; i < json_object_array_length(types); i++) {
		struct json_object *type = json_object_array_get_idx(types, i);
		const char *known = json_get_string(type, "name", "");
		size_t len = strlen(known), all = strlen(name);

		if (parent &&
		    strcmp(json_get_string(type, "parent", ""), parent))
			continue;
		if (!strcmp(known, name) ||
		    (len && all > len + 1 && name[all - len - 1] == '-' &&
		     !strcmp(name + all - len, known)))
			return type;
	}
	return NULL;
}

static const char *known_parent(struct json_object *types, const char *parent)
{
	for (size_t i = 0; i < json_object_array_length(types); i++)
		if (!strcmp(json_get_string(json_object_array_get_idx(types, i),
					    "parent", ""),
			    parent))
			return parent;
	return NULL;
}

static void define(struct import *import, const char *uuid, const char *type,
		   const char *parent, bool autostart)
{
	struct json_object *params = json_object_new_object();
	struct control_result res;
	int code;

	json_set_string(&params, "type", type);
	json_set_string(&params, "uuid", uuid);
	if (parent)
		json_set_string(&params, "parent", parent);
	if (autostart)
		json_set_bool(&params, "autostart", true);
	if (import->ctl->values[OPT_DRY_RUN]) {
		json_append(&import->done, params);
	} else {
		code = ctl_call(import->ctl, IO_VGPUD_MANAGER "Define", params,
				&res);
		if (code) {
			failed(import, code);
			return;
		}
		json_append(&import->done,
			    json_object_get(
				    json_member(res.parameters, "instance")));
		control_result_release(&res);
	}
	if (!import->ctl->json)
		ctl_print_line("%s  %s", uuid, type);
}

static void import_one(struct import *import, const char *uuid,
		       const char *parent, struct json_object *definition)
{
	const char *wanted = import->ctl->values[OPT_TYPE];
	const char *type = json_get_string(definition, "mdev_type", NULL);
	struct json_object *found;

	if (!type) {
		ctl_fail(0, "import: %s has no \"mdev_type\"", uuid);
		failed(import, EXIT_FAILED);
		return;
	}
	if (import->ctl->values[OPT_PARENT])
		parent = import->ctl->values[OPT_PARENT];
	else if (parent)
		parent = known_parent(import->types, parent);
	found = find_type(import->types, wanted ? wanted : type, parent);
	if (!found) {
		ctl_fail(0,
			 "import: %s: nobody here offers '%s': say another "
			 "with --type ('vgpuctl types' lists them)",
			 uuid, wanted ? wanted : type);
		failed(import, EXIT_NOT_FOUND);
		return;
	}
	if (json_array_len(definition, "attrs"))
		ctl_note("%s: its \"attrs\" mean nothing to vgpud, and are "
			 "left out.",
			 uuid);
	define(import, uuid, json_get_string(found, "name", ""), parent,
	       !strcmp(json_get_string(definition, "start", ""), "auto"));
}

/* [ { "UUID": {} } ] */
static void import_list(struct import *import, const char *parent,
			struct json_object *list)
{
	size_t n = json_object_is_type(list, json_type_array)
			   ? json_object_array_length(list)
			   : 0;

	for (size_t i = 0; i < n; i++) {
		struct json_object *one = json_object_array_get_idx(list, i);

		if (!json_object_is_type(one, json_type_object))
			continue;
		json_object_object_foreach(one, uuid, definition)
			import_one(import, uuid, parent, definition);
	}
}

/* Whichever of the two forms it is; -EBADMSG: neither. */
static int import_all(struct import *import, struct json_object *root)
{
	const char *slash = strrchr(import->ctl->operand, '/');
	size_t n;

	if (json_object_is_type(root, json_type_object)) {
		if (!json_member(root, "mdev_type"))
			return -EBADMSG;
		import_one(import, slash ? slash + 1 : import->ctl->operand,
			   NULL, root);
		return 0;
	}
	if (!json_object_is_type(root, json_type_array))
		return -EBADMSG;
	n = json_object_array_length(root);
	for (size_t i = 0; i < n; i++) {
		struct json_object *parents =
			json_object_array_get_idx(root, i);

		if (!json_object_is_type(parents, json_type_object))
			return -EBADMSG;
		json_object_object_foreach(parents, parent, list)
			import_list(import, parent, list);
	}
	return 0;
}

/* An object or an array. control_parse() takes objects only, so the file is
 * wrapped into one. */
static int read_file(const char *path, struct json_object **ret_root)
{
	static const char head[] = "{\"root\":";
	cleanup_free char *text = malloc(IMPORT_MAX_BYTES + sizeof(head) + 1);
	cleanup_file FILE *file = NULL;
	size_t n = sizeof(head) - 1;
	int err;

	if (!text)
		return -ENOMEM;
	memcpy(text, head, n);
	file = strcmp(path, "-") ? fopen(path, "re")
				 : fdopen(dup(STDIN_FILENO), "r");
	if (!file)
		return -errno;
	n += fread(text + n, 1, IMPORT_MAX_BYTES, file);
	if (ferror(file))
		return -errno;
	if (!feof(file))
		return -EFBIG;
	text[n++] = '}';
	err = control_parse(text, n, ret_root);
	return err;
}

static const char *why(int err)
{
	switch (err) {
	case -EBADMSG:
		return "that is not JSON as mdevctl writes it";
	case -E2BIG:
		return "it is nested too deep";
	default:
		return strerror(-err);
	}
}

static int finish(struct import *import)
{
	struct json_object *out = json_object_new_object();
	int code;

	json_set(&out, "instances", json_object_get(import->done));
	code = import->ctl->json ? ctl_print_json(out) : ctl_flush();
	json_object_put(out);
	return import->code ? import->code : code;
}

static int run(struct ctl *ctl)
{
	struct import import = { .ctl = ctl, .done = json_object_new_array() };
	struct json_object *root = NULL;
	struct control_result res = { 0 };
	int err, code;

	err = read_file(ctl->operand, &root);
	if (err)
		code = ctl_fail(EXIT_FAILED, "import: %s: %s", ctl->operand,
				why(err));
	else
		code = ctl_call(ctl, IO_VGPUD_MANAGER "ListTypes", NULL, &res);
	if (!code) {
		import.types = json_member(res.parameters, "types");
		if (!json_object_is_type(import.types, json_type_array))
			err = -EPROTO;
		else
			err = import_all(&import, json_member(root, "root"));
		code = err ? ctl_fail(EXIT_FAILED, "import: %s: %s",
				      ctl->operand, why(err))
			   : finish(&import);
		control_result_release(&res);
	}
	json_object_put(import.done);
	json_object_put(root);
	return code;
}

const struct cmd_verb verb_import = {
	.name = "import",
	.summary = "define vGPUs from mdevctl's files",
	.text = "Defines what a file of /etc/mdevctl.d (its name is the UUID), "
		"or the output of\n"
		"'mdevctl list -d --dumpjson', describes; '-' is standard "
		"input. Types are found by\n"
		"their names with or without the driver's before them; a "
		"parent that vgpud does not\n"
		"have is left for it to choose. What can't be defined is said, "
		"and the rest is.",
	.example = "  $ mdevctl list -d --dumpjson | vgpuctl import - "
		   "--type bochs-16m\n",
	.options = options,
	.n_options = N_OPTIONS,
	.operand = "FILE",
	.target = ASKS_VGPUD,
	.run = run,
};
