/* SPDX-License-Identifier: MIT */
/*
 * A scheduler for the engines that a parent half shares between vGPUs.
 *
 * It decides who is next, and nothing else: the driver starts and stops
 * things (struct vgpu_sched_ops), and says what has happened. It never looks at
 * a clock: every call says what time it is, in nanoseconds of any clock that
 * does not go back.
 *
 * A *group* is a vGPU: it has a weight and perhaps a cap, on each engine by
 * itself. An *entity* is what runs on an engine (a context), and belongs to a
 * group. The groups that want an engine share it by their weights, the entities
 * of a group take turns in its share.
 *
 * An engine takes two entities: one that runs, and one that begins as soon as
 * the first has left, so that it does not stand still between them. To end a
 * turn the driver is asked to preempt; what it can't stop that way in time
 * hangs, and is stopped by force.
 *
 * Threads: all functions of a scheduler on one thread, as a rule the parent's
 * loop; ops are called from within them, and may call vgpu_sched_left() for
 * what they stop, and nothing else. All work is O(log n) in the number of
 * groups.
 */
#ifndef VGPU_SCHED_H
#define VGPU_SCHED_H

#include <vgpu/parent.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vgpu_sched;	  /* opaque */
struct vgpu_sched_group;  /* opaque */
struct vgpu_sched_entity; /* opaque */

#define VGPU_SCHED_MAX_ENGINES 8u
#define VGPU_SCHED_MAX_GROUPS  4096u
#define VGPU_SCHED_NEVER       UINT64_MAX /* no time */
#define VGPU_SCHED_UNKNOWN     UINT64_MAX /* how long it ran */

/* Defaults, and what numbers are good for */
#define VGPU_SCHED_SLICE_NS	3000000ull   /* a turn */
#define VGPU_SCHED_MIN_SLICE_NS 500000ull    /* a turn, where many wait */
#define VGPU_SCHED_LATENCY_NS	32000000ull  /* for a turn of each of them */
#define VGPU_SCHED_LONE_NS	250000000ull /* a turn while nobody waits */
#define VGPU_SCHED_HANG_NS	500000000ull /* from a preempt to the force */
#define VGPU_SCHED_HANG_FACTOR	8u /* so much longer at most, see .time */
#define VGPU_SCHED_WINDOW_NS	100000000ull /* over which a cap holds */
#define VGPU_SCHED_OVERHEAD_NS	5000ull	  /* a turn counts at least so much */
#define VGPU_SCHED_MIN_RUN_NS	100000ull /* before one who wakes interrupts */
#define VGPU_SCHED_LAG_NS	6000000ull /* that is made up for after a pause */

/**
 * enum vgpu_sched_mode - how an engine is shared
 * @VGPU_SCHED_BEST_EFFORT: by weights among those that want it; it never stands
 *	still while one does (but for caps)
 * @VGPU_SCHED_EQUAL: likewise, and all weights are the same
 * @VGPU_SCHED_FIXED: weight / shares of the time, also while nobody else wants
 *	it, and no more: what a vGPU gets does not depend on its neighbours
 */
enum vgpu_sched_mode {
	VGPU_SCHED_BEST_EFFORT = 0,
	VGPU_SCHED_EQUAL,
	VGPU_SCHED_FIXED,
};

/**
 * struct vgpu_sched_ops - what the scheduler asks of the driver
 * @submit: start @entity as soon as the engine is free. At most two are
 *	submitted and have not left. It leaves by vgpu_sched_left(), which is
 *	not to be called in this op.
 * @preempt: whoever runs is to leave at its next boundary; one that is next may
 *	be dropped (it leaves, too, and has run for 0), or stay next.
 * @reset: @entity has not left VGPU_SCHED_HANG_NS (or what was configured)
 *	after a preempt: make it leave by force. Called again if even that does
 *	not help within as long.
 * @time: ns that engines have worked for @entity so far, up to now, by their
 *	own clock. Then a hang is what they have worked for as long in vain.
 *	Where an engine itself is stopped (its clock, its power, its process),
 *	it is not its user who hangs; but after VGPU_SCHED_HANG_FACTOR times as
 *	long it is all the same. NULL: the time is what calls say.
 *
 * Fixed: what is added comes in struct vgpu_sched_config.
 */
struct vgpu_sched_ops {
	void (*submit)(void *user, unsigned engine,
		       struct vgpu_sched_entity *entity);
	void (*preempt)(void *user, unsigned engine);
	void (*reset)(void *user, unsigned engine,
		      struct vgpu_sched_entity *entity);
	uint64_t (*time)(void *user, struct vgpu_sched_entity *entity);
};

/**
 * struct vgpu_sched_config - how to share
 * @engines: 1 to VGPU_SCHED_MAX_ENGINES
 * @mode: enum vgpu_sched_mode
 * @shares: VGPU_SCHED_FIXED: weights that the whole engine stands for, not 0
 * @slice_ns: a turn; 0: VGPU_SCHED_SLICE_NS
 * @hang_ns: 0: VGPU_SCHED_HANG_NS
 * @ops: outlives the scheduler
 * @user: for them
 */
