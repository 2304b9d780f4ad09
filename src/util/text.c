/* SPDX-License-Identifier: MIT */
#include "text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/*
 * One UTF-8 sequence in up to @len bytes (RFC 3629: no overlong forms,
 * surrogates, or anything past U+10FFFF).
 *
 * Return: its bytes, or 0 if there is none.
 */
static size_t decode(const unsigned char *s, size_t len, uint32_t *ret_code)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t code;
	size_t n;

	if (s[0] < 0x80) {
		*ret_code = s[0];
		return 1;
	}
	if ((s[0] & 0xe0) == 0xc0)
		n = 2;
	else if ((s[0] & 0xf0) == 0xe0)
		n = 3;
	else if ((s[0] & 0xf8) == 0xf0)
		n = 4;
	else
		return 0;
	if (n > len)
		return 0;
	code = s[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80) /* a NUL, too */
			return 0;
		code = code << 6 | (s[i] & 0x3fu);
	}
	if (code < smallest[n] || code > 0x10ffff ||
	    (code >= 0xd800 && code < 0xe000))
		return 0;
	*ret_code = code;
	return n;
}

size_t text_copy_utf8(char *buf, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	char *out = buf;
	uint32_t code;

	while (*p) {
		size_t n = decode(p, SIZE_MAX, &code);

		memcpy(out, n ? (const char *)p : "\xef\xbf\xbd", n ? n : 3);
		out += n ? n : 3;
		p += n ? n : 1;
	}
	*out = '\0';
	return (size_t)(out - buf);
}

char *text_to_utf8(const char *s)
{
	char *buf = malloc(TEXT_UTF8_SIZE(strlen(s)));

	if (buf)
		text_copy_utf8(buf, s);
	return buf;
}

static char *put_escape(char *out, uint32_t unit)
{
	static const char hex[] = "0123456789abcdef";

	*out++ = '\\';
	*out++ = 'u';
	for (int shift = 12; shift >= 0; shift -= 4)
		*out++ = hex[unit >> shift & 0xf];
	return out;
}

int text_json_to_ascii(const char *s, size_t len, char **ret_buf,
		       size_t *ret_len)
{
	const unsigned char *p = (const unsigned char *)s, *end = p + len;
	bool escaping = false; /* a backslash that makes an escape came before */
	char *buf, *out;

	if (len > SIZE_MAX / 6)
		return -ENOMEM;
	buf = malloc(len * 6 + 1); /* two or more bytes become 6 or 12 */
	if (!buf)
		return -ENOMEM;
	for (out = buf; p < end;) {
		uint32_t code;
		size_t n = decode(p, (size_t)(end - p), &code);

		if (!n || (n > 1 && escaping)) {
			free(buf);
			return -EILSEQ;
		}
		p += n;
		if (n == 1) {
			escaping = code == '\\' && !escaping;
			*out++ = (char)code;
		} else if (code < 0x10000) {
			out = put_escape(out, code);
		} else {
			out = put_escape(out, 0xd7c0 + (code >> 10));
			out = put_escape(out, 0xdc00 + (code & 0x3ff));
		}
	}
	*out = '\0';
	*ret_buf = buf;
	*ret_len = (size_t)(out - buf);
	return 0;
}

static bool is_steering(uint32_t code)
{
	if (code < 0x20 || (code >= 0x7f && code < 0xa0))
		return true;
	return code == 0x61c || code == 0x200e || code == 0x200f ||
	       (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069);
}

void text_make_printable(char *s)
{
	unsigned char *p = (unsigned char *)s;
	unsigned char *out = p;
	uint32_t code;

	while (*p) {
		size_t n = decode(p, SIZE_MAX, &code);

		if (!n || is_steering(code)) {
			*out++ = '?';
			p += n ? n : 1;
			continue;
		}
		memmove(out, p, n);
		out += n;
		p += n;
	}
	*out = '\0';
}

size_t text_columns(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}
