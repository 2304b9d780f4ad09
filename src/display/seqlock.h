/* SPDX-License-Identifier: MIT */
/*
 * Words that one process writes while others read them, and a sequence number
 * that is odd meanwhile. Every access is an atomic of its own, and the words'
 * order keeps the number's: they are released, so that they come after the odd
 * number, and acquired, so that the number is read again after them. Fences
 * would do the same, but the thread sanitizer can't see them.
 */
#ifndef DISPLAY_SEQLOCK_H
#define DISPLAY_SEQLOCK_H

#include <stddef.h>
#include <stdint.h>

/* @len is a multiple of 4, both are aligned to 4. */
static inline void shared_store(void *shared, const void *from, size_t len)
{
	uint32_t *d = shared;
	const uint32_t *s = from;

	for (size_t i = 0; i < len / 4; i++)
		__atomic_store_n(&d[i], s[i], __ATOMIC_RELEASE);
}

static inline void shared_load(void *to, const void *shared, size_t len)
{
	uint32_t *d = to;
	const uint32_t *s = shared;

	for (size_t i = 0; i < len / 4; i++)
		d[i] = __atomic_load_n(&s[i], __ATOMIC_ACQUIRE);
}

static inline void seq_write_begin(uint32_t *sequence)
{
	uint32_t s = __atomic_load_n(sequence, __ATOMIC_RELAXED);

	__atomic_store_n(sequence, s + 1, __ATOMIC_RELAXED);
}

static inline void seq_write_end(uint32_t *sequence)
{
	uint32_t s = __atomic_load_n(sequence, __ATOMIC_RELAXED);

	__atomic_store_n(sequence, s + 1, __ATOMIC_RELEASE);
}

#endif
