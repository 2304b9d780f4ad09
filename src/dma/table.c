/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "../util/bytes.h"
#include "reader.h"
#include "table-leaf.h"

#define TOP_PAGES     (DMA_WINDOW_TOPS / TABLE_ENTRIES) /* in a window */
#define WORD_BITS     64u
#define NO_PREFIX     UINT64_MAX

static bool bit_test(const uint64_t *map, uint64_t i)
{
	return map[i / WORD_BITS] >> (i % WORD_BITS) & 1;
}

static void bit_set(uint64_t *map, uint64_t i)
{
	map[i / WORD_BITS] |= 1ull << (i % WORD_BITS);
}

static void bit_clear(uint64_t *map, uint64_t i)
{
	map[i / WORD_BITS] &= ~(1ull << (i % WORD_BITS));
}

/* First set bit from @i on, @end if there is none. */
static uint64_t bit_next(const uint64_t *map, uint64_t i, uint64_t end)
{
	while (i < end) {
		uint64_t w = map[i / WORD_BITS] >> (i % WORD_BITS);

		if (w)
			return MIN(i + (uint64_t)__builtin_ctzll(w), end);
		i = (i / WORD_BITS + 1) * WORD_BITS;
	}
	return end;
}

static void window_fini(struct dma_window *w)
{
	if (w->top)
		munmap(w->top, DMA_WINDOW_TOPS * sizeof(*w->top));
	if (w->counts)
		munmap(w->counts, TOP_PAGES * sizeof(*w->counts));
	if (w->used)
		munmap(w->used, TOP_PAGES / 8);
	if (w->touched)
		munmap(w->touched, TOP_PAGES / 8);
	memset(w, 0, sizeof(*w));
}

static int window_init(struct dma_window *w)
{
	memset(w, 0, sizeof(*w));
	w->top = dma_table_reserve(DMA_WINDOW_TOPS * sizeof(*w->top));
	w->counts = dma_table_reserve(TOP_PAGES * sizeof(*w->counts));
	w->used = dma_table_reserve(TOP_PAGES / 8);
	w->touched = dma_table_reserve(TOP_PAGES / 8);
	if (w->top && w->counts && w->used && w->touched)
		return 0;
	window_fini(w);
	return -ENOMEM;
}

static struct dma_window *window_find(const struct dma_table *table,
				      uint64_t prefix)
{
	uint32_t n =
		atomic_load_explicit(&table->n_windows, memory_order_acquire);

	for (uint32_t i = 0; i < n; i++)
		if (atomic_load_explicit(&table->windows[i].prefix,
					 memory_order_acquire) == prefix)
			return (struct dma_window *)&table->windows[i];
	return NULL;
}

dma_entry *dma_table_high(const struct dma_table *table, uint64_t iova)
{
	struct dma_window *w = window_find(table, iova >> DMA_WINDOW_SHIFT);

	uint64_t i = (iova >> DMA_BLOCK_SHIFT) & (DMA_WINDOW_TOPS - 1);

	return w ? &w->top[i] : NULL;
}

static int window_get(struct dma_table *table, uint64_t prefix)
{
	uint32_t n = table->n_windows;
	int err;

	if (window_find(table, prefix))
		return 0;
	if (n < DMA_MAX_WINDOWS) {
		err = window_init(&table->windows[n]);
		if (err)
			return err;
		table->windows[n].prefix = prefix;
		atomic_store_explicit(&table->n_windows, n + 1,
				      memory_order_release);
		return 0;
	}
	/* Take over an empty one; never the first, which is table->low. */
	for (uint32_t i = 1; i < n; i++) {
		struct dma_window *w = &table->windows[i];

		if (bit_next(w->used, 0, TOP_PAGES) < TOP_PAGES)
			continue;
		w->prefix = NO_PREFIX;
		dma_synchronize();
		w->prefix = prefix;
		return 0;
	}
	return -ENOSPC;
}

int dma_table_init(struct dma_table *table, uint64_t max_bytes)
{
	int err;

	memset(table, 0, sizeof(*table));
	dma_reader_setup();
	table->max_bytes = max_bytes;
	err = window_get(table, 0);
	if (!err)
		table->low = table->windows[0].top;
	return err;
}

