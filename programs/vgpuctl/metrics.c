/* SPDX-License-Identifier: MIT */
/* vgpuctl metrics: counters for Prometheus. */
#include <stdio.h>

#include "call.h"
#include "control/json.h"

static int run(struct ctl *ctl)
{
	struct control_result res;
	const char *text;
	int code = ctl_call(ctl, IO_VGPUD_MANAGER "Metrics", NULL, &res);

	if (code)
		return code;
	if (ctl->json) {
		code = ctl_print_json(res.parameters);
	} else {
		/* Lines as they are, but for what steers a terminal. */
		for (text = json_get_string(res.parameters, "text", ""); *text;
		     text++) {
			unsigned char c = (unsigned char)*text;

			putchar(c == '\n' || (c >= 0x20 && c < 0x7f) ? c : '?');
		}
		code = ctl_flush();
	}
	control_result_release(&res);
	return code;
}

const struct cmd_verb verb_metrics = {
	.name = "metrics",
	.summary = "everything that is counted, for Prometheus",
	.text = "Prints all counters and gauges in Prometheus' text format: "
		"for node_exporter's\n"
		"textfile collector, say.",
	.example =
		"  $ vgpuctl metrics > /var/lib/node_exporter/vgpu.prom.new\n",
	.target = ASKS_VGPUD,
	.run = run,
};
