/* SPDX-License-Identifier: MIT */
/*
 * The device addresses of one vGPU: a hash table of pages. Neighbouring pages
 * are neighbours in it, so that a range costs few cache misses.
 *
 * A large one that grows is not moved at once, which would hold up everybody
 * on the loop: for a while there are two, and each page that comes takes some
 * of the old one's along.
 */
#ifndef HUB_PAGES_H
#define HUB_PAGES_H

#include <stddef.h>
#include <stdint.h>

#include <vgpu/dma.h>

#define HUB_PAGE_SIZE ((uint64_t)VGPU_DMA_PAGE_SIZE)

struct hub_page {
	uint64_t key;	 /* address | protection of all refs; 0: free */
	uint32_t refs;	 /* a backend may give an address twice */
	uint32_t holds;	 /* by the engine */
	uint32_t memory; /* the worker's number */
};

struct hub_pages {
	struct hub_page *slots;
	size_t n, n_slots;	  /* used, and all: a power of two, half full */
	struct hub_page *old;  /* NULL: there is no other table */
	size_t n_old, moved;	  /* its slots, and those that are empty */
	struct hub_page *next; /* twice as large, soon to be needed */
	size_t touched;		  /* bytes of it that are there */
};

static inline uint64_t hub_page_addr(const struct hub_page *page)
{
	return page->key & ~(HUB_PAGE_SIZE - 1);
}

static inline unsigned hub_page_prot(const struct hub_page *page)
{
	return (unsigned)(page->key & (HUB_PAGE_SIZE - 1));
}

/* Room for @more, which may move all of them. -ENOMEM */
int hub_pages_reserve(struct hub_pages *pages, size_t more);
void hub_pages_fini(struct hub_pages *pages);

/* @addr: of a page. Its slot, or the free one where it would be. Moves no other
 * page. */
struct hub_page *hub_pages_slot(struct hub_pages *pages,
				      uint64_t addr);
/* The page or NULL */
struct hub_page *hub_pages_find(const struct hub_pages *pages,
				      uint64_t addr);
/* It will be looked for in a moment. */
void hub_pages_prefetch(const struct hub_pages *pages, uint64_t addr);

/* Moves others. Of pages that follow each other, the last one first is the
 * fastest. */
void hub_pages_remove(struct hub_pages *pages, struct hub_page *page);

#endif
