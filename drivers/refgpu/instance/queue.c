/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "../clock.h"
#include "queue.h"

uint64_t rg_queue_passed(const struct rg_queue *q)
{
	uint64_t head = __atomic_load_n(&q->shared->head, __ATOMIC_ACQUIRE);

	return head > q->tail ? q->tail : head;
}

uint64_t rg_queue_room(const struct rg_queue *q)
{
	uint64_t used = q->tail - rg_queue_passed(q);

	return used > RG_RING_SIZE ? 0 : RG_RING_SIZE - used;
}

static uint64_t padded(uint64_t size)
{
	return (size + RG_ALIGN - 1) & ~(uint64_t)(RG_ALIGN - 1);
}

bool rg_queue_put(struct rg_queue *q, const struct rg_record *r, uint32_t spare)
{
	uint64_t at = q->tail % RG_RING_SIZE, size = padded(r->size);
	uint64_t to_end = RG_RING_SIZE - at;
	uint64_t skip = to_end < size ? to_end : 0;

	if (rg_queue_room(q) < skip + size + spare)
		return false;
	if (skip) {
		*(struct rg_record *)(q->shared->ring + at) =
			(struct rg_record){ .size = (uint32_t)skip,
					    .kind = RG_PAD };
		at = 0;
	}
	memcpy(q->shared->ring + at, r, r->size);
	q->tail += skip + size;
	return true;
}

bool rg_queue_small(struct rg_queue *q, unsigned slot, enum rg_kind kind)
{
	const struct rg_record r = { .size = sizeof(r),
				     .kind = (uint16_t)kind,
				     .slot = (uint16_t)slot };

	return rg_queue_put(q, &r, 0);
}

void rg_queue_kick(struct rg_queue *q)
{
	if (q->told == q->tail)
		return;
	q->told = q->tail;
	__atomic_store_n(&q->shared->tail, q->tail, __ATOMIC_RELEASE);
	vgpu_parent_kick(q->dev);
}

void rg_queue_want_room(struct rg_queue *q)
{
	(void)__atomic_exchange_n(&q->shared->full, 1, __ATOMIC_ACQ_REL);
}

bool rg_queue_wait(struct rg_queue *q, uint64_t position, uint64_t max_ns)
{
	uint64_t start = rg_now(), waited;
	const struct timespec nap = { .tv_nsec = 50000 };

	rg_queue_kick(q);
	for (;;) {
		if (rg_queue_passed(q) >= position)
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

int rg_queue_init(struct rg_queue *q, struct vgpu_device *dev)
{
	size_t size = 0;

	q->dev = dev;
	q->shared = vgpu_parent_shared(dev, &size);
	if (!q->shared)
		return 0;
	if (size < sizeof(*q->shared)) {
		vgpu_log(dev, VGPU_LOG_ERROR,
			 "vgpu-parent runs another version of this driver: "
			 "restart it");
		return -EPROTO;
	}
	q->tail = q->told = __atomic_load_n(&q->shared->tail, __ATOMIC_RELAXED);
	return 0;
}
