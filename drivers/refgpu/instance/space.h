/* SPDX-License-Identifier: MIT */
/*
 * The guest's address spaces: what its page tables say (format.c), shadows of
 * them for the hardware (space.c), and pages that are not needed any more
 * (unpin.c).
 */
#ifndef RG_SPACE_H
#define RG_SPACE_H

#include <vgpu/refgpu.h>
#include <vgpu/shadow.h>

#include "queue.h"

#define RG_CONTEXTS 32u /* of each vGPU */

#define RG_MAX_UNMAPS 256u	   /* that wait for the parent */
#define RG_MAX_PTES   512u	   /* entries of one record */
#define RG_SYNC_PAGES 4096u	   /* in one piece */
#define RG_ROOM_SYNC  (384u << 10) /* free in the ring before a piece */

/* The address space of a context */
struct rg_space {
	struct rg_spaces *all;
	unsigned slot;
	uint64_t root;		    /* entry of the guest's */
	struct vgpu_shadow *shadow; /* NULL: it is closed */
	bool syncing; /* tables are to be compared before the next job */
	bool lost;    /* the ring was too full for what its shadow has put */
};

/* Those of a vGPU */
struct rg_spaces {
	struct vgpu_device *dev;
	struct rg_queue *queue;
	uint8_t *vram;
	uint64_t vram_size;
	struct vgpu_shadow_pool *pool;
	/* Entries that are to become one record */
	struct {
		struct rg_ptes r;
		uint64_t pte[RG_MAX_PTES];
	} entries;
	/* Unmaps that have no answer yet */
	struct rg_unmap {
		uint64_t iova, size, fence;
	} unmaps[RG_MAX_UNMAPS];
	unsigned n_unmaps;
	struct vgpu_timer *reap_timer;
	/* Pins are over: rg_space_sync(), rg_space_fault() may go on. */
	void (*pinned)(void *user);
	void *user;
	struct rg_space space[RG_CONTEXTS];
};

/* @vram: its own memory, @size bytes */
int rg_spaces_init(struct rg_spaces *all, struct vgpu_device *dev,
		   struct rg_queue *queue, uint8_t *vram, uint64_t size);

/* ---- format.c -------------------------------------------------------- */

extern const struct vgpu_shadow_format rg_format;
enum refgpu_fault rg_fault_code(enum vgpu_shadow_fault fault);

/* ---- space.c --------------------------------------------------------- */

int rg_space_open(struct rg_space *s, uint64_t root);
/* RG_CLOSE is written: the hardware's tables go with it. */
void rg_space_close(struct rg_space *s);

/* Copies by the tables as they are now. *@ret_done bytes could be. */
enum refgpu_fault rg_space_read(struct rg_space *s, uint64_t va, void *buf,
				size_t len, size_t *ret_done);
enum refgpu_fault rg_space_load32(struct rg_space *s, uint64_t va,
				  uint32_t *ret_value);
/* [@va, @va + @len), which lies in a page, likewise; NULL: it is not there. In
 * a section (vgpu_dma_enter()). */
const void *rg_space_ptr(struct rg_space *s, uint64_t va, size_t len);

/* There are new commands: tables may have changed. */
void rg_space_suspect(struct rg_space *s);
/* The guest says that @pages from @va on have, 0: any. */
void rg_space_invalidate(struct rg_space *s, uint64_t va, uint64_t pages);
/* Return: 0: up to date; 1: there is more to do, when there is room or time;
 * -EINPROGRESS: up to date but for pages that are being pinned, and fault;
 * -EBUSY: there is more to do once pins are over. .pinned is called then. */
int rg_space_sync(struct rg_space *s, uint64_t max_ns);
/* Begin anew: faults bring back what is used. */
void rg_space_drop(struct rg_space *s);
/* Likewise, all of them. Return: is there anything to wait for? */
bool rg_spaces_drop(struct rg_spaces *all);
/* After all that puts entries: they are in the ring, and a shadow that has lost
 * some begins anew. */
void rg_spaces_mend(struct rg_spaces *all);
/* The hardware has found nothing at @va: vgpu_shadow_fault(). -EINPROGRESS:
 * .pinned is called. */
int rg_space_fault(struct rg_space *s, uint64_t va, unsigned prot,
		   enum vgpu_shadow_fault *ret_fault);

/* ---- unpin.c --------------------------------------------------------- */

/* Unpin what the hardware has let go of; @every: also what would not be worth
 * it. */
void rg_spaces_reap(struct rg_spaces *all, bool every);
/* The client takes memory back: the dma_unmap op. */
int rg_spaces_unmap(struct rg_spaces *all, uint64_t iova, uint64_t size);
/* Unpin everything that was closed, also what the hardware has not let go of:
 * the core sees to it that it is unmapped after that. */
void rg_spaces_let_go(struct rg_spaces *all);
/* After rg_spaces_init() */
int rg_unpin_init(struct rg_spaces *all);
void rg_spaces_fini(struct rg_spaces *all);

#endif
