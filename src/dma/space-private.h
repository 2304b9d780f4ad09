/* SPDX-License-Identifier: MIT */
/* The inside of struct dma_space, for the files of this folder. */
#ifndef DMA_SPACE_PRIVATE_H
#define DMA_SPACE_PRIVATE_H

#include <stdatomic.h>

#include "../util/list.h"
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
	_Atomic uint32_t refs; /* hold.h */
	uint32_t next;	       /* while it is being taken out: number + 1 */
	struct vgpu_iommu_memory *memory; /* once a page was pinned */
	_Atomic uint32_t leaving; /* of refs: pages that the backend unmaps */
	bool detached;		  /* out of the table, and of the arena's map */
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

	const struct dma_owner_ops *owner; /* NULL: nobody is attached */
	void *owner_user;
	int notice_fd; /* eventfd: dma_space_poll() is due */
	struct loop_source *notice;
	struct loop_source *unmap_timer;
	uint32_t lost_told; /* replaced pages that the owner knows of */

	struct list unmaps; /* struct dma_unmap, in the order they came */
	struct dma_unmap *spare_unmap;

	struct dma_remote *remote;
	struct dma_pins *pins;
	_Atomic(struct dma_log *) log; /* NULL: dirty logging is off */
};

static inline const struct dma_range *
dma_space_range(const struct dma_space *space, uint64_t entry)
{
	return &space->ranges->range[dma_entry_range(entry)];
}

/* Not empty, aligned, and its last byte is not before its first. */
static inline bool dma_extent_valid(uint64_t iova, uint64_t size)
{
	return size && !((iova | size) & (DMA_PAGE_SIZE - 1)) &&
	       iova + (size - 1) >= iova;
}

/* A range that is not in the table any more: give back what it had. */
void dma_range_free(struct dma_space *space, uint32_t range);

/* unmap.c: release what was let go of; look for what takes too long; end all,
 * return how many ranges somebody still held. */
void dma_unmaps_poll(struct dma_space *space);
void dma_unmaps_check(struct dma_space *space);
/* Of those that nobody waits for: make room, as far as it is there already. */
void dma_unmaps_detach(struct dma_space *space);
uint32_t dma_unmaps_fini(struct dma_space *space);

/* remote.c */
int dma_remote_new(struct dma_space *space);
int dma_remote_attach(struct dma_space *space, struct loop *loop);
void dma_remote_detach(struct dma_space *space);
void dma_remote_poll(struct dma_space *space);
void dma_remote_free(struct dma_space *space);

#endif
