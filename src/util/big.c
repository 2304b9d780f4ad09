/* SPDX-License-Identifier: MIT */
#include "big.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define HUGE ((size_t)2 << 20)

void *big_calloc(size_t n, size_t size)
{
	size_t bytes = n * size, before;
	char *p;

	if (size && n > (SIZE_MAX - HUGE) / size)
		return NULL;
	if (bytes < HUGE)
		return calloc(n, size);
	p = mmap(NULL, bytes + HUGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	/* From a whole huge page on; what is around it goes back. */
	before = -(uintptr_t)p & (HUGE - 1);
	if (before)
		munmap(p, before);
	munmap(p + before + bytes, HUGE - before);
	p += before;
	/* Without it they are small pages: slower, not wrong. */
	madvise(p, bytes, MADV_HUGEPAGE);
	return p;
}

void big_free(void *p, size_t n, size_t size)
{
	if (n * size < HUGE)
		free(p);
	else if (p)
		munmap(p, n * size);
}
