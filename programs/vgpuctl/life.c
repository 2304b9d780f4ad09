/* SPDX-License-Identifier: MIT */
/*
 * vgpuctl show, define, create, start, stop, remove, modify: a vGPU's life.
 *
 * Each is one method of vgpud's, so they are data: options are called as the
 * method's parameters are.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/json.h"
#include "instance.h"

#define POLICIES "restart|stop|fail"

/* Add an option that was given, under its name. Return: 0, or an exit code. */
static int add_option(struct ctl *ctl, const struct cmd_option *option,
		      const char *value, struct json_object **params)
{
	long max = (long)option->max, number;
	char *end;

	if (!option->arg) {
		json_set_bool(params, option->name, true);
	} else if (!strcmp(option->arg, "yes|no")) {
		json_set_bool(params, option->name, !strcmp(value, "yes"));
	} else if (max) {
		errno = 0;
		number = strtol(value, &end, 10);
		if (*value < '0' || *value > '9' || *end || errno ||
		    number > max)
			return ctl_fail(EXIT_USAGE,
					"%s: --%s: a number from 0 to %ld is "
					"expected, not '%s'",
					ctl->verb->name, option->name, max,
					value);
		json_set_uint(params, option->name, (uint64_t)number);
	} else {
		json_set_string(params, option->name, value);
	}
	return 0;
}

/* What the method is told of @operand. Return: 0, or an exit code. */
static int make_params(struct ctl *ctl, const char *operand,
		       struct json_object **ret_params)
{
	const struct cmd_verb *verb = ctl->verb;
	struct json_object *params = json_object_new_object();
	bool type = !strcmp(verb->operand, "TYPE");
	int code = 0;

	json_set_string(&params, type ? "type" : "name", operand);
	for (size_t i = 0; !code && i < verb->n_options; i++)
		if (ctl->values[i])
			code = add_option(ctl, &verb->options[i],
					  ctl->values[i], &params);
	if (code)
		json_object_put(params);
	else
		*ret_params = params;
	return code;
}

/* A vGPU, whole or its name alone; or nothing, which JSON says, too. */
static int print_answer(struct ctl *ctl, struct json_object *answer, bool whole)
{
	struct json_object *instance = json_member(answer, "instance");

	if (ctl->json)
		return ctl_print_json(instance ? instance : answer);
	if (instance && whole)
		instance_print(instance);
	else if (instance)
		ctl_print_line("%s", json_get_string(instance, "uuid", "?"));
	return ctl_flush();
}

static int change(struct ctl *ctl, const char *method, const char *operand,
		  bool whole)
{
	struct control_result res;
	struct json_object *params;
	int code = make_params(ctl, operand, &params);

	if (!code)
		code = ctl_call(ctl, method, params, &res);
	if (code)
		return code;
	code = print_answer(ctl, res.parameters, whole);
	control_result_release(&res);
	return code;
}

static bool any_option(const struct ctl *ctl)
{
	for (size_t i = 0; i < ctl->verb->n_options; i++)
		if (ctl->values[i])
			return true;
	return false;
}

/* @whole: print all of the vGPU that is the answer */
static const struct {
	const struct cmd_verb *verb;
	const char *method;
	bool whole;
} calls[] = {
	{ &verb_show, IO_VGPUD_MANAGER "Show", true },
	{ &verb_define, IO_VGPUD_MANAGER "Define", false },
	{ &verb_create, IO_VGPUD_MANAGER "Create", false },
	{ &verb_start, IO_VGPUD_MANAGER "Start", false },
	{ &verb_stop, IO_VGPUD_MANAGER "Stop", false },
	{ &verb_remove, IO_VGPUD_MANAGER "Remove", false },
	{ &verb_modify, IO_VGPUD_MANAGER "Modify", true },
};

/* One that fails does not keep the others from being done. */
static int run(struct ctl *ctl)
{
	size_t which = 0;
	int first = EXIT_OK, code;

	while (calls[which].verb != ctl->verb)
		which++;
	if (ctl->verb == &verb_modify && !any_option(ctl))
		return ctl_fail(EXIT_USAGE,
				"modify: what is to be changed? Say one of the "
				"options that 'vgpuctl modify --help' lists");
	for (size_t i = 0; i < ctl->n_operands; i++) {
		code = change(ctl, calls[which].method, ctl->operands[i],
			      calls[which].whole);
		if (!first)
			first = code;
		if (code == EXIT_USAGE || code == EXIT_UNREACHABLE)
			break; /* it will be so for the others, too */
	}
	return first;
}

