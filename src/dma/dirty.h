/* SPDX-License-Identifier: MIT */
/*
 * The dirty log: which client memory the device has written
 * (<linux/vfio.h>, VFIO_DEVICE_FEATURE_DMA_LOGGING_START, _STOP and _REPORT).
 *
 * Writers mark before they write, inside their reader's section; a report
 * takes the marks, then waits for the sections that were open. So what it
 * takes has been written when the client gets it, and what is marked later is
 * in the next report: nothing is lost. Memory that is held (segments) is
 * marked when it is put back, memory that is pinned for writing is in every
 * report until it is unpinned, and in the next.
 *
 * Ranges of the log are the client's choice; they need not be those of its
 * DMA maps, and what is not mapped is never dirty.
 */
#ifndef DMA_DIRTY_H
#define DMA_DIRTY_H

#include <stddef.h>
#include <stdint.h>

#include "space-private.h"

#define DMA_LOG_MAX_RANGES 4096u
#define DMA_LOG_MAX_BYTES  (64ull << 20) /* bitmaps; 2 TiB in 4 KiB pages */

struct dma_log_range {
	uint64_t iova;
	uint64_t size;
};

/**
 * dma_space_log_start() - begin logging
 * @page_size: what the client would like, a power of two
 * @ranges: what to log, in any order; must not overlap, wrap or be empty
 * @n: number of them, at least 1
 * @ret_page_size: what it gets: DMA_PAGE_SIZE, or more if the bitmaps would
 *                 become too large
 *
 * The loop's thread. Return: 0; -EINVAL; -EBUSY: it is on already; -E2BIG:
 * more than DMA_LOG_MAX_RANGES; -ENOMEM.
 */
int dma_space_log_start(struct dma_space *space, uint64_t page_size,
			const struct dma_log_range *ranges, size_t n,
			uint64_t *ret_page_size);

/* The loop's thread. -EINVAL: it is not on. */
int dma_space_log_stop(struct dma_space *space);

/**
 * dma_space_log_report() - what was written since the last report
 * @iova: where the bitmap begins
 * @size: bytes of address space it covers, not 0
 * @page_size: what a bit stands for: any power of two, whatever logging was
 *             started with. Smaller pages than the log's share its bits.
 * @bitmap: bits are set in it, none is cleared; dma_log_bitmap_bytes() long
 *
 * A page of the log that [@iova, @iova + @size) covers only in part is
 * reported, and stays in the log. The loop's thread.
 *
 * Return: 0; -EINVAL: logging is not on, or numbers that make no sense.
 */
int dma_space_log_report(struct dma_space *space, uint64_t iova, uint64_t size,
			 uint64_t page_size, void *bitmap);

/* Bytes of a bitmap, in whole 64-bit words; 0: the numbers make no sense. */
uint64_t dma_log_bitmap_bytes(uint64_t iova, uint64_t size, uint64_t page_size);

static inline bool dma_space_log_active(const struct dma_space *space)
{
	return atomic_load_explicit(&space->log, memory_order_acquire);
}

struct dma_log;
void dma_log_mark(struct dma_log *log, uint64_t iova, uint64_t len);

/* [@iova, @iova + @len) is about to be written, or was. In a section; any
 * thread. @len is not 0. */
static inline void dma_mark_dirty(struct dma_space *space, uint64_t iova,
				  uint64_t len)
{
	struct dma_log *log =
		atomic_load_explicit(&space->log, memory_order_acquire);

	if (__builtin_expect(log != NULL, 0))
		dma_log_mark(log, iova, len);
}

#endif
