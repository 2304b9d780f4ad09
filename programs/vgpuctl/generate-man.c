/* SPDX-License-Identifier: MIT */
/* The manual page. */
#include <stdio.h>
#include <string.h>

#include "generate.h"
#include "verbs.h"

/* Text for a page: backslashes, hyphens that are to be pasted, and lines that
 * begin with what roff takes for a command. */
static void print_text(const char *text)
{
	bool start = true;

	for (; *text; text++) {
		if (start && (*text == '.' || *text == '\''))
			fputs("\\&", stdout);
		if (*text == '\\')
			fputs("\\e", stdout);
		else if (*text == '-')
			fputs("\\-", stdout);
		else
			putchar(*text);
		start = *text == '\n';
	}
}

static void print_option(const struct verb_option *o)
{
	puts(".TP");
	if (o->letter)
		printf("\\fB\\-%c\\fR, ", o->letter);
	fputs("\\fB\\-\\-", stdout);
	print_text(o->name);
	fputs("\\fR", stdout);
	if (o->arg) {
		fputs(" \\fI", stdout);
		print_text(o->arg);
		fputs("\\fR", stdout);
	}
	putchar('\n');
	print_text(o->help);
	puts(".");
}

static void print_verb(const struct verb *verb)
{
	fputs(".SS \"", stdout);
	print_text(verb->name);
	printf("%s%s", verb->n_options ? " [OPTION...]" : "",
	       verb->operand ? " " : "");
	print_text(verb->operand ? verb->operand : "");
	puts("\"");
	print_text(verb->text);
	putchar('\n');
	for (size_t i = 0; i < verb->n_options; i++)
		print_option(&verb->options[i]);
	puts(".PP\n.nf\n.RS");
	print_text(verb->example);
	puts(".RE\n.fi");
}

void generate_man(void)
{
	puts(".\\\" SPDX-License-Identifier: MIT\n"
	     ".\\\" Generated from the table of verbs in programs/vgpuctl.\n"
	     ".TH VGPUCTL 1 \"\" \"vgpud " VGPU_VERSION "\" \"User Commands\"\n"
	     ".SH NAME\n"
	     "vgpuctl \\- make, run and look at virtual GPUs\n"
	     ".SH SYNOPSIS\n"
	     ".B vgpuctl\n"
	     ".RI [ OPTION \\&.\\|.\\|.]\n"
	     ".I VERB\n"
	     ".RI [ OPTION \\&.\\|.\\|.]\n"
	     ".SH DESCRIPTION\n"
	     ".B vgpuctl\n"
	     "asks\n"
	     ".BR vgpud (8),\n"
	     "which keeps the virtual GPUs of a machine, and each vGPU's own "
	     "process,\n"
	     ".BR vgpu\\-device (1).\n"
	     "A vGPU is named by its UUID, the first 4 digits of it or more as "
	     "long as no\n"
	     "other one's begins so, or its label.\n"
	     ".PP\n"
	     "A\n"
	     ".B vgpu\\-device\n"
	     "that runs without\n"
	     ".B vgpud\n"
	     "is asked with\n"
	     ".B \\-\\-control\\-path\n"
	     "in the place of a name.\n"
	     ".SH VERBS");
	for (size_t i = 0; verbs[i]; i++)
		print_verb(verbs[i]);
	puts(".SH OPTIONS\n"
	     "These may stand before or behind the verb.");
	for (size_t i = 0; global_options[i].name; i++)
		print_option(&global_options[i]);
	puts(".PP\n"
	     "JSON is what the control sockets answer. It is described in\n"
	     ".IR io.vgpud.Manager.varlink \" and \" io.vgpud.Device.varlink\n"
	     "in vgpud's\n"
	     ".IR share/vgpu/varlink .\n"
	     ".SH EXIT STATUS\n"
	     ".TP\n.B 0\nDone.\n"
	     ".TP\n.B 1\nIt was asked, and could not be done; or\n"
	     ".B doctor\nhas found a problem.\n"
	     ".TP\n.B 2\nThe command line makes no sense.\n"
	     ".TP\n.B 3\nNobody answers on the control socket.\n"
	     ".TP\n.B 4\nThere is no such vGPU, type or parent, or the name "
	     "may be of several.\n"
	     ".SH ENVIRONMENT\n"
	     ".TP\n.B VGPUD_CONTROL\n"
	     "vgpud's control socket. Without it,\n"
	     ".I /run/vgpud/control.sock\n"
	     "for root, and\n"
	     ".I $XDG_RUNTIME_DIR/vgpud/control.sock\n"
	     "for others, who fall back on the former.\n"
	     ".TP\n.B VGPU_CONTROL_PATH\n"
	     "What\n.B \\-\\-control\\-path\nsays otherwise.\n"
	     ".SH SEE ALSO\n"
	     ".BR vgpud (8),\n"
	     ".BR vgpud.conf (5),\n"
	     ".BR vgpu\\-device (1),\n"
	     ".BR vgpu\\-tree (1),\n"
	     ".BR varlinkctl (1)");
}
