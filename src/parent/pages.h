/* SPDX-License-Identifier: MIT */
/*
 * The device addresses of one vGPU: a hash table of pages. Neighbouring pages
 * are neighbours in it, so that a range costs few cache misses.
 *
 * A large one that grows is not moved at once, which would hold up everybody
 * on the loop: for a while there are two, and each page that comes takes some
 * of the old one's along.
 */
#ifndef PARENT_PAGES_H
#define PARENT_PAGES_H

#include <stddef.h>
#include <stdint.h>

#include <vgpu/dma.h>

#define PARENT_PAGE_SIZE ((uint64_t)VGPU_DMA_PAGE_SIZE)

struct parent_page {
	uint64_t key;	 /* address | protection of all refs; 0: free */
	uint32_t refs;	 /* a backend may give an address twice */
	uint32_t holds;	 /* by the engine */
	uint32_t memory; /* the worker's number */
};

struct parent_pages {
	struct parent_page *slots;
	size_t n, n_slots;	  /* used, and all: a power of two, half full */
	struct parent_page *old;  /* NULL: there is no other table */
	size_t n_old, moved;	  /* its slots, and those that are empty */
	struct parent_page *next; /* twice as large, soon to be needed */
	size_t touched;		  /* bytes of it that are there */
};

static inline uint64_t parent_page_addr(const struct parent_page *page)
{
	return page->key & ~(PARENT_PAGE_SIZE - 1);
}

static inline unsigned parent_page_prot(const struct parent_page *page)
{
	return (unsigned)(page->key & (PARENT_PAGE_SIZE - 1));
}

/* Room for @more, which may move all of them. -ENOMEM */
int parent_pages_reserve(struct parent_pages *pages, size_t more);
void parent_pages_fini(struct parent_pages *pages);

/* @addr: of a page. Its slot, or the free one where it would be. Moves no other
 * page. */
struct parent_page *parent_pages_slot(struct parent_pages *pages,
				      uint64_t addr);
/* The page or NULL */
struct parent_page *parent_pages_find(const struct parent_pages *pages,
				      uint64_t addr);
/* It will be looked for in a moment. */
void parent_pages_prefetch(const struct parent_pages *pages, uint64_t addr);

/* Moves others. Of pages that follow each other, the last one first is the
 * fastest. */
void parent_pages_remove(struct parent_pages *pages, struct parent_page *page);

#endif
