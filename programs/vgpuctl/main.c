/* SPDX-License-Identifier: MIT */
/* vgpuctl: the operator's tool. */
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "control/manager-path.h"
#include "util/std-fds.h"
#include "verbs.h"

#define MAX_GLOBALS 10
#define MAX_TIMEOUT 3600 /* seconds */

/* What getopt_long() returns: long forms by number, so that letters of verbs
 * and of global options go the same way. */
#define CODE_VERB   256 /* + index in the verb's table */
#define CODE_GLOBAL 512 /* + index in global_options */

/* getopt_long()'s tables, made from ours. */
struct tables {
	char letters[2 * (VERB_MAX_OPTIONS + MAX_GLOBALS) + 3];
	struct option names[VERB_MAX_OPTIONS + MAX_GLOBALS + 1];
	size_t n;
};

static void add_option(struct tables *t, const struct verb_option *o, int code)
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

/* '+': stop at the first word that is no option, which is the verb. */
static void make_tables(struct tables *t, const struct verb *verb)
{
	memset(t, 0, sizeof(*t));
	t->letters[0] = '+';
	t->letters[1] = ':'; /* a missing value is another matter */
	for (size_t i = 0; verb && i < verb->n_options; i++)
		add_option(t, &verb->options[i], CODE_VERB + (int)i);
	for (size_t i = 0; global_options[i].name; i++)
		if (!verb_hides(verb, &global_options[i]))
			add_option(t, &global_options[i], CODE_GLOBAL + (int)i);
}

/* A letter to its code. */
static int code_of(const struct verb *verb, int c)
{
	if (c >= CODE_VERB)
		return c;
	for (size_t i = 0; verb && i < verb->n_options; i++)
		if (verb->options[i].letter == c)
			return CODE_VERB + (int)i;
	for (size_t i = 0; global_options[i].name; i++)
		if (global_options[i].letter == c)
			return CODE_GLOBAL + (int)i;
	return '?';
}

/* What to do after the options are read. */
enum next { NEXT_GO_ON, NEXT_HELP, NEXT_VERSION, NEXT_USAGE };

static enum next take_timeout(struct ctl *ctl, const char *arg)
{
	double seconds;
	char *end;

	seconds = strtod(arg, &end);
	if (*arg < '0' || *arg > '9' || *end || !(seconds >= 0.001) ||
	    seconds > MAX_TIMEOUT) {
		ctl_fail(0,
			 "--timeout is a number of seconds, from 0.001 to %d",
			 MAX_TIMEOUT);
		return NEXT_USAGE;
	}
	ctl->timeout_ms = (int)(seconds * 1000);
	return NEXT_GO_ON;
}

static enum next take_global(struct ctl *ctl, const char *name, const char *arg)
{
	if (!strcmp(name, "control-path"))
		ctl->control_path = arg;
	else if (!strcmp(name, "vgpud"))
		ctl->vgpud_path = arg;
	else if (!strcmp(name, "output"))
		ctl->json = !strcmp(arg, "json");
	else if (!strcmp(name, "timeout"))
		return take_timeout(ctl, arg);
	else if (!strcmp(name, "json"))
		ctl->json = true;
	else if (!strcmp(name, "help"))
		return NEXT_HELP;
	else if (!strcmp(name, "version"))
		return NEXT_VERSION;
	return NEXT_GO_ON;
}

/* Does @arg have one of the values that option @c may have? */
static bool is_choice(const struct verb *verb, int c, const char *arg)
{
	const struct verb_option *o = c >= CODE_GLOBAL
					      ? &global_options[c - CODE_GLOBAL]
					      : &verb->options[c - CODE_VERB];

	if (!o->arg || !strchr(o->arg, '|') || verb_option_takes(o, arg))
		return true;
	ctl_fail(0, "--%s is one of %s, not '%s'", o->name, o->arg, arg);
	return false;
}

/* Long options that begin as @option does, up to its '='. */
static size_t count_matches(const struct tables *t, const char *option)
{
	size_t n = 0, len = strcspn(option, "=");

	for (size_t i = 0; i < t->n && len > 2; i++)
		n += !strncmp(t->names[i].name, option + 2, len - 2);
	return n;
}

/* What getopt_long() would say, with words that are fit for a terminal. @option
 * is what it took last. */
static enum next say_bad_option(const struct tables *t, int c,
				const char *option)
{
	char letter[] = { '-', (char)optopt, '\0' };

	if (optopt && optopt <= UCHAR_MAX) /* one of several in a word */
		option = letter;
	if (c == ':')
		ctl_fail(0, "%s: its value is missing", option);
	else if (optopt > UCHAR_MAX)
		ctl_fail(0, "%s: that option takes no value", option);
	else if (count_matches(t, option) > 1)
		ctl_fail(0, "several options begin with %s", option);
	else
		ctl_fail(0, "there is no option '%s'", option);
	return NEXT_USAGE;
}