void dma_table_fini(struct dma_table *table)
{
	for (uint32_t i = 0; i < table->n_windows; i++)
		window_fini(&table->windows[i]);
	dma_leaves_fini(table);
	memset(table, 0, sizeof(*table));
}

/* ------------------------------------------------------------------ */

/* A block of the first level, and the page of it that it lies in. */
struct slot {
	struct dma_window *w;
	dma_entry *top;
	uint64_t page;
};

static struct slot slot_of(const struct dma_table *table, uint64_t iova)
{
	uint64_t i = (iova >> DMA_BLOCK_SHIFT) & (DMA_WINDOW_TOPS - 1);
	struct slot s = { .w = window_find(table, iova >> DMA_WINDOW_SHIFT) };

	s.top = &s.w->top[i];
	s.page = i / TABLE_ENTRIES;
	return s;
}

static void top_used(struct dma_table *table, const struct slot *s)
{
	if (s->w->counts[s->page]++)
		return;
	bit_set(s->w->used, s->page);
	if (bit_test(s->w->touched, s->page))
		table->n_spare_tops--;
	else
		table->bytes += TABLE_BYTES;
	bit_set(s->w->touched, s->page);
}

/* The page is zero now, and a reader that sees it go sees zeroes again, so
 * this needs no waiting for readers. */
static void top_chill(struct dma_table *table, struct dma_window *w,
		      uint64_t page)
{
	madvise(&w->top[page * TABLE_ENTRIES], TABLE_BYTES, MADV_DONTNEED);
	bit_clear(w->touched, page);
	table->bytes -= TABLE_BYTES;
}

static void top_unused(struct dma_table *table, const struct slot *s)
{
	if (--s->w->counts[s->page])
		return;
	bit_clear(s->w->used, s->page);
	if (table->n_spare_tops < SPARE_TABLES)
		table->n_spare_tops++;
	else
		top_chill(table, s->w, s->page);
}

static bool whole_block(uint64_t iova, uint64_t last)
{
	return !(iova & (DMA_BLOCK_SIZE - 1)) &&
	       last - iova >= DMA_BLOCK_SIZE - 1;
}

static uint64_t block_last(uint64_t iova, uint64_t last)
{
	return MIN(iova | (DMA_BLOCK_SIZE - 1), last);
}

/* Pages of first levels that would become memory, stopping above @max. */
static uint64_t new_top_pages(const struct dma_table *table, uint64_t iova,
			      uint64_t last, uint64_t max)
{
	const uint64_t span = TABLE_ENTRIES * DMA_BLOCK_SIZE;
	uint64_t n = 0;

	for (;;) {
		struct slot s = slot_of(table, iova);

		if (!bit_test(s.w->touched, s.page) && ++n > max)
			return n;
		if ((last ^ iova) < span)
			return n;
		iova = (iova & ~(span - 1)) + span;
		if (iova > last)
			return n;
	}
}

static bool needs_leaf(const struct dma_table *table, uint64_t iova,
		       uint64_t last)
{
	return !whole_block(iova, last) && !*slot_of(table, iova).top;
}

/* Give back what is kept for the next map. */
static void trim(struct dma_table *table)
{
	if (table->limbo) {
		dma_synchronize();
		dma_table_reap(table);
	}
	for (dma_entry *leaf = table->free; leaf; leaf = dma_leaf_meta(leaf)->next)
		if (!dma_leaf_meta(leaf)->cold)
			dma_leaf_chill(table, leaf);
	table->n_spare = 0;
	for (uint32_t i = 0; i < table->n_windows; i++) {
		struct dma_window *w = &table->windows[i];
		uint64_t page = 0;

		for (;
		     (page = bit_next(w->touched, page, TOP_PAGES)) < TOP_PAGES;
		     page++)
			if (!w->counts[page])
				top_chill(table, w, page);
	}
	table->n_spare_tops = 0;
}

