/* SPDX-License-Identifier: MIT */
#include "cmdline.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/text.h"

/* What getopt_long() returns: by number, so that letters of verbs and of the
 * program's options go the same way. */
#define CODE_VERB    256 /* + index in the verb's table */
#define CODE_PROGRAM 512 /* + index in the program's */

/* cmd_parse()'s work. */
struct parse {
	const struct cmd_program *p;
	struct cmd_line *line;
	void *result;
	/* getopt_long()'s tables, made from ours. */
	char letters[2 * (CMD_MAX_VALUES + CMD_MAX_OPTIONS) + 3];
	struct option names[CMD_MAX_VALUES + CMD_MAX_OPTIONS + 1];
	size_t n;
};

bool cmd_hides(const struct cmd_verb *verb, const struct cmd_option *o)
{
	for (size_t i = 0; verb && i < verb->n_options; i++)
		if ((o->letter && verb->options[i].letter == o->letter) ||
		    !strcmp(verb->options[i].name, o->name))
			return true;
	return false;
}

int cmd_wrong(const struct cmd_program *p, const struct cmd_verb *verb,
	      const char *fmt, ...)
{
	cleanup_free char *text = NULL;
	bool own = verb && verb->text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (text)
		text_make_printable(text); /* words of others may be in it */
	fprintf(stderr, "%s: %s\nTry '%s%s%s --help'.\n", p->name,
		text ? text : "a wrong command line", p->name, own ? " " : "",
		own ? verb->name : "");
	return EXIT_CODE_USAGE;
}

#define wrong(parse, ...)                                                      \
	cmd_wrong((parse)->p, (parse)->line->verb, __VA_ARGS__)

/* ---- options -------------------------------------------------------- */

static void add_option(struct parse *t, const struct cmd_option *o, int code)
{
	size_t len = strlen(t->letters);

	t->names[t->n++] = (struct option){
		.name = o->name,
		.has_arg = o->arg ? required_argument : no_argument,
		.val = code,
	};
	if (!o->letter)
		return;
	t->letters[len] = o->letter;
	if (o->arg)
		t->letters[len + 1] = ':';
}

/* '+': stop at the first word that is no option. */
static void make_tables(struct parse *t)
{
	const struct cmd_verb *verb = t->line->verb;

	memset(t->names, 0, sizeof(t->names));
	memset(t->letters, 0, sizeof(t->letters));
	t->n = 0;
	t->letters[0] = '+';
	t->letters[1] = ':'; /* a missing value is another matter */
	for (size_t i = 0; verb && i < verb->n_options; i++)
		add_option(t, &verb->options[i], CODE_VERB + (int)i);
	for (size_t i = 0; t->p->options[i].name; i++)
		if (!cmd_hides(verb, &t->p->options[i]))
			add_option(t, &t->p->options[i], CODE_PROGRAM + (int)i);
}

/* A letter to its code. */
static int code_of(const struct parse *t, int c)
{
	const struct cmd_verb *verb = t->line->verb;

	for (size_t i = 0; c < CODE_VERB && verb && i < verb->n_options; i++)
		if (verb->options[i].letter == c)
			return CODE_VERB + (int)i;
	for (size_t i = 0; c < CODE_VERB && t->p->options[i].name; i++)
		if (t->p->options[i].letter == c)
			return CODE_PROGRAM + (int)i;
	return c;
}

/* Long options that begin as @option does, up to its '='. */
static size_t count_matches(const struct parse *t, const char *option)
{
	size_t n = 0, len = strcspn(option, "=");

	for (size_t i = 0; i < t->n && len > 2; i++)
		n += !strncmp(t->names[i].name, option + 2, len - 2);
	return n;
}

/* What getopt_long() would say, with words that are fit for a terminal. @option
 * is what it took last. */
static int say_bad_option(const struct parse *t, int c, const char *option)
{
	char letter[] = { '-', (char)optopt, '\0' };

	if (optopt && optopt <= UCHAR_MAX) /* one of several in a word */
		option = letter;
	if (c == ':')
		return wrong(t, "%s: its value is missing", option);
	if (optopt > UCHAR_MAX)
		return wrong(t, "%s: that option takes no value", option);
	if (count_matches(t, option) > 1)
		return wrong(t, "several options begin with %s", option);
	return wrong(t, "there is no option '%s'", option);
}

/* As --help has them: "a|b|c" of @arg, or else in words. */
static int say_choices(const struct parse *t, const struct cmd_option *o,
		       const char *arg)
{
	char list[128] = "";
	size_t n = 0;

	if (!o->choices)
		return wrong(t, "--%s %s: one of %s is expected", o->name, arg,
			     o->arg);
	for (const char *p = o->choices; *p && n + 3 < sizeof(list); p++) {
		list[n++] = *p == '|' ? ',' : *p;
		if (*p == '|')
			list[n++] = ' ';
	}
	return wrong(t, "--%s %s: one of %s is expected", o->name, arg, list);
}

