/* SPDX-License-Identifier: MIT */
/*
 * A ring between two processes: one writes entries, the other reads them, and
 * neither takes a lock or makes a system call. Made for memory that the halves
 * of a driver share (<vgpu/parent.h>), whose other side may lie.
 *
 *   memory:  | head | tail | entry 0 | entry 1 | ... | entry n - 1 |
 *
 * @head counts what was written, @tail what was read; both run on for ever, so
 * that a count names a *position*. Each is written by one side only, in a cache
 * line of its own. What a side believes about itself is in its private struct
 * vgpu_ring, never in the shared memory; what it reads of the other side is
 * checked: a lie can make a ring useless to both, but no access is outside of
 * its memory, and entries are copied before anybody looks at them.
 *
 * Records of any length are entries in a row: vgpu_ring_write() takes as many as
 * it needs, and the reader, whom their first entry tells how many those are,
 * copies them with vgpu_ring_peek() and goes on by vgpu_ring_drop().
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
 * @n: entries, a power of two
 * @entry_size: bytes
 * @own: what this side has written, or read
 * @seen: the other side's, when it was looked at last
 *
 * Yours to read. Private below.
 */
struct vgpu_ring {
	uint64_t own;
	uint64_t seen;
	uint32_t n;
	uint32_t entry_size;
	uint64_t *head;
	uint64_t *tail;
	unsigned char *entries;
};

/** VGPU_RING_BYTES() - vgpu_ring_bytes() of constants */
#define VGPU_RING_BYTES(n, entry_size)                                  \
	(((size_t)2 * VGPU_RING_LINE + (size_t)(n) * (entry_size) +     \
	  VGPU_RING_LINE - 1) & ~((size_t)VGPU_RING_LINE - 1))

/* Bytes of shared memory that a ring of @n entries takes: a multiple of
 * VGPU_RING_LINE. */
static inline size_t vgpu_ring_bytes(uint32_t n, uint32_t entry_size)
{
	return VGPU_RING_BYTES(n, entry_size);
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
	ring->head = (uint64_t *)(void *)p;
	ring->tail = (uint64_t *)(void *)(p + VGPU_RING_LINE);
	ring->entries = p + (size_t)2 * VGPU_RING_LINE;
	ring->n = n;
	ring->entry_size = entry_size;
	ring->own = ring->seen = 0;
	return 0;
}

/* ------------------------------------------------------------------ */
/* The writer's side                                                   */
/* ------------------------------------------------------------------ */

/**
 * vgpu_ring_passed() - the position that the reader has come to
 *
 * Never less than before, nor more than was written: a reader that says so
 * stands where it was seen last.
 */
static inline uint64_t vgpu_ring_passed(struct vgpu_ring *ring)
{
	uint64_t tail = __atomic_load_n(ring->tail, __ATOMIC_ACQUIRE);

	if (ring->own - tail <= ring->own - ring->seen)
		ring->seen = tail;
	return ring->seen;
}

/* Entries that may be written now */
static inline uint32_t vgpu_ring_room(struct vgpu_ring *ring)
{
	return ring->n - (uint32_t)(ring->own - vgpu_ring_passed(ring));
}

/* Private: where @position is; *@ret_first: of @bytes, what is before the end */
static inline unsigned char *vgpu_ring_at(const struct vgpu_ring *ring,
					  uint64_t position, size_t bytes,
					  size_t *ret_first)
{
	size_t at = (size_t)(position & (ring->n - 1)) * ring->entry_size;
	size_t left = (size_t)ring->n * ring->entry_size - at;

	*ret_first = bytes < left ? bytes : left;
	return ring->entries + at;
}

/* Entries that @bytes take */
static inline uint32_t vgpu_ring_entries(const struct vgpu_ring *ring,
					 size_t bytes)
{
	return (uint32_t)((bytes + ring->entry_size - 1) / ring->entry_size);
}

/**
 * vgpu_ring_write() - write a record, the next entries in a row
 * @ring: the writer's side
 * @record: copied; what its last entry has behind it is not defined
 * @bytes: of it, not more than the ring has
 *
 * Return: 0; -EAGAIN: there is no room for all of it.
 */
static inline int vgpu_ring_write(struct vgpu_ring *ring, const void *record,
				  size_t bytes)
{
	uint32_t n = vgpu_ring_entries(ring, bytes);
	unsigned char *to;
	size_t first;

	if (vgpu_ring_room(ring) < n)
		return -EAGAIN;
	to = vgpu_ring_at(ring, ring->own, bytes, &first);
	memcpy(to, record, first);
	memcpy(ring->entries, (const unsigned char *)record + first,
	       bytes - first);
	ring->own += n;
	__atomic_store_n(ring->head, ring->own, __ATOMIC_RELEASE);
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
		uint64_t tail = __atomic_load_n(ring->tail, __ATOMIC_ACQUIRE);

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

/* ------------------------------------------------------------------ */
/* The reader's side                                                   */
/* ------------------------------------------------------------------ */

/**
 * vgpu_ring_look() - see what there is: entries [@own, @seen)
 *
 * Return: 0; -EPROTO: the writer lies about what it has written.
 */
static inline int vgpu_ring_look(struct vgpu_ring *ring)
{
	uint64_t head = __atomic_load_n(ring->head, __ATOMIC_ACQUIRE);

	if (head - ring->own > ring->n ||
	    head - ring->own < ring->seen - ring->own)
		return -EPROTO;
	ring->seen = head;
	return 0;
}

/**
 * vgpu_ring_peek() - copy a record, or its beginning, and leave it there
 * @ring: the reader's side
 * @position: from @own on
 * @ret_record: gets @bytes
 *
 * Return: 0; -EAGAIN: not all of it was there at the last look.
 */
static inline int vgpu_ring_peek(const struct vgpu_ring *ring,
				 uint64_t position, void *ret_record,
				 size_t bytes)
{
	const unsigned char *from;
	size_t first;

	if (position - ring->own > ring->seen - ring->own ||
	    bytes > (ring->seen - position) * ring->entry_size)
		return -EAGAIN;
	from = vgpu_ring_at(ring, position, bytes, &first);
	memcpy(ret_record, from, first);
	memcpy((unsigned char *)ret_record + first, ring->entries,
	       bytes - first);
	return 0;
}

/* @n entries, which are there, have been read: the writer may use their room.
 */
static inline void vgpu_ring_drop(struct vgpu_ring *ring, uint32_t n)
{
	ring->own += n;
	__atomic_store_n(ring->tail, ring->own, __ATOMIC_RELEASE);
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
		int err = vgpu_ring_look(ring);

		if (err || ring->seen == ring->own)
			return err ? err : -EAGAIN;
	}
	memcpy(ret_entry,
	       ring->entries +
		       (size_t)(ring->own & (ring->n - 1)) * ring->entry_size,
	       ring->entry_size);
	vgpu_ring_drop(ring, 1);
	return 0;
}

#ifdef __cplusplus
}
#endif
#endif
