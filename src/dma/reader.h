/* SPDX-License-Identifier: MIT */
/*
 * Readers and writers of the DMA map: readers never block, a writer that took
 * something away waits until nobody can still be looking at it.
 *
 * A reader brackets its use of look-ups and of the memory behind them with
 * dma_enter() and dma_leave(). That costs two stores and no fence, since the
 * rare writer makes every running thread execute one with membarrier(2). A
 * section must be short (tens of microseconds) and must not block; whoever
 * needs memory for longer takes a reference (see hold.h).
 *
 * Reader records are the process's, not a space's: a thread may read many
 * spaces. They are the one global thing here; threads take a record on first
 * use and hand it back when they end.
 */
#ifndef DMA_READER_H
#define DMA_READER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct dma_reader {
	_Atomic uint64_t seq;	 /* 0: outside; else the period it began in */
	unsigned nesting;	 /* the thread's own */
	_Atomic bool taken;	 /* by a living thread */
	struct dma_reader *next; /* fixed once published */
};

extern __thread struct dma_reader *dma_self;
extern _Atomic uint64_t dma_period;
extern bool dma_fence_in_reader; /* no membarrier(2) here */

/* Take a record for this thread. Never NULL: waits for memory. */
struct dma_reader *dma_reader_register(void);

/* Any thread; nests. */
static inline void dma_enter(void)
{
	struct dma_reader *r = dma_self;

	if (__builtin_expect(!r, 0))
		r = dma_reader_register();
	if (r->nesting++)
		return;
	atomic_store_explicit(
		&r->seq,
		atomic_load_explicit(&dma_period, memory_order_acquire),
		memory_order_relaxed);
	if (__builtin_expect(dma_fence_in_reader, 0))
		(void)atomic_fetch_add(&r->seq, 0);
	atomic_signal_fence(memory_order_seq_cst);
}

static inline void dma_leave(void)
{
	struct dma_reader *r = dma_self;

	if (--r->nesting)
		return;
	atomic_store_explicit(&r->seq, 0, memory_order_release);
}

/**
 * dma_synchronize() - wait until every section that was open has ended
 *
 * Not inside a section of one's own. Sections that begin meanwhile are not
 * waited for: they can't find what was taken away before the call.
 */
void dma_synchronize(void);

/* Once per process, before the first reader; again is harmless. */
void dma_reader_setup(void);

#endif
