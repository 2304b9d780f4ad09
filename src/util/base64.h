/* SPDX-License-Identifier: MIT */
/* Base 64 (RFC 4648, section 4), for bytes that travel in JSON. */
#ifndef UTIL_BASE64_H
#define UTIL_BASE64_H

#include <stddef.h>

/* Characters for @len bytes, without a NUL. */
#define BASE64_LEN(len) (((len) + 2) / 3 * 4)

/* Write BASE64_LEN(@len) characters to @out; no NUL. */
void base64_encode(const void *data, size_t len, char *out);

#endif
