/* SPDX-License-Identifier: MIT */
/* Text from elsewhere (guests, clients, files) made fit for people's eyes. */
#ifndef UTIL_TEXT_H
#define UTIL_TEXT_H

#include <stddef.h>

/* Bytes that text_to_utf8() makes of @len bytes at most, NUL included. */
#define TEXT_UTF8_SIZE(len) ((len)*3 + 1)

/* Copy @s; each byte that belongs to no valid UTF-8 sequence becomes U+FFFD.
 * @buf has room for TEXT_UTF8_SIZE(strlen(@s)). Return: bytes, without NUL. */
size_t text_copy_utf8(char *buf, const char *s);

/* The same in new memory; NULL: out of it. */
char *text_to_utf8(const char *s);

/**
 * text_json_to_ascii() - the same JSON with \u escapes for all that isn't ASCII
 * @s: JSON, or what claims to be; @len bytes
 * @ret_buf: with a NUL at its end; free() it
 * @ret_len: without that NUL
 *
 * For json-c, whose strict mode refuses every other character from 0.17 to
 * 0.18 (Debian 13), and whose own check of UTF-8 lets overlong forms pass.
 *
 * Return: 0; -EILSEQ: not UTF-8, or an escape that no JSON has; -ENOMEM.
 */
int text_json_to_ascii(const char *s, size_t len, char **ret_buf,
		       size_t *ret_len);

/* Replace what could steer a terminal by '?', in place: C0 and C1 control
 * characters (also as bytes outside of UTF-8), DEL, and the characters that
 * change the direction of writing. */
void text_make_printable(char *s);

/* Columns that valid UTF-8 takes, roughly: its characters. */
size_t text_columns(const char *s);

#endif
