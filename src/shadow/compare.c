/* SPDX-License-Identifier: MIT */
/*
 * The tracker that has nobody to tell it anything: who has written to a table
 * lately will do so again. Guessing wrong costs a comparison, or a fault.
 */
#include <errno.h>
#include <stdlib.h>

#include "shadow-private.h"

/* So many looks in vain, and a table is cold. */
#define HEAT_NEW     2u
#define HEAT_CHANGED 8u

/* Hot tables in a ring, those that changed last first */
struct compare {
	struct vgpu_shadow_watch hot; /* the head */
	struct vgpu_shadow_watch *root;
};

/* The interface has no type for it that could be embedded in. */
static struct compare *compare_of(struct vgpu_shadow_tracker *tracker)
{
	return (struct compare *)(void *)tracker;
}

static void unlink_watch(struct vgpu_shadow_watch *w)
{
	w->prev->next = w->next;
	w->next->prev = w->prev;
	w->prev = w->next = w;
}

static void link_behind(struct vgpu_shadow_watch *pos,
			struct vgpu_shadow_watch *w)
{
	w->prev = pos;
	w->next = pos->next;
	pos->next->prev = w;
	pos->next = w;
}

static int compare_open(void *user, struct vgpu_shadow_tracker **ret_tracker)
{
	struct compare *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->hot.prev = c->hot.next = &c->hot;
	*ret_tracker = (struct vgpu_shadow_tracker *)(void *)c;
	return 0;
}

static void compare_close(struct vgpu_shadow_tracker *tracker)
{
	free(compare_of(tracker));
}

static void compare_add(struct vgpu_shadow_tracker *tracker,
			struct vgpu_shadow_watch *w)
{
	struct compare *c = compare_of(tracker);

	w->prev = w->next = w;
	if (!w->level) {
		c->root = w;
		return;
	}
	w->heat = HEAT_NEW;
	link_behind(&c->hot, w);
}

static void compare_remove(struct vgpu_shadow_tracker *tracker,
			   struct vgpu_shadow_watch *w)
{
	struct compare *c = compare_of(tracker);

	if (c->root == w)
		c->root = NULL;
	else
		unlink_watch(w);
}

static void compare_compared(struct vgpu_shadow_tracker *tracker,
			     struct vgpu_shadow_watch *w, unsigned changed)
{
	struct compare *c = compare_of(tracker);

	if (!w->level)
		return;
	unlink_watch(w);
	if (changed) {
		w->heat = HEAT_CHANGED;
		link_behind(&c->hot, w);
	} else if (w->heat && --w->heat) {
		link_behind(c->hot.prev, w); /* others have their turn */
	}
}

static void compare_suspects(struct vgpu_shadow_tracker *tracker,
			     void (*found)(struct vgpu_shadow_watch *watch,
					   void *user),
			     void *user)
{
	struct compare *c = compare_of(tracker);
	struct vgpu_shadow_watch *w = c->hot.next;

	if (c->root)
		found(c->root, user);
	for (unsigned n = 0; n < VGPU_SHADOW_HOT_TABLES && w != &c->hot; n++) {
		found(w, user);
		w = w->next;
	}
}

const struct vgpu_shadow_tracker_ops vgpu_shadow_compare = {
	.name = "compare",
	.open = compare_open,
	.close = compare_close,
	.add = compare_add,
	.remove = compare_remove,
	.compared = compare_compared,
	.suspects = compare_suspects,
};
