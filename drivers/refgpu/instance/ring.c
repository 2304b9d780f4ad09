/* SPDX-License-Identifier: MIT */
/*
 * Records to the parent half. Nothing here waits for room: a record that does
 * not fit is not written, and who wanted it goes on when the parent half kicks.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "instance.h"

uint64_t rg_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t rg_ring_passed(const struct rg *rg)
{
	uint64_t head = __atomic_load_n(&rg->shared->head, __ATOMIC_ACQUIRE);

	return head > rg->tail ? rg->tail : head;
}

uint64_t rg_ring_room(const struct rg *rg)
{
	uint64_t used = rg->tail - rg_ring_passed(rg);

	return used > RG_RING_SIZE ? 0 : RG_RING_SIZE - used;
}

static uint64_t padded(uint64_t size)
{
	return (size + RG_ALIGN - 1) & ~(uint64_t)(RG_ALIGN - 1);
}

/* In one piece, with @spare bytes free behind it. The record's size is filled
 * in. NULL: there is no room. */
void *rg_ring_reserve(struct rg *rg, uint32_t size, uint32_t spare)
{
	uint64_t at = rg->tail % RG_RING_SIZE;
	uint64_t to_end = RG_RING_SIZE - at;
	uint64_t skip = to_end < padded(size) ? to_end : 0;
	struct rg_record *r = (struct rg_record *)(rg->shared->ring + at);

	if (rg_ring_room(rg) < skip + padded(size) + spare)
		return NULL;
	if (skip) {
		*r = (struct rg_record){ .size = (uint32_t)skip,
					 .kind = RG_PAD };
		rg->tail += skip;
		r = (struct rg_record *)rg->shared->ring;
	}
	*r = (struct rg_record){ .size = size };
	return r;
}

/* The record that was reserved last is whole. */
void rg_ring_commit(struct rg *rg)
{
	const struct rg_record *r =
		(const struct rg_record *)(rg->shared->ring +
					   rg->tail % RG_RING_SIZE);

	rg->tail += padded(r->size);
}

/* Show the parent half what there is. */
void rg_ring_kick(struct rg *rg)
{
	if (rg->told == rg->tail)
		return;
	rg->told = rg->tail;
	__atomic_store_n(&rg->shared->tail, rg->tail, __ATOMIC_RELEASE);
	vgpu_parent_kick(&rg->dev);
}

/* The parent half kicks when it has taken some. Who wants room looks at what
 * there is afterwards (tell_room() in parent/ring.c). */
void rg_ring_want_room(struct rg *rg)
{
	(void)__atomic_exchange_n(&rg->shared->full, 1, __ATOMIC_ACQ_REL);
}

/* For moments: until the parent half has passed @position */
bool rg_ring_wait(struct rg *rg, uint64_t position, uint64_t max_ns)
{
	uint64_t start = rg_now(), waited;
	const struct timespec nap = { .tv_nsec = 50000 };

	rg_ring_kick(rg);
	for (;;) {
		if (rg_ring_passed(rg) >= position)
			return true;
		waited = rg_now() - start;
		if (waited >= max_ns)
			return false;
		if (waited < 200000)
			sched_yield();
		else
			nanosleep(&nap, NULL);
	}
}

/* A record that is nothing but its header. There is room kept for those. */
bool rg_ring_small(struct rg *rg, unsigned slot, enum rg_kind kind)
{
	struct rg_record *r = rg_ring_reserve(rg, sizeof(*r), 0);

	if (!r)
		return false;
	r->kind = (uint16_t)kind;
	r->slot = (uint16_t)slot;
	rg_ring_commit(rg);
	return true;
}
