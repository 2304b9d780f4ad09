/* SPDX-License-Identifier: MIT */
/* Unpinning what the hardware has let go of, and what the client takes back. */
#include <stdlib.h>

#include "shadow-private.h"

/* Unpins in large pieces: each may be a message. */
struct heap {
	struct vgpu_shadow_pool *pool;
	unsigned n, prot;
	size_t done;
};

static void flush(struct heap *h)
{
	struct vgpu_shadow_pool *p = h->pool;

	if (h->n)
		p->ops->unpin(p->config.user, p->iovas, h->n, h->prot);
	h->done += h->n;
	h->n = 0;
}

static void throw(struct heap * h, uint64_t iova, unsigned prot)
{
	if (h->n == BATCH_MAX || (h->n && h->prot != prot))
		flush(h);
	h->prot = prot;
	h->pool->iovas[h->n++] = iova;
}

static void reap_table(struct vgpu_shadow_pool *p, struct table *t,
		       struct heap *h)
{
	struct vgpu_shadow_target page;
	unsigned words = (unsigned)sizeof(t->can_read) / 8;

	for (unsigned w = 0; w < words && !t->children && t->n_pages; w++) {
		uint64_t bits = t->can_read[w] | t->can_write[w];

		for (; bits; bits &= bits - 1) {
			unsigned i = w * 64 + (unsigned)__builtin_ctzll(bits);
			unsigned prot = prot_there(t, i);

			/* Its shadow may be gone: what is left of it is in
			 * the table, and the format. */
			if (t->large)
				page = (struct vgpu_shadow_target){
					.addr = t->watch.addr + i * PAGE,
					.local = t->watch.local,
				};
			else
				p->format->decode(le64toh(t->copy[i]),
						  t->watch.level, &page);
			if (!page.local)
				throw(h, page.addr, prot);
			p->stats.waiting--;
		}
	}
	list_remove(&t->queue);
	p->stats.waiting--;
	p->stats.tables--;
	free(t);
}

size_t vgpu_shadow_reap(struct vgpu_shadow_pool *p, uint64_t passed,
			size_t max_pages)
{
	struct heap h = { .pool = p };

	while (!list_empty(&p->loose) && h.done + h.n < max_pages) {
		struct loose *l = list_entry(p->loose.next, struct loose, link);

		if (l->fence > passed)
			break;
		for (unsigned i = 0; i < l->n; i++)
			throw(&h, l->iovas[i], l->prot);
		p->stats.waiting -= l->n;
		list_remove(&l->link);
		free(l);
	}
	while (!list_empty(&p->dead) && h.done + h.n < max_pages) {
		struct table *t = list_entry(p->dead.next, struct table, queue);

		if (t->fence > passed || t->n_pending)
			break;
		reap_table(p, t, &h);
	}
	flush(&h);
	return p->stats.waiting;
}

/* ------------------------------------------------------------------ */

/* The bits of blocks that [@iova, @iova + @size) is in */
static uint64_t filter_of(uint64_t iova, uint64_t size)
{
	uint64_t first = iova >> FILTER_SHIFT;
	uint64_t n = ((iova + size - 1) >> FILTER_SHIFT) - first + 1;
	uint64_t mask = 0;

	if (n >= 64)
		return ~0ull;
	for (uint64_t i = 0; i < n; i++)
		mask |= 1ull << (first + i) % 64;
	return mask;
}

static void unmap_pages(struct table *t, uint64_t iova, uint64_t size)
{
	struct vgpu_shadow_target page;
	unsigned n = n_entries(t);

	for (unsigned i = 0; i < n; i++) {
		if (!is_there(t, i))
			continue;
		target_of(t, i, &page);
		if (page.local || page.addr - iova >= size)
			continue;
		page_drop(t, i, &page);
		pages_gone(t->shadow, t->va + i * PAGE, 1);
	}
}

static void unmap_shadow(struct vgpu_shadow *s, uint64_t iova, uint64_t size)
{
	uint64_t mask = filter_of(iova, size);

	list_for_each(leaf, &s->leaves) {
		struct table *t = list_entry(leaf, struct table, leaves);

		if (!(t->filter & mask))
			continue;
		if (pool_reserve(s->pool)) {
			shadow_drop(s);
			return;
		}
		unmap_pages(t, iova, size);
	}
}

int vgpu_shadow_unmap(struct vgpu_shadow_pool *p, uint64_t iova, uint64_t size,
		      uint64_t *ret_fence)
{
	if (!size)
		return 0;
	list_for_each(link, &p->shadows)
		unmap_shadow(list_entry(link, struct vgpu_shadow, link), iova,
			     size);
	pool_settle(p);
	if (!p->stats.waiting)
		return 0;
	*ret_fence = p->last_fence;
	return 1;
}
