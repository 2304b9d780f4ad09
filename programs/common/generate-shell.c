/* SPDX-License-Identifier: MIT */
/* Completions. Names of vGPUs, types and parents are asked from vgpud. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cmdline.h"
#include "generate.h"

/* The functions of each program have its name in theirs. */
static const char *prefix(void)
{
	static char name[32];

	snprintf(name, sizeof(name), "_%s", this_program.name);
	for (char *p = name; *p; p++)
		*p = *p == '-' ? '_' : *p;
	return name;
}

/* Words that complete to themselves: "a|b" as "a b". */
static void print_choices(const char *choices)
{
	for (; *choices; choices++)
		putchar(*choices == '|' ? ' ' : *choices);
}

static bool is_file(const char *arg)
{
	return strstr(arg, "FILE") || strstr(arg, "PATH") ||
	       strstr(arg, "DIR") || strstr(arg, "FOLDER");
}

/* The verb of vgpuctl that lists what an argument called @arg may be. */
static const char *asked(const char *arg)
{
	return strstr(arg, "NAME")     ? "list"
	       : strstr(arg, "TYPE")   ? "types"
	       : strstr(arg, "PARENT") ? "parents"
				       : NULL;
}

/* ---- bash ----------------------------------------------------------- */

/* A bash command that fills COMPREPLY for an argument called @arg. */
static void print_bash_values(const char *arg, const char *choices)
{
	if (choices) {
		printf("%s_words \"", prefix());
		print_choices(choices);
		fputs("\"", stdout);
	} else if (is_file(arg)) {
		printf("%s_files", prefix());
	} else if (asked(arg)) {
		printf("%s_words \"$(%s_ask %s)\"", prefix(), prefix(),
		       asked(arg));
	} else {
		fputs(":", stdout);
	}
}

static void print_bash_option(const char *verb, const struct cmd_option *o)
{
	if (!o->arg)
		return;
	printf("\t%s:--%s", verb, o->name);
	if (o->letter)
		printf(" | %s:-%c", verb, o->letter);
	fputs(") ", stdout);
	print_bash_values(o->arg, cmd_choices(o));
	puts("; return ;;");
}

static void print_bash_name(const struct cmd_option *o)
{
	if (o->letter)
		printf(" -%c", o->letter);
	printf(" --%s", o->name);
}

static void print_bash_names(const struct cmd_verb *verb)
{
	for (size_t i = 0; verb && i < verb->n_options; i++)
		print_bash_name(&verb->options[i]);
	for (const struct cmd_option *o = this_program.options; o->name; o++)
		if (!cmd_hides(verb, o))
			print_bash_name(o);
	puts("\"");
}

static void print_bash_operand(const char *operand)
{
	if (!operand)
		return;
	fputs("\t\t[[ $cur == -* ]] || { ", stdout);
	print_bash_values(operand, NULL);
	puts("; return; }");
}

/* The words that may follow each verb. */
static void print_bash_words(void)
{
	const struct cmd_verb *const *verbs = this_program.verbs;

	for (size_t i = 0; verbs && verbs[i]; i++) {
		printf("\t%s)\n\t\toptions=\"", verbs[i]->name);
		print_bash_names(verbs[i]);
		print_bash_operand(verbs[i]->operand);
		puts("\t\t;;");
	}
	fputs(verbs ? "\t'')\n\t\toptions=\"" : "\t*)\n\t\toptions=\"", stdout);
	for (size_t i = 0; verbs && verbs[i]; i++)
		printf(" %s", verbs[i]->name);
	print_bash_names(NULL);
	print_bash_operand(this_program.operand);
	puts("\t\t;;");
}

void generate_bash(void)
{
	const struct cmd_option *options = this_program.options;
	const struct cmd_verb *const *verbs = this_program.verbs;
	const char *p = prefix();

	printf("# SPDX-License-Identifier: MIT\n"
	       "# bash completion for %s; generated.\n"
	       "\n"
	       "%s_ask()\n"
	       "{\n"
	       "\tvgpuctl --timeout 1 \"$1\" --quiet 2>/dev/null\n"
	       "}\n"
	       "\n"
	       "%s_words()\n"
	       "{\n"
	       "\tCOMPREPLY=($(compgen -W \"$1\" -- \"$cur\"))\n"
	       "}\n"
	       "\n"
	       "%s_files()\n"
	       "{\n"
	       "\tcompopt -o filenames 2>/dev/null\n"
	       "\tCOMPREPLY=($(compgen -f -- \"$cur\"))\n"
	       "}\n"
	       "\n"
	       "%s()\n"
	       "{\n"
	       "\tlocal cur=${COMP_WORDS[COMP_CWORD]} "
	       "prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
	       "\tlocal verb= options= i\n"
	       "\tCOMPREPLY=()\n"
	       "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	       "\t\tcase ${COMP_WORDS[i]} in\n",
	       this_program.name, p, p, p, p);
	for (size_t i = 0; options[i].name; i++) {
		const struct cmd_option *o = &options[i];

		if (o->arg && o->letter)
			printf("\t\t-%c | --%s) ((i++)) ;;\n", o->letter,
			       o->name);
		else if (o->arg)
			printf("\t\t--%s) ((i++)) ;;\n", o->name);
	}
	puts("\t\t-*) ;;\n"
	     "\t\t*) verb=${COMP_WORDS[i]}; break ;;\n"
	     "\t\tesac\n"
	     "\tdone\n"
	     "\tcase $verb:$prev in");
	for (size_t i = 0; verbs && verbs[i]; i++)
		for (size_t k = 0; k < verbs[i]->n_options; k++)
			print_bash_option(verbs[i]->name,
					  &verbs[i]->options[k]);
	for (size_t i = 0; options[i].name; i++)
		print_bash_option("*", &options[i]);
	puts("\tesac\n"
	     "\tcase $verb in");
	print_bash_words();
	printf("\tesac\n"
	       "\t%s_words \"$options\"\n"
	       "}\n"
	       "\n"
	       "complete -F %s %s\n",
	       p, p, this_program.name);
}

