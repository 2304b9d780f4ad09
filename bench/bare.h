/* SPDX-License-Identifier: MIT */
/*
 * The floor of bench-dma: a two-level page table and nothing else. 2 MiB
 * entries, or tables of 4 KiB entries; no permissions, no ranges, no length,
 * nobody who changes it meanwhile.
 */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include <stddef.h>
#include <stdint.h>

struct bare {
	uint64_t *top; /* pointer; | 1: to a table of 512 pointers */
	uint64_t tops;
};

static inline void *bare_walk(const struct bare *bare, uint64_t iova)
{
	uint64_t i = iova >> 21, e;

	if (__builtin_expect(i >= bare->tops, 0))
		return NULL;
	e = bare->top[i];
	if (e & 1) {
		const uint64_t *leaf = (const uint64_t *)(uintptr_t)(e - 1);

		return (char *)(uintptr_t)leaf[iova >> 12 & 511] +
		       (iova & 4095);
	}
	return e ? (char *)(uintptr_t)e + (iova & ((1u << 21) - 1)) : NULL;
}

/* The same behind a call, as a library has it. */
void *bare_find(const struct bare *bare, uint64_t iova);

#endif
