/* SPDX-License-Identifier: MIT */
/*
 * A fuzz target is one function. libFuzzer calls it by the million; replay.c
 * calls it with the seeds and with what was once found, in `meson test`.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever the input is. Not assert(): it is never compiled
 * out. */
#define REQUIRE(cond)                                                          \
	do {                                                                   \
		if (!(cond)) {                                                 \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__,       \
				__LINE__, #cond);                              \
			abort();                                               \
		}                                                              \
	} while (0)

/* The input, eaten from the front; zeros where it is at its end. */
struct input {
	const uint8_t *p;
	size_t len;
};

static inline uint64_t take(struct input *in, size_t width)
{
	uint64_t v = 0;

	for (size_t i = 0; i < width && in->len; i++, in->p++, in->len--)
		v |= (uint64_t)*in->p << 8 * i;
	return v;
}

#endif
