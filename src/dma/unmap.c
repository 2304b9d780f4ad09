/* SPDX-License-Identifier: MIT */
/* Taking ranges away, at once or when their last user has let go. */
#include <errno.h>
#include <stdlib.h>

#include "../util/bytes.h"
#include "../util/log.h"
#include "../util/loop.h"
#include "hold.h"
#include "pin-private.h"
#include "reader.h"

/* An unmap that is not over: the ranges that are still in use. */
struct dma_unmap {
	struct list link;
	uint32_t ranges; /* number + 1 of the first, linked by local.next */
	uint64_t since_ns;
	bool overdue, told;
	bool late;	/* nobody waits for it, or */
	bool told_busy; /* does any more */
	dma_unmapped_fn done;
	void *user;
};

static bool dying(uint64_t entry)
{
	return !(entry & (DMA_E_READ | DMA_E_WRITE)) && entry;
}

/* Does @at, in a range, belong to one that begins before @iova or ends after
 * @last? A range that is going already is nobody's concern. */
static bool reaches_out(const struct dma_space *space, uint64_t at,
			uint64_t iova, uint64_t last)
{
	uint64_t e = dma_table_find(&space->table, at);
	const struct dma_range *r;

	if (!e || dying(e))
		return false;
	r = dma_space_range(space, e);
	return r->iova < iova || r->iova + (r->size - 1) > last;
}

/* All ranges in [iova, last] lose their permissions in the table, so that
 * nobody finds them any more. Return: the first's number + 1; 0: none. */
static uint32_t collect(struct dma_space *space, uint64_t iova, uint64_t last)
{
	uint32_t head = 0;
	uint64_t at, e;

	while ((e = dma_table_next(&space->table, iova, last, &at))) {
		uint32_t i = dma_entry_range(e);
		struct dma_range *r = &space->ranges->range[i];
		uint64_t end = r->iova + (r->size - 1);

		if (!dying(e)) {
			dma_table_hide(&space->table, r->iova, r->size);
			space->local[i].next = head;
			head = i + 1;
		}
		if (end >= last)
			break;
		iova = end + 1;
	}
	return head;
}

static void release(struct dma_space *space, uint32_t i)
{
	struct dma_range *r = &space->ranges->range[i];

	if (!space->local[i].detached)
		dma_table_clear(&space->table, r->iova, r->size);
	space->local[i].detached = false;
	dma_pins_forget(space, i);
	atomic_store_explicit(&space->local[i].refs, 0, memory_order_relaxed);
	dma_range_free(space, i);
}

/* Release what nobody uses any more. Return: what is left of the list. */
static uint32_t sweep(struct dma_space *space, uint32_t list)
{
	uint32_t left = 0, next;

	for (; list; list = next) {
		next = space->local[list - 1].next;
		if (atomic_load_explicit(&space->local[list - 1].refs,
					 memory_order_acquire) ==
		    DMA_REFS_DYING) {
			release(space, list - 1);
			continue;
		}
		space->local[list - 1].next = left;
		left = list;
	}
	return left;
}

/* Has nobody but the backend any part of it? It needs no addresses for that. */
static bool is_backends(const struct dma_space *space, uint32_t i)
{
	const struct dma_range_local *local = &space->local[i];
	uint32_t refs = atomic_load(&local->refs) & ~DMA_REFS_DYING;

	return refs && refs == atomic_load(&local->leaving);
}

/* Ranges that nobody waits for are in nobody's way. */
static void detach(struct dma_space *space, const struct dma_unmap *op)
{
	for (uint32_t i = op->ranges; op->late && i;
	     i = space->local[i - 1].next) {
		struct dma_range *r = &space->ranges->range[i - 1];

		if (space->local[i - 1].detached || !is_backends(space, i - 1))
			continue;
		dma_table_clear(&space->table, r->iova, r->size);
		__atomic_store_n(&r->flags, 0, __ATOMIC_RELEASE);
		space->local[i - 1].detached = true;
	}
}

