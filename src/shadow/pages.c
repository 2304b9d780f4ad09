/* SPDX-License-Identifier: MIT */
/* Pages on their way into the shadow, and out of it. */
#include <errno.h>
#include <stdlib.h>

#include "shadow-private.h"

/* ------------------------------------------------------------------ */
/* What the hardware is told                                           */
/* ------------------------------------------------------------------ */

static void put_run(struct vgpu_shadow_pool *p)
{
	struct run *r = &p->run;

	if (r->n)
		p->ops->put(p->run_of->user, r->va, r->n, r->addr, r->local,
			    r->prot);
	r->n = 0;
}

/* Pages that follow each other are put at once. */
static void put(struct vgpu_shadow *s, uint64_t va, uint64_t n, uint64_t addr,
		bool local, unsigned prot)
{
	struct vgpu_shadow_pool *p = s->pool;
	struct run *r = &p->run;

	if (r->n && p->run_of == s && va == r->va + r->n * PAGE &&
	    prot == r->prot && local == r->local &&
	    (!prot || addr == r->addr + r->n * PAGE)) {
		r->n += n;
		return;
	}
	put_run(p);
	p->run_of = s;
	*r = (struct run){ va, n, addr, local, prot };
}

void pages_gone(struct vgpu_shadow *s, uint64_t va, uint64_t n)
{
	put(s, va, n, 0, false, 0);
}

/* ------------------------------------------------------------------ */
/* Out                                                                 */
/* ------------------------------------------------------------------ */

int pool_reserve(struct vgpu_shadow_pool *p)
{
	while (p->n_spare < LOOSE_SPARE) {
		struct loose *l = malloc(sizeof(*l));

		if (!l)
			return -ENOMEM;
		list_insert(&p->spare, &l->link);
		p->n_spare++;
	}
	return 0;
}

/* All that was put takes effect with the next fence. */
void pool_settle(struct vgpu_shadow_pool *p)
{
	put_run(p);
	if (list_empty(&p->dying) && list_empty(&p->loosening))
		return;
	p->last_fence = p->ops->fence(p->config.user);
	while (!list_empty(&p->loosening)) {
		struct loose *l =
			list_entry(p->loosening.next, struct loose, link);

		list_remove(&l->link);
		l->fence = p->last_fence;
		list_insert(&p->loose, &l->link);
	}
	for (unsigned prot = 1; prot <= PROT; prot++)
		p->open[prot] = NULL;
	while (!list_empty(&p->dying)) {
		struct table *t =
			list_entry(p->dying.next, struct table, queue);

		list_remove(&t->queue);
		t->fence = p->last_fence;
		list_insert(&p->dead, &t->queue);
	}
}

/* A pin to be undone once the hardware has forgotten the page */
static void loosen(struct vgpu_shadow_pool *p, uint64_t iova, unsigned prot)
{
	struct loose *l = p->open[prot];

	if (!l || l->n == LOOSE_MAX) {
		l = list_entry(p->spare.next, struct loose, link);
		list_remove(&l->link);
		p->n_spare--;
		l->prot = prot;
		l->n = 0;
		list_insert(&p->loosening, &l->link);
		p->open[prot] = l;
	}
	l->iovas[l->n++] = iova;
	p->stats.waiting++;
}

/* The page is not there any more; who calls says what is instead. */
bool page_drop(struct table *t, unsigned i,
	       const struct vgpu_shadow_target *old)
{
	struct vgpu_shadow_pool *p = t->shadow->pool;
	unsigned prot = prot_there(t, i);
	uint64_t bit = 1ull << i % 64;

	if (!prot)
		return false;
	t->can_read[i / 64] &= ~bit;
	t->can_write[i / 64] &= ~bit;
	for (struct table *up = t; up; up = up->parent)
		up->n_pages--;
	if (!t->n_pages)
		t->filter = 0;
	p->stats.pages--;
	if (!old->local)
		loosen(p, old->addr, prot);
	return true;
}

/* ------------------------------------------------------------------ */
/* In                                                                  */
/* ------------------------------------------------------------------ */

void page_note(struct table *t, unsigned i,
	       const struct vgpu_shadow_target *now, bool was)
{
	struct vgpu_shadow_pool *p = t->shadow->pool;

	p->batch[p->n_batch++] = (struct batch_page){
		.t = t,
		.addr = now->addr,
		.i = (uint16_t)i,
		.prot = now->prot,
		.local = now->local,
		.was = was,
	};
}

static void add(struct batch_page *b, uint64_t addr)
{
	struct table *t = b->t;
	uint64_t bit = 1ull << b->i % 64;

	if (b->prot & VGPU_DMA_READ)
		t->can_read[b->i / 64] |= bit;
	if (b->prot & VGPU_DMA_WRITE)
		t->can_write[b->i / 64] |= bit;
	if (!b->local)
		t->filter |= 1ull << (b->addr >> FILTER_SHIFT) % 64;
	for (struct table *up = t; up; up = up->parent)
		up->n_pages++;
	t->shadow->pool->stats.pages++;
	put(t->shadow, t->va + b->i * PAGE, 1, addr, b->local, b->prot);
}

static void leave_out(struct batch_page *b)
{
	if (b->was)
		pages_gone(b->t->shadow, b->t->va + b->i * PAGE, 1);
	b->prot = 0;
}

