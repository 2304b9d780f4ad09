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
	struct vgpu_shadow_pool *p = t->shadow->pool;
	struct vgpu_shadow_target page;
	unsigned first = i / CLUSTER * CLUSTER;
	unsigned end = MIN(first + CLUSTER, n_entries(t));

	for (unsigned k = first; k < end; k++) {
		target_of(t, k, &page);
		if (page.kind == VGPU_SHADOW_PAGE && page.prot &&
		    !is_there(t, k))
			page_note(t, k, &page, false);
	}
	p->optional = p->n_batch != 0; /* it is worth a try */
	pages_flush(t->shadow);
}

/* A page that its entry allows. Return: enum vgpu_shadow_fault, or
 * -EINPROGRESS: ask again. */
static int page_fault(struct table *t, unsigned i,
		      const struct vgpu_shadow_target *page, unsigned prot)
{
	struct vgpu_shadow *s = t->shadow;
	uint64_t va = t->va + i * PAGE;
	bool tried = s->tried && s->tried_va == va;
	bool was = is_there(t, i);

	if (!tried && prot & ~prot_there(t, i) &&
	    (!was || !pool_reserve(s->pool))) {
		/* Once more: it may be in reach by now. Or it was there for
		 * less than its entry allows. */
		if (was)
			page_drop(t, i, page);
		page_note(t, i, page, was);
		tried = true;
		if (pages_flush(s)) {
			s->tried = true;
			s->tried_va = va;
			return -EINPROGRESS;
		}
	}
	s->tried = false;
	if (tried && s->lazy && !s->short_of)
		pin_around(t, i);
	if (!(prot & ~prot_there(t, i)))
		return VGPU_SHADOW_OK;
	return page->local ? VGPU_SHADOW_FAULT_BAD : VGPU_SHADOW_FAULT_BUS;
}

/* Compares the tables on the way. Return: as page_fault(); s->short_of says
 * why not. */
static int look(struct vgpu_shadow *s, uint64_t va, unsigned prot)
{
	struct table *t = s->root;
	struct vgpu_shadow_target target;
	enum vgpu_shadow_fault fault;
	unsigned i;

	for (;;) {
		if (s->pool->n_batch >= BATCH_PAGES && pages_flush(s))
			return -EINPROGRESS;
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
	if (pages_flush(s))
		return -EINPROGRESS;
	fault = no_page(&target, prot);
	return fault ? (int)fault : page_fault(t, i, &target, prot);
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
	int fault, err;

	if (p->pinning)
		return -EINPROGRESS;
	p->stats.faults++;
	if (va >= (uint64_t)f->entries[0] << f->shift[0]) {
		*ret_fault = VGPU_SHADOW_FAULT_NONE;
		return 0;
	}
	if (!s->tried || s->tried_va != (va & ~(PAGE - 1))) {
		s->lazy |= s->short_of != 0;
		s->short_of = 0;
	}
	if (!shadow_grow_root(s)) {
		err = s->short_of;
		if (!err)
			*ret_fault = no_root(s);
		s->short_of = 0;
		return err;
	}
	fault = look(s, va, prot);
	if (fault >= 0 && !p->pinning)
		pages_flush(s);
	if (fault < 0) {
		pool_settle(p);
		return fault;
	}
	s->tried = false;
	if (fault != VGPU_SHADOW_FAULT_BUS || !s->short_of) {
		pool_settle(p);
		*ret_fault = (enum vgpu_shadow_fault)fault;
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
