/* SPDX-License-Identifier: MIT */
#include "base64.h"

#include <stdint.h>

static const char digits[64] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *data, size_t len, char *out)
{
	const uint8_t *p = data;

	for (; len >= 3; len -= 3, p += 3, out += 4) {
		uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];

		out[0] = digits[v >> 18];
		out[1] = digits[v >> 12 & 63];
		out[2] = digits[v >> 6 & 63];
		out[3] = digits[v & 63];
	}
	if (len) {
		uint32_t v = (uint32_t)p[0] << 16 |
			     (len == 2 ? (uint32_t)p[1] << 8 : 0);

		out[0] = digits[v >> 18];
		out[1] = digits[v >> 12 & 63];
		out[2] = len == 2 ? digits[v >> 6 & 63] : '=';
		out[3] = '=';
	}
}
