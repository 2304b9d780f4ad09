/* SPDX-License-Identifier: MIT */
/* Who has which piece of an address space: free pieces, in order. */
#ifndef REFGPU_RANGES_H
#define REFGPU_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct range {
	uint64_t start, size;
};

struct ranges {
	struct range *free;
	size_t n, room;
};

/* All of [@start, @start + @size) is free. Return: 0; -ENOMEM. */
int ranges_init(struct ranges *r, uint64_t start, uint64_t size);
void ranges_fini(struct ranges *r);

/* The first free piece. @align: a power of two. Return: 0; -ENOSPC; -ENOMEM. */
int ranges_take(struct ranges *r, uint64_t size, uint64_t align,
		uint64_t *ret_start);
/* Give a piece back, or part of one. */
void ranges_give(struct ranges *r, uint64_t start, uint64_t size);

#endif
