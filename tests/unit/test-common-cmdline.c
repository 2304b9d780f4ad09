/* SPDX-License-Identifier: MIT */
/* A program's table of options: what each type takes, what each mistake is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/log-sink.h"
#include "../../programs/common/cmdline.h"

struct results {
	const char *text;
	char *path;
	unsigned number;
	mode_t mode;
	double seconds;
	enum { FIRST = 3, SECOND, THIRD } choice;
	enum log_level log_level;
	enum log_format log_format;
	bool flag, unset;
	int constant;
	struct {
		unsigned n;
		const char *word[2];
	} list;
};

#define AT(member) .at = offsetof(struct results, member)

static const struct cmd_option options[] = {
	{ 't', "text", "TEXT", "as it stands", AT(text) },
	{ 0, "path", "FILE", "made absolute", cmd_path, AT(path) },
	{ 'n', "number", "N", "a number", cmd_unsigned, AT(number), 1, 100 },
	{ 0, "mode", "MODE", "octal", cmd_octal, AT(mode), .max = 0777, .expects = CMD_EXPECTS_MODE },
	{ 0, "seconds", "S", "a time", cmd_seconds, AT(seconds), 0.001, 3600 },
	{ 0, "choice", "one|two|three", "one of them", cmd_choice, AT(choice), FIRST },
	{ 0, "named", "WHICH", "likewise", cmd_choice, AT(choice), FIRST, .choices = "four|five" },
	{ 'f', "flag", NULL, "on", AT(flag) },
	{ 0, "unset", NULL, "off", cmd_unset, AT(unset) },
	{ 0, "constant", NULL, "seven", cmd_const, AT(constant), 7 },
	{ 0, "list", "WORD", "one more", cmd_list, AT(list), .max = 2 },
	{ 0, "numeral", "N", "is like number, to be mistaken for it", cmd_unsigned, AT(number), .max = 4000000000.0 },
	CMD_LOG_OPTIONS(struct results),
	CMD_HELP_AND_VERSION,
};

static const struct cmd_option verb_options[] = {
	{ 't', "tall", NULL, "hides -t of the program" },
	{ 0, "colour", "red|blue", "one of them" },
	{ 0, "word", "WORD", "anything" },
};

static const struct cmd_verb paint = {
	.name = "paint", .summary = "paints", .text = "Paints it.", .example = "  $ prog paint x\n",
	.options = verb_options, .n_options = 3, .operand = "FILE...",
};
static const struct cmd_verb look = { .name = "look", .summary = "looks", .text = "Looks.",
				      .example = "  $ prog look\n", .operand = "[FILE]" };
static const struct cmd_verb run = { .name = "run", .summary = "runs" };
static const struct cmd_verb *const verbs[] = { &paint, &look, &run, NULL };

static const struct cmd_program plain = { .name = "prog", .usage = "prog", .about = "About.", .options = options,
					  .options_title = "Options:", .tail = "Tail." };
static const struct cmd_program with_verbs = {
	.name = "prog", .usage = "prog VERB", .about = "About.", .options = options, .options_title = "All:",
	.tail = "Tail.", .verbs = verbs, .verbs_title = "Verbs:", .verb_word = "verb", .missing = "what?",
	.verb_tail = "Codes.",
};
static const struct cmd_program with_operand = { .name = "prog", .usage = "prog FOLDER", .about = "About.",
						 .options = options, .options_title = "Options:", .tail = "Tail.",
						 .operand = "FOLDER", .missing = "where?" };

static struct results r;
static struct cmd_line line;
static char said[8192]; /* on stderr and stdout */

/* Parse the words of @text, "" being an empty one. */
static int parse(const struct cmd_program *p, const char *text)
{
	static char copy[512];
	static char *argv[32];
	char *words, *word;
	int argc = 1, code, out[2], old[2] = { dup(1), dup(2) };
	ssize_t n;

	snprintf(copy, sizeof(copy), "%s", text);
	argv[0] = "prog";
	words = copy;
	while ((word = strsep(&words, " ")))
		if (*word)
			argv[argc++] = strcmp(word, "''") ? word : "";
	argv[argc] = NULL;
	free(r.path);
	r = (struct results){ .unset = true };
	assert_int_equal(pipe(out), 0);
	fflush(stdout);
	dup2(out[1], 1);
	dup2(out[1], 2);
	code = cmd_parse(p, argc, argv, &r, &line);
	fflush(stdout);
	for (int i = 0; i < 2; i++) {
		dup2(old[i], i + 1);
		close(old[i]);
	}
	close(out[1]);
	n = read(out[0], said, sizeof(said) - 1);
	close(out[0]);
	said[n > 0 ? n : 0] = '\0';
	return code;
}

static void good(const struct cmd_program *p, const char *text)
{
	assert_int_equal(parse(p, text), -1);
	assert_string_equal(said, "");
}

