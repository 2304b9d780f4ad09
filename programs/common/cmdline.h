/* SPDX-License-Identifier: MIT */
/*
 * The command line of a program as data: which options and verbs there are,
 * what they take, where it is stored. It is parsed, and --help, completions and
 * the OPTIONS of the manual page are made, from the one table.
 */
#ifndef COMMON_CMDLINE_H
#define COMMON_CMDLINE_H

#include <stdbool.h>
#include <stddef.h>

#define EXIT_CODE_USAGE 2 /* of all programs; in their manual pages, too */
/* Of vgpu-device: its parent has gone, so vgpud looks there for the reason. */
#define EXIT_CODE_PARENT 5

#define CMD_MAX_OPTIONS 40 /* of a program; with those of a verb */
#define CMD_MAX_VALUES	16 /* options of a verb */

struct ctl;
struct cmd_option;

/* Check @arg and store it at @at. Return: 0; -EINVAL; -E2BIG: once too often.
 */
typedef int cmd_take(const struct cmd_option *option, const char *arg,
		     void *at);

/* What an option's value is, and the type of what is at its place: */
cmd_take cmd_text;     /* const char *: as it stands, and living with argv */
cmd_take cmd_list;     /* struct cmd_words: each time one more, @max at most */
cmd_take cmd_path;     /* char *: made absolute, to be freed */
cmd_take cmd_unsigned; /* unsigned: decimal digits, from @min to @max */
cmd_take cmd_octal;    /* mode_t, likewise */
cmd_take cmd_seconds;  /* double: with a fraction, from @min to @max */
cmd_take cmd_choice;   /* an enum: @min for the first of the choices ... */
cmd_take cmd_flag;     /* bool: true */
cmd_take cmd_unset;    /* bool: false */
cmd_take cmd_const;    /* an enum: @min */
cmd_take cmd_help, cmd_version; /* nothing: said, and the program is done */

/* At the place of a cmd_list; there is room for @max. */
struct cmd_words {
	unsigned n;
	const char *word[];
};

/**
 * struct cmd_option - an option
 * @letter: short form, 0: none
 * @name: long form. Where a verb has one of the name or letter of a program's,
 *        the verb's is meant.
 * @arg: what its value is called, or the values it may have, as in "yes|no";
 *       NULL: a flag. Shells complete NAME, TYPE, PARENT, FILE, DIR, PATH.
 * @help: what it does, a sentence without its stop; lines are broken when it is
 *        printed
 * @take: what is to be done; NULL: cmd_flag without @arg, else cmd_text, or
 *        what @choices says: a verb's option is stored in cmd_line.values
 * @at: where in the program's results
 * @min, @max: of a number
 * @choices: the values where @arg is a name for them, "a|b|c"
 * @expects: what a wrong value is told, where its type can't say it
 * @heading: of a group of options that begins here, or NULL
 */
struct cmd_option {
	char letter;
	const char *name;
	const char *arg;
	const char *help;
	cmd_take *take;
	size_t at;
	double min, max;
	const char *choices;
	const char *expects;
	const char *heading;
};

/* What all programs have: at the end of their tables, which they close. */
#define CMD_HELP_AND_VERSION                                                   \
	{ 0, "version", NULL, "print the version, and exit",                   \
	  .take = cmd_version },                                               \
		{ 'h', "help", NULL, "print this, and exit",                   \
		  .take = cmd_help },                                          \
	{                                                                      \
		0                                                              \
	}

/* What a wrong --socket-mode is told. */
#define CMD_EXPECTS_MODE "an octal number up to 0777 is expected, such as 0660"

/* What daemons have; @log_level, @log_format: members of their results. */
#define CMD_LOG_OPTIONS(type)                                                  \
	{ 0,                                                                   \
	  "log-level",                                                         \
	  "LEVEL",                                                             \
	  "error, warning, notice, info (default), debug",                     \
	  .take = cmd_choice,                                                  \
	  .at = offsetof(type, log_level),                                     \
	  .min = LOG_LEVEL_ERROR,                                              \
	  .choices = "error|warning|notice|info|debug" },                      \
	{                                                                      \
		0, "log-format", "FORMAT",                                     \
			"text, json, journal-prefix (default: what fits)",     \
			.take = cmd_choice, .at = offsetof(type, log_format),  \
			.choices = "text|json|journal-prefix"                  \
	}

/**
 * struct cmd_verb - a verb
 * @summary: one line, for the list of verbs
 * @text: what it does and what that is good for; NULL: the program's help has
 *        all there is to say
 * @example: command lines and, where it helps, what they print
 * @operand: what follows the verb, such as "FILE"; "[FILE]": it may, "FILE...":
 *           one or more; NULL: nothing does
 * @target: whom it asks, in the program's numbers
 * @run: an exit code; what went wrong was said on stderr
 */
struct cmd_verb {
	const char *name;
	const char *summary;
	const char *text;
	const char *example;
	const struct cmd_option *options;
	size_t n_options;
	const char *operand;
	int target;
	int (*run)(struct ctl *ctl);
};

/**
 * struct cmd_program - a program's command line
 * @usage: what follows "Usage: "; lines
 * @about: what it is for; lines
 * @options: ends with a name of NULL; they may stand before or behind any verb
 * @options_title: of those without a heading, or NULL: there are none
 * @tail: example, exit status; lines
 * @verbs: ends with NULL; NULL: it has none
 * @verbs_title: "Verbs:"
 * @missing: told to who names no verb, or not one operand
 * @verb_word: what a verb is called here
 * @operand: what follows the options, as of a verb; NULL: nothing
 * @verb_note: what --help of a verb says of its target, or NULL
 * @verb_tail: exit codes, in the help of a verb; lines
 */
struct cmd_program {
	const char *name;
	const char *usage;
	const char *about;
	const struct cmd_option *options;
	const char *options_title;
	const char *tail;
	const struct cmd_verb *const *verbs;
	const char *verbs_title, *verb_word, *missing;
	const char *operand;
	const char *(*verb_note)(const struct cmd_verb *verb);
	const char *verb_tail;
};

/**
 * struct cmd_line - what else was said
 * @verb: NULL: the program has none
 * @values: of the verb's options, in the order of its table: the argument,
 *          "" for a flag that was given, NULL: not given
 * @operands: @n_operands of them
 */
struct cmd_line {
	const struct cmd_verb *verb;
	const char *values[CMD_MAX_VALUES];
	const char *const *operands;
	size_t n_operands;
};

/* The table of the program that this is linked to. */
extern const struct cmd_program this_program;

/**
 * cmd_parse() - read a command line
 * @result: what the options' @at counts from
 *
 * Return: -1: go on; else an exit code: all was said, or what is wrong was, on
 * stderr
 */
int cmd_parse(const struct cmd_program *p, int argc, char **argv, void *result,
	      struct cmd_line *ret_line);

/* "PROGRAM: message", and where help is (@verb: of that, or NULL), on stderr.
 * Return: EXIT_CODE_USAGE. */
__attribute__((format(printf, 3, 4))) int cmd_wrong(const struct cmd_program *p,
						    const struct cmd_verb *verb,
						    const char *fmt, ...);

/* Print --help of the program, or of a verb. */
void cmd_print_help(const struct cmd_program *p, const struct cmd_verb *verb);

/* Has @verb (NULL is fine) an option that hides this one of the program's? */
bool cmd_hides(const struct cmd_verb *verb, const struct cmd_option *option);

/* "a|b|c", or NULL: it may be anything. */
const char *cmd_choices(const struct cmd_option *option);

/* Which of @choices, from 0; -1: none. */
int cmd_choice_index(const char *choices, const char *value);

#endif
