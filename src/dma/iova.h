/* SPDX-License-Identifier: MIT */
/*
 * Device address space, handed out in blocks of one size.
 *
 * The kernel names the ranges that the IOMMU can map (reserved ones, such as
 * the interrupt window, are left out); the device's DMA mask cuts them short.
 * Freed blocks are used again as late as possible, so that a stale address
 * faults. The caller locks.
 */
#ifndef DMA_IOVA_H
#define DMA_IOVA_H

#include <stddef.h>
#include <stdint.h>

struct iova_range {
	uint64_t start;
	uint64_t last;
};

struct iova_space {
	unsigned shift; /* of a block's size */
	uint32_t max;	/* blocks in use, at most */
	uint32_t used;
	struct iova_range *ranges; /* whole blocks only */
	size_t n_ranges, range;	   /* @range: where the next fresh one is */
	uint64_t next;
	uint64_t *freed; /* ring of blocks that were used before */
	uint32_t head, n_freed;
};

/**
 * iova_space_init() - see what there is
 * @ranges: sorted or not, copied
 * @mask: highest address that the device can use; all ones: any
 * @block: bytes of a block, a power of two, at least a page
 * @max: blocks that may be in use at once
 *
 * Address 0 is never handed out: devices and people take it for "none".
 *
 * Return: 0; -ENOSPC: not a single block; -ENOMEM.
 */
int iova_space_init(struct iova_space *space, const struct iova_range *ranges,
		    size_t n_ranges, uint64_t mask, uint64_t block,
		    uint32_t max);
void iova_space_fini(struct iova_space *space);

/* -ENOSPC: none is left. */
int iova_space_get(struct iova_space *space, uint64_t *ret_iova);
void iova_space_put(struct iova_space *space, uint64_t iova);

/* Bytes in [0, @mask] that @ranges have in whole blocks of @block */
uint64_t iova_usable(const struct iova_range *ranges, size_t n_ranges,
		     uint64_t mask, uint64_t block);

#endif
