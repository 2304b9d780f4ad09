/* SPDX-License-Identifier: MIT */
/*
 * The verbs of vgpuctl as data: what they are called, which options they take,
 * what they do. The command line is parsed and --help is printed from here.
 */
#ifndef VGPUCTL_VERBS_H
#define VGPUCTL_VERBS_H

#include <stdbool.h>
#include <stddef.h>

#include "control/manager-path.h"

#define VERB_MAX_OPTIONS 16
#define CTL_PATH_MAX	 CONTROL_MANAGER_PATH_MAX

/* Exit codes; exit_codes_text explains them. */
enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,      /* it was asked, and could not do it */
	EXIT_USAGE = 2,	      /* the command line makes no sense */
	EXIT_UNREACHABLE = 3, /* there is nobody to ask */
	EXIT_NOT_FOUND = 4,   /* no such vGPU, type or parent */
};

/* Whom a verb asks. */
enum verb_target {
	ASKS_NOBODY,
	ASKS_VGPUD,
	ASKS_DEVICE, /* one that vgpud has by the operand as its name, or
			--control-path */
};

struct verb;

/**
 * struct ctl - what all verbs know
 * @verb: which one it is
 * @control_path: a vgpu-device's control socket; NULL: none
 * @vgpud_path: vgpud's; never NULL
 * @vgpud_buf, @control_buf: behind them, where nobody said them
 * @timeout_ms: how long to wait for an answer
 * @json: print JSON
 * @values: of the verb's options, in the order of its table: the argument,
 *          "" for a flag that was given, NULL: not given
 * @operand: the verb's operand, the first of several; NULL: there is none
 * @operands, @n_operands: all of them
 */
struct ctl {
	const struct verb *verb;
	const char *control_path;
	const char *vgpud_path;
	char vgpud_buf[CTL_PATH_MAX], control_buf[CTL_PATH_MAX];
	int timeout_ms;
	bool json;
	const char *values[VERB_MAX_OPTIONS];
	const char *operand;
	const char *const *operands;
	size_t n_operands;
};

/**
 * struct verb_option - an option of a verb, or one that all verbs have
 * @letter: short form, 0: none
 * @name: long form. Where a verb has one of the name or letter of a global
 *        one, the verb's is meant.
 * @arg: what its argument is called, or the values it may have, as in
 *       "yes|no"; NULL: a flag. Shells complete NAME, TYPE, PARENT, FILE.
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
 * @operand: what follows the verb, such as "FILE"; "[FILE]": it may, "FILE...":
 *           one or more; NULL: nothing does
 * @target: whom it asks
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
	enum verb_target target;
	int (*run)(struct ctl *ctl);
};

extern const struct verb *const verbs[]; /* ends with NULL */
extern const struct verb verb_attach_args;
extern const struct verb verb_create;
extern const struct verb verb_decode;
extern const struct verb verb_define;
extern const struct verb verb_doctor;
extern const struct verb verb_events;
extern const struct verb verb_import;
extern const struct verb verb_info;
extern const struct verb verb_list;
extern const struct verb verb_log;
extern const struct verb verb_metrics;
extern const struct verb verb_modify;
extern const struct verb verb_parents;
extern const struct verb verb_remove;
extern const struct verb verb_screenshot;
extern const struct verb verb_show;
extern const struct verb verb_start;
extern const struct verb verb_stats;
extern const struct verb verb_stop;
extern const struct verb verb_top;
extern const struct verb verb_types;

/* Options that stand before or behind any verb; end with a name of NULL. */
extern const struct verb_option global_options[];

/* Is @value one of an option's "a|b|c"? */
bool verb_option_takes(const struct verb_option *option, const char *value);

/* Has @verb (NULL is fine) an option that hides this global one? */
bool verb_hides(const struct verb *verb, const struct verb_option *global);

void verbs_help(void);
void verb_help(const struct verb *verb);

/* What --help says of exit codes; lines. */
extern const char exit_codes_text[];

#endif
