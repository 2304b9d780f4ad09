/* SPDX-License-Identifier: MIT */
/*
 * Comparing a guest's table with our copy. The guest writes to it at the same
 * time: each entry that differs is loaded once more, as a whole, and what is
 * loaded then is what it says.
 */
#include <errno.h>
#include <string.h>

#include "shadow-private.h"

#define STEP (64u / sizeof(uint64_t)) /* entries that are compared at once */

/* An entry of an upper level is another one now. */
static void branch_changed(struct table *t, unsigned i)
{
	struct table *child = t->children[i];
	struct vgpu_shadow_target now;

	target_of(t, i, &now);
	/* A page that nobody may use needs no pieces. */
	if (now.kind == VGPU_SHADOW_BAD ||
	    (now.kind == VGPU_SHADOW_PAGE && !now.prot))
		now.kind = VGPU_SHADOW_NONE;
	if (child) {
		if (now.kind != VGPU_SHADOW_NONE &&
		    child->watch.addr == now.addr &&
		    child->watch.local == now.local &&
		    child->large == (now.kind == VGPU_SHADOW_PAGE) &&
		    (!child->large || child->prot == now.prot))
			return;
		if (child->n_pages)
			pages_gone(t->shadow, child->va, entry_size(t) / PAGE);
		table_kill(child);
	}
	if (now.kind != VGPU_SHADOW_NONE && !t->shadow->lazy)
		table_new(t->shadow, t, i, &now);
}

static void leaf_changed(struct table *t, unsigned i, uint64_t old_entry)
{
	const struct vgpu_shadow_format *f = t->shadow->pool->format;
	struct vgpu_shadow_target old, now;
	bool was = is_there(t, i);

	target_of(t, i, &now);
	if (was) {
		f->decode(le64toh(old_entry), t->watch.level, &old);
		if (now.kind == VGPU_SHADOW_PAGE && now.addr == old.addr &&
		    now.local == old.local && now.prot == old.prot)
			return;
		page_drop(t, i, &old);
	}
	if (now.kind == VGPU_SHADOW_PAGE && now.prot && !t->shadow->lazy)
		page_note(t, i, &now, was);
	else if (was)
		pages_gone(t->shadow, t->va + i * PAGE, 1);
}

static void entry_changed(struct table *t, unsigned i, uint64_t entry)
{
	uint64_t old = t->copy[i];

	t->copy[i] = entry;
	t->shadow->pool->n_changed++;
	if (t->children)
		branch_changed(t, i);
	else
		leaf_changed(t, i, old);
}

/* Entries [@at, @at + @n). NULL: there is nothing to be read any more, which
 * is as good as entries that are 0. Return: entries that differed. */
static unsigned compare(struct table *t, unsigned at, unsigned n,
			const uint64_t *guest)
{
	static const uint64_t zeroes[STEP];
	unsigned changed = 0;

	for (unsigned i = at; i < at + n; i += STEP) {
		const uint64_t *now = guest ? guest + (i - at) : zeroes;

		if (!memcmp(now, t->copy + i, sizeof(zeroes)))
			continue;
		for (unsigned j = 0; j < STEP; j++) {
			uint64_t e = __atomic_load_n(now + j, __ATOMIC_RELAXED);

			if (e == t->copy[i + j])
				continue;
			entry_changed(t, i + j, e);
			changed++;
		}
	}
	return changed;
}

/* All of a page at once first: hardly any of them has changed. */
static unsigned compare_page(struct table *t, unsigned at, unsigned n,
			     const uint64_t *guest)
{
	if (guest && !memcmp(guest, t->copy + at, n * sizeof(uint64_t)))
		return 0;
	return compare(t, at, n, guest);
}

static unsigned scan_table(struct table *t)
{
	struct vgpu_shadow_pool *p = t->shadow->pool;
	unsigned n = n_entries(t), changed = 0;
	unsigned per_page = MIN(n, (unsigned)(PAGE / sizeof(uint64_t)));

	p->stats.compares++;
	t->out_of_reach = false;
	enter(p);
	for (unsigned at = 0; at < n; at += per_page) {
		const void *guest =
			reach(p, t->watch.addr + at * sizeof(uint64_t),
			      t->watch.local, per_page * sizeof(uint64_t),
			      VGPU_DMA_READ);

		if (!guest)
			t->out_of_reach = true;
		changed += compare_page(t, at, per_page, guest);
	}
	leave(p);
	p->stats.changes += changed;
	return changed;
}

/* The pieces of a large page; only once, since they don't change. */
static void scan_large(struct table *t)
{
	struct vgpu_shadow_target piece;

	for (unsigned i = 0; i < n_entries(t); i++) {
		target_of(t, i, &piece);
		if (t->shadow->lazy)
			break;
		if (t->children)
			table_new(t->shadow, t, i, &piece);
		else
			page_note(t, i, &piece, false);
	}
	t->shadow->pool->n_changed += n_entries(t);
}

/* The batch has room for a table's pages, and none of them is being pinned.
 * Return: 0; -ENOMEM: the whole shadow was dropped, and @t with it. */
int table_scan(struct table *t)
{
	struct vgpu_shadow *s = t->shadow;
	unsigned changed;

	if (pool_reserve(s->pool)) {
		s->short_of = -ENOMEM;
		shadow_drop(s);
		return -ENOMEM;
	}
	list_remove(&t->queue);
	t->queued = false;
	if (t->large) {
		if (!t->copied)
			scan_large(t);
	} else {
		changed = scan_table(t);
		if (t->copied)
			s->pool->tracker->compared(s->tracker, &t->watch,
						   changed);
	}
	t->copied = true;
	return 0;
}