/* Read options from argv[optind] on. */
static enum next parse(struct ctl *ctl, const struct verb *verb, int argc,
		       char **argv)
{
	enum next next = NEXT_GO_ON;
	struct tables t;
	int c;

	make_tables(&t, verb);
	opterr = 0;
	while (next == NEXT_GO_ON &&
	       (c = getopt_long(argc, argv, t.letters, t.names, NULL)) != -1) {
		if (c == '?' || c == ':')
			return say_bad_option(&t, c, argv[optind - 1]);
		c = code_of(verb, c);
		if (!is_choice(verb, c, optarg))
			next = NEXT_USAGE;
		else if (c >= CODE_GLOBAL)
			next = take_global(ctl,
					   global_options[c - CODE_GLOBAL].name,
					   optarg);
		else
			ctl->values[c - CODE_VERB] = optarg ? optarg : "";
	}
	return next;
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; verbs[i]; i++)
		if (!strcmp(verbs[i]->name, name))
			return verbs[i];
	return NULL;
}

/* Return: an exit code, or -1: go on. */
static int settle(enum next next, const struct verb *verb)
{
	switch (next) {
	case NEXT_GO_ON:
		return -1;
	case NEXT_HELP:
		if (verb)
			verb_help(verb);
		else
			verbs_help();
		return ctl_flush();
	case NEXT_VERSION:
		printf("vgpuctl %s\n", VGPU_VERSION);
		return ctl_flush();
	case NEXT_USAGE:
		break;
	}
	fprintf(stderr, "Try 'vgpuctl %s%s--help'.\n", verb ? verb->name : "",
		verb ? " " : "");
	return EXIT_USAGE;
}

/* "[NAME]" may be missing, "NAME..." may be several. */
static enum next take_operands(struct ctl *ctl, const struct verb *verb)
{
	bool many = verb->operand && strstr(verb->operand, "...");
	size_t most = many ? SIZE_MAX : verb->operand ? 1 : 0;

	if (!ctl->n_operands && verb->operand && verb->operand[0] != '[') {
		ctl_fail(0, "%s: %s is missing", verb->name, verb->operand);
		return NEXT_USAGE;
	}
	if (ctl->n_operands > most) {
		ctl_fail(0, "%s: '%s' is too much", verb->name,
			 ctl->operands[most]);
		return NEXT_USAGE;
	}
	ctl->operand = ctl->n_operands ? ctl->operands[0] : NULL;
	return NEXT_GO_ON;
}

/* Options may stand before, between and behind operands, which gather at the
 * begin of what is left of @argv. Behind "--" there are only operands. */
static enum next parse_verb(struct ctl *ctl, const struct verb *verb, int argc,
			    char **argv)
{
	char **operands = argv + optind;
	enum next next = parse(ctl, verb, argc, argv);
	bool only = false;

	ctl->operands = (const char *const *)operands;
	while (next == NEXT_GO_ON && optind < argc) {
		only |= !strcmp(argv[optind - 1], "--");
		operands[ctl->n_operands++] = argv[optind++];
		if (!only)
			next = parse(ctl, verb, argc, argv);
	}
	return next == NEXT_GO_ON ? take_operands(ctl, verb) : next;
}

int main(int argc, char **argv)
{
	struct ctl ctl = { .control_path = getenv("VGPU_CONTROL_PATH"),
			   .timeout_ms = CONTROL_CALL_TIMEOUT_MS };
	const struct verb *verb;
	int code;

	if (std_fds_reserve())
		return EXIT_FAILED;
	signal(SIGPIPE, SIG_IGN);
	ctl.vgpud_path = control_manager_path(ctl.vgpud_buf);
	code = settle(parse(&ctl, NULL, argc, argv), NULL);
	if (code >= 0)
		return code;
	if (optind == argc) {
		ctl_fail(0, "a verb is missing: what is to be done?");
		return settle(NEXT_USAGE, NULL);
	}
	verb = find_verb(argv[optind++]);
	if (!verb) {
		ctl_fail(0, "there is no verb '%s'", argv[optind - 1]);
		return settle(NEXT_USAGE, NULL);
	}
	ctl.verb = verb;
	code = settle(parse_verb(&ctl, verb, argc, argv), verb);
	if (code >= 0)
		return code;
	code = ctl_find(&ctl, verb);
	return code ? code : verb->run(&ctl);
}
