/* SPDX-License-Identifier: MIT */
#include "verbs.h"

#include <stdio.h>
#include <string.h>

const struct verb *const verbs[] = {
	&verb_attach_args, &verb_create, &verb_decode,	   &verb_define,
	&verb_doctor,	   &verb_events, &verb_import,	   &verb_info,
	&verb_list,	   &verb_log,	 &verb_metrics,	   &verb_modify,
	&verb_parents,	   &verb_remove, &verb_screenshot, &verb_show,
	&verb_start,	   &verb_stats,	 &verb_stop,	   &verb_top,
	&verb_types,	   NULL,
};

const struct verb_option global_options[] = {
	{ 'o', "output", "text|json", "what to print: for people, or scripts" },
	{ 'j', "json", NULL, "the same as --output json" },
	{ 'c', "control-path", "FILE",
	  "a vgpu-device's control socket: for one that runs without vgpud "
	  "($VGPU_CONTROL_PATH)" },
	{ 0, "vgpud", "FILE", "vgpud's control socket ($VGPUD_CONTROL)" },
	{ 't', "timeout", "SECONDS",
	  "how long to wait for an answer (default: 10)" },
	{ 'h', "help", NULL, "explain the verb, or vgpuctl itself" },
	{ 0, "version", NULL, "print the version" },
	{ 0, NULL, NULL, NULL },
};

const char exit_codes_text[] =
	"0 done; 1 it could not be done; 2 wrong command line; 3 nobody "
	"answers on\n"
	"the control socket; 4 there is no such vGPU, type or parent.";

bool verb_option_takes(const struct verb_option *option, const char *value)
{
	size_t len = strlen(value);

	for (const char *p = option->arg; p; p = strchr(p, '|')) {
		p += *p == '|';
		if (!strncmp(p, value, len) && (!p[len] || p[len] == '|'))
			return len > 0;
	}
	return false;
}

bool verb_hides(const struct verb *verb, const struct verb_option *global)
{
	for (size_t i = 0; verb && i < verb->n_options; i++)
		if ((global->letter &&
		     verb->options[i].letter == global->letter) ||
		    !strcmp(verb->options[i].name, global->name))
			return true;
	return false;
}

static void print_option(const struct verb_option *o)
{
	char left[80], letter[] = "-x, ";

	letter[1] = o->letter;
	snprintf(left, sizeof(left), "%s--%s%s%s", o->letter ? letter : "    ",
		 o->name, o->arg ? " " : "", o->arg ? o->arg : "");
	printf("  %-26s  %s\n", left, o->help);
}

static void print_global_options(const struct verb *verb)
{
	for (size_t i = 0; global_options[i].name; i++)
		if (!verb_hides(verb, &global_options[i]))
			print_option(&global_options[i]);
}

void verbs_help(void)
{
	puts("Usage: vgpuctl [OPTION...] VERB [OPTION...]\n"
	     "\n"
	     "Makes, runs and looks at vGPUs.\n"
	     "\n"
	     "Verbs ('vgpuctl VERB --help' explains one):");
	for (size_t i = 0; verbs[i]; i++)
		printf("  %-12s  %s\n", verbs[i]->name, verbs[i]->summary);
	puts("\nOptions of all verbs:");
	print_global_options(NULL);
	printf("\n"
	       "Example:\n"
	       "  $ vgpuctl types\n"
	       "  $ vgpuctl create bochs-16m --label desk\n"
	       "  $ vgpuctl attach-args desk --qemu\n"
	       "  $ vgpuctl screenshot desk -o screen.png\n"
	       "\n"
	       "Exit status: %s\n",
	       exit_codes_text);
}

static void print_target(enum verb_target target)
{
	if (target == ASKS_DEVICE)
		puts("\nNAME: of a vGPU that vgpud has: its label, its UUID, "
		     "or "
		     "the UUID's first\n"
		     "4 digits or more. Without one, --control-path says whom "
		     "to ask.");
	else if (target == ASKS_VGPUD)
		puts("\nIt asks vgpud: yours, if one runs, or else the "
		     "system's.");
}

void verb_help(const struct verb *verb)
{
	printf("Usage: vgpuctl %s [OPTION...]%s%s\n\n%s\n", verb->name,
	       verb->operand ? " " : "", verb->operand ? verb->operand : "",
	       verb->text);
	print_target(verb->target);
	if (verb->n_options)
		puts("\nOptions:");
	for (size_t i = 0; i < verb->n_options; i++)
		print_option(&verb->options[i]);
	puts("\nOptions of all verbs:");
	print_global_options(verb);
	printf("\nExample:\n%s\nExit status: %s\n", verb->example,
	       exit_codes_text);
}
