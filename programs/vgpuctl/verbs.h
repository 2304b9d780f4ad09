/* SPDX-License-Identifier: MIT */
/*
 * The verbs of vgpuctl as data: what they are called, which options they take,
 * what they do. The command line is parsed and --help is printed from here.
 */
#ifndef VGPUCTL_VERBS_H
#define VGPUCTL_VERBS_H

#include <stdbool.h>
#include <stddef.h>

#define VERB_MAX_OPTIONS 16

/* Exit codes; in the manual page, too. */
enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,      /* it was asked, and could not do it */
	EXIT_USAGE = 2,	      /* the command line makes no sense */
	EXIT_UNREACHABLE = 3, /* there is nobody to ask */
};

/**
 * struct ctl - what all verbs know
 * @control_path: whom to ask
 * @timeout_ms: how long to wait for an answer
 * @json: print JSON
 * @values: of the verb's options, in the order of its table: the argument,
 *          "" for a flag that was given, NULL: not given
 * @operand: the verb's operand, NULL if it has none
 */
struct ctl {
	const char *control_path;
	int timeout_ms;
	bool json;
	const char *values[VERB_MAX_OPTIONS];
	const char *operand;
};

/**
 * struct verb_option - an option of a verb, or one that all verbs have
 * @letter: short form, 0: none
 * @name: long form
 * @arg: what its argument is called; NULL: a flag
 * @help: one line
 */
struct verb_option {
	char letter;
	const char *name;
	const char *arg;
	const char *help;
};

/**
 * struct verb - a verb
 * @summary: one line, for the list of verbs
 * @text: what it does and what that is good for
 * @example: command lines and, where it helps, what they print
 * @operand: what follows the verb, such as "FILE"; NULL: nothing does
 * @offline: it asks nobody: --control-path is not needed
 * @run: an exit code; what went wrong was said on stderr
 */
struct verb {
	const char *name;
	const char *summary;
	const char *text;
	const char *example;
	const struct verb_option *options;
	size_t n_options;
	const char *operand;
	bool offline;
	int (*run)(struct ctl *ctl);
};

extern const struct verb *const verbs[]; /* ends with NULL */
extern const struct verb verb_decode;
extern const struct verb verb_info;
extern const struct verb verb_stats;
extern const struct verb verb_screenshot;

/* Options that stand before or behind any verb; end with a name of NULL. */
extern const struct verb_option global_options[];

void verbs_help(void);
void verb_help(const struct verb *verb);

#endif
