/* SPDX-License-Identifier: MIT */
/* vgpuctl show, define, create, start, stop, remove, modify: a vGPU's life. */
#include <string.h>

#include "control/json.h"
#include "instance.h"

/* Print the vGPU of an answer whole, or its name alone. */
static int print_instance(struct ctl *ctl, struct control_result *res,
			  bool whole)
{
	struct json_object *i = json_member(res->parameters, "instance");
	int code;

	if (ctl->json) {
		code = ctl_print_json(i);
	} else {
		if (whole)
			instance_print(i);
		else
			ctl_print_line("%s", json_get_string(i, "uuid", "?"));
		code = ctl_flush();
	}
	control_result_release(res);
	return code;
}

/* Call a method of Manager that answers with an instance, or with nothing. */
static int call_and_print(struct ctl *ctl, const char *method,
			  struct json_object *params, bool whole)
{
	struct control_result res;
	int code = ctl_call(ctl, method, params, &res);

	if (code)
		return code;
	if (json_member(res.parameters, "instance"))
		return print_instance(ctl, &res, whole);
	if (ctl->json)
		code = ctl_print_json(res.parameters);
	control_result_release(&res);
	return code;
}

/* ---- show, start ---------------------------------------------------- */

static int run_show(struct ctl *ctl)
{
	return call_and_print(ctl, IO_VGPUD_MANAGER "Show",
			      ctl_named(ctl->operand), true);
}

const struct verb verb_show = {
	.name = "show",
	.summary = "all that vgpud knows of a vGPU",
	.text = "Prints what a vGPU is, how it is, and where its sockets are.",
	.example = "  $ vgpuctl show desk\n"
		   "  $ vgpuctl show 5f0c -o json | jq -r .socket\n",
	.operand = "NAME",
	.target = ASKS_VGPUD,
	.run = run_show,
};

static int run_start(struct ctl *ctl)
{
	return call_and_print(ctl, IO_VGPUD_MANAGER "Start",
			      ctl_named(ctl->operand), false);
}

const struct verb verb_start = {
	.name = "start",
	.summary = "run a vGPU that is defined",
	.text = "Starts the vGPU's process. When this returns its socket "
		"listens. Prints its UUID.",
	.example = "  $ vgpuctl start desk\n",
	.operand = "NAME",
	.target = ASKS_VGPUD,
	.run = run_start,
};

/* ---- define, create ------------------------------------------------- */

enum {
	OPT_UUID,
	OPT_PARENT,
	OPT_LABEL,
	OPT_AUTOSTART,
	OPT_POLICY,
	N_DEFINE,
	OPT_TRANSIENT = N_DEFINE,
	N_CREATE
};

static const struct verb_option new_options[N_CREATE] = {
	[OPT_UUID] = { 'u', "uuid", "UUID",
		       "its name (default: a random one)" },
	[OPT_PARENT] = { 'p', "parent", "PARENT",
			 "whose (default: the first with room for it)" },
	[OPT_LABEL] = { 'l', "label", "LABEL", "another name, for people" },
	[OPT_AUTOSTART] = { 'a', "autostart", NULL,
			    "start it whenever vgpud starts" },
	[OPT_POLICY] = { 0, "policy", "restart|stop|fail",
			 "what follows when its process dies" },
	[OPT_TRANSIENT] = { 0, "transient", NULL,
			    "forget it when it is stopped" },
};

/* Add the options that were given, under the names they have. */
static struct json_object *new_params(const struct ctl *ctl)
{
	struct json_object *params = json_object_new_object();

	json_set_string(&params, "type", ctl->operand);
	for (size_t i = 0; i < N_CREATE; i++) {
		if (!ctl->values[i])
			continue;
		if (new_options[i].arg)
			json_set_string(&params, new_options[i].name,
					ctl->values[i]);
		else
			json_set_bool(&params, new_options[i].name, true);
	}
	return params;
}

static int run_define(struct ctl *ctl)
{
	return call_and_print(ctl, IO_VGPUD_MANAGER "Define", new_params(ctl),
			      false);
}

static int run_create(struct ctl *ctl)
{
	return call_and_print(ctl, IO_VGPUD_MANAGER "Create", new_params(ctl),
			      false);
}

