/* SPDX-License-Identifier: MIT */
/* Text from elsewhere (guests, clients, files) made fit for people's eyes. */
#ifndef UTIL_TEXT_H
#define UTIL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Are these bytes valid UTF-8? */
bool text_is_utf8(const char *s, size_t len);

/* Bytes that text_to_utf8() makes of @len bytes at most, NUL included. */
#define TEXT_UTF8_SIZE(len) ((len)*3 + 1)

/* Copy @s; each byte that belongs to no valid UTF-8 sequence becomes U+FFFD.
 * @buf has room for TEXT_UTF8_SIZE(strlen(@s)). Return: bytes, without NUL. */
size_t text_copy_utf8(char *buf, const char *s);

/* The same in new memory; NULL: out of it. */
char *text_to_utf8(const char *s);

/* Replace what could steer a terminal by '?', in place: C0 and C1 control
 * characters (also as bytes outside of UTF-8), DEL, and the characters that
 * change the direction of writing. */
void text_make_printable(char *s);

/* Columns that valid UTF-8 takes, roughly: its characters. */
size_t text_columns(const char *s);

#endif
