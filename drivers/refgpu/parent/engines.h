/* SPDX-License-Identifier: MIT */
/*
 * Between the scheduler, which says who, and the hardware, which says what has
 * become of it. One signal stands for all interrupts, one timer for whatever is
 * next in time.
 */
#ifndef RGP_ENGINES_H
#define RGP_ENGINES_H

#include "slot.h"

struct rgp_engines {
	struct vgpu_parent *parent;
	struct refgpu_hw *hw; /* NULL until somebody comes */
	struct rgp_contexts *contexts;
	struct vgpu_sched *sched;
	struct vgpu_parent_source *signal; /* the hardware's interrupt */
	struct vgpu_parent_source *timer;
	uint64_t armed_at;	   /* the timer */
	uint64_t look_at, look_ns; /* at rings: an interrupt came early */
	struct rgp_slot *waiting;  /* for semaphores: a list */
};

/* @config: mode, shares, slice_ns and hang_ns are there. The others of @e up to
 * .contexts are. */
int rgp_engines_init(struct rgp_engines *e, struct vgpu_sched_config *config);
void rgp_engines_fini(struct rgp_engines *e);

/* What the hardware has reported */
void rgp_engines_drain(struct rgp_engines *e);
/* After all that may have changed what is next in time */
void rgp_engines_arm(struct rgp_engines *e);

/* The slot stops, now; its table is still there. */
void rgp_slot_stop(struct rgp_engines *e, struct rgp_slot *slot);
/* It failed: it stands, and takes no more jobs. */
void rgp_slot_die(struct rgp_engines *e, struct rgp_slot *slot,
		  enum rg_notice_kind kind, uint32_t code);
/* It is not to run any more, nor to wait; it may still be on its engine. */
void rgp_slot_unready(struct rgp_slot *slot);

#endif
