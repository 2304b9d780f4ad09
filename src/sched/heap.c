/* SPDX-License-Identifier: MIT */
/* A binary heap of shares, each of which knows where it is. */
#include "private.h"

static bool before(const struct share *a, const struct share *b)
{
	return (int64_t)(a->key - b->key) < 0;
}

static void put(struct heap *heap, unsigned at, struct share *share)
{
	heap->shares[at] = share;
	share->at = at;
}

static void up(struct heap *heap, unsigned at)
{
	struct share *share = heap->shares[at];

	while (at && before(share, heap->shares[(at - 1) / 2])) {
		put(heap, at, heap->shares[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	put(heap, at, share);
}

static void down(struct heap *heap, unsigned at)
{
	struct share *share = heap->shares[at];
	unsigned child;

	while ((child = 2 * at + 1) < heap->n) {
		if (child + 1 < heap->n &&
		    before(heap->shares[child + 1], heap->shares[child]))
			child++;
		if (!before(heap->shares[child], share))
			break;
		put(heap, at, heap->shares[child]);
		at = child;
	}
	put(heap, at, share);
}

void heap_moved(struct heap *heap, struct share *share)
{
	up(heap, share->at);
	down(heap, share->at);
}

void heap_insert(struct heap *heap, struct share *share)
{
	put(heap, heap->n++, share);
	up(heap, share->at);
}

void heap_remove(struct heap *heap, struct share *share)
{
	struct share *last = heap->shares[--heap->n];

	if (last == share)
		return;
	put(heap, share->at, last);
	heap_moved(heap, last);
}
