/* SPDX-License-Identifier: MIT */
/*
 * IOVA -> memory: a page table of two levels, 2 MiB leaves on the first and
 * 4 KiB ones on the second where a range needs them.
 *
 * One flat first level covers a window of 2^48 bytes; it is reserved address
 * space of which only touched pages are memory. Addresses from 2^48 on live
 * in further windows, found by a short search.
 *
 * The loop's thread changes the table. Any thread looks up, inside
 * dma_enter()/dma_leave(); second-level tables that became empty are reused
 * only after dma_synchronize().
 *
 * The table is a cache: it is rebuilt from the ranges in the arena.
 */
#ifndef DMA_TABLE_H
#define DMA_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define DMA_PAGE_SHIFT	12u
#define DMA_PAGE_SIZE	(1ull << DMA_PAGE_SHIFT)
#define DMA_BLOCK_SHIFT 21u
#define DMA_BLOCK_SIZE	(1ull << DMA_BLOCK_SHIFT)

#define DMA_WINDOW_SHIFT 48u
#define DMA_WINDOW_TOPS	 (1ull << (DMA_WINDOW_SHIFT - DMA_BLOCK_SHIFT))
#define DMA_MAX_WINDOWS	 8u /* each reserves 1 GiB of address space */

/*
 * An entry: bits 47..12 are a pointer's, in their place; bits 63..48 and 11..4
 * hold the number of the range, bits 3..0 say what it is. The pointer of a
 * leaf is where its 2 MiB block would begin, also in a second-level table, so
 * that one addition serves both.
 */
#define DMA_E_READ	 (1ull << 0)
#define DMA_E_WRITE	 (1ull << 1)
#define DMA_E_TABLE	 (1ull << 2)
#define DMA_E_REMOTE	 (1ull << 3) /* no memory here: by messages only */
#define DMA_E_PTR	 0x0000fffffffff000ull
#define DMA_E_RANGE_BITS 24u

typedef _Atomic uint64_t dma_entry;

struct dma_table {
	dma_entry *low; /* the window of address 0; always there */
	_Atomic uint32_t n_windows;
	struct dma_window {
		_Atomic uint64_t prefix; /* iova >> DMA_WINDOW_SHIFT */
		dma_entry *top;
		uint16_t *counts;  /* per page of @top: entries in use */
		uint64_t *used;	   /* bit per page of @top: counts[i] != 0 */
		uint64_t *touched; /* bit per page of @top: it is memory */
	} windows[DMA_MAX_WINDOWS];

	uint64_t bytes; /* of memory in tables */
	uint64_t max_bytes;
	struct dma_chunk *chunks; /* second-level tables */
	dma_entry *free;	  /* ready for use */
	dma_entry *limbo;	  /* readers may still be in them */
	uint32_t n_spare;	  /* in @free, with memory */
	uint32_t n_spare_tops;	  /* empty pages of first levels, with memory */
};

static inline void *dma_entry_block(uint64_t e)
{
	return (void *)(uintptr_t)(e & DMA_E_PTR);
}

static inline uint32_t dma_entry_range(uint64_t e)
{
	return (uint32_t)(e >> 48 << 8) | (uint8_t)(e >> 4);
}

static inline uint64_t dma_entry_make(uint64_t block, uint32_t range,
				      uint64_t flags)
{
	return (block & DMA_E_PTR) | (uint64_t)(range >> 8) << 48 |
	       (uint64_t)(range & 0xff) << 4 | flags;
}

static inline void *dma_entry_ptr(uint64_t e, uint64_t iova)
{
	return (char *)dma_entry_block(e) + (iova & (DMA_BLOCK_SIZE - 1));
}

/* The leaf's entry, by one of the first level that is a table */
static inline uint64_t dma_table_second(uint64_t e, uint64_t iova)
{
	const dma_entry *leaf = dma_entry_block(e);

	return atomic_load_explicit(&leaf[(iova >> DMA_PAGE_SHIFT) & 511],
				    memory_order_acquire);
}

/* From the first level's entry to the leaf's */
static inline uint64_t dma_table_leaf(const dma_entry *top, uint64_t iova)
{
	uint64_t e = atomic_load_explicit(top, memory_order_acquire);

	return e & DMA_E_TABLE ? dma_table_second(e, iova) : e;
}

/* dma_table_find() in the first window */
static inline uint64_t dma_table_find_low(const struct dma_table *table,
					  uint64_t iova)
{
	return dma_table_leaf(&table->low[iova >> DMA_BLOCK_SHIFT], iova);
}

/* The first level's entry of an address beyond the first window; NULL: there
 * is no window for it. */
dma_entry *dma_table_high(const struct dma_table *table, uint64_t iova);

/**
 * dma_table_find() - what is at an address
 *
 * Any thread, in a reader's section.
 *
 * Return: a leaf's entry, or 0.
 */
static inline uint64_t dma_table_find(const struct dma_table *table,
				      uint64_t iova)
{
	dma_entry *top;

	if (__builtin_expect(!(iova >> DMA_WINDOW_SHIFT), 1))
		return dma_table_find_low(table, iova);
	top = dma_table_high(table, iova);
	return top ? dma_table_leaf(top, iova) : 0;
}

/* @max_bytes: of table memory; mapping fails with -ENOSPC beyond. */
int dma_table_init(struct dma_table *table, uint64_t max_bytes);
void dma_table_fini(struct dma_table *table);

/**
 * dma_table_next() - the first mapped address in [iova, last]
 * @ret_iova: it; in the middle of a range if @iova is
 *
 * Return: its entry, 0 if there is none.
 */
uint64_t dma_table_next(const struct dma_table *table, uint64_t iova,
			uint64_t last, uint64_t *ret_iova);

/**
 * dma_table_set() - enter a range where nothing is mapped
 * @iova: page-aligned, as @size
 * @ptr: memory behind @iova; NULL with DMA_E_REMOTE
 * @range: its number, below 2^DMA_E_RANGE_BITS
 * @flags: DMA_E_READ, DMA_E_WRITE, DMA_E_REMOTE
 *
 * Return: 0; -ENOMEM or -ENOSPC (@max_bytes, DMA_MAX_WINDOWS): nothing
 * changed.
 */
int dma_table_set(struct dma_table *table, uint64_t iova, uint64_t size,
		  void *ptr, uint32_t range, uint64_t flags);

/* The range stays, but look-ups see no permission: it is being unmapped. */
void dma_table_hide(struct dma_table *table, uint64_t iova, uint64_t size);

/* Take a range out that was set so. Readers may still be using it. */
void dma_table_clear(struct dma_table *table, uint64_t iova, uint64_t size);

/* After dma_synchronize(): tables taken out before it are free. */
void dma_table_reap(struct dma_table *table);

#endif
