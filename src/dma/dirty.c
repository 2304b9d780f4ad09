/* SPDX-License-Identifier: MIT */
#include "dirty.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../util/bytes.h"
#include "pin-private.h"
#include "reader.h"

#define WORD_BITS 64u

/* A logged range and the start of its bitmap. Its bits begin with the page
 * that @iova lies in. */
struct logged {
	uint64_t iova, last;
	_Atomic uint64_t *bits;
};

struct dma_log {
	unsigned shift; /* of the log's page size */
	size_t n;
	_Atomic uint64_t *bits; /* all bitmaps */
	size_t bytes;
	struct logged ranges[]; /* sorted, apart from each other */
};

/* Where a bit stands in its range's bitmap */
static uint64_t bit_of(const struct dma_log *log, const struct logged *r,
		       uint64_t iova)
{
	return (iova >> log->shift) - (r->iova >> log->shift);
}

/* The first range that ends at or after @iova */
static size_t range_at(const struct dma_log *log, uint64_t iova)
{
	size_t low = 0, high = log->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (log->ranges[mid].last < iova)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Bits @from..@to of the word that @from is in, both included */
static uint64_t word_mask(uint64_t from, uint64_t to)
{
	uint64_t mask = ~0ull << (from % WORD_BITS);

	if (to / WORD_BITS == from / WORD_BITS)
		mask &= ~0ull >> (WORD_BITS - 1 - to % WORD_BITS);
	return mask;
}

void dma_log_mark(struct dma_log *log, uint64_t iova, uint64_t len)
{
	uint64_t last = iova + (len - 1);

	for (size_t i = range_at(log, iova);
	     i < log->n && log->ranges[i].iova <= last; i++) {
		const struct logged *r = &log->ranges[i];
		uint64_t from = bit_of(log, r, MAX(iova, r->iova));
		uint64_t to = bit_of(log, r, MIN(last, r->last));

		for (; from <= to; from = (from / WORD_BITS + 1) * WORD_BITS) {
			_Atomic uint64_t *word = &r->bits[from / WORD_BITS];
			uint64_t mask = word_mask(from, to);

			/* Marked and not yet taken: a report that takes it
			 * from now on waits for this section. */
			if ((atomic_load_explicit(word, memory_order_relaxed) &
			     mask) != mask)
				atomic_fetch_or_explicit(word, mask,
							 memory_order_acq_rel);
		}
	}
}

/* ------------------------------------------------------------------ */
/* Start and stop                                                      */
/* ------------------------------------------------------------------ */

static int by_iova(const void *a, const void *b)
{
	const struct logged *x = a, *y = b;

	return x->iova < y->iova ? -1 : x->iova > y->iova;
}

/* Sorted and checked; no bitmaps yet. */
static int fill_in(struct dma_log *log, const struct dma_log_range *ranges,
		   size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t last = ranges[i].iova + (ranges[i].size - 1);

		if (!ranges[i].size || last < ranges[i].iova)
			return -EINVAL;
		log->ranges[i] = (struct logged){ ranges[i].iova, last, NULL };
	}
	qsort(log->ranges, n, sizeof(log->ranges[0]), by_iova);
	for (size_t i = 1; i < n; i++)
		if (log->ranges[i].iova <= log->ranges[i - 1].last)
			return -EINVAL;
	log->n = n;
	return 0;
}

/* In 64-bit words */
static uint64_t bitmap_words(const struct dma_log *log)
{
	uint64_t words = 0;

	for (size_t i = 0; i < log->n; i++)
		words += bit_of(log, &log->ranges[i], log->ranges[i].last) /
				 WORD_BITS +
			 1;
	return words;
}

