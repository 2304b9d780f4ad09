/* SPDX-License-Identifier: MIT */
/*
 * A ring between two processes: one writes entries, the other reads them, and
 * neither takes a lock or makes a system call. Made for memory that the halves
 * of a driver share (<vgpu/parent.h>), whose other side may lie.
 *
 *   memory:  | head | tail | entry 0 | entry 1 | ... | entry n - 1 |
 *
 * @head counts what was written, @tail what was read; both run on and wrap at
 * 2^32. Each is written by one side only, in a cache line of its own. What a
 * side believes about itself is in its private struct vgpu_ring, never in the
 * shared memory; what it reads of the other side is checked: a lie can make a
 * ring useless to both, but no access is outside of its memory, and entries
 * are copied before anybody looks at them.
 *
 * Header only; no threads on the same side of a ring at once.
 *
 *	vgpu_ring_push(&ring, &job);    // one side
 *	vgpu_parent_kick(dev);          // after one or many
 *
 *	for (i = 0; i < ring.n && !vgpu_ring_pop(&ring, &job); i++)
 *		...                     // the other, in its kick op
 */
#ifndef VGPU_RING_H
#define VGPU_RING_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VGPU_RING_LINE	      128u /* two cache lines: they are fetched in pairs */
#define VGPU_RING_MAX_ENTRIES (1u << 20)
#define VGPU_RING_MAX_ENTRY   4096u

/**
 * struct vgpu_ring - one side of a ring; private to it
 *
 * Private below.
 */
struct vgpu_ring {
	uint32_t *head;
	uint32_t *tail;
	unsigned char *entries;
	uint32_t n;	     /* entries, a power of two; yours to read */
	uint32_t entry_size; /* bytes */
	uint32_t own;	     /* what this side has written, or read */
	uint32_t seen;	     /* the other side's, when it was looked at last */
};

/* Bytes of shared memory that a ring of @n entries takes: a multiple of
 * VGPU_RING_LINE. */
static inline size_t vgpu_ring_bytes(uint32_t n, uint32_t entry_size)
{
	size_t bytes = (size_t)2 * VGPU_RING_LINE + (size_t)n * entry_size;

	return (bytes + VGPU_RING_LINE - 1) & ~((size_t)VGPU_RING_LINE - 1);
}

/**
 * vgpu_ring_init() - make one side
 * @ring: filled in
 * @memory: shared, vgpu_ring_bytes() of it, aligned to VGPU_RING_LINE; zeroed
 *          before the first side uses it
 * @n: entries, a power of two up to VGPU_RING_MAX_ENTRIES
 * @entry_size: bytes, a multiple of 4 up to VGPU_RING_MAX_ENTRY
 *
 * Both sides give the same numbers, by agreement: nothing of them is in the
 * memory.
 *
 * Return: 0; -EINVAL.
 */
static inline int vgpu_ring_init(struct vgpu_ring *ring, void *memory,
				 uint32_t n, uint32_t entry_size)
{
	unsigned char *p = (unsigned char *)memory;

	if (!p || (uintptr_t)p % VGPU_RING_LINE || !n || n & (n - 1) ||
	    n > VGPU_RING_MAX_ENTRIES || !entry_size || entry_size % 4 ||
	    entry_size > VGPU_RING_MAX_ENTRY)
		return -EINVAL;
	ring->head = (uint32_t *)(void *)p;
	ring->tail = (uint32_t *)(void *)(p + VGPU_RING_LINE);
	ring->entries = p + (size_t)2 * VGPU_RING_LINE;
	ring->n = n;
	ring->entry_size = entry_size;
	ring->own = ring->seen = 0;
	return 0;
}

/**
 * vgpu_ring_push() - write an entry
 * @ring: the writer's side
 * @entry: @entry_size bytes
 *
 * Return: 0; -EAGAIN: full; -EPROTO: the reader lies about what it has read.
 */
static inline int vgpu_ring_push(struct vgpu_ring *ring, const void *entry)
{
	if (ring->own - ring->seen >= ring->n) {
		uint32_t tail = __atomic_load_n(ring->tail, __ATOMIC_ACQUIRE);

		if (ring->own - tail > ring->n)
			return -EPROTO;
		ring->seen = tail;
		if (ring->own - tail == ring->n)
			return -EAGAIN;
	}
	memcpy(ring->entries +
		       (size_t)(ring->own & (ring->n - 1)) * ring->entry_size,
	       entry, ring->entry_size);
	ring->own++;
	__atomic_store_n(ring->head, ring->own, __ATOMIC_RELEASE);
	return 0;
}

/**
 * vgpu_ring_pop() - read the oldest entry
 * @ring: the reader's side
 * @ret_entry: @entry_size bytes: a copy, which changes no more
 *
 * Return: 0; -EAGAIN: empty; -EPROTO: the writer lies about what it has
 * written.
 */
static inline int vgpu_ring_pop(struct vgpu_ring *ring, void *ret_entry)
{
	if (ring->seen == ring->own) {
		uint32_t head = __atomic_load_n(ring->head, __ATOMIC_ACQUIRE);

		if (head - ring->own > ring->n)
			return -EPROTO;
		if (head == ring->own)
			return -EAGAIN;
		ring->seen = head;
	}
	memcpy(ret_entry,
	       ring->entries +
		       (size_t)(ring->own & (ring->n - 1)) * ring->entry_size,
	       ring->entry_size);
	ring->own++;
	__atomic_store_n(ring->tail, ring->own, __ATOMIC_RELEASE);
	return 0;
}

#ifdef __cplusplus
}
#endif
#endif