/* What the page can be used for, of what its entry allows */
static unsigned prot_in_reach(const struct vgpu_shadow_pool *p,
			      const struct batch_page *b)
{
	if (reach(p, b->addr, b->local, PAGE, b->prot))
		return b->prot;
	if (b->local || b->prot != PROT)
		return 0;
	if (reach(p, b->addr, false, PAGE, VGPU_DMA_READ))
		return VGPU_DMA_READ;
	if (reach(p, b->addr, false, PAGE, VGPU_DMA_WRITE))
		return VGPU_DMA_WRITE;
	return 0;
}

/* Leaves what is to be pinned with its prot set. */
static void look(struct vgpu_shadow_pool *p)
{
	enter(p);
	for (unsigned k = 0; k < p->n_batch; k++) {
		struct batch_page *b = &p->batch[k];

		/* What the table had was taken away as it died, but for what
		 * this one is going to replace. */
		if (b->t->dead) {
			leave_out(b);
			continue;
		}
		b->prot = (uint8_t)prot_in_reach(p, b);
		if (!b->prot) {
			leave_out(b);
		} else if (b->local) {
			add(b, b->addr);
			b->prot = 0;
		}
	}
	leave(p);
}

static bool is_limit(int err)
{
	return err == -ENOSPC || err == -EDQUOT || err == -ENOMEM;
}

/* Why no more is to be tried, of this batch */
static int short_of(const struct vgpu_shadow_pool *p)
{
	if (!p->batch_of)
		return -ECANCELED;
	return p->batch_of->short_of ? p->batch_of->short_of : p->short_of;
}

/* What its table has no more use for, as it has died */
static void give_back(struct vgpu_shadow_pool *p, const struct piece *piece)
{
	unsigned n = 0;

	for (unsigned k = piece->at; k < piece->at + piece->n; k++) {
		const struct batch_page *b = &p->batch[p->chosen[k]];

		if (b->t->dead)
			p->iovas[n++] = b->addr;
	}
	if (n)
		p->ops->unpin(p->config.user, p->iovas, n, p->group);
}

/* A piece has been pinned, or not: then, if a page of it is bad (its range is
 * going, say) or they are too many, those halves that can be had. */
static void take(struct vgpu_shadow_pool *p, struct piece piece, int err)
{
	if (err && piece.n > 1 && !short_of(p)) {
		p->todo[p->n_todo++] = (struct piece){ piece.at + piece.n / 2,
						       piece.n - piece.n / 2 };
		p->todo[p->n_todo++] = (struct piece){ piece.at, piece.n / 2 };
		return;
	}
	if (is_limit(err) && p->optional)
		p->short_of = err;
	else if (is_limit(err) && p->batch_of)
		p->batch_of->short_of = err;
	if (!err && p->pending)
		give_back(p, &piece);
	for (unsigned k = piece.at; k < piece.at + piece.n; k++) {
		struct batch_page *b = &p->batch[p->chosen[k]];

		b->t->n_pending -= p->pending;
		if (err)
			leave_out(b);
		else if (!b->t->dead)
			add(b, p->addrs[k]);
		b->prot = 0;
	}
}

/* The answer takes its time. Until then what is to be replaced is not there at
 * all, and no table of the batch is freed. */
static void set_pending(struct vgpu_shadow_pool *p)
{
	p->pinning = true;
	if (p->pending)
		return;
	p->pending = true;
	for (unsigned k = 0; k < p->n_batch; k++) {
		struct batch_page *b = &p->batch[k];

		if (!b->prot)
			continue;
		b->t->n_pending++;
		if (b->was)
			pages_gone(b->t->shadow, b->t->va + b->i * PAGE, 1);
		b->was = false;
	}
}

/* All pages of the next protection */
static void choose(struct vgpu_shadow_pool *p)
{
	unsigned n = 0;

	for (unsigned k = 0; k < p->n_batch; k++)
		if (p->batch[k].prot == p->group)
			p->chosen[n++] = (uint16_t)k;
	p->todo[0] = (struct piece){ 0, n };
	p->n_todo = n != 0;
}

static int pin(struct vgpu_shadow_pool *p, const struct piece *piece)
{
	int err = short_of(p);

	for (unsigned k = 0; !err && k < piece->n; k++)
		p->iovas[k] = p->batch[p->chosen[piece->at + k]].addr;
	return err ? err
		   : p->ops->pin(p->config.user, p->iovas, piece->n, p->group,
				 p->addrs + piece->at);
}

/* On with the batch, as far as it goes. */
static void go_on(struct vgpu_shadow_pool *p)
{
	while (p->n_todo || p->group < PROT) {
		int err;

		if (!p->n_todo) {
			p->group++;
			choose(p);
			continue;
		}
		p->now = p->todo[--p->n_todo];
		err = pin(p, &p->now);
		if (err == -EINPROGRESS) {
			set_pending(p);
			return;
		}
		take(p, p->now, err);
	}
	p->n_batch = 0;
	p->batch_of = NULL;
	p->pending = p->optional = false;
	p->short_of = 0;
}

/* Not in a section. Only pages of one shadow are in a batch. Return: 0;
 * -EINPROGRESS: vgpu_shadow_pinned() goes on with it. */
int pages_flush(struct vgpu_shadow *s)
{
	struct vgpu_shadow_pool *p = s->pool;

	if (p->pinning)
		return -EINPROGRESS;
	if (!p->n_batch)
		return 0;
	p->batch_of = s;
	p->group = 0;
	look(p);
	go_on(p);
	return p->pinning ? -EINPROGRESS : 0;
}

int vgpu_shadow_pinned(struct vgpu_shadow_pool *p, int err)
{
	if (!p->pinning)
		return 0;
	p->pinning = false;
	take(p, p->now, err);
	go_on(p);
	pool_settle(p);
	return p->pinning;
}
