/* SPDX-License-Identifier: MIT */
/*
 * Slots: the contexts of a vGPU. Each has one of the hardware's, with a ring
 * and its control block in the bank; only what was checked here is ever in a
 * ring.
 *
 * Marks remember what a position of the ring's head means. Now and then a job
 * is followed by an interrupt of our own, so that its end is noticed though the
 * context goes on; the marks tell it from the guest's.
 */
#ifndef RGP_SLOT_H
#define RGP_SLOT_H

#include <vgpu/sched.h>

#include "table.h"

#define RGP_MAX_MARKS	  1024u /* in a ring: ends of jobs, interrupts */
#define RGP_PROGRESS_JOBS 32u	/* from one look at the ring to the next */

_Static_assert(RG_SLOT_MARKS <= RGP_MAX_MARKS, "what may be sent fits");

/* Contexts of the hardware, and whose they are. Each vGPU has some for sure,
 * and those who are yet to come, too; the rest is for whoever is first. */
struct rgp_contexts {
	unsigned total, used;
	unsigned promised; /* not in use */
	struct rgp_slot *owners[REFGPU_MAX_CONTEXTS];
};

/* In a ring: when its head has come by, a job is over, or an interrupt was
 * raised */
struct rgp_mark {
	uint64_t at;  /* bytes since the context was started */
	uint64_t seq; /* 0: an interrupt of the guest's */
	uint32_t cookie;
	uint32_t signals; /* bool: an interrupt tells that it has come by */
};

struct rgp_slot {
	struct rgp_slots *all;
	unsigned id;
	enum {
		RGP_NONE = 0,
		RGP_LIVE,
		RGP_DEAD, /* refused, failed or reset: until it is closed */
	} state;
	unsigned engine;
	uint32_t generation; /* the instance half's */
	bool has_ctx;
	unsigned ctx; /* of the hardware */
	struct vgpu_sched_entity *entity;
	struct rgp_table table;
	uint8_t *ring;
	struct refgpu_ctl *ctl;
	uint64_t tail, head; /* bytes since the start */
	uint64_t seq;	     /* of the last job that came */
	uint64_t done, told; /* over, and the instance half was kicked */
	uint64_t told_head;
	struct rgp_mark *marks; /* a queue of RGP_MAX_MARKS */
	unsigned first_mark, n_marks;
	uint64_t progress_seq; /* of the last job that reports its end */
	uint64_t time, time_0; /* of the hardware's counter: last, first */
	bool faulted;	       /* stands at a page */
	/* For a semaphore: engines.c */
	struct rgp_slot *next_waiting, **link; /* NULL: it does not wait */
	uint64_t retry_at, retry_ns;
};

/* The slots of a vGPU, and what they have in common */
struct rgp_slots {
	struct refgpu_hw *hw;
	struct rgp_contexts *contexts;
	unsigned n_ctx, fair; /* in use; it has for sure */
	struct vgpu_sched_group *group;
	struct rgp_bank bank;
	struct rgp_tables tables;
	/* The instance half; nothing is said to it when it has gone */
	struct vgpu_parent_instance *inst;
	struct rg_shared *shared;
	bool gone;
	bool saved; /* its state was taken: nothing of it runs any more */
	/* A ring has room again, or takes no more jobs. */
	void (*room)(struct rgp_slots *slots, unsigned id);
	struct rgp_slot slot[RG_MAX_SLOTS];
};

/* Starts a context with an empty table. -ENOSPC: no more contexts */
int rgp_slot_open(struct rgp_slot *slot, unsigned engine);
/* It was stopped (engines.h); its table's entries have been cleared. */
void rgp_slot_close(struct rgp_slot *slot);
/**
 * rgp_slot_job() - check a job, and put it into the ring
 *
 * Return: 0; -EAGAIN: no room now; -EINVAL: nonsense.
 */
int rgp_slot_job(struct rgp_slot *slot, const uint32_t *dwords, uint32_t n,
		 uint64_t seq);
/* What has happened in its ring since the last look. */
void rgp_slot_update(struct rgp_slot *slot);
/* Is its head where an interrupt may have been raised a moment ago? */
bool rgp_slot_is_due(const struct rgp_slot *slot);
bool rgp_slot_has_work(const struct rgp_slot *slot);
/* ns of the hardware's counter */
uint64_t rgp_slot_time(const struct rgp_slot *slot);
/* It stands at a page that is not there; it is there now. */
void rgp_slot_fault(struct rgp_slot *slot);
void rgp_slot_resume(struct rgp_slot *slot);
/* What the instance half sees: the status page, a kick, a message */
void rgp_slot_set_state(struct rgp_slot *slot, enum refgpu_state state);
void rgp_slot_tell(struct rgp_slot *slot);
void rgp_slot_notice(struct rgp_slot *slot, enum rg_notice_kind kind,
		     uint64_t va, uint32_t code);

static inline struct rg_slot_status *
rgp_slot_status(const struct rgp_slot *slot)
{
	return &slot->all->shared->slots[slot->id];
}

/* A register of the slot's context */
static inline uint32_t rgp_slot_read(const struct rgp_slot *slot, uint32_t reg)
{
	return refgpu_hw_read(slot->all->hw, REFGPU_CTX(slot->ctx, reg));
}

static inline uint64_t rgp_slot_read64(const struct rgp_slot *slot,
				       uint32_t reg)
{
	uint64_t low = rgp_slot_read(slot, reg);

	return low | (uint64_t)rgp_slot_read(slot, reg + 4) << 32;
}

static inline void rgp_slot_write(const struct rgp_slot *slot, uint32_t reg,
				  uint32_t value)
{
	refgpu_hw_write(slot->all->hw, REFGPU_CTX(slot->ctx, reg), value);
}

static inline void rgp_slot_write64(const struct rgp_slot *slot, uint32_t reg,
				    uint64_t value)
{
	rgp_slot_write(slot, reg, (uint32_t)value);
	rgp_slot_write(slot, reg + 4, (uint32_t)(value >> 32));
}

#endif
