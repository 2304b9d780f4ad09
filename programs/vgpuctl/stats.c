/* SPDX-License-Identifier: MIT */
/* vgpuctl stats: what the vGPU has done. */
#include <inttypes.h>
#include <stdio.h>

#include "call.h"
#include "control/json.h"

/* A map of counts; @errors, where it is not NULL, has some of the keys. */
static void print_counts(const char *title, struct json_object *counts,
			 struct json_object *errors)
{
	if (!json_object_is_type(counts, json_type_object) ||
	    !json_object_object_length(counts))
		return;
	ctl_print_line("%s", title);
	json_object_object_foreach(counts, key, value)
	{
		int64_t n = json_object_get_int64(value);
		int64_t failed = json_get_int(errors, key, 0);

		if (failed)
			ctl_print_line("%14" PRId64 "  %s (%" PRId64
				       " answered with an error)",
				       n, key, failed);
		else
			ctl_print_line("%14" PRId64 "  %s", n, key);
	}
}

static void print_count(struct json_object *stats, const char *key,
			const char *label)
{
	ctl_print_line("%14" PRId64 "  %s", json_get_int(stats, key, 0), label);
}

static int run(struct ctl *ctl)
{
	struct control_result res;
	struct json_object *p;
	int code;

	code = ctl_call(ctl, IO_VGPUD_DEVICE "Stats", NULL, &res);
	if (code)
		return code;
	p = res.parameters;
	if (ctl->json) {
		code = ctl_print_json(p);
	} else {
		print_counts("requests", json_member(p, "requests"),
			     json_member(p, "errors"));
		print_counts("interrupts", json_member(p, "interrupts"), NULL);
		print_counts("resets", json_member(p, "resets"), NULL);
		ctl_print_line("data");
		print_count(p, "read_bytes", "bytes read by messages");
		print_count(p, "write_bytes", "bytes written by messages");
		ctl_print_line("memory of the client");
		print_count(json_member(p, "dma"), "mapped", "bytes mapped");
		print_count(json_member(p, "dma"), "pinned", "bytes pinned");
		ctl_print_line("clients");
		print_count(p, "clients", "served");
		print_count(p, "refused", "refused, as there was one already");
		ctl_print_line("this connection");
		print_count(p, "rx_bytes", "bytes received");
		print_count(p, "tx_bytes", "bytes sent");
		print_count(p, "stalls", "stalls");
		code = ctl_flush();
	}
	control_result_release(&res);
	return code;
}

const struct cmd_verb verb_stats = {
	.name = "stats",
	.summary = "count of messages, interrupts, resets and bytes",
	.text = "Prints what the vGPU has served since its vgpu-device "
		"started: messages by\n"
		"command, interrupts by kind, resets by reason, bytes that the "
		"guest read and\n"
		"wrote through messages. 'stalls' counts how often a reply had "
		"to wait because\n"
		"the client did not read. A guest that draws into mapped "
		"memory adds nothing to\n"
		"any of them: that costs no message.",
	.example =
		"  $ vgpuctl stats desk\n"
		"  $ vgpuctl stats desk -o json | jq .requests.region_write\n",
	.operand = "[NAME]",
	.target = ASKS_DEVICE,
	.run = run,
};
