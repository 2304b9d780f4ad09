/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/base64.h"
#include "util/bytes.h"
#include "util/text.h"

static void printable(const char *in, const char *want)
{
	char *s = strdup(in);

	assert_non_null(s);
	text_make_printable(s);
	assert_string_equal(s, want);
	free(s);
}

static void terminals_are_not_steered(void **state)
{
	printable("", "");
	printable("plain", "plain");
	printable("\x1b[31mred\x07", "?[31mred?");
	printable("a\tb\nc\x7f", "a?b?c?");
	printable("\x9b"
		  "31m",
		  "?31m"); /* CSI as a byte */
	printable("\xc2\x9b"
		  "31m",
		  "?31m");			  /* CSI as U+009B */
	printable("\xe2\x80\xaeolleh", "?olleh"); /* right-to-left override */
	printable("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80",
		  "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80");
}

static void only_utf8_is_left(void **state)
{
	static const struct {
		const char *in, *want;
	} t[] = {
		{ "ok", "ok" },
		{ "\xff", "\xef\xbf\xbd" },
		{ "\xc3", "\xef\xbf\xbd" },		    /* cut off */
		{ "\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd" }, /* overlong NUL */
		{ "\xed\xa0\x80",			    /* a surrogate */
		  "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xf4\x90\x80\x80", /* past U+10FFFF */
		  "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xe2\x82\xac", "\xe2\x82\xac" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		char *s = text_to_utf8(t[i].in);

		assert_non_null(s);
		assert_string_equal(s, t[i].want);
		free(s);
	}
}

static void json_becomes_ascii(void **state)
{
	static const struct {
		const char *in, *want;
	} t[] = {
		{ "", "" },
		{ "{\"a\": [1]}", "{\"a\": [1]}" },
		{ "\"\xc3\xbc\"", "\"\\u00fc\"" },
		{ "\xe2\x82\xac", "\\u20ac" },
		{ "\xf0\x9f\x98\x80", "\\ud83d\\ude00" },
		{ "\xf4\x8f\xbf\xbf", "\\udbff\\udfff" },
		/* A backslash that is escaped, before a character that isn't */
		{ "\\\\\xc3\xbc", "\\\\\\u00fc" },
		{ "\\n\xc3\xbc", "\\n\\u00fc" },
	};
	static const char *const bad[] = {
		"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80",
		"\\\xc3\xbc", "\\\\\\\xc3\xbc", /* no escape of JSON's */
	};
	char *buf;
	size_t len;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		assert_int_equal(text_json_to_ascii(t[i].in, strlen(t[i].in),
						    &buf, &len),
				 0);
		assert_string_equal(buf, t[i].want);
		assert_int_equal(len, strlen(t[i].want));
		free(buf);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(text_json_to_ascii(bad[i], strlen(bad[i]),
						    &buf, &len),
				 -EILSEQ);
}

static void columns_are_characters(void **state)
{
	assert_int_equal(text_columns(""), 0);
	assert_int_equal(text_columns("abc"), 3);
	assert_int_equal(text_columns("gr\xc3\xbc\xc3\x9f"), 4);
}

static void base64_as_the_rfc_has_it(void **state)
{
	static const char *const t[][2] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "\xff\xfe\xfd", "//79" },
	};
	char out[16];

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		size_t len = strlen(t[i][0]);

		assert_int_equal(BASE64_LEN(len), strlen(t[i][1]));
		base64_encode(t[i][0], len, out);
		assert_memory_equal(out, t[i][1], BASE64_LEN(len));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(terminals_are_not_steered),
		cmocka_unit_test(only_utf8_is_left),
		cmocka_unit_test(json_becomes_ascii),
		cmocka_unit_test(columns_are_characters),
		cmocka_unit_test(base64_as_the_rfc_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
