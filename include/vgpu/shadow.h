/* SPDX-License-Identifier: MIT */
/*
 * Shadow page tables: what a driver makes of the page tables that its guest
 * has written.
 *
 * A GPU with page tables of its own reads entries that its driver wrote. A
 * guest's driver writes guest addresses, and may write anything: hardware must
 * never see them. The instance half of a vGPU's driver keeps a *shadow* of
 * each guest address space: entries are read once, decoded, and pages that the
 * guest really has are pinned; what comes out (@put) are device addresses, to
 * be written to tables that the guest can't reach.
 *
 * What is noticed when
 *   - An entry that becomes valid: when the hardware faults
 *     (vgpu_shadow_fault()), or before if the tracker has suspected its table.
 *   - An entry that was valid and changes: when the guest's driver says so, as
 *     it has to on hardware with a TLB (vgpu_shadow_invalidate()); or before.
 * So no table has to be looked at for a job to run right. A *tracker* says
 * which ones are worth it: without help from the VMM, those that have changed
 * lately.
 *
 * A table page that is shadowed has a private copy. Looking at it is comparing
 * it with the copy, at the speed of memory; each entry that differs is loaded
 * once, and the copy is what counts from there on. Guests may do what they
 * like: tables that are their own children, one page in many places, addresses
 * that lead nowhere, changes in the middle of a look. A page in several places
 * is several tables here. What that can take is bounded by @max_tables, and
 * where it does not suffice, a shadow is dropped and grows again by faults.
 *
 * Threads: all calls of a pool and its shadows, and their ops, on one thread,
 * the instance's loop.
 */
#ifndef VGPU_SHADOW_H
#define VGPU_SHADOW_H

#include <vgpu/dma.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VGPU_SHADOW_MAX_LEVELS	5
#define VGPU_SHADOW_MAX_ENTRIES 1024u /* of a table */

/* ------------------------------------------------------------------ */
/* What the guest's tables look like                                   */
/* ------------------------------------------------------------------ */

/** enum vgpu_shadow_kind - what an entry says */
enum vgpu_shadow_kind {
	VGPU_SHADOW_NONE = 0, /* nothing is there */
	VGPU_SHADOW_TABLE,    /* the next level's table */
	VGPU_SHADOW_PAGE,     /* a page, as large as its level says */
	VGPU_SHADOW_BAD,      /* reserved bits and the like */
};

/**
 * struct vgpu_shadow_target - a decoded entry
 * @addr: of a table, or of a page: guest address (IOVA), or @local
 * @kind: enum vgpu_shadow_kind
 * @local: @addr is in the device's own memory
 * @prot: of a page: VGPU_DMA_READ and/or VGPU_DMA_WRITE, or neither
 */
struct vgpu_shadow_target {
	uint64_t addr;
	uint8_t kind;
	uint8_t local;
	uint8_t prot;
	uint8_t reserved[5];
};

/**
 * struct vgpu_shadow_format - a kind of page table
 * @n_levels: 1..VGPU_SHADOW_MAX_LEVELS, the root's is 0
 * @shift: of each level: an entry covers 1 << shift bytes; the last is 12
 * @entries: of each level's tables, a power of two up to
 *           VGPU_SHADOW_MAX_ENTRIES, 8 bytes each; a level covers just what an
 *           entry of the level above does. Tables are aligned to their size.
 * @decode: what @entry of a table of @level says; pure. @level of the root
 *          entry itself is -1: it is VGPU_SHADOW_TABLE, or faults.
 *
 * Fixed, as are the other structures but for struct vgpu_shadow_config, in
 * which comes what is added.
 */
struct vgpu_shadow_format {
	uint32_t n_levels;
	uint8_t shift[8];
	uint16_t entries[8];
	void (*decode)(uint64_t entry, int level,
		       struct vgpu_shadow_target *ret_target);
};

/** enum vgpu_shadow_fault - why an address leads nowhere */
enum vgpu_shadow_fault {
	VGPU_SHADOW_OK = 0,
	VGPU_SHADOW_FAULT_NONE,	 /* nothing is there */
	VGPU_SHADOW_FAULT_READ,	 /* not for reading */
	VGPU_SHADOW_FAULT_WRITE, /* not for writing */
	VGPU_SHADOW_FAULT_BAD,	 /* a bad entry, or no such device memory */
	VGPU_SHADOW_FAULT_BUS,	 /* a guest address at which nothing is */
};

/* ------------------------------------------------------------------ */
/* Trackers                                                            */
/* ------------------------------------------------------------------ */

