/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/json.h"
#include "control/message.h"
#include "util/log-sink.h"

static const struct timespec when = { .tv_sec = 1700000000,
				      .tv_nsec = 7999999 };

static const char *format(enum log_format form, const char *instance,
			  const char *type, const char *subject,
			  const char *line)
{
	static char buf[LOG_SINK_LINE + 1];
	struct log_sink_config config = { form, "prog", instance, type };
	size_t len = log_sink_format(&config, &when, LOG_LEVEL_WARNING, subject,
				     line, buf);

	assert_true(len <= LOG_SINK_LINE);
	buf[len] = '\0';
	return buf;
}

static void text_lines(void **state)
{
	assert_string_equal(
		format(LOG_FORMAT_TEXT, "id", "kind", NULL, "hello"),
		"2023-11-14T22:13:20.007Z warning prog: hello\n");
	assert_string_equal(
		format(LOG_FORMAT_TEXT, "id", "kind", "other", "hello"),
		"2023-11-14T22:13:20.007Z warning other: hello\n");
	assert_string_equal(
		format(LOG_FORMAT_TEXT, NULL, NULL, NULL, "a\x1b[m"),
		"2023-11-14T22:13:20.007Z warning prog: a?[m\n");
}

static void journal_lines(void **state)
{
	assert_string_equal(
		format(LOG_FORMAT_JOURNAL, "id", "kind", NULL, "hello"),
		"<4>prog: hello\n");
}

static void json_lines(void **state)
{
	struct json_object *obj;
	const char *line;

	line = format(LOG_FORMAT_JSON, "id", "kind", "about",
		      "say \"hi\" \\ \x80 \xc3\xbc \x01");
	assert_int_equal(control_parse(line, strlen(line), &obj), 0);
	assert_string_equal(json_get_string(obj, "time", ""),
			    "2023-11-14T22:13:20.007Z");
	assert_string_equal(json_get_string(obj, "level", ""), "warning");
	assert_string_equal(json_get_string(obj, "program", ""), "prog");
	assert_string_equal(json_get_string(obj, "instance", ""), "id");
	assert_string_equal(json_get_string(obj, "type", ""), "kind");
	assert_string_equal(json_get_string(obj, "subject", ""), "about");
	assert_string_equal(json_get_string(obj, "message", ""),
			    "say \"hi\" \\ ? \xc3\xbc ?");
	json_object_put(obj);
}

static void long_lines_stay_whole(void **state)
{
	struct json_object *obj;
	char text[3000];
	const char *line;

	memset(text, '"', sizeof(text)); /* each needs an escape */
	text[sizeof(text) - 1] = '\0';
	line = format(LOG_FORMAT_JSON, "id", "kind", text, text);
	assert_int_equal(control_parse(line, strlen(line), &obj), 0);
	assert_true(strlen(json_get_string(obj, "message", "")) > 1000);
	json_object_put(obj);

	for (size_t i = 0; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xbc", 2);
	line = format(LOG_FORMAT_TEXT, NULL, NULL, NULL, text);
	assert_null(strchr(line, '?')); /* no character was cut in half */
	line = format(LOG_FORMAT_TEXT, NULL, NULL, NULL, text + 1);
	assert_int_equal(strchr(line, '?') - strrchr(line, ' '), 1);
}

/* stderr is a pipe that nobody reads: the program goes on. */
static void a_full_pipe_loses_lines_and_says_so(void **state)
{
	static const struct log_sink_config config = { LOG_FORMAT_TEXT, "prog",
						       NULL, NULL };
	char buf[8192], line[1000];
	int saved = dup(STDERR_FILENO), p[2];
	ssize_t n = 0, got = 0;
	char *lost;

	assert_int_equal(pipe(p), 0);
	assert_int_equal(fcntl(p[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(dup2(p[1], STDERR_FILENO), STDERR_FILENO);
	log_sink_setup(&config, LOG_LEVEL_INFO);
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	for (int i = 0; i < 500; i++)
		log_info(NULL, "%s", line);
	while ((n = read(p[0], buf, sizeof(buf))) > 0)
		got += n;
	log_info(NULL, "heard again");
	n = read(p[0], buf, sizeof(buf) - 1);
	dup2(saved, STDERR_FILENO);
	log_setup(NULL, LOG_LEVEL_WARNING);
	close(saved);
	close(p[0]);
	close(p[1]);

	assert_true(got > 0 && got < 500 * 1000);
	assert_true(n > 0);
	buf[n] = '\0';
	lost = strstr(buf, "prog: ");
	assert_non_null(lost);
	assert_int_equal(500 - atoi(lost + 6),
			 got / (ssize_t)(strlen("2023-11-14T22:13:20.007Z info "
						"prog: \n") +
					 strlen(line)));
	assert_non_null(strstr(buf, "heard again\n"));
}

static void names_are_read(void **state)
{
	enum log_format format = LOG_FORMAT_JSON;
	enum log_level level = LOG_LEVEL_ERROR;

	assert_int_equal(log_level_parse("debug", &level), 0);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_parse("loud", &level), -EINVAL);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_int_equal(log_format_parse("journal-prefix", &format), 0);
	assert_int_equal(format, LOG_FORMAT_JOURNAL);
	assert_int_equal(log_format_parse("", &format), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_lines),
		cmocka_unit_test(journal_lines),
		cmocka_unit_test(json_lines),
		cmocka_unit_test(long_lines_stay_whole),
		cmocka_unit_test(a_full_pipe_loses_lines_and_says_so),
		cmocka_unit_test(names_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
