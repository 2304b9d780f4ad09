/* SPDX-License-Identifier: MIT */
/*
 * What a space keeps of its pins; for the files of this folder.
 *
 * A page goes through these states:
 *
 *   new      in the table without an address: its map is under way
 *   pinned   in the table with its device address
 *   leaving  in a removal, not in the table any more: its unmap is under way,
 *            or waits for its turn
 *
 * In all of them it holds a reference on its range. A backend that does
 * everything at once (struct vgpu_iommu_ops without @submit_map) knows no
 * state but "pinned".
 */
#ifndef DMA_PIN_PRIVATE_H
#define DMA_PIN_PRIVATE_H

#include <pthread.h>

#include "../util/list.h"
#include "pin-table.h"
#include "pin.h"

/* Taken in one reader's section, given back with one call of the backend. */
#define DMA_PIN_BATCH 512u
/* So many pages are fetched before they are looked at. */
#define DMA_PIN_AHEAD 8u
/* Removals that a backend has at a time; the rest gathers meanwhile, so that
 * each has many pages. */
#define DMA_MAX_REMOVALS 8u

#define DMA_PIN_NO_ADDR UINT64_MAX /* of a page that is new */
#define DMA_PIN_PROT	((uint64_t)(DMA_PROT_READ | DMA_PROT_WRITE)) /* of keys */

/* Pages whose last reference went */
struct dma_removal {
	struct list link;
	struct vgpu_iommu_request req;
	struct dma_space *space;
	unsigned n;
	uint64_t keys[DMA_PIN_BATCH];
	uint64_t addrs[DMA_PIN_BATCH];
	uint32_t ranges[DMA_PIN_BATCH];
};

struct dma_pins {
	pthread_mutex_t lock; /* everything below */
	struct dma_pin_table table;
	struct vgpu_iommu *iommu;
	bool async; /* it takes its time; all else is the loop's thread's then */
	struct dma_budget *budget;
	uint64_t bytes, limit;

	struct list requests; /* struct dma_pin_request; the first is begun */
	unsigned n_requests;

	/* Removals: enough for all pages are set aside as they are pinned, so
	 * that an unpin can't fail. */
	struct list spare, waiting, sent;
	unsigned n_removals, n_sent;
	size_t n_leaving; /* pages */
};

int dma_pins_new(struct dma_space *space);
/* The space goes: what the backend is at, it finishes without us. */
void dma_pins_abandon(struct dma_space *space);
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

/* ---- pin.c and unpin.c, under the lock ------------------------------- */

static inline uint64_t dma_pin_key(uint64_t iova, unsigned prot)
{
	return iova | prot;
}

/* Set aside what it takes to remove @n pages more. -ENOMEM */
int dma_removals_reserve(struct dma_pins *pins, size_t n);
/* The pin's last reference went. */
void dma_pin_take_off(struct dma_space *space, struct dma_pin *pin);
/* Send what was taken off. */
void dma_removals_flush(struct dma_space *space);

/* pin.c: begin the requests that wait for others, or for removals. The loop's
 * thread, without the lock. */
void dma_pin_requests_advance(struct dma_space *space);
void dma_pin_requests_abandon(struct dma_space *space);

#endif