/* Is there room for the pages of the first level and for @n_leaves tables? */
static bool fits(const struct dma_table *table, uint64_t iova, uint64_t last,
		 uint32_t n_leaves)
{
	uint64_t room, need;

	if (table->bytes >= table->max_bytes)
		return false;
	room = (table->max_bytes - table->bytes) / TABLE_BYTES;
	need = dma_leaves_cost(table, n_leaves);
	need += new_top_pages(table, iova, last, room);
	return need <= room;
}

/* Everything that can fail: windows, memory for the partial blocks at either
 * end. @leaves: two, or NULL where there is a table already. */
static int prepare(struct dma_table *table, uint64_t iova, uint64_t last,
		   dma_entry *leaves[2])
{
	uint64_t ends[2] = { iova, last & ~(DMA_BLOCK_SIZE - 1) };
	int n_ends = iova >> DMA_BLOCK_SHIFT == last >> DMA_BLOCK_SHIFT ? 1 : 2;
	uint32_t n_leaves = 0;
	int err;

	if ((last - iova) >> DMA_BLOCK_SHIFT >
	    table->max_bytes / sizeof(dma_entry))
		return -ENOSPC;
	for (uint64_t p = iova >> DMA_WINDOW_SHIFT;
	     p <= last >> DMA_WINDOW_SHIFT; p++) {
		err = window_get(table, p);
		if (err)
			return err;
	}
	/* One may have been taken over for its neighbour. */
	if (!window_find(table, iova >> DMA_WINDOW_SHIFT))
		return -ENOSPC;
	for (int i = 0; i < n_ends; i++)
		n_leaves += needs_leaf(table, ends[i], last);
	if (!fits(table, iova, last, n_leaves)) {
		trim(table);
		if (!fits(table, iova, last, n_leaves))
			return -ENOSPC;
	}
	for (int i = 0; i < n_ends; i++) {
		if (!needs_leaf(table, ends[i], last))
			continue;
		leaves[i] = dma_leaf_get(table);
		if (leaves[i])
			continue;
		if (leaves[0])
			dma_leaf_put(table, leaves[0]);
		return -ENOMEM;
	}
	return 0;
}

int dma_table_set(struct dma_table *table, uint64_t iova, uint64_t size,
		  void *ptr, uint32_t range, uint64_t flags)
{
	uint64_t last = iova + size - 1, start = iova, e;
	dma_entry *leaves[2] = { NULL, NULL };
	int err = prepare(table, iova, last, leaves);

	if (err)
		return err;
	for (;;) {
		uint64_t end = block_last(iova, last);
		struct slot s = slot_of(table, iova);
		uint64_t block = (uintptr_t)ptr;

		if (ptr)
			block += (iova & ~(DMA_BLOCK_SIZE - 1)) - start;
		e = dma_entry_make(block, range, flags);
		if (whole_block(iova, last)) {
			atomic_store_explicit(s.top, e, memory_order_release);
			top_used(table, &s);
		} else {
			dma_entry *leaf = leaves[iova != start];
			uint64_t t = *s.top;

			if (t)
				leaf = dma_entry_block(t);
			for (uint64_t n = iova >> DMA_PAGE_SHIFT;
			     n <= end >> DMA_PAGE_SHIFT; n++)
				atomic_store_explicit(&leaf[n & 511], e,
						      memory_order_release);
			dma_leaf_meta(leaf)->used +=
				(uint16_t)((end - iova + 1) >> DMA_PAGE_SHIFT);
			if (!t) {
				t = dma_entry_make((uintptr_t)leaf, 0,
						   DMA_E_TABLE);
				atomic_store_explicit(s.top, t,
						      memory_order_release);
				top_used(table, &s);
			}
		}
		if (end == last)
			return 0;
		iova = end + 1;
	}
}

static void hide(dma_entry *e)
{
	atomic_store_explicit(e,
			      *e & ~(DMA_E_READ | DMA_E_WRITE | DMA_E_REMOTE),
			      memory_order_release);
}