/**
 * struct vgpu_shadow_watch - a table page that is shadowed
 * @addr: where the guest has it
 * @size: bytes
 * @level: its table's
 * @local: in the device's own memory
 * @heat: the tracker's own, as are
 * @prev, @next
 */
struct vgpu_shadow_watch {
	uint64_t addr;
	uint32_t size;
	uint8_t level;
	uint8_t local;
	uint16_t heat;
	struct vgpu_shadow_watch *prev, *next;
};

struct vgpu_shadow_tracker;

/**
 * struct vgpu_shadow_tracker_ops - who knows which tables may have changed
 * @name: for people
 * @open: for one shadow
 * @close: nothing is watched any more
 * @add: @watch is shadowed from now on; its copy is about to be made
 * @remove: it is not any more
 * @compared: it was compared with its copy, and @changed entries differed
 * @suspects: a job is about to run: call @found for each table that is worth
 *            comparing before it. Wrong guesses cost time, not correctness.
 */
struct vgpu_shadow_tracker_ops {
	const char *name;
	int (*open)(void *user, struct vgpu_shadow_tracker **ret_tracker);
	void (*close)(struct vgpu_shadow_tracker *tracker);
	void (*add)(struct vgpu_shadow_tracker *tracker,
		    struct vgpu_shadow_watch *watch);
	void (*remove)(struct vgpu_shadow_tracker *tracker,
		       struct vgpu_shadow_watch *watch);
	void (*compared)(struct vgpu_shadow_tracker *tracker,
			 struct vgpu_shadow_watch *watch, unsigned changed);
	void (*suspects)(struct vgpu_shadow_tracker *tracker,
			 void (*found)(struct vgpu_shadow_watch *watch,
				       void *user),
			 void *user);
};

/** VGPU_SHADOW_HOT_TABLES - tables that vgpu_shadow_compare suspects at once,
 * besides the root: those that have changed last */
#define VGPU_SHADOW_HOT_TABLES 16u

/**
 * vgpu_shadow_compare - the tracker that needs nobody's help
 *
 * It suspects the root and the tables that have changed lately, each until
 * several looks in a row have found nothing.
 */
extern VGPU_API const struct vgpu_shadow_tracker_ops vgpu_shadow_compare;

/* ------------------------------------------------------------------ */
/* Pools: the shadows of one vGPU                                      */
/* ------------------------------------------------------------------ */

struct vgpu_shadow_pool;
struct vgpu_shadow;

/**
 * struct vgpu_shadow_ops - how the driver reaches things
 * @enter: begin a section in which @ptr's pointers are good; may be NULL
 * @leave: end it; sections are shorter than 100 us
 * @ptr: @len bytes of guest memory (or of the device's, if @local) in one
 *       piece, for @prot, which may be 0 for @local; NULL: they are not there.
 *       Also asked of pages that are about to be pinned.
 * @pin: as vgpu_dma_pin_async(), with a done function that calls
 *       vgpu_shadow_pinned(). @iovas need not stay.
 * @unpin: as vgpu_dma_unpin()
 * @put: pages [@va, @va + @n * 4096) of a shadow are now at @addr and on, of
 * the device or @local; @prot 0: they are not there any more
 * @fence: make what @put was given take effect in the end, and return a
 *         number: when vgpu_shadow_reap() is told it, the hardware has seen it
 *         all and reaches no page that was taken away. Numbers never get less.
 *
 * @user is the pool's, but for @put: there it is the shadow's.
 */
struct vgpu_shadow_ops {
	void (*enter)(void *user);
	void (*leave)(void *user);
	const void *(*ptr)(void *user, uint64_t addr, bool local, size_t len,
			   unsigned prot);
	int (*pin)(void *user, const uint64_t *iovas, unsigned n, unsigned prot,
		   uint64_t *ret_addrs);
	void (*unpin)(void *user, const uint64_t *iovas, unsigned n,
		      unsigned prot);
	void (*put)(void *user, uint64_t va, uint64_t n, uint64_t addr,
		    bool local, unsigned prot);
	uint64_t (*fence)(void *user);
};

/**
 * struct vgpu_shadow_config - what a pool is made of
 * @max_tables: limit of tables in all of its shadows, at least n_levels
 * @format: outlives the pool, as
 * @ops: do
 * @user: for @ops
 * @tracker: NULL: vgpu_shadow_compare
 * @tracker_user: for its open op
 */
