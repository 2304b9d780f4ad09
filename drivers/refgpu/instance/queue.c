/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sched.h>

#include "../clock.h"
#include "queue.h"

bool rg_queue_put(struct rg_queue *q, const struct rg_record *r, uint32_t spare)
{
	return rg_queue_room(q) >= (uint64_t)r->size + spare &&
	       !vgpu_ring_write(&q->ring, r, r->size);
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
	if (q->told == q->ring.own)
		return;
	q->told = q->ring.own;
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
	return rg_ring_init(&q->ring, q->shared);
}
