/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/interface.h"
#include "control/json.h"
#include "control/message.h"
#include "util/bytes.h"

static int parse(const char *text, struct control_request *req)
{
	return control_parse_request(text, strlen(text), req);
}

static void calls_are_read(void **state)
{
	struct control_request req;

	assert_int_equal(parse("{\"method\":\"a.b.C\",\"more\":true,"
			       "\"parameters\":{\"x\":1}}\n",
			       &req),
			 0);
	assert_string_equal(req.method, "a.b.C");
	assert_true(req.more);
	assert_false(req.oneway);
	assert_false(req.upgrade);
	assert_int_equal(json_get_int(req.parameters, "x", 0), 1);
	control_request_release(&req);

	assert_int_equal(parse("{\"method\":\"a.b.C\",\"oneway\":true,"
			       "\"more\":null,\"parameters\":null}",
			       &req),
			 0);
	assert_null(req.parameters);
	assert_true(req.oneway);
	control_request_release(&req);
}

static void what_is_no_call_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"{",
		"[]",
		"null",
		"\"method\"",
		"{}",
		"{\"method\":1}",
		"{\"method\":null}",
		"{\"method\":\"a.B\"}{\"method\":\"a.B\"}",
		"{\"method\":\"a.B\"} x",
		"{\"method\":\"a.B\",}",
		"{'method':'a.B'}",
		"{\"method\":\"a.B\",\"parameters\":[]}",
		"{\"method\":\"a.B\",\"parameters\":\"\"}",
		"{\"method\":\"a.B\",\"more\":1}",
		"{\"method\":\"a.B\",\"oneway\":\"yes\"}",
		"{\"method\":\"a.B\",\"oneway\":true,\"more\":true}",
		"{\"method\":\"a.B\",\"oneway\":true,\"upgrade\":true}",
		"{\"method\":\"a.B\",\"parameters\":{\"x\":\"a\\u0000b\"}}",
		"{\"method\":\"a.B\",\"parameters\":{\"x\":[{\"y\":\"\\u0000\"}"
		"]}}",
		"{\"method\":\"a.B\xff\"}",
		"{\"method\":\"a.B\",\"parameters\":{\"x\":\"\xc0\x80\"}}",
	};
	struct control_request req;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (parse(bad[i], &req) != -EBADMSG)
			fail_msg("taken for a call: %s", bad[i]);
}

static void long_method_names_are_refused(void **state)
{
	char text[CONTROL_MAX_METHOD + 100], name[CONTROL_MAX_METHOD + 2];
	struct control_request req;

	memset(name, 'a', sizeof(name));
	name[CONTROL_MAX_METHOD] = '\0';
	snprintf(text, sizeof(text), "{\"method\":\"%s\"}", name);
	assert_int_equal(parse(text, &req), 0);
	control_request_release(&req);
	name[CONTROL_MAX_METHOD] = 'a';
	name[CONTROL_MAX_METHOD + 1] = '\0';
	snprintf(text, sizeof(text), "{\"method\":\"%s\"}", name);
	assert_int_equal(parse(text, &req), -EBADMSG);
}

/* {"method":"a.B","parameters":{"x":[[[...]]]}} with @n brackets */
static int parse_nested(size_t n)
{
	struct control_request req;
	char *text = calloc(1, 2 * n + 64);
	int err;

	assert_non_null(text);
	strcpy(text, "{\"method\":\"a.B\",\"parameters\":{\"x\":");
	memset(text + strlen(text), '[', n);
	memset(text + strlen(text), ']', n);
	strcat(text, "}}");
	err = parse(text, &req);
	if (!err)
		control_request_release(&req);
	free(text);
	return err;
}

static void depth_is_bounded(void **state)
{
	assert_int_equal(parse_nested(8), 0);
	assert_int_equal(parse_nested(CONTROL_MAX_DEPTH + 1), -E2BIG);
	assert_int_equal(parse_nested(30000), -E2BIG);
}

static const struct control_field inputs[] = {
	{ "b", CONTROL_BOOL, true },  { "i", CONTROL_INT, false },
	{ "f", CONTROL_FLOAT, true }, { "s", CONTROL_STRING, true },
	{ "a", CONTROL_ARRAY, true }, { "o", CONTROL_OBJECT, true },
};
static const struct control_method_def method = { "M", inputs,
						  ARRAY_SIZE(inputs) };

static void check(const char *text, const char *want)
{
	struct json_object *params = NULL;
	const char *bad;

	if (text)
		assert_int_equal(control_parse(text, strlen(text), &params), 0);
	bad = control_check_inputs(&method, params);
	if (want)
		assert_string_equal(bad, want);
	else
		assert_null(bad);
	json_object_put(params);
}

static void inputs_are_checked(void **state)
{
	check("{\"i\":1}", NULL);
	check("{\"i\":1,\"b\":false,\"f\":1.5,\"s\":\"\",\"a\":[],\"o\":{}}",
	      NULL);
	check("{\"i\":1,\"f\":2}", NULL);
	check("{\"i\":1,\"s\":null}", NULL);
	check("{}", "i");
	check(NULL, "i");
	check("{\"i\":null}", "i");
	check("{\"i\":\"1\"}", "i");
	check("{\"i\":1.5}", "i");
	check("{\"i\":1,\"b\":0}", "b");
	check("{\"i\":1,\"s\":[]}", "s");
	check("{\"i\":1,\"a\":{}}", "a");
	check("{\"i\":1,\"o\":[]}", "o");
	check("{\"i\":1,\"j\":1}", "j");
}

static void no_inputs_means_none(void **state)
{
	static const struct control_method_def none = { "N", NULL, 0 };
	struct json_object *params;

	assert_null(control_check_inputs(&none, NULL));
	assert_int_equal(control_parse("{\"x\":1}", 7, &params), 0);
	assert_string_equal(control_check_inputs(&none, params), "x");
	json_object_put(params);
}

static void messages_are_written(void **state)
{
	struct json_object *params = json_object_new_object();
	char *text;
	size_t len;

	assert_int_equal(control_format_call("a.B", NULL, CONTROL_ONE, &text, &len),
			 0);
	assert_string_equal(text, "{\"method\":\"a.B\"}");
	assert_int_equal(len, strlen(text) + 1);
	free(text);

	json_set_string(&params, "path", "/a");
	json_set_string(&params, "bytes", "\x80");
	json_set_string(&params, "none", NULL);
	assert_int_equal(control_format_call("a.B", params, CONTROL_MORE, &text, &len),
			 0);
	assert_string_equal(text, "{\"method\":\"a.B\",\"parameters\":"
				  "{\"path\":\"/a\",\"bytes\":\"\xef\xbf\xbd\","
				  "\"none\":null},\"more\":true}");
	free(text);
	json_object_put(params);

	assert_int_equal(control_format_reply(NULL, NULL, true, &text, &len),
			 0);
	assert_string_equal(text, "{\"parameters\":{},\"continues\":true}");
	free(text);
	assert_int_equal(control_format_reply(NULL, "a.E", false, &text, &len),
			 0);
	assert_string_equal(text, "{\"error\":\"a.E\",\"parameters\":{}}");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_are_read),
		cmocka_unit_test(what_is_no_call_is_refused),
		cmocka_unit_test(long_method_names_are_refused),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(inputs_are_checked),
		cmocka_unit_test(no_inputs_means_none),
		cmocka_unit_test(messages_are_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
