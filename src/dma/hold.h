/* SPDX-License-Identifier: MIT */
/*
 * References on ranges: who holds one may use its memory until he drops it.
 * Taken in a reader's section on a range that was found in the table; dropped
 * by any thread, any time.
 *
 * An unmap takes the range out of the table, waits for sections, then sets
 * DMA_REFS_DYING: from there on the count only falls, and whoever drops the
 * last reference wakes the loop.
 */
#ifndef DMA_HOLD_H
#define DMA_HOLD_H

#include "space-private.h"

#define DMA_REFS_DYING	 (1u << 31) /* being unmapped */
#define DMA_REFS_WAITING (1u << 30) /* the driver will say when it is done */
#define DMA_REFS_COUNT	 (DMA_REFS_WAITING - 1)

/* Drop @n references (or flags: their values). */
void dma_range_drop(struct dma_space *space, uint32_t range, uint32_t n);

/* Have dma_space_poll() run on the loop. Any thread. */
void dma_space_notify(struct dma_space *space);

#endif