/* Is memory that was at [iova, last] in use, although nobody waits for it? */
static bool is_late(const struct dma_space *space, uint64_t iova, uint64_t last)
{
	list_for_each(n, &space->unmaps) {
		const struct dma_unmap *op =
			list_entry(n, struct dma_unmap, link);

		for (uint32_t i = op->ranges; op->told_busy && i;
		     i = space->local[i - 1].next) {
			const struct dma_range *r =
				&space->ranges->range[i - 1];

			if (r->iova <= last && iova <= r->iova + (r->size - 1))
				return true;
		}
	}
	return false;
}

/* Nobody can find the ranges any more, but some are in use: say so. */
static void tell_driver(struct dma_space *space, uint32_t list)
{
	for (; list; list = space->local[list - 1].next) {
		const struct dma_range *r = &space->ranges->range[list - 1];
		_Atomic uint32_t *refs = &space->local[list - 1].refs;

		if (!space->owner || !space->owner->unmap)
			return;
		atomic_fetch_or(refs, DMA_REFS_WAITING);
		if (space->owner->unmap(r->iova, r->size, space->owner_user) !=
		    -EINPROGRESS)
			atomic_fetch_and(refs, ~DMA_REFS_WAITING);
	}
}

static void arm(struct dma_space *space)
{
	if (space->unmap_timer)
		loop_arm_timer(space->unmap_timer, DMA_UNMAP_CHECK_NS, 0);
}

static int take(struct dma_space *space, uint64_t iova, uint64_t last,
		dma_unmapped_fn done, void *user)
{
	struct dma_unmap *op = space->spare_unmap;
	uint32_t list;

	/* Before anything changes: what it takes to wait. */
	if (!op)
		op = calloc(1, sizeof(*op));
	space->spare_unmap = op;
	if (!op)
		return -ENOMEM;
	list = collect(space, iova, last);
	if (!list)
		return is_late(space, iova, last) ? -EBUSY : -ENOENT;
	dma_synchronize();
	dma_table_reap(&space->table);
	for (uint32_t i = list; i; i = space->local[i - 1].next)
		atomic_fetch_or_explicit(&space->local[i - 1].refs,
					 DMA_REFS_DYING, memory_order_acq_rel);
	list = sweep(space, list);
	if (!list)
		return 0;
	tell_driver(space, list);
	list = sweep(space, list);
	if (!list)
		return 0;
	space->spare_unmap = NULL;
	*op = (struct dma_unmap){ .ranges = list,
				  .since_ns = loop_now_ns(),
				  .late = !done,
				  .done = done,
				  .user = user };
	/* Not again for each: a client that goes on and on would put it off. */
	if (list_empty(&space->unmaps))
		arm(space);
	list_insert(&space->unmaps, &op->link);
	detach(space, op);
	return -EINPROGRESS;
}

int dma_space_unmap(struct dma_space *space, uint64_t iova, uint64_t size,
		    dma_unmapped_fn done, void *user)
{
	uint64_t last = iova + (size - 1);

	if (!dma_extent_valid(iova, size))
		return -EINVAL;
	if (reaches_out(space, iova, iova, last) ||
	    reaches_out(space, last, iova, last))
		return -EINVAL;
	return take(space, iova, last, done, user);
}

int dma_space_unmap_all(struct dma_space *space, dma_unmapped_fn done,
			void *user)
{
	int err;

	/* Nobody waits any more for those that were begun before, either. */
	if (!done)
		list_for_each(n, &space->unmaps) {
			struct dma_unmap *op =
				list_entry(n, struct dma_unmap, link);

			op->late = true;
			detach(space, op);
		}
	err = take(space, 0, UINT64_MAX, done, user);
	return err == -ENOENT || err == -EBUSY ? 0 : err;
}

void dma_space_unmap_done(struct dma_space *space, uint64_t iova, uint64_t size)
{
	uint64_t last = iova + (size - 1);

	dma_enter();
	while (dma_extent_valid(iova, size)) {
		uint64_t e = dma_table_find(&space->table, iova), end;
		const struct dma_range *r;
		uint32_t i = dma_entry_range(e), old;

		if (!e)
			break;
		r = dma_space_range(space, e);
		end = r->iova + (r->size - 1);
		old = atomic_fetch_and(&space->local[i].refs,
				       ~DMA_REFS_WAITING);
		if (old == (DMA_REFS_DYING | DMA_REFS_WAITING))
			dma_space_notify(space);
		if (end >= last)
			break;
		iova = end + 1;
		size = last - end;
	}
	dma_leave();
}