/* ---- zsh ------------------------------------------------------------ */

/* Inside single quotes, where ':', '[' and ']' mean something. */
static void print_zsh_text(const char *text)
{
	for (; *text; text++) {
		if (strchr(":[]\\", *text))
			putchar('\\');
		if (*text == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*text);
	}
}

static void print_zsh_values(const char *arg, const char *choices)
{
	fputs(":", stdout);
	for (const char *p = arg; *p; p++)
		if (!strchr("[]|", *p))
			putchar(tolower((unsigned char)*p));
	fputs(":", stdout);
	if (choices) {
		fputs("(", stdout);
		print_choices(choices);
		fputs(")", stdout);
	} else if (is_file(arg)) {
		fputs("_files", stdout);
	} else if (asked(arg)) {
		printf("{%s_ask %s}", prefix(), asked(arg));
	}
}

static void print_zsh_option(const struct cmd_option *o)
{
	fputs(" \\\n\t\t\t", stdout);
	if (o->letter)
		printf("'(-%c --%s)'{-%c,--%s}'[", o->letter, o->name,
		       o->letter, o->name);
	else
		printf("'--%s[", o->name);
	print_zsh_text(o->help);
	putchar(']');
	if (o->arg)
		print_zsh_values(o->arg, cmd_choices(o));
	putchar('\'');
}

static void print_zsh_options(const struct cmd_verb *verb)
{
	const char *operand = verb ? verb->operand : this_program.operand;

	fputs("_arguments", stdout);
	if (!verb && this_program.verbs)
		fputs(" -C", stdout);
	for (size_t i = 0; verb && i < verb->n_options; i++)
		print_zsh_option(&verb->options[i]);
	for (const struct cmd_option *o = this_program.options; o->name; o++)
		if (!cmd_hides(verb, o))
			print_zsh_option(o);
	if (operand) {
		fputs(" \\\n\t\t\t'1", stdout);
		print_zsh_values(operand, NULL);
		putchar('\'');
	}
}

static void print_zsh_verbs(void)
{
	const struct cmd_verb *const *verbs = this_program.verbs;

	puts(" \\\n"
	     "\t\t\t'1:verb:->verbs' '*::arg:->verb'\n"
	     "\tif [[ $state == verbs ]]; then\n"
	     "\t\tlocal -a verbs\n"
	     "\t\tverbs=(");
	for (size_t i = 0; verbs[i]; i++) {
		printf("\t\t\t'%s:", verbs[i]->name);
		print_zsh_text(verbs[i]->summary);
		puts("'");
	}
	puts("\t\t)\n"
	     "\t\t_describe verb verbs\n"
	     "\tfi\n"
	     "\t[[ $state == verb ]] || return\n"
	     "\tcase $line[1] in");
	for (size_t i = 0; verbs[i]; i++) {
		printf("\t%s)\n\t\t", verbs[i]->name);
		print_zsh_options(verbs[i]);
		puts("\n\t\t;;");
	}
	fputs("\tesac", stdout);
}

void generate_zsh(void)
{
	const char *p = prefix();

	printf("#compdef %s\n"
	       "# SPDX-License-Identifier: MIT\n"
	       "# zsh completion for %s; generated.\n"
	       "\n"
	       "%s_ask()\n"
	       "{\n"
	       "\tlocal -a names\n"
	       "\tnames=(${(f)\"$(vgpuctl --timeout 1 $1 --quiet "
	       "2>/dev/null)\"})\n"
	       "\tcompadd -a names\n"
	       "}\n"
	       "\n"
	       "%s()\n"
	       "{\n"
	       "\tlocal curcontext=$curcontext state line\n"
	       "\t",
	       this_program.name, this_program.name, p, p);
	print_zsh_options(NULL);
	if (this_program.verbs)
		print_zsh_verbs();
	printf("\n"
	       "}\n"
	       "\n"
	       "%s \"$@\"\n",
	       p);
}