struct vgpu_shadow_config {
	uint32_t max_tables;
	const struct vgpu_shadow_format *format;
	const struct vgpu_shadow_ops *ops;
	void *user;
	const struct vgpu_shadow_tracker_ops *tracker;
	void *tracker_user;
};

/* Return: 0; -EINVAL: a format or ops that lack something; -ENOMEM. */
VGPU_API int vgpu_shadow_pool_new_sized(const struct vgpu_shadow_config *config,
					struct vgpu_shadow_pool **ret_pool,
					size_t size);
static inline int vgpu_shadow_pool_new(const struct vgpu_shadow_config *config,
				       struct vgpu_shadow_pool **ret_pool)
{
	return vgpu_shadow_pool_new_sized(config, ret_pool, sizeof(*config));
}

/* All shadows are freed, and what they held is out of the hardware's reach: the
 * rest is unpinned. A pin that is under way was cancelled. NULL is fine. */
VGPU_API void vgpu_shadow_pool_free(struct vgpu_shadow_pool *pool);

/**
 * vgpu_shadow_reap() - unpin what the hardware has let go of
 * @pool: the pool
 * @passed: the newest number of @fence that has taken effect
 * @max_pages: stop after about so many
 *
 * Return: pages (or tables) that wait, for a later fence or for another call.
 */
VGPU_API size_t vgpu_shadow_reap(struct vgpu_shadow_pool *pool, uint64_t passed,
				 size_t max_pages);

/**
 * vgpu_shadow_unmap() - the client takes memory back
 * @pool: the pool
 * @iova: where; multiple of 4096, as @size
 * @size: bytes
 * @ret_fence: set where the result is 1
 *
 * Pages of it leave all shadows. Afterwards the hardware faults on them.
 *
 * Return: 0: none of it is pinned by the pool any more; 1: none will be once
 * vgpu_shadow_reap() has been told *@ret_fence, and has reaped all.
 */
VGPU_API int vgpu_shadow_unmap(struct vgpu_shadow_pool *pool, uint64_t iova,
			       uint64_t size, uint64_t *ret_fence);

/**
 * struct vgpu_shadow_stats - what a pool holds and has done
 * @tables: that are shadowed, or wait to be reaped
 * @pages: in shadows now, of 4 KiB
 * @waiting: pages and tables that wait to be reaped
 * @compares: tables that were compared
 * @changes: entries that differed
 * @faults: calls of vgpu_shadow_fault()
 * @drops: shadows that were dropped since a limit was reached
 */
struct vgpu_shadow_stats {
	uint64_t tables;
	uint64_t pages;
	uint64_t waiting;
	uint64_t compares;
	uint64_t changes;
	uint64_t faults;
	uint64_t drops;
};

VGPU_API void vgpu_shadow_get_stats(const struct vgpu_shadow_pool *pool,
				    struct vgpu_shadow_stats *ret_stats);

/**
 * vgpu_shadow_walk() - translate an address by what the tables say now
 * @pool: whose format and ops
 * @root: root entry
 * @va: GPU address; at or behind the format's end nothing is there
 * @prot: what is to be done there; 0: anything that is a page
 * @ret_target: a page's: @addr is @va's byte in it. Set where the result is 0.
 *
 * In a section (@enter), which is the caller's. That the page is really there
 * is not looked at.
 */
VGPU_API enum vgpu_shadow_fault
vgpu_shadow_walk(const struct vgpu_shadow_pool *pool, uint64_t root,
		 uint64_t va, unsigned prot,
		 struct vgpu_shadow_target *ret_target);

/* ------------------------------------------------------------------ */
/* Shadows: address spaces                                             */
/* ------------------------------------------------------------------ */

/**
 * vgpu_shadow_new() - a shadow of one address space, empty
 * @root: root entry; does not change any more
 * @user: for @put
 *
 * Return: 0; -ENOMEM.
 */
VGPU_API int vgpu_shadow_new(struct vgpu_shadow_pool *pool, uint64_t root,
			     void *user, struct vgpu_shadow **ret_shadow);

/* The hardware has forgotten its tables, or will have when the next fence has
 * taken effect: there is no @put. NULL is fine. */
VGPU_API void vgpu_shadow_free(struct vgpu_shadow *shadow);

/* Take everything away, by one @put; it grows again by faults, and when all is
 * invalidated. */
VGPU_API void vgpu_shadow_clear(struct vgpu_shadow *shadow);

/* Compare what the tracker suspects, at the next vgpu_shadow_sync(). An empty
 * shadow is filled. */
