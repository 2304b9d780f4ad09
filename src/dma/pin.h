/* SPDX-License-Identifier: MIT */
/*
 * Pins: pages of a space that have a device address. See vgpu_dma_pin() and
 * vgpu_dma_pin_async() for what callers may expect. A lock covers the tables,
 * and is never held while anybody waits for anything.
 */
#ifndef DMA_PIN_H
#define DMA_PIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vgpu/iommu.h>

#include "remote.h"

/* Has a vendor's backend all that is mandatory? Optional ops that come later
 * are behind what an older one has: its ops_size says. */
bool iommu_is_whole(const struct vgpu_iommu *iommu);

struct dma_budget;
struct dma_space;

#define DMA_MAX_PINNED_BYTES (64ull << 30) /* of one instance, by default */
#define DMA_MAX_PIN_PAGES    VGPU_DMA_MAX_PIN_PAGES
#define DMA_MAX_PIN_REQUESTS VGPU_DMA_MAX_ASYNC

/* The loop's thread, with nothing pinned; -EBUSY otherwise. */
int dma_space_set_iommu(struct dma_space *space, struct vgpu_iommu *iommu);
/* Takes a reference; NULL: none. */
int dma_space_set_budget(struct dma_space *space, struct dma_budget *budget);
/* Bytes; below what is pinned: nothing more can be. */
void dma_space_set_pin_limit(struct dma_space *space, uint64_t bytes);

/* Any thread. -EWOULDBLOCK: the backend takes its time. */
int dma_space_pin(struct dma_space *space, const uint64_t *iovas, size_t n,
		  unsigned prot, uint64_t *ret_addrs);
/* The loop's thread. -EINPROGRESS: @done will be called; else it is over. */
int dma_space_pin_async(struct dma_space *space, const uint64_t *iovas,
			size_t n, unsigned prot, uint64_t *ret_addrs,
			dma_copied_fn done, void *user);
/* End those that are under way and whose user matches: -ECANCELED */
void dma_space_pin_cancel(struct dma_space *space, dma_copied_match_fn match,
			  void *user);
/* Never waits. A backend that takes its time: the loop's thread. */
void dma_space_unpin(struct dma_space *space, const uint64_t *iovas, size_t n,
		     unsigned prot);

/**
 * struct dma_pin_stats - what is pinned
 * @bytes: of the instance, and
 * @limit: what it may have
 * @user_bytes: of its user's instances in this process, and
 * @user_limit: what they may have; UINT64_MAX: no limit
 */
struct dma_pin_stats {
	uint64_t bytes, limit;
	uint64_t user_bytes, user_limit;
};
void dma_space_pin_stats(struct dma_space *space,
			 struct dma_pin_stats *ret_stats);

#endif
