/* SPDX-License-Identifier: MIT */
/*
 * The scheduler's insides: start-time fair queueing. Each group has a virtual
 * time on each engine, which runs the slower the more weight it has; who is
 * furthest behind is next. A turn is charged when it is given out, and
 * corrected when it is over, so that who has one is not taken for who has none.
 */
#ifndef SCHED_PRIVATE_H
#define SCHED_PRIVATE_H

#include <vgpu/sched.h>

#include "../util/list.h"

/* Virtual time of a weight of 1 goes so much faster than an engine's. */
#define SCHED_SCALE 256u
/* Nothing is ahead or behind by more: what says so has wrapped around. */
#define SCHED_AHEAD_NS 10000000000ull
/* A turn that is over does not count as more, whatever the driver says. */
#define SCHED_RUN_MAX_NS (1ull << 48)
/* Who wakes up interrupts one who is ahead of it by as much. */
#define SCHED_WAKE_NS 500000ull
#define SCHED_PPM     1000000u

/* Which heap a share is in */
enum share_place { PLACE_NONE, PLACE_RUN, PLACE_THROTTLED };

/* A group on an engine */
struct share {
	struct vgpu_sched_group *group;
	struct engine *engine;
	struct list queue; /* of its entities that are ready, not submitted */
	unsigned submitted;
	uint64_t v; /* its virtual time: when its next turn begins */

	enum share_place place;
	unsigned at;  /* in the heap */
	uint64_t key; /* there: @v, or the time when it may go on */

	int64_t tokens; /* ns that the cap allows now */
	uint64_t tokens_at;
	uint64_t throttled_at;
	struct vgpu_sched_stats stats;
};

struct heap {
	struct share **shares;
	unsigned n;
};

struct slot {
	struct vgpu_sched_entity *entity;
	uint64_t tag;	  /* its group's @v when it was picked */
	uint64_t charged; /* to @v, and */
	uint64_t taken;	  /* of the tokens, in advance */
	uint64_t allowed; /* ns until the cap ends it */
};

struct engine {
	struct vgpu_sched *sched;
	unsigned number;
	struct heap run, throttled;
	struct slot slots[2]; /* who runs, who is next */
	unsigned n_slots;
	uint64_t clock;	  /* virtual time of the engine: never goes back */
	uint64_t started; /* the one that runs could begin */
	bool preempted;	  /* it was asked to leave */
	bool goes_on;	  /* to be started again: nobody is before it */
	uint64_t hang_at; /* and has to until then, but may have to */
	uint64_t hang_time, hang_last; /* by its own clock; at the latest */
};

struct vgpu_sched_entity {
	struct share *share;
	struct list link; /* in share->queue */
	void *user;
	bool queued, submitted;
	uint64_t since; /* it is ready */
};

struct vgpu_sched_group {
	struct vgpu_sched *sched;
	unsigned weight;       /* as it counts in this mode */
	unsigned ppm;	       /* of an engine's time at most */
	struct share shares[]; /* by engine */
};

struct vgpu_sched {
	struct vgpu_sched_config config;
	struct vgpu_sched_ops ops;
	unsigned n_groups, room; /* of all heaps */
	struct engine engines[];
};

/* ---- sched-heap.c ---------------------------------------------------- */

/* Smallest key first; keys are compared modulo 2^64. */
void heap_insert(struct heap *heap, struct share *share);
void heap_remove(struct heap *heap, struct share *share);
/* Its key has changed. */
void heap_moved(struct heap *heap, struct share *share);

/* ---- sched-share.c --------------------------------------------------- */

uint64_t share_units(const struct share *share, uint64_t ns);
/* Where it belongs, by what it has queued and what its cap says. */
void share_place(struct share *share, uint64_t now);
/* It wants the engine after a time in which it did not. */
void share_wake(struct share *share, uint64_t now);
/* A turn, in advance: fill in the slot. */
void share_charge(struct share *share, uint64_t ns, struct slot *slot,
		  uint64_t now);
/* The turn was of @ns. */
void share_settle(struct share *share, uint64_t ns, const struct slot *slot,
		  uint64_t now);
/* Another weight or cap. */
void share_changed(struct share *share, unsigned old_weight, uint64_t now);
/* The engine's virtual time now. */
uint64_t engine_clock(struct engine *engine, uint64_t now);

#endif