const struct verb verb_define = {
	.name = "define",
	.summary = "store a vGPU, to be started later",
	.text = "Stores a vGPU of a type: it takes its part of the parent, and "
		"survives restarts\n"
		"of vgpud and of the machine. Prints its UUID.",
	.example = "  $ vgpuctl define bochs-16m --label desk --autostart\n",
	.options = new_options,
	.n_options = N_DEFINE,
	.operand = "TYPE",
	.target = ASKS_VGPUD,
	.run = run_define,
};

const struct verb verb_create = {
	.name = "create",
	.summary = "define a vGPU and start it",
	.text = "Makes a vGPU of a type and starts it. If that fails nothing "
		"is left of it. Prints\n"
		"its UUID.",
	.example = "  $ vgpuctl create bochs-16m --label desk\n"
		   "  $ uuid=$(vgpuctl create bochs-64m --transient)\n",
	.options = new_options,
	.n_options = N_CREATE,
	.operand = "TYPE",
	.target = ASKS_VGPUD,
	.run = run_create,
};

/* ---- stop, remove --------------------------------------------------- */

enum { OPT_FORCE, N_END };

static const struct verb_option end_options[N_END] = {
	[OPT_FORCE] = { 'f', "force", NULL,
			"even if a VMM uses it, which loses its device" },
};

static struct json_object *end_params(const struct ctl *ctl)
{
	struct json_object *params = ctl_named(ctl->operand);

	if (ctl->values[OPT_FORCE])
		json_set_bool(&params, "force", true);
	return params;
}

static int run_stop(struct ctl *ctl)
{
	return call_and_print(ctl, IO_VGPUD_MANAGER "Stop", end_params(ctl),
			      false);
}

static int run_remove(struct ctl *ctl)
{
	return call_and_print(ctl, IO_VGPUD_MANAGER "Remove", end_params(ctl),
			      false);
}

const struct verb verb_stop = {
	.name = "stop",
	.summary = "end a vGPU's process",
	.text = "Stops a vGPU; it remains defined, unless it is a transient "
		"one. One that a VMM\n"
		"uses is left alone without --force.",
	.example = "  $ vgpuctl stop desk\n",
	.options = end_options,
	.n_options = N_END,
	.operand = "NAME",
	.target = ASKS_VGPUD,
	.run = run_stop,
};

const struct verb verb_remove = {
	.name = "remove",
	.summary = "stop a vGPU and forget it",
	.text = "Stops a vGPU and removes its definition. One that a VMM uses "
		"is left alone\n"
		"without --force.",
	.example = "  $ vgpuctl remove desk\n",
	.options = end_options,
	.n_options = N_END,
	.operand = "NAME",
	.target = ASKS_VGPUD,
	.run = run_remove,
};

/* ---- modify --------------------------------------------------------- */

enum { MOD_TYPE, MOD_LABEL, MOD_AUTOSTART, MOD_POLICY, N_MODIFY };

static const struct verb_option modify_options[N_MODIFY] = {
	[MOD_TYPE] = { 0, "type", "TYPE",
		       "another type; of a stopped one only" },
	[MOD_LABEL] = { 'l', "label", "LABEL", "another label; '': none" },
	[MOD_AUTOSTART] = { 'a', "autostart", "yes|no",
			    "start it whenever vgpud starts" },
	[MOD_POLICY] = { 0, "policy", "restart|stop|fail",
			 "what follows when its process dies" },
};

static int run_modify(struct ctl *ctl)
{
	struct json_object *params = ctl_named(ctl->operand);
	const char *autostart = ctl->values[MOD_AUTOSTART];
	bool any = false;

	for (size_t i = 0; i < N_MODIFY; i++) {
		if (!ctl->values[i])
			continue;
		any = true;
		if (i != MOD_AUTOSTART)
			json_set_string(&params, modify_options[i].name,
					ctl->values[i]);
		else
			json_set_bool(&params, "autostart",
				      !strcmp(autostart, "yes"));
	}
	if (any)
		return call_and_print(ctl, IO_VGPUD_MANAGER "Modify", params,
				      true);
	json_object_put(params);
	return ctl_fail(EXIT_USAGE, "modify: what is to be changed? Say one of "
				    "the options that 'vgpuctl modify --help' "
				    "lists");
}

const struct verb verb_modify = {
	.name = "modify",
	.summary = "change a vGPU's definition",
	.text = "Changes what is said, leaves the rest, and prints the result.",
	.example = "  $ vgpuctl modify desk --label office --autostart yes\n",
	.options = modify_options,
	.n_options = N_MODIFY,
	.operand = "NAME",
	.target = ASKS_VGPUD,
	.run = run_modify,
};
