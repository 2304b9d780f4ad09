/* SPDX-License-Identifier: MIT */
/* Pages that the hardware has let go of, or has to. */
#include <errno.h>

#include "space.h"

#define REAP_PAGES    1024u	/* worth a message to the parent */
#define REAP_TURN     8192u	/* in one go */
#define REAP_NS	      10000000u /* but no pin stays for longer */

static void answer_unmaps(struct rg_spaces *all)
{
	uint64_t passed;
	unsigned kept = 0;

	/* What is passed later is told. */
	if (all->n_unmaps)
		rg_queue_want_room(all->queue);
	passed = rg_queue_passed(all->queue);

	for (unsigned i = 0; i < all->n_unmaps; i++) {
		struct rg_unmap u = all->unmaps[i];

		if (u.fence <= passed)
			vgpu_dma_unmap_done(all->dev, u.iova, u.size);
		else
			all->unmaps[kept++] = u;
	}
	all->n_unmaps = kept;
	if (kept)
		rg_queue_kick(all->queue);
}

/* Work that somebody waits for goes first. */
static bool is_syncing(const struct rg_spaces *all)
{
	for (unsigned i = 0; i < RG_CONTEXTS; i++)
		if (all->space[i].syncing)
			return true;
	return false;
}

void rg_spaces_reap(struct rg_spaces *all, bool every)
{
	struct vgpu_shadow_stats stats;
	size_t left;
	bool more;

	vgpu_shadow_get_stats(all->pool, &stats);
	if (!stats.waiting && !all->n_unmaps)
		return;
	if (!every && !all->n_unmaps &&
	    (stats.waiting < REAP_PAGES || is_syncing(all))) {
		vgpu_timer_arm(all->reap_timer, REAP_NS);
		return;
	}
	left = vgpu_shadow_reap(all->pool, rg_queue_passed(all->queue),
				all->n_unmaps ? SIZE_MAX : REAP_TURN);
	answer_unmaps(all);
	if (!left)
		return;
	/* As many as there are, but the loop has other work, too. */
	more = left > REAP_TURN && left < stats.waiting && !is_syncing(all);
	vgpu_timer_arm(all->reap_timer, more ? 1 : REAP_NS);
}

static void on_reap(void *user)
{
	rg_spaces_reap(user, true);
}

int rg_spaces_unmap(struct rg_spaces *all, uint64_t iova, uint64_t size)
{
	uint64_t at = 0;
	int wait = vgpu_shadow_unmap(all->pool, iova, size, &at);

	rg_spaces_mend(all);
	rg_queue_kick(all->queue);
	if (!wait)
		return 0;
	if (all->n_unmaps < RG_MAX_UNMAPS) {
		/* What is passed from here on is told. */
		rg_queue_want_room(all->queue);
		if (rg_queue_passed(all->queue) < at) {
			all->unmaps[all->n_unmaps++] =
				(struct rg_unmap){ iova, size, at };
			return -EINPROGRESS;
		}
	}
	/* The core waits for what the parent has in use, if need be. */
	vgpu_shadow_reap(all->pool, at, SIZE_MAX);
	return 0;
}

void rg_spaces_let_go(struct rg_spaces *all)
{
	vgpu_shadow_reap(all->pool, UINT64_MAX, SIZE_MAX);
	for (unsigned i = 0; i < all->n_unmaps; i++)
		vgpu_dma_unmap_done(all->dev, all->unmaps[i].iova,
				    all->unmaps[i].size);
	all->n_unmaps = 0;
}

int rg_unpin_init(struct rg_spaces *all)
{
	return vgpu_timer_new(all->dev, on_reap, all, &all->reap_timer);
}

void rg_spaces_fini(struct rg_spaces *all)
{
	vgpu_timer_free(all->reap_timer);
	vgpu_dma_cancel(all->dev, all);
	vgpu_shadow_pool_free(all->pool);
}
