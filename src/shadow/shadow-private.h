/* SPDX-License-Identifier: MIT */
/*
 * Shadow page tables, inside. A shadow is a tree of tables, one for each place
 * that a guest's table page has in the address space.
 *
 * A page of the last level is *there* if one of its bits in can_read and
 * can_write is set: then it is pinned (if it is system memory) for just that,
 * and the hardware has been told. What it is, is in the table's copy.
 */
#ifndef SHADOW_PRIVATE_H
#define SHADOW_PRIVATE_H

#include <vgpu/shadow.h>

#include "../util/bytes.h"
#include "../util/list.h"

#define PAGE ((uint64_t)VGPU_DMA_PAGE_SIZE)
#define PROT (VGPU_DMA_READ | VGPU_DMA_WRITE)

/* Pages that are pinned by one call. There is room for what one table more
 * brings. */
#define BATCH_PAGES 4096u
#define BATCH_MAX   (BATCH_PAGES + VGPU_SHADOW_MAX_ENTRIES)

/* Of the filter: blocks of guest addresses that share a bit */
#define FILTER_SHIFT 21

struct table {
	struct vgpu_shadow_watch watch;
	struct vgpu_shadow *shadow;
	struct table *parent;
	struct list queue;  /* shadow's; when dead: the pool's */
	struct list leaves; /* shadow's, of the last level */
	uint64_t va;
	uint64_t fence;	  /* when dead */
	uint64_t filter;  /* of the last level: where its pages are */
	uint64_t n_pages; /* that are there, below it */
	uint16_t index;	  /* in its parent */
	uint8_t prot;	  /* of a large page */
	bool large;	  /* no table but the pieces of a large page */
	bool queued;
	bool copied;	   /* compared once */
	bool out_of_reach; /* when it was looked at last */
	bool dead;
	uint16_t n_pending; /* pages whose pin is under way; it stays for them */
	uint64_t can_read[VGPU_SHADOW_MAX_ENTRIES / 64];
	uint64_t can_write[VGPU_SHADOW_MAX_ENTRIES / 64];
	uint64_t *copy;		 /* unless large */
	struct table **children; /* but for the last level */
};

/* Pages of the last level that are to be pinned */
struct batch_page {
	struct table *t;
	uint64_t addr; /* the guest's */
	uint16_t i;
	uint8_t prot;
	bool local;
	bool was; /* the hardware has something else there */
};

/* Of the chosen pages of a batch */
struct piece {
	unsigned at, n;
};

struct run {
	uint64_t va, n, addr;
	bool local;
	unsigned prot;
};

struct vgpu_shadow {
	struct vgpu_shadow_pool *pool;
	struct list link; /* pool's */
	void *user;
	uint64_t root_entry;
	struct table *root;
	struct vgpu_shadow_tracker *tracker;
	struct list queue;  /* tables to be compared */
	struct list leaves; /* all of the last level */
	unsigned n_tables;
	int short_of; /* 0, or what a limit said */
	bool lazy;    /* a limit was reached: only what faults is pinned */
	bool tried;   /* the page at @tried_va was to be pinned for its fault */
	uint64_t tried_va;
};

/* Pins of single pages that wait to be undone. What a table may need is set
 * aside before it is looked at: then nothing can fail in the middle. */
#define LOOSE_MAX   500u
#define LOOSE_SPARE (3u + VGPU_SHADOW_MAX_ENTRIES / LOOSE_MAX + 1u)

struct loose {
	struct list link;
	uint64_t fence;
	unsigned n, prot;
	uint64_t iovas[LOOSE_MAX];
};

