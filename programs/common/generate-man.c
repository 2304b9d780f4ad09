/* SPDX-License-Identifier: MIT */
/* The manual page. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cmdline.h"
#include "generate.h"

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

static void print_heading(const struct cmd_option *o)
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
}

static void print_help(const struct cmd_option *o)
{
	print_text(o->help);
	puts(".");
}

static void print_verb(const struct cmd_verb *verb)
{
	fputs(".SS \"", stdout);
	print_text(verb->name);
	printf("%s%s", verb->n_options ? " [OPTION...]" : "",
	       verb->operand ? " " : "");
	print_text(verb->operand ? verb->operand : "");
	puts("\"");
	print_text(verb->text);
	putchar('\n');
	for (size_t i = 0; i < verb->n_options; i++) {
		print_heading(&verb->options[i]);
		print_help(&verb->options[i]);
	}
	puts(".PP\n.nf\n.RS");
	print_text(verb->example);
	puts(".RE\n.fi");
}

/* Its index; -1: there is none. */
static int find_option(const char *name)
{
	for (int i = 0; this_program.options[i].name; i++)
		if (!strcmp(this_program.options[i].name, name))
			return i;
	fprintf(stderr, "%s has no option --%s\n", this_program.name, name);
	return -1;
}

int generate_man(FILE *page)
{
	const struct cmd_option *options = this_program.options, *due = NULL;
	bool there[CMD_MAX_OPTIONS] = { false };
	char line[1024];
	int err = 0;

	while (fgets(line, sizeof(line), page)) {
		int i;

		/* Nobody has written of the one above. */
		if (due && (line[0] == '@' || !strncmp(line, ".S", 2) ||
			    !strncmp(line, ".PP", 3)))
			print_help(due);
		due = NULL;
		if (!strcmp(line, "@VERBS\n")) {
			for (i = 0; this_program.verbs[i]; i++)
				print_verb(this_program.verbs[i]);
		} else if (!strncmp(line, "@--", 3)) {
			line[strcspn(line, "\n")] = '\0';
			i = find_option(line + 3);
			if (i < 0)
				return -1;
			there[i] = true;
			due = &options[i];
			print_heading(due);
		} else {
			fputs(line, stdout);
		}
	}
	for (int i = 0; options[i].name; i++)
		if (!there[i]) {
			fprintf(stderr, "%s: no line @--%s in its page\n",
				this_program.name, options[i].name);
			err = -1;
		}
	return err;
}
