/* SPDX-License-Identifier: MIT */
/* Completions. Names of vGPUs, types and parents are asked from vgpud. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "generate.h"
#include "verbs.h"

/* ---- bash ----------------------------------------------------------- */

/* Words that complete to themselves: "a|b" as "a b". */
static void print_choices(const char *arg)
{
	for (; *arg; arg++)
		putchar(*arg == '|' ? ' ' : *arg);
}

/* A bash command that fills COMPREPLY for an argument called @arg. */
static void print_bash_values(const char *arg)
{
	if (strchr(arg, '|')) {
		fputs("_vgpuctl_words \"", stdout);
		print_choices(arg);
		fputs("\"", stdout);
	} else if (strstr(arg, "FILE")) {
		fputs("_vgpuctl_files", stdout);
	} else if (strstr(arg, "NAME")) {
		fputs("_vgpuctl_words \"$(_vgpuctl_ask list)\"", stdout);
	} else if (strstr(arg, "TYPE")) {
		fputs("_vgpuctl_words \"$(_vgpuctl_ask types)\"", stdout);
	} else if (strstr(arg, "PARENT")) {
		fputs("_vgpuctl_words \"$(_vgpuctl_ask parents)\"", stdout);
	} else {
		fputs(":", stdout);
	}
}

static void print_bash_option(const char *verb, const struct verb_option *o)
{
	if (!o->arg)
		return;
	printf("\t%s:--%s", verb, o->name);
	if (o->letter)
		printf(" | %s:-%c", verb, o->letter);
	fputs(") ", stdout);
	print_bash_values(o->arg);
	puts("; return ;;");
}

static void print_bash_names(const struct verb_option *o)
{
	if (o->letter)
		printf(" -%c", o->letter);
	printf(" --%s", o->name);
}

/* Words after which a value follows, and the words there are for each verb. */
static void print_bash_verb(const struct verb *verb)
{
	printf("\t%s)\n\t\toptions=\"", verb->name);
	for (size_t i = 0; i < verb->n_options; i++)
		print_bash_names(&verb->options[i]);
	for (size_t i = 0; global_options[i].name; i++)
		if (!verb_hides(verb, &global_options[i]))
			print_bash_names(&global_options[i]);
	puts("\"");
	if (verb->operand) {
		fputs("\t\t[[ $cur == -* ]] || { ", stdout);
		print_bash_values(verb->operand);
		puts("; return; }");
	}
	puts("\t\t;;");
}