struct vgpu_sched_config {
	uint32_t engines;
	uint32_t mode;
	uint32_t shares;
	uint64_t slice_ns;
	uint64_t hang_ns;
	const struct vgpu_sched_ops *ops;
	void *user;
};

/**
 * struct vgpu_sched_stats - of a group on an engine
 * @time_ns: the engine worked for it
 * @wait_ns: entities were ready and had to wait, added up
 * @max_wait_ns: the longest of these waits
 * @throttled_ns: of these, because of the cap, as far as they are over
 * @runs: turns
 * @preempted: of these, ended from outside
 * @hangs: ended by force
 *
 * Fixed.
 */
struct vgpu_sched_stats {
	uint64_t time_ns;
	uint64_t wait_ns;
	uint64_t max_wait_ns;
	uint64_t throttled_ns;
	uint64_t runs;
	uint64_t preempted;
	uint64_t hangs;
};

/* Return: 0; -EINVAL: @config; -ENOMEM. */
VGPU_API int vgpu_sched_new_sized(const struct vgpu_sched_config *config,
				  struct vgpu_sched **ret_sched, size_t size);
static inline int vgpu_sched_new(const struct vgpu_sched_config *config,
				 struct vgpu_sched **ret_sched)
{
	return vgpu_sched_new_sized(config, ret_sched, sizeof(*config));
}
/* All groups are gone. NULL is fine. */
VGPU_API void vgpu_sched_free(struct vgpu_sched *sched);

/**
 * vgpu_sched_group_new() - a vGPU comes
 * @weight: 1 to VGPU_WEIGHT_MAX
 * @cap: percent of an engine's time at most, 1 to 100; 0: none
 *
 * Return: 0; -EINVAL; -ENOSPC: VGPU_SCHED_MAX_GROUPS; -ENOMEM.
 */
VGPU_API int vgpu_sched_group_new(struct vgpu_sched *sched, unsigned weight,
				  unsigned cap,
				  struct vgpu_sched_group **ret_group);
/* Another weight and cap, from now on. Return: 0; -EINVAL. */
VGPU_API int vgpu_sched_group_set(struct vgpu_sched_group *group,
				  unsigned weight, unsigned cap, uint64_t now);
/* All of its entities are gone. NULL is fine. */
VGPU_API void vgpu_sched_group_free(struct vgpu_sched_group *group);
/* @engine: below the configuration's engines */
VGPU_API void vgpu_sched_group_stats(const struct vgpu_sched_group *group,
				     unsigned engine,
				     struct vgpu_sched_stats *ret_stats);

/* An entity, which wants nothing yet. Return: 0; -EINVAL: @engine; -ENOMEM. */
VGPU_API int vgpu_sched_entity_new(struct vgpu_sched_group *group,
				   unsigned engine, void *user,
				   struct vgpu_sched_entity **ret_entity);
/* It is not submitted (vgpu_sched_is_submitted()). NULL is fine. */
VGPU_API void vgpu_sched_entity_free(struct vgpu_sched_entity *entity);
VGPU_API void *vgpu_sched_entity_user(const struct vgpu_sched_entity *entity);

/* Has the driver been told to run it, and not yet said that it has left? */
VGPU_API bool vgpu_sched_is_submitted(const struct vgpu_sched_entity *entity);

/**
 * vgpu_sched_ready() - it has something to do
 *
 * Starts it at once if the engine is free. Nothing happens if it is ready
 * already or submitted: if an entity leaves with more to do, the driver says
 * so.
 */
VGPU_API void vgpu_sched_ready(struct vgpu_sched_entity *entity, uint64_t now);

/* It has nothing to do any more, or can't. One that is submitted stays so until
 * it leaves. */
VGPU_API void vgpu_sched_unready(struct vgpu_sched_entity *entity);

/**
 * vgpu_sched_left() - the engine is through with an entity, for now
 * @entity: submitted; others are ignored
 * @more: it has more to do: it was preempted or dropped, or work came late
 * @ran_ns: how long the engine worked for it; VGPU_SCHED_UNKNOWN: since it
 *	could begin
 *
 * Starts who is next.
 */
VGPU_API void vgpu_sched_left(struct vgpu_sched_entity *entity, bool more,
			      uint64_t ran_ns, uint64_t now);

/**
 * vgpu_sched_tick() - what time demands
 *
 * Call it when the time has come that vgpu_sched_next() says; earlier does no
 * harm. Ends turns, looks for what hangs, lets go of those whose caps had
 * stopped them.
 */
VGPU_API void vgpu_sched_tick(struct vgpu_sched *sched, uint64_t now);

/* When vgpu_sched_tick() is due; VGPU_SCHED_NEVER: not before something else
 * happens. May change with every other call. */
VGPU_API uint64_t vgpu_sched_next(const struct vgpu_sched *sched);

#ifdef __cplusplus
}
#endif
#endif