static int say_bad_value(const struct parse *t, const struct cmd_option *o,
			 const char *arg, int err)
{
	if (err == -ENOMEM)
		return wrong(t, "out of memory");
	if (err == -E2BIG)
		return wrong(t, "--%s can be given %.0f times at most", o->name,
			     o->max);
	if (o->expects)
		return wrong(t, "--%s %s: %s", o->name, arg, o->expects);
	if (cmd_choices(o))
		return say_choices(t, o, arg);
	return wrong(t, "--%s %s: a number %sfrom %.10g to %.10g is expected",
		     o->name, arg, o->take == cmd_seconds ? "of seconds " : "",
		     o->min, o->max);
}

static int take_option(struct parse *t, int code, const char *arg)
{
	bool of_verb = code < CODE_PROGRAM;
	const struct cmd_option *o =
		of_verb ? &t->line->verb->options[code - CODE_VERB]
			: &t->p->options[code - CODE_PROGRAM];
	cmd_take *take = o->take ? o->take : o->arg ? cmd_text : cmd_flag;
	int err;

	if (take == cmd_help || take == cmd_version) {
		if (take == cmd_help)
			cmd_print_help(t->p, t->line->verb);
		else
			printf("%s %s\n", t->p->name, VGPU_VERSION);
		return fflush(stdout) ? 1 : 0;
	}
	if (of_verb) {
		if (cmd_choices(o) && cmd_choice_index(cmd_choices(o), arg) < 0)
			return say_choices(t, o, arg);
		t->line->values[code - CODE_VERB] = arg ? arg : "";
		return -1;
	}
	err = take(o, arg, (char *)t->result + o->at);
	return err ? say_bad_value(t, o, arg, err) : -1;
}

/* Read options from argv[optind] on. */
static int take_options(struct parse *t, int argc, char **argv)
{
	int c, code = -1;

	make_tables(t);
	while (code < 0 &&
	       (c = getopt_long(argc, argv, t->letters, t->names, NULL)) != -1)
		code = c == '?' || c == ':'
			       ? say_bad_option(t, c, argv[optind - 1])
			       : take_option(t, code_of(t, c), optarg);
	return code;
}

/* ---- words ---------------------------------------------------------- */

static int find_verb(struct parse *t, const char *name)
{
	const struct cmd_verb *const *v = t->p->verbs;

	while (*v && strcmp((*v)->name, name))
		v++;
	if (!*v)
		return wrong(t, "there is no %s '%s'", t->p->verb_word, name);
	t->line->verb = *v;
	return -1;
}

/* "[NAME]" may be missing, "NAME..." may be several. */
static int check_operands(const struct parse *t)
{
	const struct cmd_line *line = t->line;
	const char *operand = line->verb ? line->verb->operand : NULL;
	bool many = operand && strstr(operand, "...");
	size_t most = many ? SIZE_MAX : operand ? 1 : 0;

	if (!line->verb && t->p->operand)
		return line->n_operands == 1 ? -1
					     : wrong(t, "%s", t->p->missing);
	if (!line->n_operands && operand && operand[0] != '[')
		return wrong(t, "%s: %s is missing", line->verb->name, operand);
	if (line->n_operands <= most)
		return -1;
	if (line->verb)
		return wrong(t, "'%s' is one word too many",
			     line->operands[most]);
	return wrong(t, "'%s' is no option", line->operands[0]);
}

/* Options may stand before, between and behind operands, which gather at the
 * begin of what is left of @argv. Behind "--" there are only operands. */
int cmd_parse(const struct cmd_program *p, int argc, char **argv, void *result,
	      struct cmd_line *line)
{
	struct parse t = { .p = p, .line = line, .result = result };
	char **operands;
	bool only = false;
	int code;

	*line = (struct cmd_line){ 0 };
	opterr = 0;
	optind = 0; /* from the begin, also if it is not the first time */
	code = take_options(&t, argc, argv);
	if (code < 0 && p->verbs) {
		code = optind == argc ? wrong(&t, "%s", p->missing)
				      : find_verb(&t, argv[optind++]);
		operands = argv + optind;
		if (code < 0)
			code = take_options(&t, argc, argv);
	} else {
		operands = argv + optind;
	}
	line->operands = (const char *const *)operands;
	while (code < 0 && optind < argc) {
		only |= !strcmp(argv[optind - 1], "--");
		operands[line->n_operands++] = argv[optind++];
		if (!only)
			code = take_options(&t, argc, argv);
	}
	return code < 0 ? check_operands(&t) : code;
}
