/* SPDX-License-Identifier: MIT */
/* The tree of tables: growing and dying. */
#include <errno.h>
#include <stdlib.h>

#include "shadow-private.h"

/* @target: the entry that leads here: a table, or a large page, whose pieces
 * take the place of a table. NULL where a limit is reached. */
struct table *table_new(struct vgpu_shadow *s, struct table *parent,
			unsigned index, const struct vgpu_shadow_target *target)
{
	struct vgpu_shadow_pool *p = s->pool;
	unsigned level = parent ? parent->watch.level + 1u : 0;
	size_t n = p->format->entries[level];
	bool large = target->kind == VGPU_SHADOW_PAGE;
	size_t copy = large ? 0 : n * sizeof(uint64_t);
	size_t children = level == last_level(p) ? 0 : n * sizeof(void *);
	struct table *t;

	if (p->stats.tables >= p->config.max_tables) {
		s->short_of = -ENOSPC;
		return NULL;
	}
	t = calloc(1, sizeof(*t) + copy + children);
	if (!t) {
		s->short_of = -ENOMEM;
		return NULL;
	}
	t->watch = (struct vgpu_shadow_watch){
		.addr = target->addr,
		.size = (uint32_t)(n * sizeof(uint64_t)),
		.level = (uint8_t)level,
		.local = target->local,
	};
	t->shadow = s;
	t->parent = parent;
	t->index = (uint16_t)index;
	t->va = parent ? parent->va + index * entry_size(parent) : 0;
	t->large = large;
	t->prot = target->prot;
	if (copy)
		t->copy = (uint64_t *)(t + 1);
	if (children)
		t->children = (struct table **)((char *)(t + 1) + copy);
	list_init(&t->queue);
	list_init(&t->leaves);
	if (!children)
		list_insert(&s->leaves, &t->leaves);
	if (parent)
		parent->children[index] = t;
	p->stats.tables++;
	s->n_tables++;
	if (!large)
		p->tracker->add(s->tracker, &t->watch);
	table_queue(t);
	return t;
}

void table_queue(struct table *t)
{
	if (t->queued || (t->large && t->copied))
		return;
	t->queued = true;
	list_insert(&t->shadow->queue, &t->queue);
}

static void bury(struct table *t)
{
	struct vgpu_shadow *s = t->shadow;
	struct vgpu_shadow_pool *p = s->pool;

	if (t->children)
		for (unsigned i = 0; i < n_entries(t); i++)
			if (t->children[i])
				bury(t->children[i]);
	if (!t->large)
		p->tracker->remove(s->tracker, &t->watch);
	list_remove(&t->leaves);
	list_remove(&t->queue);
	list_insert(&p->dying, &t->queue);
	t->dead = true;
	s->n_tables--;
	p->stats.waiting++;
	if (!t->children) {
		p->stats.pages -= t->n_pages;
		p->stats.waiting += t->n_pages;
	}
}

/* The hardware has been told already, or is told by the caller. Tables keep
 * what they have pinned until they are reaped. */
void table_kill(struct table *t)
{
	for (struct table *up = t->parent; up; up = up->parent)
		up->n_pages -= t->n_pages;
	if (t->parent)
		t->parent->children[t->index] = NULL;
	else
		t->shadow->root = NULL;
	bury(t);
}
