/* SPDX-License-Identifier: MIT */
/* What commands under way may store to, and whether that is a table. */
#include "shadow-private.h"

/* More than these are not worth the time that looking takes. */
#define NOTE_PAGES   4096u
#define REACH_TABLES 1024u

static void add(struct vgpu_shadow_stores *st, const void *ptr, size_t len)
{
	uintptr_t first = (uintptr_t)ptr, end = first + len;

	for (unsigned i = st->n; i--;) {
		if (first > st->pieces[i].end || end < st->pieces[i].first)
			continue;
		st->pieces[i].first = MIN(st->pieces[i].first, first);
		st->pieces[i].end = MAX(st->pieces[i].end, end);
		return;
	}
	if (st->n == VGPU_SHADOW_MAX_STORES) {
		st->anywhere = true;
		return;
	}
	st->pieces[st->n].first = first;
	st->pieces[st->n++].end = end;
}

/* The table of the last level that has @va, if there is one. */
static const struct table *leaf_of(const struct vgpu_shadow *s, uint64_t va)
{
	const struct table *t = s->root;

	while (t && t->children)
		t = t->children[(va - t->va) / entry_size(t)];
	return t;
}

/* Pages [@from, @to] of it */
static void note_leaf(const struct table *t, unsigned from, unsigned to,
		      struct vgpu_shadow_stores *stores)
{
	const struct vgpu_shadow_pool *p = t->shadow->pool;
	struct vgpu_shadow_target page;

	for (unsigned i = from; i <= to && !stores->anywhere; i++) {
		const void *ptr = NULL;

		if (prot_there(t, i) & VGPU_DMA_WRITE) {
			target_of(t, i, &page);
			ptr = reach(p, page.addr, page.local, PAGE,
				    VGPU_DMA_WRITE);
		}
		if (ptr)
			add(stores, ptr, PAGE);
		else
			stores->anywhere = true;
	}
}

void vgpu_shadow_note_stores(const struct vgpu_shadow *s, uint64_t va,
			     uint64_t len, struct vgpu_shadow_stores *stores)
{
	const struct vgpu_shadow_format *f = s->pool->format;
	uint64_t top = (uint64_t)f->entries[0] << f->shift[0];
	uint64_t last = va + (len - 1);

	if (!len || stores->anywhere)
		return;
	if (va >= top || len > top - va ||
	    last / PAGE - va / PAGE >= NOTE_PAGES) {
		stores->anywhere = true;
		return;
	}
	enter(s->pool);
	while (!stores->anywhere) {
		const struct table *t = leaf_of(s, va);
		uint64_t end;

		if (!t) {
			stores->anywhere = true;
			break;
		}
		end = t->va + (n_entries(t) - 1) * PAGE;
		note_leaf(t, (unsigned)((va - t->va) / PAGE),
			  (unsigned)((MIN(last, end) - t->va) / PAGE), stores);
		if (last - t->va < n_entries(t) * PAGE)
			break;
		va = end + PAGE;
	}
	leave(s->pool);
}

bool vgpu_shadow_stores_meet(const struct vgpu_shadow_stores *stores,
			     const void *ptr, size_t len)
{
	uintptr_t first = (uintptr_t)ptr;

	if (stores->anywhere)
		return true;
	for (unsigned i = 0; i < stores->n; i++)
		if (first < stores->pieces[i].end &&
		    stores->pieces[i].first < first + len)
			return true;
	return false;
}

static bool reaches(const struct table *t,
		    const struct vgpu_shadow_stores *stores)
{
	const struct vgpu_shadow_pool *p = t->shadow->pool;
	uint64_t size = MIN(t->watch.size, PAGE);

	if (t->large)
		return false;
	for (uint64_t at = 0; at < t->watch.size; at += size) {
		const void *ptr = reach(p, t->watch.addr + at, t->watch.local,
					size, VGPU_DMA_READ);

		/* Whoever brings it back may store to it, too. */
		if (!ptr || vgpu_shadow_stores_meet(stores, ptr, size))
			return true;
	}
	for (unsigned i = 0; t->children && i < n_entries(t); i++)
		if (t->children[i] && reaches(t->children[i], stores))
			return true;
	return false;
}

bool vgpu_shadow_stores_reach(const struct vgpu_shadow *s,
			      const struct vgpu_shadow_stores *stores)
{
	bool any;

	if (stores->anywhere || s->lazy || s->short_of || !s->root ||
	    s->n_tables > REACH_TABLES)
		return true;
	enter(s->pool);
	any = reaches(s->root, stores);
	leave(s->pool);
	return any;
}
