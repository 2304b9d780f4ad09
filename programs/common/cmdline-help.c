/* SPDX-License-Identifier: MIT */
/* What --help prints. */
#include <stdio.h>
#include <string.h>

#include "cmdline.h"

#define WIDTH  80
#define INDENT 26 /* of what an option does */

/* The words of @text, in lines up to WIDTH; the first begins at @column. */
static void print_wrapped(const char *text, int column)
{
	while (*text) {
		int len = (int)strcspn(text, " ");

		if (column + 1 + len > WIDTH)
			column = printf("\n%*s", INDENT, "") - 1;
		column +=
			printf("%s%.*s", column > INDENT ? " " : "", len, text);
		text += len;
		text += *text == ' ';
	}
	putchar('\n');
}

static void print_option(const struct cmd_option *o)
{
	char letter[] = "-x, ";
	int n;

	letter[1] = o->letter;
	n = printf("  %s--%s%s%s", o->letter ? letter : "    ", o->name,
		   o->arg ? " " : "", o->arg ? o->arg : "");
	if (n + 2 > INDENT)
		n = printf("\n") - 1;
	printf("%*s", INDENT - n, "");
	print_wrapped(o->help, INDENT);
}

static void print_program_options(const struct cmd_program *p,
				  const struct cmd_verb *verb)
{
	if (p->options_title)
		printf("\n%s\n", p->options_title);
	for (const struct cmd_option *o = p->options; o->name; o++) {
		if (cmd_hides(verb, o))
			continue;
		if (o->heading)
			printf("\n%s\n", o->heading);
		print_option(o);
	}
}

static void print_verb_help(const struct cmd_program *p,
			    const struct cmd_verb *verb)
{
	const char *note = p->verb_note ? p->verb_note(verb) : NULL;

	printf("Usage: %s %s [OPTION...]%s%s\n\n%s\n", p->name, verb->name,
	       verb->operand ? " " : "", verb->operand ? verb->operand : "",
	       verb->text);
	if (note)
		printf("\n%s\n", note);
	if (verb->n_options)
		puts("\nOptions:");
	for (size_t i = 0; i < verb->n_options; i++)
		print_option(&verb->options[i]);
	print_program_options(p, verb);
	printf("\nExample:\n%s\n%s\n", verb->example, p->verb_tail);
}

void cmd_print_help(const struct cmd_program *p, const struct cmd_verb *verb)
{
	if (verb && verb->text) {
		print_verb_help(p, verb);
		return;
	}
	printf("Usage: %s\n\n%s\n", p->usage, p->about);
	if (p->verbs)
		printf("\n%s\n", p->verbs_title);
	for (size_t i = 0; p->verbs && p->verbs[i]; i++)
		printf("  %-12s  %s\n", p->verbs[i]->name,
		       p->verbs[i]->summary);
	print_program_options(p, NULL);
	printf("\n%s\n", p->tail);
}