void dma_table_hide(struct dma_table *table, uint64_t iova, uint64_t size)
{
	uint64_t last = iova + size - 1;

	for (;;) {
		uint64_t end = block_last(iova, last);
		struct slot s = slot_of(table, iova);
		uint64_t t = *s.top;

		if (t & DMA_E_TABLE) {
			dma_entry *leaf = dma_entry_block(t);

			for (uint64_t n = iova >> DMA_PAGE_SHIFT;
			     n <= end >> DMA_PAGE_SHIFT; n++)
				hide(&leaf[n & 511]);
		} else {
			hide(s.top);
		}
		if (end == last)
			return;
		iova = end + 1;
	}
}

void dma_table_clear(struct dma_table *table, uint64_t iova, uint64_t size)
{
	uint64_t last = iova + size - 1;

	for (;;) {
		uint64_t end = block_last(iova, last);
		struct slot s = slot_of(table, iova);
		uint64_t t = *s.top;

		if (t & DMA_E_TABLE) {
			dma_entry *leaf = dma_entry_block(t);
			struct dma_leaf_meta *m = dma_leaf_meta(leaf);

			for (uint64_t n = iova >> DMA_PAGE_SHIFT;
			     n <= end >> DMA_PAGE_SHIFT; n++)
				atomic_store_explicit(&leaf[n & 511], 0,
						      memory_order_release);
			m->used -=
				(uint16_t)((end - iova + 1) >> DMA_PAGE_SHIFT);
			if (!m->used) {
				atomic_store(s.top, 0);
				top_unused(table, &s);
				m->next = table->limbo;
				table->limbo = leaf;
			}
		} else {
			atomic_store_explicit(s.top, 0, memory_order_release);
			top_unused(table, &s);
		}
		if (end == last)
			return;
		iova = end + 1;
	}
}

/* In one window: index of blocks [i, end] relative to the window. */
static uint64_t window_next(const struct dma_window *w, uint64_t iova,
			    uint64_t last, uint64_t *ret_iova)
{
	uint64_t base = w->prefix << DMA_WINDOW_SHIFT;
	uint64_t i = (iova - base) >> DMA_BLOCK_SHIFT;
	uint64_t end = (last - base) >> DMA_BLOCK_SHIFT;

	while (i <= end) {
		uint64_t page = bit_next(w->used, i / TABLE_ENTRIES, TOP_PAGES);
		uint64_t t, a;

		if (page == TOP_PAGES)
			return 0;
		i = MAX(i, page * TABLE_ENTRIES);
		for (; i <= end && i / TABLE_ENTRIES == page; i++) {
			t = w->top[i];
			if (!t)
				continue;
			a = MAX(base + (i << DMA_BLOCK_SHIFT), iova);
			if (!(t & DMA_E_TABLE)) {
				*ret_iova = a;
				return t;
			}
			for (uint64_t n = a >> DMA_PAGE_SHIFT,
				      b = block_last(a, last) >> DMA_PAGE_SHIFT;
			     n <= b; n++) {
				dma_entry *leaf = dma_entry_block(t);

				if (!leaf[n & 511])
					continue;
				*ret_iova = MAX(n << DMA_PAGE_SHIFT, a);
				return leaf[n & 511];
			}
		}
	}
	return 0;
}

uint64_t dma_table_next(const struct dma_table *table, uint64_t iova,
			uint64_t last, uint64_t *ret_iova)
{
	uint64_t prefix = iova >> DMA_WINDOW_SHIFT;
	uint64_t best, e, base;
	const struct dma_window *w;

	for (;;) {
		/* The window with the lowest prefix from here on */
		best = NO_PREFIX;
		for (uint32_t i = 0; i < table->n_windows; i++)
			if (table->windows[i].prefix >= prefix)
				best = MIN(best,
					   (uint64_t)table->windows[i].prefix);
		if (best == NO_PREFIX || best > last >> DMA_WINDOW_SHIFT)
			return 0;
		w = window_find(table, best);
		base = best << DMA_WINDOW_SHIFT;
		e = window_next(
			w, MAX(iova, base),
			MIN(last, base + ((1ull << DMA_WINDOW_SHIFT) - 1)),
			ret_iova);
		if (e)
			return e;
		prefix = best + 1;
	}
}