void generate_bash(void)
{
	puts("# SPDX-License-Identifier: MIT\n"
	     "# bash completion for vgpuctl; generated.\n"
	     "\n"
	     "_vgpuctl_ask()\n"
	     "{\n"
	     "\tvgpuctl --timeout 1 \"$1\" --quiet 2>/dev/null\n"
	     "}\n"
	     "\n"
	     "_vgpuctl_words()\n"
	     "{\n"
	     "\tCOMPREPLY=($(compgen -W \"$1\" -- \"$cur\"))\n"
	     "}\n"
	     "\n"
	     "_vgpuctl_files()\n"
	     "{\n"
	     "\tcompopt -o filenames 2>/dev/null\n"
	     "\tCOMPREPLY=($(compgen -f -- \"$cur\"))\n"
	     "}\n"
	     "\n"
	     "_vgpuctl()\n"
	     "{\n"
	     "\tlocal cur=${COMP_WORDS[COMP_CWORD]} "
	     "prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
	     "\tlocal verb= options= i\n"
	     "\tCOMPREPLY=()\n"
	     "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	     "\t\tcase ${COMP_WORDS[i]} in");
	for (size_t i = 0; global_options[i].name; i++) {
		const struct verb_option *o = &global_options[i];

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
	for (size_t i = 0; verbs[i]; i++)
		for (size_t k = 0; k < verbs[i]->n_options; k++)
			print_bash_option(verbs[i]->name,
					  &verbs[i]->options[k]);
	for (size_t i = 0; global_options[i].name; i++)
		print_bash_option("*", &global_options[i]);
	puts("\tesac\n"
	     "\tcase $verb in");
	for (size_t i = 0; verbs[i]; i++)
		print_bash_verb(verbs[i]);
	fputs("\t'')\n\t\toptions=\"", stdout);
	for (size_t i = 0; verbs[i]; i++)
		printf(" %s", verbs[i]->name);
	for (size_t i = 0; global_options[i].name; i++)
		print_bash_names(&global_options[i]);
	puts("\"\n\t\t;;\n"
	     "\tesac\n"
	     "\t_vgpuctl_words \"$options\"\n"
	     "}\n"
	     "\n"
	     "complete -F _vgpuctl vgpuctl");
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

static void print_zsh_values(const char *arg)
{
	fputs(":", stdout);
	for (const char *p = arg; *p; p++)
		if (!strchr("[]|", *p))
			putchar(tolower((unsigned char)*p));
	fputs(":", stdout);
	if (strchr(arg, '|')) {
		fputs("(", stdout);
		print_choices(arg);
		fputs(")", stdout);
	} else if (strstr(arg, "FILE")) {
		fputs("_files", stdout);
	} else if (strstr(arg, "NAME")) {
		fputs("{_vgpuctl_ask list}", stdout);
	} else if (strstr(arg, "TYPE")) {
		fputs("{_vgpuctl_ask types}", stdout);
	} else if (strstr(arg, "PARENT")) {
		fputs("{_vgpuctl_ask parents}", stdout);
	}
}

static void print_zsh_option(const struct verb_option *o)
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
		print_zsh_values(o->arg);
	putchar('\'');
}

static void print_zsh_globals(const struct verb *verb)
{
	for (size_t i = 0; global_options[i].name; i++)
		if (!verb_hides(verb, &global_options[i]))
			print_zsh_option(&global_options[i]);
}

void generate_zsh(void)
{
	puts("#compdef vgpuctl\n"
	     "# SPDX-License-Identifier: MIT\n"
	     "# zsh completion for vgpuctl; generated.\n"
	     "\n"
	     "_vgpuctl_ask()\n"
	     "{\n"
	     "\tlocal -a names\n"
	     "\tnames=(${(f)\"$(vgpuctl --timeout 1 $1 --quiet "
	     "2>/dev/null)\"})\n"
	     "\tcompadd -a names\n"
	     "}\n"
	     "\n"
	     "_vgpuctl_verbs()\n"
	     "{\n"
	     "\tlocal -a verbs\n"
	     "\tverbs=(");
	for (size_t i = 0; verbs[i]; i++) {
		printf("\t\t'%s:", verbs[i]->name);
		print_zsh_text(verbs[i]->summary);
		puts("'");
	}
	fputs("\t)\n"
	      "\t_describe verb verbs\n"
	      "}\n"
	      "\n"
	      "_vgpuctl()\n"
	      "{\n"
	      "\tlocal curcontext=$curcontext state line\n"
	      "\t_arguments -C",
	      stdout);
	print_zsh_globals(NULL);
	puts(" \\\n"
	     "\t\t\t'1:verb:_vgpuctl_verbs' '*::arg:->verb'\n"
	     "\t[[ $state == verb ]] || return\n"
	     "\tcase $line[1] in");
	for (size_t i = 0; verbs[i]; i++) {
		printf("\t%s)\n\t\t_arguments", verbs[i]->name);
		for (size_t k = 0; k < verbs[i]->n_options; k++)
			print_zsh_option(&verbs[i]->options[k]);
		print_zsh_globals(verbs[i]);
		if (verbs[i]->operand) {
			fputs(" \\\n\t\t\t'1", stdout);
			print_zsh_values(verbs[i]->operand);
			putchar('\'');
		}
		puts("\n\t\t;;");
	}
	puts("\tesac\n"
	     "}\n"
	     "\n"
	     "_vgpuctl \"$@\"");
}
