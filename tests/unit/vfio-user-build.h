/* SPDX-License-Identifier: MIT */
/*
 * Messages by hand, byte after byte, for the tests of src/vfio-user: what is
 * under test has no part in what it is tested with.
 */
#ifndef TEST_VFIO_USER_BUILD_H
#define TEST_VFIO_USER_BUILD_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vfio-user/proto.h"

#define BUILD_MAX (2u << 20)

struct build {
	uint8_t *bytes;
	size_t len;
};

static inline void put(struct build *b, uint64_t value, size_t width)
{
	for (size_t i = 0; i < width; i++)
		b->bytes[b->len++] = i < 8 ? (uint8_t)(value >> 8 * i) : 0;
}

/* Overwrite @width bytes at @at. */
static inline void poke(struct build *b, size_t at, uint64_t value,
			size_t width)
{
	for (size_t i = 0; i < width; i++)
		b->bytes[at + i] = (uint8_t)(value >> 8 * i);
}

static inline uint64_t peek(const void *p, size_t at, size_t width)
{
	uint64_t v = 0;

	for (size_t i = width; i-- > 0;)
		v = v << 8 | ((const uint8_t *)p)[at + i];
	return v;
}

static inline void put_bytes(struct build *b, const void *p, size_t len)
{
	memcpy(b->bytes + b->len, p, len);
	b->len += len;
}

static inline void start(struct build *b, unsigned command)
{
	if (!b->bytes)
		b->bytes = calloc(1, BUILD_MAX);
	b->len = 0;
	put(b, 0x1234, 2);
	put(b, command, 2);
	put(b, 0, 4); /* finish() */
	put(b, 0, 4);
	put(b, 0, 4);
}

/* Make the header's size true again. */
static inline void finish(struct build *b)
{
	poke(b, 4, b->len, 4);
}

/* A copy that ends where its memory ends, at an odd address, so that a
 * sanitizer sees what reads beyond it. free(*ret_mem) afterwards. */
static inline const void *exact(const struct build *b, void **ret_mem)
{
	uint8_t *mem = malloc(b->len + 1);

	memcpy(mem + 1, b->bytes, b->len);
	*ret_mem = mem;
	return mem + 1;
}

#endif