/* @text is a wrong command line; @what is said, and where help is (@verb: of
 * which verb, with a space, or ""). */
static void bad_of(const struct cmd_program *p, const char *text, const char *what, const char *verb)
{
	char all[1024];

	snprintf(all, sizeof(all), "prog: %s\nTry 'prog%s --help'.\n", what, verb);
	assert_int_equal(parse(p, text), EXIT_CODE_USAGE);
	assert_string_equal(said, all);
}

static void bad(const char *text, const char *what)
{
	bad_of(&plain, text, what, "");
}

static void test_nothing(void **state)
{
	good(&plain, "");
	assert_null(r.text);
	assert_true(r.unset);
	assert_null(line.verb);
	assert_int_equal(line.n_operands, 0);
}

static void test_text(void **state)
{
	good(&plain, "--text a --text=b");
	assert_string_equal(r.text, "b"); /* the last one counts */
	good(&plain, "-tc");
	assert_string_equal(r.text, "c");
	good(&plain, "--text ''");
	assert_string_equal(r.text, "");
	good(&plain, "--te x"); /* as much as is needed */
	assert_string_equal(r.text, "x");
}

static void test_path(void **state)
{
	char cwd[4096], want[4200];

	good(&plain, "--path /x --path /a/b");
	assert_string_equal(r.path, "/a/b");
	good(&plain, "--path a/b");
	snprintf(want, sizeof(want), "%s/a/b", getcwd(cwd, sizeof(cwd)));
	assert_string_equal(r.path, want);
}

static void test_number(void **state)
{
	static const char *const wrong[] = { "0", "101", "-1", "+1", "x", "1x", "''", "0x10", "1.5",
					     "99999999999999999999999" };

	good(&plain, "--number 1");
	assert_int_equal(r.number, 1);
	good(&plain, "-n 100");
	assert_int_equal(r.number, 100);
	good(&plain, "--numeral 4000000000");
	assert_int_equal(r.number, 4000000000u);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		char text[64], what[128];

		snprintf(text, sizeof(text), "--number %s", wrong[i]);
		snprintf(what, sizeof(what), "--number %s: a number from 1 to 100 is expected",
			 strcmp(wrong[i], "''") ? wrong[i] : "");
		bad(text, what);
		assert_int_equal(r.number, 0);
	}
	bad("--numeral 4000000001", "--numeral 4000000001: a number from 0 to 4000000000 is expected");
}

static void test_octal(void **state)
{
	good(&plain, "--mode 0660");
	assert_int_equal(r.mode, 0660);
	good(&plain, "--mode 777");
	assert_int_equal(r.mode, 0777);
	bad("--mode 899", "--mode 899: an octal number up to 0777 is expected, such as 0660");
	bad("--mode 1777", "--mode 1777: an octal number up to 0777 is expected, such as 0660");
}

static void test_seconds(void **state)
{
	static const char *const wrong[] = { "0", "3600.1", "-1", "nan", "inf", "2s", "x" };

	good(&plain, "--seconds 2.5");
	assert_true(r.seconds == 2.5);
	good(&plain, "--seconds 0.001");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		char text[64], what[128];

		snprintf(text, sizeof(text), "--seconds %s", wrong[i]);
		snprintf(what, sizeof(what), "--seconds %s: a number of seconds from 0.001 to 3600 is expected",
			 wrong[i]);
		bad(text, what);
	}
}

static void test_choice(void **state)
{
	good(&plain, "--choice one");
	assert_int_equal(r.choice, FIRST);
	good(&plain, "--choice three");
	assert_int_equal(r.choice, THIRD);
	good(&plain, "--named five");
	assert_int_equal(r.choice, SECOND);
	bad("--choice on", "--choice on: one of one|two|three is expected");
	bad("--choice one|two", "--choice one|two: one of one|two|three is expected");
	bad("--choice ''", "--choice : one of one|two|three is expected");
	bad("--named WHICH", "--named WHICH: one of four, five is expected");
}

