/* SPDX-License-Identifier: MIT */
/* The inside of struct dma_space, for the files of this folder. */
#ifndef DMA_SPACE_PRIVATE_H
#define DMA_SPACE_PRIVATE_H

#include <stdatomic.h>

#include "file.h"
#include "space.h"
#include "table.h"

#define DMA_RANGES_VERSION 1

/* One in the arena per range. A free one links to the next by @iova. */
struct dma_range {
	uint64_t iova;
	uint64_t size;
	uint64_t offset; /* in the file */
	uint32_t file;	 /* number + 1; 0: none */
	uint32_t flags;	 /* DMA_PROT_*, DMA_RANGE_LIVE; written last */
};
#define DMA_RANGE_LIVE (1u << 31)

struct dma_ranges {
	uint32_t used; /* slots that were ever live */
	uint32_t reserved[15];
	struct dma_range range[];
};

/* Beside each range, in this process only */
struct dma_range_local {
	uint32_t next; /* while it is being taken out: number + 1 */
};

struct dma_space {
	struct dma_table table;
	struct dma_files files;
	struct dma_ranges *ranges; /* in the arena */
	struct dma_range_local *local;
	uint32_t max_maps;
	uint32_t free; /* first free range's number + 1; 0: none below used */
	uint32_t n_maps, n_remote;
	uint64_t bytes;
};

static inline const struct dma_range *
dma_space_range(const struct dma_space *space, uint64_t entry)
{
	return &space->ranges->range[dma_entry_range(entry)];
}

#endif
