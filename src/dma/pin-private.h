/* SPDX-License-Identifier: MIT */
/* What a space keeps of its pins; for the files of this folder. */
#ifndef DMA_PIN_PRIVATE_H
#define DMA_PIN_PRIVATE_H

#include <pthread.h>

#include "pin-table.h"
#include "pin.h"

struct dma_pins {
	pthread_mutex_t lock; /* everything below */
	struct dma_pin_table table;
	struct vgpu_iommu *iommu;
	struct dma_budget *budget;
	uint64_t bytes, limit;
};

int dma_pins_new(struct dma_space *space);
/* Nothing is pinned any more. */
void dma_pins_free(struct dma_space *space);

#define DMA_EVERY_RANGE UINT32_MAX

/* Unpin whatever is pinned in a range: its driver was too late. */
void dma_pins_revoke(struct dma_space *space, uint32_t range);

/* Every page that is pinned for writing */
void dma_pins_each_written(struct dma_space *space,
			   void (*fn)(uint64_t iova, void *user), void *user);

/* The range's last pin is gone, and so is the range. */
void dma_pins_forget(struct dma_space *space, uint32_t range);

#endif