static void test_log(void **state)
{
	good(&plain, "--log-level debug --log-format journal-prefix");
	assert_int_equal(r.log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(r.log_format, LOG_FORMAT_JOURNAL);
	good(&plain, "--log-level error --log-format json");
	assert_int_equal(r.log_level, LOG_LEVEL_ERROR);
	assert_int_equal(r.log_format, LOG_FORMAT_JSON);
	bad("--log-level loud", "--log-level loud: one of error, warning, notice, info, debug is expected");
	bad("--log-format ''", "--log-format : one of text, json, journal-prefix is expected");
}

static void test_flags(void **state)
{
	good(&plain, "-f --unset --constant");
	assert_true(r.flag);
	assert_false(r.unset);
	assert_int_equal(r.constant, 7);
	bad("--flag=yes", "--flag=yes: that option takes no value");
}

static void test_list(void **state)
{
	good(&plain, "--list a --list b");
	assert_int_equal(r.list.n, 2);
	assert_string_equal(r.list.word[0], "a");
	assert_string_equal(r.list.word[1], "b");
	bad("--list a --list b --list c", "--list can be given 2 times at most");
}

static void test_what_is_no_option(void **state)
{
	bad("--odd", "there is no option '--odd'");
	bad("-x", "there is no option '-x'");
	bad("-fx", "there is no option '-x'");
	bad("--num 3", "several options begin with --num");
	bad("--text", "--text: its value is missing");
	bad("-t", "-t: its value is missing");
	bad("word", "'word' is no option");
	bad("-- --flag", "'--flag' is no option");
	bad("--\033[31m", "there is no option '--?[31m'"); /* nothing raw */
	bad("--number \033[31m", "--number ?[31m: a number from 1 to 100 is expected");
}

static void test_an_operand(void **state)
{
	good(&with_operand, "a -f");
	assert_true(r.flag);
	assert_string_equal(line.operands[0], "a");
	good(&with_operand, "-f -- --b");
	assert_string_equal(line.operands[0], "--b");
	bad_of(&with_operand, "", "where?", "");
	bad_of(&with_operand, "a b", "where?", "");
}

static void test_a_verb(void **state)
{
	good(&with_verbs, "-t text paint -t a --colour red b --flag c --word w");
	assert_ptr_equal(line.verb, &paint);
	assert_string_equal(r.text, "text");
	assert_string_equal(line.values[0], "");
	assert_string_equal(line.values[1], "red");
	assert_string_equal(line.values[2], "w");
	assert_true(r.flag);
	assert_int_equal(line.n_operands, 3);
	assert_string_equal(line.operands[2], "c");
	good(&with_verbs, "paint a -- -t");
	assert_null(line.values[0]);
	assert_string_equal(line.operands[1], "-t");
	good(&with_verbs, "look");
	assert_int_equal(line.n_operands, 0);
	good(&with_verbs, "-f run --number 3");
	assert_int_equal(r.number, 3);
}

static void test_wrong_verbs(void **state)
{
	bad_of(&with_verbs, "", "what?", "");
	bad_of(&with_verbs, "-f", "what?", "");
	bad_of(&with_verbs, "dance", "there is no verb 'dance'", "");
	bad_of(&with_verbs, "paint", "paint: FILE... is missing", " paint");
	bad_of(&with_verbs, "look a b", "'b' is one word too many", " look");
	bad_of(&with_verbs, "paint --colour green x", "--colour green: one of red|blue is expected", " paint");
	bad_of(&with_verbs, "look --tall", "there is no option '--tall'", " look");
	bad_of(&with_verbs, "paint x --tall=3", "--tall=3: that option takes no value", " paint");
	bad_of(&with_verbs, "run x", "'x' is one word too many", ""); /* it has no help of its own */
}

static void test_help(void **state)
{
	assert_int_equal(parse(&plain, "--help --odd"), 0);
	assert_non_null(strstr(said, "Usage: prog\n\nAbout.\n"));
	for (const struct cmd_option *o = options; o->name; o++) {
		char name[32];

		snprintf(name, sizeof(name), "--%s", o->name);
		assert_non_null(strstr(said, name));
	}
	assert_non_null(strstr(said, "\n  -n, --number N          a number\n"));
	assert_int_equal(parse(&with_verbs, "-h"), 0);
	assert_non_null(strstr(said, "\n  paint         paints\n"));
	assert_int_equal(parse(&with_verbs, "paint --help"), 0);
	assert_non_null(strstr(said, "Usage: prog paint [OPTION...] FILE...\n\nPaints it.\n"));
	assert_non_null(strstr(said, "-t, --tall"));
	assert_null(strstr(said, "--text")); /* its letter is the verb's here */
	assert_int_equal(parse(&with_verbs, "run --help"), 0);
	assert_non_null(strstr(said, "Usage: prog VERB\n"));
}

static void test_version(void **state)
{
	assert_int_equal(parse(&plain, "-f --version --odd"), 0);
	assert_string_equal(said, "prog " VGPU_VERSION "\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),	  cmocka_unit_test(test_text),	     cmocka_unit_test(test_path),
		cmocka_unit_test(test_number),	  cmocka_unit_test(test_octal),	     cmocka_unit_test(test_seconds),
		cmocka_unit_test(test_choice),	  cmocka_unit_test(test_log),	     cmocka_unit_test(test_flags),
		cmocka_unit_test(test_list),	  cmocka_unit_test(test_what_is_no_option),
		cmocka_unit_test(test_an_operand), cmocka_unit_test(test_a_verb),    cmocka_unit_test(test_wrong_verbs),
		cmocka_unit_test(test_help),	  cmocka_unit_test(test_version),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	free(r.path);
	return failed;
}
