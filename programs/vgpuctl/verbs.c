/* SPDX-License-Identifier: MIT */
#include "verbs.h"

#include <stdio.h>
#include <string.h>

const struct verb *const verbs[] = {
	&verb_decode,
	&verb_info,
	&verb_screenshot,
	&verb_stats,
	NULL,
};

const struct verb_option global_options[] = {
	{ 'c', "control-path", "PATH",
	  "whom to ask (default: $VGPU_CONTROL_PATH)" },
	{ 't', "timeout", "SECONDS",
	  "how long to wait for an answer (default: 10)" },
	{ 'j', "json", NULL, "print JSON, for scripts" },
	{ 'h', "help", NULL, "explain the verb, or vgpuctl itself" },
	{ 0, "version", NULL, "print the version" },
	{ 0, NULL, NULL, NULL },
};

static void print_option(const struct verb_option *o)
{
	char left[64], letter[] = "-x, ";

	letter[1] = o->letter;
	snprintf(left, sizeof(left), "%s--%s%s%s", o->letter ? letter : "    ",
		 o->name, o->arg ? " " : "", o->arg ? o->arg : "");
	printf("  %-26s  %s\n", left, o->help);
}

static void print_global_options(void)
{
	for (size_t i = 0; global_options[i].name; i++)
		print_option(&global_options[i]);
}

void verbs_help(void)
{
	puts("Usage: vgpuctl [OPTION...] VERB [OPTION...]\n"
	     "\n"
	     "Asks a running vgpu-device about its vGPU.\n"
	     "\n"
	     "Verbs ('vgpuctl VERB --help' explains one):");
	for (size_t i = 0; verbs[i]; i++)
		printf("  %-12s  %s\n", verbs[i]->name, verbs[i]->summary);
	puts("\nOptions of all verbs:");
	print_global_options();
	puts("\n"
	     "Example:\n"
	     "  $ vgpu-device --type bochs-16m --socket-path /tmp/vgpu.sock "
	     "\\\n"
	     "        --control-path /tmp/vgpu-control.sock &\n"
	     "  $ export VGPU_CONTROL_PATH=/tmp/vgpu-control.sock\n"
	     "  $ vgpuctl info\n"
	     "  $ vgpuctl screenshot -o screen.png\n"
	     "\n"
	     "Exit status: 0 done; 1 it could not be done; 2 wrong command "
	     "line;\n"
	     "3 nobody answers on the control socket.");
}

void verb_help(const struct verb *verb)
{
	printf("Usage: vgpuctl %s [OPTION...]%s%s\n\n%s\n", verb->name,
	       verb->operand ? " " : "", verb->operand ? verb->operand : "",
	       verb->text);
	if (verb->n_options)
		puts("\nOptions:");
	for (size_t i = 0; i < verb->n_options; i++)
		print_option(&verb->options[i]);
	puts("\nOptions of all verbs:");
	print_global_options();
	printf("\nExample:\n%s", verb->example);
}