struct vgpu_shadow_pool {
	struct vgpu_shadow_config config;
	const struct vgpu_shadow_format *format;
	const struct vgpu_shadow_ops *ops;
	const struct vgpu_shadow_tracker_ops *tracker;
	struct list shadows;
	struct list dead;      /* tables, by fence */
	struct list dying;     /* tables without a fence yet */
	struct list loose;     /* by fence */
	struct list loosening; /* without a fence yet */
	struct list spare;     /* empty ones */
	unsigned n_spare;
	struct loose *open[PROT + 1]; /* not full, in loosening */
	struct vgpu_shadow_stats stats;
	uint64_t last_fence;
	struct vgpu_shadow *run_of;
	struct run run; /* of @run_of: to be put */
	size_t n_changed;
	/* Pages on their way in, of @batch_of (NULL: it was freed). They are
	 * pinned in groups of one protection, and these in pieces. */
	struct vgpu_shadow *batch_of;
	unsigned group;
	struct piece todo[32], now;
	unsigned n_todo;
	bool pinning;  /* @now has no answer yet: nothing else begins */
	bool pending;  /* there was none at once: pages count as n_pending */
	bool optional; /* nobody has asked for them: @short_of is theirs */
	int short_of;
	unsigned n_batch;
	struct batch_page batch[BATCH_MAX];
	uint64_t iovas[BATCH_MAX], addrs[BATCH_MAX];
	uint16_t chosen[BATCH_MAX];
};

static inline unsigned last_level(const struct vgpu_shadow_pool *p)
{
	return p->format->n_levels - 1;
}

static inline bool is_leaf(const struct table *t)
{
	return t->watch.level == last_level(t->shadow->pool);
}

static inline unsigned n_entries(const struct table *t)
{
	return t->shadow->pool->format->entries[t->watch.level];
}

static inline uint64_t entry_size(const struct table *t)
{
	return 1ull << t->shadow->pool->format->shift[t->watch.level];
}

static inline bool is_there(const struct table *t, unsigned i)
{
	return ((t->can_read[i / 64] | t->can_write[i / 64]) >> i % 64) & 1;
}

static inline unsigned prot_there(const struct table *t, unsigned i)
{
	return (unsigned)((t->can_read[i / 64] >> i % 64) & 1) * VGPU_DMA_READ |
	       (unsigned)((t->can_write[i / 64] >> i % 64) & 1) *
		       VGPU_DMA_WRITE;
}

static inline const void *reach(const struct vgpu_shadow_pool *p, uint64_t addr,
				bool local, size_t len, unsigned prot)
{
	return p->ops->ptr(p->config.user, addr, local, len, prot);
}

static inline void enter(const struct vgpu_shadow_pool *p)
{
	if (p->ops->enter)
		p->ops->enter(p->config.user);
}

static inline void leave(const struct vgpu_shadow_pool *p)
{
	if (p->ops->leave)
		p->ops->leave(p->config.user);
}

/* What entry @i of @t says, by its copy */
static inline void target_of(const struct table *t, unsigned i,
			     struct vgpu_shadow_target *ret)
{
	if (t->large)
		*ret = (struct vgpu_shadow_target){
			.kind = VGPU_SHADOW_PAGE,
			.local = t->watch.local,
			.prot = t->prot,
			.addr = t->watch.addr + i * entry_size(t),
		};
	else
		t->shadow->pool->format->decode(le64toh(t->copy[i]),
						t->watch.level, ret);
}

/* table.c: the tree */
struct table *table_new(struct vgpu_shadow *s, struct table *parent,
			unsigned index,
			const struct vgpu_shadow_target *target);
void table_kill(struct table *t);
void table_queue(struct table *t);

/* shadow.c */
bool shadow_grow_root(struct vgpu_shadow *s);
void shadow_drop(struct vgpu_shadow *s);

/* scan.c: comparing */
int table_scan(struct table *t);

/* pages.c: what is there, and what is not any more */
void page_note(struct table *t, unsigned i,
	       const struct vgpu_shadow_target *now, bool was);
bool page_drop(struct table *t, unsigned i,
	       const struct vgpu_shadow_target *old);
void pages_gone(struct vgpu_shadow *s, uint64_t va, uint64_t n);
int pages_flush(struct vgpu_shadow *s);
int pool_reserve(struct vgpu_shadow_pool *p);
void pool_settle(struct vgpu_shadow_pool *p);

#endif
