/* SPDX-License-Identifier: MIT */
#include "verbs.h"

#include <stddef.h>

static const struct cmd_verb *const verbs[] = {
	&verb_attach_args, &verb_create, &verb_decode,	   &verb_define,
	&verb_doctor,	   &verb_events, &verb_import,	   &verb_info,
	&verb_list,	   &verb_log,	 &verb_metrics,	   &verb_modify,
	&verb_parents,	   &verb_remove, &verb_screenshot, &verb_show,
	&verb_start,	   &verb_stats,	 &verb_stop,	   &verb_top,
	&verb_types,	   NULL,
};

#define AT(member) .at = offsetof(struct ctl, member)

static const struct cmd_option options[] = {
	{ 'o', "output", "text|json", "what to print: for people, or scripts",
	  cmd_choice, AT(json) },
	{ 'j', "json", NULL, "the same as --output json", cmd_const, AT(json),
	  1 },
	{ 'c', "control-path", "FILE",
	  "a vgpu-device's control socket: for one that runs without vgpud "
	  "($VGPU_CONTROL_PATH)",
	  AT(control_path) },
	{ 0, "vgpud", "FILE", "vgpud's control socket ($VGPUD_CONTROL)",
	  AT(vgpud_path) },
	{ 't', "timeout", "SECONDS",
	  "how long to wait for an answer (default: 10)", cmd_seconds,
	  AT(timeout), 0.001, 3600 },
	{ 'h', "help", NULL, "explain the verb, or vgpuctl itself",
	  .take = cmd_help },
	{ 0, "version", NULL, "print the version", .take = cmd_version },
	{ 0 },
};

#define EXIT_CODES                                                             \
	"Exit status: 0 done; 1 it could not be done; 2 wrong command "        \
	"line; 3 nobody\n"                                                     \
	"answers on the control socket; 4 there is no such vGPU, type or "     \
	"parent."

static const char *say_target(const struct cmd_verb *verb)
{
	if (verb->target == ASKS_DEVICE)
		return "NAME: of a vGPU that vgpud has: its label, its UUID, "
		       "or the UUID's first\n"
		       "4 digits or more. Without one, --control-path says "
		       "whom to ask.";
	if (verb->target == ASKS_VGPUD)
		return "It asks vgpud: yours, if one runs, or else the "
		       "system's.";
	return NULL;
}

const struct cmd_program this_program = {
	.name = "vgpuctl",
	.usage = "vgpuctl [OPTION...] VERB [OPTION...]",
	.about = "Makes, runs and looks at vGPUs.",
	.options = options,
	.options_title = "Options of all verbs:",
	.tail = "Example:\n"
		"  $ vgpuctl types\n"
		"  $ vgpuctl create bochs-16m --label desk\n"
		"  $ vgpuctl attach-args desk --qemu\n"
		"  $ vgpuctl screenshot desk -o screen.png\n"
		"\n" EXIT_CODES,
	.verbs = verbs,
	.verbs_title = "Verbs ('vgpuctl VERB --help' explains one):",
	.verb_word = "verb",
	.missing = "a verb is missing: what is to be done?",
	.verb_note = say_target,
	.verb_tail = EXIT_CODES,
};