VGPU_API void vgpu_shadow_suspect(struct vgpu_shadow *shadow);

/**
 * vgpu_shadow_invalidate() - translations of a range may have changed
 * @va: where from
 * @len: bytes; 0: all there is
 *
 * Takes effect by vgpu_shadow_sync().
 */
VGPU_API void vgpu_shadow_invalidate(struct vgpu_shadow *shadow, uint64_t va,
				     uint64_t len);

/**
 * vgpu_shadow_pinned() - a pin that was under way is over
 * @pool: whose @pin op has returned -EINPROGRESS
 * @err: 0, or why not
 *
 * Pages that are there now are put. One pin of a pool is under way at a time,
 * and while it is, nothing of any of its shadows is compared: take what has been
 * said -EINPROGRESS or -EBUSY up again when this returns 0, and each shadow in its turn.
 *
 * Return: 0; 1: another pin is under way by now.
 */
VGPU_API int vgpu_shadow_pinned(struct vgpu_shadow_pool *pool, int err);

/**
 * vgpu_shadow_sync() - compare what has to be, and bring the shadow up to date
 * @max_pages: stop when about so many pages have changed. There are at most
 *             2 * (@max_pages + VGPU_SHADOW_MAX_ENTRIES) calls of @put.
 *
 * Pages that can't be pinned are left out, and fault.
 *
 * Return: 0: it is; 1: there is more to do; -EINPROGRESS: it is, but for pages
 * that are being pinned: they fault until that is over; -EBUSY: there is more to
 * do once pins that are under way are over.
 */
VGPU_API int vgpu_shadow_sync(struct vgpu_shadow *shadow, size_t max_pages);

/**
 * vgpu_shadow_fault() - the hardware has found nothing at an address
 * @va: where
 * @prot: VGPU_DMA_READ or VGPU_DMA_WRITE: what it wanted
 * @ret_fault: set where the result is 0. VGPU_SHADOW_OK: the page is there now,
 *             or was all the time; otherwise the guest is to blame.
 *
 * Tables on the way are compared; of others, only what is below them and new
 * is left for vgpu_shadow_sync().
 *
 * Return: 0; -EAGAIN: a limit was reached and the shadow was dropped: try again
 * when its fence has taken effect and all is reaped; -EINPROGRESS: ask again
 * once pins that are under way are over; or an error of @pin: -ENOSPC, -EDQUOT, -ENOMEM with nothing to drop here.
 */
VGPU_API int vgpu_shadow_fault(struct vgpu_shadow *shadow, uint64_t va,
			       unsigned prot,
			       enum vgpu_shadow_fault *ret_fault);

/* ------------------------------------------------------------------ */
/* What is under way                                                   */
/* ------------------------------------------------------------------ */

/* Commands that invalidate translations come after those that may have changed
 * them. These tell whether it makes a difference: where none of the commands
 * under way can store to a table, it can be compared before they are done. */

/** VGPU_SHADOW_MAX_STORES - pieces of memory that are told apart */
#define VGPU_SHADOW_MAX_STORES 16u

/**
 * struct vgpu_shadow_stores - what commands may store to; zeroed: nothing
 * @n: pieces
 * @anywhere: that is not known
 * @pieces: of this process's memory, so that one that has several addresses is
 *          found by each of them: bytes [@first, @end)
 */
struct vgpu_shadow_stores {
	uint32_t n;
	bool anywhere;
	struct {
		uintptr_t first, end;
	} pieces[VGPU_SHADOW_MAX_STORES];
};

/**
 * vgpu_shadow_note_stores() - a command may store to [@va, @va + @len)
 * @stores: gets where that leads to by @shadow as it is; @anywhere where a page
 *          is not there, or they are too many
 */
VGPU_API void vgpu_shadow_note_stores(const struct vgpu_shadow *shadow,
				      uint64_t va, uint64_t len,
				      struct vgpu_shadow_stores *stores);

/* May one of them change [@ptr, @ptr + @len)? */
VGPU_API bool vgpu_shadow_stores_meet(const struct vgpu_shadow_stores *stores,
				      const void *ptr, size_t len);

/**
 * vgpu_shadow_stores_reach() - may they change a table of @shadow?
 *
 * Return: false: none of those that there are; all that matter are known to
 * @shadow. Only when vgpu_shadow_sync() has returned 0.
 */
VGPU_API bool
vgpu_shadow_stores_reach(const struct vgpu_shadow *shadow,
			 const struct vgpu_shadow_stores *stores);

#ifdef __cplusplus
}
#endif
#endif