static int make_bitmaps(struct dma_log *log)
{
	uint64_t words;

	log->shift = DMA_PAGE_SHIFT;
	while ((words = bitmap_words(log)) > DMA_LOG_MAX_BYTES / 8)
		log->shift++;
	log->bytes = words * 8;
	/* Sparse: only what is marked becomes memory. */
	log->bits = mmap(NULL, log->bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (log->bits == MAP_FAILED)
		return -ENOMEM;
	words = 0;
	for (size_t i = 0; i < log->n; i++) {
		struct logged *r = &log->ranges[i];

		r->bits = log->bits + words;
		words += bit_of(log, r, r->last) / WORD_BITS + 1;
	}
	return 0;
}

int dma_space_log_start(struct dma_space *space, uint64_t page_size,
			const struct dma_log_range *ranges, size_t n,
			uint64_t *ret_page_size)
{
	struct dma_log *log;
	int err;

	if (space->log)
		return -EBUSY;
	if (!n || !is_pow2(page_size))
		return -EINVAL;
	if (n > DMA_LOG_MAX_RANGES)
		return -E2BIG;
	log = calloc(1, sizeof(*log) + n * sizeof(log->ranges[0]));
	if (!log)
		return -ENOMEM;
	err = fill_in(log, ranges, n);
	if (!err)
		err = make_bitmaps(log);
	if (err) {
		free(log);
		return err;
	}
	atomic_store_explicit(&space->log, log, memory_order_release);
	/* From here on every write is marked: nobody is left who looked for
	 * the log and saw none. */
	dma_synchronize();
	*ret_page_size = 1ull << log->shift;
	return 0;
}

int dma_space_log_stop(struct dma_space *space)
{
	struct dma_log *log = space->log;

	if (!log)
		return -EINVAL;
	atomic_store_explicit(&space->log, NULL, memory_order_release);
	dma_synchronize();
	munmap(log->bits, log->bytes);
	free(log);
	return 0;
}

/* ------------------------------------------------------------------ */
/* Report                                                              */
/* ------------------------------------------------------------------ */

/* The client's bitmap */
struct report {
	uint64_t iova, last;
	unsigned shift;
	uint64_t *bits;
};

/* [from, to], anywhere, is dirty. */
static void report_dirty(const struct report *rep, uint64_t from, uint64_t to)
{
	if (to < rep->iova || from > rep->last)
		return;
	from = (MAX(from, rep->iova) - rep->iova) >> rep->shift;
	to = (MIN(to, rep->last) - rep->iova) >> rep->shift;
	for (; from <= to; from = (from / WORD_BITS + 1) * WORD_BITS)
		rep->bits[from / WORD_BITS] |= word_mask(from, to);
}

/* Take the marks of a word; those of pages that the report covers in part
 * stay. */
static uint64_t take(const struct dma_log *log, const struct logged *r,
		     const struct report *rep, uint64_t from, uint64_t to)
{
	_Atomic uint64_t *word = &r->bits[from / WORD_BITS];
	uint64_t mask = word_mask(from, to), keep = 0;
	uint64_t page = (1ull << log->shift) - 1;

	if (!(atomic_load_explicit(word, memory_order_acquire) & mask))
		return 0;
	if (rep->iova & page && rep->iova > r->iova &&
	    bit_of(log, r, rep->iova) == from)
		keep |= 1ull << (from % WORD_BITS);
	if ((rep->last & page) != page && rep->last < r->last &&
	    bit_of(log, r, rep->last) / WORD_BITS == from / WORD_BITS)
		keep |= 1ull << (bit_of(log, r, rep->last) % WORD_BITS);
	return atomic_fetch_and_explicit(word, ~mask | keep,
					 memory_order_acq_rel) &
	       mask;
}

static void report_range(const struct dma_log *log, const struct logged *r,
			 const struct report *rep)
{
	uint64_t from = bit_of(log, r, MAX(rep->iova, r->iova));
	uint64_t to = bit_of(log, r, MIN(rep->last, r->last));
	uint64_t base = r->iova >> log->shift;

	for (; from <= to; from = (from / WORD_BITS + 1) * WORD_BITS) {
		uint64_t word = take(log, r, rep, from, to);

		while (word) {
			uint64_t bit = (uint64_t)__builtin_ctzll(word);
			uint64_t at = base + from / WORD_BITS * WORD_BITS + bit;

			word &= word - 1;
			at <<= log->shift;
			report_dirty(rep, MAX(at, r->iova),
				     at + ((1ull << log->shift) - 1));
		}
	}
}

static void on_pin(uint64_t iova, void *user)
{
	report_dirty(user, iova, iova + (DMA_PAGE_SIZE - 1));
}

uint64_t dma_log_bitmap_bytes(uint64_t iova, uint64_t size, uint64_t page_size)
{
	uint64_t last = iova + (size - 1);

	if (!size || last < iova || !is_pow2(page_size))
		return 0;
	return ((size - 1) / page_size / WORD_BITS + 1) * 8;
}

int dma_space_log_report(struct dma_space *space, uint64_t iova, uint64_t size,
			 uint64_t page_size, void *bitmap)
{
	struct dma_log *log = space->log;
	struct report rep = { iova, iova + (size - 1), 0, bitmap };

	if (!log || !dma_log_bitmap_bytes(iova, size, page_size))
		return -EINVAL;
	rep.shift = (unsigned)__builtin_ctzll(page_size);
	for (size_t i = range_at(log, iova);
	     i < log->n && log->ranges[i].iova <= rep.last; i++)
		report_range(log, &log->ranges[i], &rep);
	dma_pins_each_written(space, on_pin, &rep);
	dma_synchronize();
	return 0;
}
