/* SPDX-License-Identifier: MIT */
/* vgpuctl events: what happens, as it happens. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/json.h"
#include "instance.h"

enum { OPT_AFTER, OPT_COUNT, N_OPTIONS };

static const struct cmd_option options[N_OPTIONS] = {
	[OPT_AFTER] = { 0, "after", "N", "begin with what came after event N" },
	[OPT_COUNT] = { 'n', "count", "N", "end after N events" },
};

static void print_text(struct json_object *event)
{
	int64_t us = json_get_int(event, "time", 0);
	const char *label = json_get_string(event, "label", NULL);
	const char *message = json_get_string(event, "message", NULL);
	time_t seconds = (time_t)(us / 1000000);
	char when[32] = "?";
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(when, sizeof(when), "%F %T", &tm);
	ctl_print_line("%6" PRId64 " %s %-9s %s%s%s%s%s%s",
		       json_get_int(event, "sequence", -1), when,
		       json_get_string(event, "kind", "?"),
		       json_get_string(event, "uuid", ""), label ? " (" : "",
		       label ? label : "", label ? ")" : "",
		       message ? ": " : "", message ? message : "");
}

static int parse_number(const char *name, const char *text, int64_t *ret)
{
	char *end;
	long long value;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno)
		return ctl_fail(EXIT_USAGE,
				"events: --%s is a number, not '%s'", name,
				text);
	*ret = value;
	return 0;
}

static int follow(struct ctl *ctl, struct control_client *client,
		  struct json_object *params, int64_t count)
{
	const char *method = IO_VGPUD_MANAGER "Subscribe";
	struct control_result res = { 0 };
	bool more = true, begun = false;
	int err, code = 0;

	err = control_client_call(client, method, params, true, &res);
	while (!err && !res.error && !code && more) {
		struct json_object *event =
			json_member(res.parameters, "event");

		if (event && ctl->json)
			code = ctl_print_json_line(event);
		else if (event)
			print_text(event);
		if (event && !code)
			code = ctl_flush();
		begun = true;
		more = res.continues && !(event && !--count);
		control_result_release(&res);
		if (more && !code)
			err = control_client_next(client, -1, &res);
	}
	if (err == -ECONNRESET && begun)
		return ctl_fail(EXIT_UNREACHABLE,
				"events: vgpud has ended, or is being "
				"replaced: no more of them come");
	if (err)
		return ctl_say_unreachable(ctl, method, err);
	if (res.error) {
		code = ctl_say_error(method, &res);
		control_result_release(&res);
	}
	return code;
}

static int run(struct ctl *ctl)
{
	struct json_object *params = json_object_new_object();
	const char *after = ctl->values[OPT_AFTER];
	const char *number = ctl->values[OPT_COUNT];
	struct control_client *client = NULL;
	int64_t first = 0, count = -1;
	int code = 0, err;

	if (after)
		code = parse_number("after", after, &first);
	if (!code && number)
		code = parse_number("count", number, &count);
	if (!code && !count)
		code = ctl_fail(EXIT_USAGE, "events: --count is 1 or more");
	if (after)
		json_set_uint(&params, "after", (uint64_t)first);
	if (!code) {
		err = control_client_connect(ctl->vgpud_path, ctl->timeout_ms,
					     &client);
		code = err ? ctl_say_unreachable(ctl, IO_VGPUD_MANAGER, err)
			   : follow(ctl, client, params, count);
	}
	control_client_free(client);
	json_object_put(params);
	return code;
}

const struct cmd_verb verb_events = {
	.name = "events",
	.summary = "what happens to vGPUs, as it happens",
	.text = "Prints a line (or, with --output json, an object on a line) "
		"for each thing that\n"
		"happens, from now on, or after an event whose number is "
		"known: number, time, what,\n"
		"which vGPU. 'lost' tells that events are missing.",
	.example = "  $ vgpuctl events\n"
		   "  $ vgpuctl events -o json | jq --unbuffered -r "
		   "'select(.kind == \"failed\").message'\n",
	.options = options,
	.n_options = N_OPTIONS,
	.target = ASKS_VGPUD,
	.run = run,
};
