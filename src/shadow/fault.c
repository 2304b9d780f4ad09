/* SPDX-License-Identifier: MIT */
/* The hardware has found nothing: is it the guest's fault, or ours? */
#include <errno.h>

#include "shadow-private.h"

static enum vgpu_shadow_fault no_page(const struct vgpu_shadow_target *t,
				      unsigned prot)
{
	if (t->kind == VGPU_SHADOW_BAD)
		return VGPU_SHADOW_FAULT_BAD;
	if (t->kind != VGPU_SHADOW_PAGE)
		return VGPU_SHADOW_FAULT_NONE;
	if (prot & ~t->prot & VGPU_DMA_READ)
		return VGPU_SHADOW_FAULT_READ;
	if (prot & ~t->prot & VGPU_DMA_WRITE)
		return VGPU_SHADOW_FAULT_WRITE;
	return VGPU_SHADOW_OK;
}

/* Pages around one that has faulted are likely to be next. */
#define CLUSTER 32u

static void pin_around(struct table *t, unsigned i)
{
	struct vgpu_shadow_target page;
	unsigned first = i / CLUSTER * CLUSTER;
	unsigned end = MIN(first + CLUSTER, n_entries(t));

	for (unsigned k = first; k < end; k++) {
		target_of(t, k, &page);
		if (page.kind == VGPU_SHADOW_PAGE && page.prot &&
		    !is_there(t, k))
			page_note(t, k, &page, false);
	}
	pages_flush(t->shadow);
	t->shadow->short_of = 0; /* it was worth a try */
}

/* A page that its entry allows */
static enum vgpu_shadow_fault page_fault(struct table *t, unsigned i,
					 const struct vgpu_shadow_target *page,
					 unsigned prot)
{
	struct vgpu_shadow *s = t->shadow;

	if (!is_there(t, i)) { /* once more: it may be in reach by now */
		page_note(t, i, page, false);
		pages_flush(s);
		if (s->lazy && !s->short_of)
			pin_around(t, i);
	} else if (prot & ~prot_there(t, i) && !pool_reserve(s->pool)) {
		/* It was there for less than its entry allows. */
		page_drop(t, i, page);
		page_note(t, i, page, true);
		pages_flush(s);
	}
	if (!(prot & ~prot_there(t, i)))
		return VGPU_SHADOW_OK;
	return page->local ? VGPU_SHADOW_FAULT_BAD : VGPU_SHADOW_FAULT_BUS;
}

/* Compares the tables on the way. Return: 0; s->short_of says why not. */
static enum vgpu_shadow_fault look(struct vgpu_shadow *s, uint64_t va,
				   unsigned prot)
{
	struct table *t = s->root;
	struct vgpu_shadow_target target;
	enum vgpu_shadow_fault fault;
	unsigned i;

	for (;;) {
		if (table_scan(t))
			return VGPU_SHADOW_FAULT_BUS;
		if (t->out_of_reach)
			return t->watch.local ? VGPU_SHADOW_FAULT_BAD
					      : VGPU_SHADOW_FAULT_BUS;
		i = (unsigned)((va - t->va) / entry_size(t));
		target_of(t, i, &target);
		if (!t->children)
			break;
		if (t->children[i]) {
			t = t->children[i];
			continue;
		}
		fault = no_page(&target, prot);
		if (target.kind == VGPU_SHADOW_TABLE)
			fault = VGPU_SHADOW_OK;
		if (fault)
			return fault;
		/* There ought to be one. */
		t = s->short_of ? NULL : table_new(s, t, i, &target);
		if (!t)
			return VGPU_SHADOW_FAULT_BUS;
	}
	pages_flush(s);
	fault = no_page(&target, prot);
	return fault ? fault : page_fault(t, i, &target, prot);
}

static enum vgpu_shadow_fault no_root(const struct vgpu_shadow *s)
{
	struct vgpu_shadow_target t;

	s->pool->format->decode(s->root_entry, -1, &t);
	return t.kind == VGPU_SHADOW_NONE ? VGPU_SHADOW_FAULT_NONE
					  : VGPU_SHADOW_FAULT_BAD;
}

int vgpu_shadow_fault(struct vgpu_shadow *s, uint64_t va, unsigned prot,
		      enum vgpu_shadow_fault *ret_fault)
{
	struct vgpu_shadow_pool *p = s->pool;
	const struct vgpu_shadow_format *f = p->format;
	enum vgpu_shadow_fault fault;
	int err;

	p->stats.faults++;
	if (va >= (uint64_t)f->entries[0] << f->shift[0]) {
		*ret_fault = VGPU_SHADOW_FAULT_NONE;
		return 0;
	}
	s->lazy |= s->short_of != 0;
	s->short_of = 0;
	if (!shadow_grow_root(s)) {
		err = s->short_of;
		if (!err)
			*ret_fault = no_root(s);
		s->short_of = 0;
		return err;
	}
	fault = look(s, va, prot);
	pages_flush(s);
	if (fault != VGPU_SHADOW_FAULT_BUS || !s->short_of) {
		pool_settle(p);
		*ret_fault = fault;
		return 0;
	}
	err = s->short_of;
	s->lazy = true;
	/* Room can be made if this shadow has any. */
	if (!s->root || s->root->n_pages || s->n_tables > f->n_levels) {
		p->stats.drops++;
		vgpu_shadow_clear(s);
		err = -EAGAIN;
	}
	pool_settle(p);
	return err;
}