/* ---- the verbs ------------------------------------------------------ */

#define OF_LABEL  'l', "label", "LABEL"
#define OF_POLICY 0, "policy", POLICIES, "what follows when its process dies"
#define OF_WEIGHT                                                              \
	'w', "weight", "N",                                                    \
		"its share of hardware that is shared, 1 to 10000 (0: its "    \
		"type's)",                                                     \
		.max = 10000
#define OF_CAP                                                                 \
	0, "cap", "PERCENT",                                                   \
		"of the hardware's time, at most this, 1 to 100 (0: no "       \
		"limit)",                                                      \
		.max = 100

/* --transient is create's alone, so it is the last. */
static const struct cmd_option new_options[] = {
	{ 'u', "uuid", "UUID", "its name (default: a random one)" },
	{ 'p', "parent", "PARENT",
	  "whose (default: the first with room for it)" },
	{ OF_LABEL, "another name, for people" },
	{ 'a', "autostart", NULL, "start it whenever vgpud starts" },
	{ OF_POLICY },
	{ OF_WEIGHT },
	{ OF_CAP },
	{ 0, "transient", NULL, "forget it when it is stopped" },
};

#define N_CREATE (sizeof(new_options) / sizeof(*new_options))
#define N_DEFINE (N_CREATE - 1)

static const struct cmd_option end_options[] = {
	{ 'f', "force", NULL, "even if a VMM uses it, which loses its device" },
};

static const struct cmd_option modify_options[] = {
	{ 0, "type", "TYPE", "another type; of a stopped one only" },
	{ OF_LABEL, "another label; '': none" },
	{ 'a', "autostart", "yes|no", "start it whenever vgpud starts" },
	{ OF_POLICY },
	{ OF_WEIGHT },
	{ OF_CAP },
};

const struct cmd_verb verb_show = {
	.name = "show",
	.summary = "all that vgpud knows of a vGPU",
	.text = "Prints what a vGPU is, how it is, and where its sockets are.",
	.example = "  $ vgpuctl show desk\n"
		   "  $ vgpuctl show 5f0c -o json | jq -r .socket\n",
	.operand = "NAME",
	.target = ASKS_VGPUD,
	.run = run,
};

const struct cmd_verb verb_define = {
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
	.run = run,
};

const struct cmd_verb verb_create = {
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
	.run = run,
};

const struct cmd_verb verb_start = {
	.name = "start",
	.summary = "run vGPUs that are defined",
	.text = "Starts a vGPU's process. When this returns its socket "
		"listens. Prints its UUID.",
	.example = "  $ vgpuctl start desk\n",
	.operand = "NAME...",
	.target = ASKS_VGPUD,
	.run = run,
};

const struct cmd_verb verb_stop = {
	.name = "stop",
	.summary = "end vGPUs' processes",
	.text = "Stops a vGPU; it remains defined, unless it is a transient "
		"one. One that a VMM\n"
		"uses is left alone without --force.",
	.example = "  $ vgpuctl stop desk\n",
	.options = end_options,
	.n_options = sizeof(end_options) / sizeof(*end_options),
	.operand = "NAME...",
	.target = ASKS_VGPUD,
	.run = run,
};

const struct cmd_verb verb_remove = {
	.name = "remove",
	.summary = "stop vGPUs and forget them",
	.text = "Stops a vGPU and removes its definition. One that a VMM uses "
		"is left alone\n"
		"without --force.",
	.example = "  $ vgpuctl remove desk\n"
		   "  $ vgpuctl remove $(vgpuctl list --quiet)\n",
	.options = end_options,
	.n_options = sizeof(end_options) / sizeof(*end_options),
	.operand = "NAME...",
	.target = ASKS_VGPUD,
	.run = run,
};

const struct cmd_verb verb_modify = {
	.name = "modify",
	.summary = "change a vGPU's definition",
	.text = "Changes what is said, leaves the rest, and prints the result. "
		"Weight and cap count\n"
		"at once, also for one that runs.",
	.example = "  $ vgpuctl modify desk --label office --autostart yes\n"
		   "  $ vgpuctl modify desk --weight 200 --cap 50\n",
	.options = modify_options,
	.n_options = sizeof(modify_options) / sizeof(*modify_options),
	.operand = "NAME",
	.target = ASKS_VGPUD,
	.run = run,
};
