/* SPDX-License-Identifier: MIT */
/* A shadow of one address space: keeping it up to date. */
#include <errno.h>
#include <stdlib.h>

#include "shadow-private.h"

int vgpu_shadow_new(struct vgpu_shadow_pool *p, uint64_t root, void *user,
		    struct vgpu_shadow **ret_shadow)
{
	struct vgpu_shadow *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->pool = p;
	s->user = user;
	s->root_entry = root;
	list_init(&s->queue);
	list_init(&s->leaves);
	err = p->tracker->open(p->config.tracker_user, &s->tracker);
	if (err) {
		free(s);
		return err;
	}
	list_insert(&p->shadows, &s->link);
	*ret_shadow = s;
	return 0;
}

void vgpu_shadow_free(struct vgpu_shadow *s)
{
	if (!s)
		return;
	if (s->root)
		table_kill(s->root);
	if (s->pool->batch_of == s)
		s->pool->batch_of = NULL;
	list_remove(&s->link);
	pool_settle(s->pool);
	s->pool->tracker->close(s->tracker);
	free(s);
}

/* Return: is there a root table? */
bool shadow_grow_root(struct vgpu_shadow *s)
{
	const struct vgpu_shadow_format *f = s->pool->format;
	struct vgpu_shadow_target t;

	if (s->root)
		return true;
	f->decode(s->root_entry, -1, &t);
	if (t.kind != VGPU_SHADOW_TABLE ||
	    t.addr % (f->entries[0] * sizeof(uint64_t)))
		return false;
	s->root = table_new(s, NULL, 0, &t);
	return s->root;
}

void shadow_drop(struct vgpu_shadow *s)
{
	const struct vgpu_shadow_format *f = s->pool->format;

	if (!s->root)
		return;
	if (s->root->n_pages)
		pages_gone(s, 0,
			   ((uint64_t)f->entries[0] << f->shift[0]) / PAGE);
	table_kill(s->root);
}

void vgpu_shadow_clear(struct vgpu_shadow *s)
{
	shadow_drop(s);
	pool_settle(s->pool);
}

/* ------------------------------------------------------------------ */
/* What is to be compared                                              */
/* ------------------------------------------------------------------ */

static void suspect(struct vgpu_shadow_watch *watch, void *user)
{
	table_queue(list_entry(watch, struct table, watch));
}

void vgpu_shadow_suspect(struct vgpu_shadow *s)
{
	if (!s->root)
		shadow_grow_root(s);
	else
		s->pool->tracker->suspects(s->tracker, suspect, NULL);
}

/* Tables that say anything of [@first, @last] */
static void queue_range(struct table *t, uint64_t first, uint64_t last)
{
	uint64_t size = entry_size(t);
	uint64_t end = n_entries(t) - 1;
	uint64_t from = first > t->va ? (first - t->va) / size : 0;
	uint64_t to = MIN((last - t->va) / size, end);

	table_queue(t);
	if (!t->children)
		return;
	for (uint64_t i = from; i <= to; i++)
		if (t->children[i])
			queue_range(t->children[i], first, last);
}

void vgpu_shadow_invalidate(struct vgpu_shadow *s, uint64_t va, uint64_t len)
{
	const struct vgpu_shadow_format *f = s->pool->format;
	uint64_t top = (uint64_t)f->entries[0] << f->shift[0];

	if (!s->root || (len && va >= top))
		return;
	if (!len) {
		va = 0;
		len = top;
	}
	queue_range(s->root, va, va + MIN(len, top - va) - 1);
}

/* ------------------------------------------------------------------ */

int vgpu_shadow_sync(struct vgpu_shadow *s, size_t max_pages)
{
	struct vgpu_shadow_pool *p = s->pool;
	int err = p->pinning ? -EBUSY : 0;

	p->n_changed = 0;
	while (!err && !list_empty(&s->queue) && p->n_changed < max_pages) {
		if (p->n_batch >= BATCH_PAGES)
			err = pages_flush(s);
		if (!err)
			table_scan(list_entry(s->queue.next, struct table,
					      queue));
	}
	if (!err)
		err = pages_flush(s);
	pool_settle(p);
	if (err && !list_empty(&s->queue))
		return -EBUSY;
	return err ? err : !list_empty(&s->queue);
}
