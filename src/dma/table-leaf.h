/* SPDX-License-Identifier: MIT */
/*
 * Memory of a table's leaves (its second-level tables): where they come from,
 * what is kept of those that became empty, and when one that readers may still
 * be in can be used again.
 *
 * Of src/dma/table.c only. The loop's thread.
 */
#ifndef DMA_TABLE_LEAF_H
#define DMA_TABLE_LEAF_H

#include <stddef.h>

#include "table.h"

#define TABLE_BYTES   4096u /* a leaf, and a page of the first level */
#define TABLE_ENTRIES 512u

/* Emptied leaves kept as memory, for the next map; the rest goes back. */
#define SPARE_TABLES 512u

#define CHUNK_BYTES  (2ull << 20)
#define CHUNK_HEAD   4u /* pages that hold struct dma_chunk */
#define CHUNK_TABLES (TABLE_ENTRIES - CHUNK_HEAD)

/* Leaves come in aligned chunks, whose first pages say what can't be written
 * into a leaf that readers may still be in. */
struct dma_chunk {
	struct dma_chunk *next;
	uint32_t n_fresh; /* leaves never handed out */
	struct dma_leaf_meta {
		dma_entry *next; /* in free or limbo list */
		uint16_t used;	 /* entries */
		bool cold;	 /* its memory went back */
	} meta[CHUNK_TABLES];
};

_Static_assert(sizeof(struct dma_chunk) <= CHUNK_HEAD * TABLE_BYTES,
	       "a chunk's head has its own pages");

static inline struct dma_leaf_meta *dma_leaf_meta(dma_entry *leaf)
{
	uintptr_t chunk = (uintptr_t)leaf & ~(CHUNK_BYTES - 1);
	size_t i = ((uintptr_t)leaf - chunk) / TABLE_BYTES - CHUNK_HEAD;

	return &((struct dma_chunk *)chunk)->meta[i];
}

/* Address space, of which what is touched becomes memory. NULL: none. */
void *dma_table_reserve(size_t size);

/* An empty leaf: all zero. NULL: no memory. */
dma_entry *dma_leaf_get(struct dma_table *table);

/* It is all zero again, and no reader is in it. */
void dma_leaf_put(struct dma_table *table, dma_entry *leaf);

/* Give back the memory of one that is in table->free. */
void dma_leaf_chill(struct dma_table *table, dma_entry *leaf);

/* Would @n more need a new chunk? Pages that they take, chunk included. */
uint64_t dma_leaves_cost(const struct dma_table *table, uint32_t n);

/* All chunks, whoever is in them. */
void dma_leaves_fini(struct dma_table *table);

#endif
