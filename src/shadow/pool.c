/* SPDX-License-Identifier: MIT */
/* What the shadows of one vGPU have in common. */
#include <errno.h>
#include <stdlib.h>

#include "shadow-private.h"
#include "../util/sized.h"

static bool format_is_good(const struct vgpu_shadow_format *f)
{
	if (!f || !f->decode || !f->n_levels ||
	    f->n_levels > VGPU_SHADOW_MAX_LEVELS ||
	    f->shift[f->n_levels - 1] != 12)
		return false;
	for (unsigned i = 0; i < f->n_levels; i++) {
		/* Compared 64 bytes at a time */
		if (!is_pow2(f->entries[i]) || f->entries[i] < 8 ||
		    f->entries[i] > VGPU_SHADOW_MAX_ENTRIES || f->shift[i] > 54)
			return false;
		if (i && ((uint64_t)f->entries[i] << f->shift[i]) !=
				 1ull << f->shift[i - 1])
			return false;
	}
	return ((uint64_t)f->entries[0] << f->shift[0]) != 0;
}

static bool ops_are_good(const struct vgpu_shadow_ops *o)
{
	return o && o->ptr && o->pin && o->unpin && o->put && o->fence &&
	       !o->enter == !o->leave;
}

static bool tracker_is_good(const struct vgpu_shadow_tracker_ops *t)
{
	return t->open && t->close && t->add && t->remove && t->compared &&
	       t->suspects;
}

int vgpu_shadow_pool_new_sized(const struct vgpu_shadow_config *config,
			       struct vgpu_shadow_pool **ret_pool, size_t size)
{
	struct vgpu_shadow_config c;
	const struct vgpu_shadow_tracker_ops *tracker;
	struct vgpu_shadow_pool *p;

	if (sized_copy(&c, sizeof(c), config, size) < 0)
		return -EINVAL;
	tracker = c.tracker ? c.tracker : &vgpu_shadow_compare;
	if (!format_is_good(c.format) || !ops_are_good(c.ops) ||
	    !tracker_is_good(tracker) || c.max_tables < c.format->n_levels)
		return -EINVAL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->config = c;
	p->format = c.format;
	p->ops = c.ops;
	p->tracker = tracker;
	list_init(&p->shadows);
	list_init(&p->dead);
	list_init(&p->dying);
	list_init(&p->loose);
	list_init(&p->loosening);
	list_init(&p->spare);
	*ret_pool = p;
	return 0;
}

void vgpu_shadow_pool_free(struct vgpu_shadow_pool *p)
{
	if (!p)
		return;
	vgpu_shadow_pinned(p, -ECANCELED);
	pool_settle(p);
	vgpu_shadow_reap(p, UINT64_MAX, SIZE_MAX);
	list_for_each_safe(l, &p->spare)
		free(list_entry(l, struct loose, link));
	free(p);
}

void vgpu_shadow_get_stats(const struct vgpu_shadow_pool *p,
			   struct vgpu_shadow_stats *ret_stats)
{
	*ret_stats = p->stats;
}
