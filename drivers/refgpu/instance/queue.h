/* SPDX-License-Identifier: MIT */
/*
 * Records to the parent half (proto.h). Nothing here waits for room: a record
 * that does not fit is not written, and who wanted it goes on when the parent
 * half kicks.
 *
 * A *position* is the ring's: it counts entries.
 */
#ifndef RG_QUEUE_H
#define RG_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include <vgpu/parent.h>

#include "../proto.h"

#define RG_ROOM_LAST (32u << 10) /* of the ring: for RG_CLOSE and the like */

struct rg_queue {
	struct vgpu_device *dev;
	struct rg_shared *shared; /* NULL: there is no parent half */
	bool ready;  /* it has our video memory: contexts may start */
	bool coming; /* or will have */
	struct vgpu_ring ring;
	uint64_t told;
};

/* Return: 0, also without a parent half; -EPROTO: it is another version's. */
int rg_queue_init(struct rg_queue *q, struct vgpu_device *dev);

/* Write @r->size bytes of a whole record, with @spare bytes free behind it.
 * Return: false: there is no room. */
bool rg_queue_put(struct rg_queue *q, const struct rg_record *r,
		  uint32_t spare);

/* A record that is nothing but its header. There is room kept for those. */
bool rg_queue_small(struct rg_queue *q, unsigned slot, enum rg_kind kind);

/* Have the parent half look at what there is. */
void rg_queue_kick(struct rg_queue *q);

/* Bytes that are free */
static inline uint32_t rg_queue_room(struct rg_queue *q)
{
	return vgpu_ring_room(&q->ring) * RG_ENTRY;
}

/* The parent half kicks when it has taken some. Who wants room looks at what
 * there is afterwards (parent/inbox.c). */
void rg_queue_want_room(struct rg_queue *q);

/* The position that the parent half has come to; .ring.own is ours. */
static inline uint64_t rg_queue_passed(struct rg_queue *q)
{
	return vgpu_ring_passed(&q->ring);
}

/* Kick, and wait until the parent half has passed @position: for moments. */
bool rg_queue_wait(struct rg_queue *q, uint64_t position, uint64_t max_ns);

#endif
