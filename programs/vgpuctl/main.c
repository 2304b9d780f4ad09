/* SPDX-License-Identifier: MIT */
/* vgpuctl: the operator's tool. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "control/manager-path.h"
#include "util/std-fds.h"
#include "verbs.h"

int main(int argc, char **argv)
{
	struct ctl ctl = { .control_path = getenv("VGPU_CONTROL_PATH"),
			   .timeout = CONTROL_CALL_TIMEOUT_MS / 1000.0 };
	struct cmd_line line;
	int code;

	if (std_fds_reserve())
		return EXIT_FAILED;
	signal(SIGPIPE, SIG_IGN);
	ctl.vgpud_path = control_manager_path(ctl.vgpud_buf);
	code = cmd_parse(&this_program, argc, argv, &ctl, &line);
	if (code >= 0)
		return code;
	ctl.timeout_ms = (int)(ctl.timeout * 1000);
	ctl.verb = line.verb;
	memcpy(ctl.values, line.values, sizeof(ctl.values));
	ctl.operands = line.operands;
	ctl.n_operands = line.n_operands;
	ctl.operand = line.n_operands ? line.operands[0] : NULL;
	code = ctl_find(&ctl, line.verb);
	return code ? code : line.verb->run(&ctl);
}