void dma_unmaps_poll(struct dma_space *space)
{
	list_for_each_safe(n, &space->unmaps) {
		struct dma_unmap *op = list_entry(n, struct dma_unmap, link);

		op->ranges = sweep(space, op->ranges);
		detach(space, op);
		if (op->ranges)
			continue;
		list_remove(&op->link);
		if (op->done)
			op->done(0, op->user);
		free(op);
	}
}

void dma_unmaps_detach(struct dma_space *space)
{
	list_for_each(n, &space->unmaps) {
		struct dma_unmap *op = list_entry(n, struct dma_unmap, link);

		if (!op->late)
			continue;
		op->ranges = sweep(space, op->ranges);
		detach(space, op);
	}
}

/* The driver had its time: what it still has pinned is taken from it. Memory
 * that it holds by pointer can't be. */
static void force(struct dma_space *space, const struct dma_unmap *op)
{
	for (uint32_t i = op->ranges; i; i = space->local[i - 1].next) {
		dma_pins_revoke(space, i - 1);
		atomic_fetch_and(&space->local[i - 1].refs, ~DMA_REFS_WAITING);
	}
}

static bool is_overdue(const struct dma_unmap *op, uint64_t now)
{
	return !op->overdue && now - op->since_ns >= DMA_UNMAP_PATIENCE_NS;
}

/* Would it help if the driver let go? */
static bool has_driver(const struct dma_space *space,
		       const struct dma_unmap *op)
{
	for (uint32_t i = op->ranges; i; i = space->local[i - 1].next)
		if (!is_backends(space, i - 1))
			return true;
	return false;
}

static void tell(struct dma_space *space, const struct dma_unmap *op,
		 const char *what)
{
	log_error(NULL,
		  "client memory at 0x%llx is unmapped, but still in use: "
		  "%s %s",
		  (unsigned long long)space->ranges->range[op->ranges - 1].iova,
		  has_driver(space, op) ? "a driver that was reset holds it;"
					: "the device may reach it;",
		  what);
}

/* The client is told what is so: that its memory is still in use. */
static void fail(struct dma_space *space, struct dma_unmap *op)
{
	dma_unmapped_fn done = op->done;

	op->late = op->told_busy = true;
	op->done = NULL;
	tell(space, op, "its unmap has failed");
	detach(space, op);
	done(-EBUSY, op->user);
}

void dma_unmaps_check(struct dma_space *space)
{
	uint64_t now = loop_now_ns();
	bool late = false;

	/* The reset takes away what the device still does, for all at once. */
	list_for_each(n, &space->unmaps) {
		struct dma_unmap *op = list_entry(n, struct dma_unmap, link);

		late |= is_overdue(op, now) && has_driver(space, op);
	}
	if (late && space->owner && space->owner->overdue)
		space->owner->overdue(space->owner_user);
	list_for_each(n, &space->unmaps) {
		struct dma_unmap *op = list_entry(n, struct dma_unmap, link);

		if (!is_overdue(op, now))
			continue;
		op->overdue = true;
		force(space, op);
	}
	dma_unmaps_poll(space);
	list_for_each_safe(n, &space->unmaps) {
		struct dma_unmap *op = list_entry(n, struct dma_unmap, link);

		if (op->overdue && !op->told) {
			op->told = true;
			tell(space, op, "its client waits");
		}
		if (op->done && now - op->since_ns >= DMA_UNMAP_LIMIT_NS)
			fail(space, op);
	}
	if (!list_empty(&space->unmaps))
		arm(space);
}

uint32_t dma_unmaps_fini(struct dma_space *space)
{
	uint32_t held = 0;

	list_for_each_safe(n, &space->unmaps) {
		struct dma_unmap *op = list_entry(n, struct dma_unmap, link);

		force(space, op);
		for (uint32_t i = sweep(space, op->ranges), next; i; i = next) {
			next = space->local[i - 1].next;
			held++;
			release(space, i - 1);
		}
		list_remove(&op->link);
		if (op->done)
			op->done(0, op->user);
		free(op);
	}
	free(space->spare_unmap);
	space->spare_unmap = NULL;
	return held;
}
