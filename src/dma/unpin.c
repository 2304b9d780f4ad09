/* SPDX-License-Identifier: MIT */
/*
 * The end of pins: out of the device's reach first, then what it may have
 * written is dirty, then their ranges are free to go.
 */
#include <errno.h>
#include <stdlib.h>

#include "budget.h"
#include "dirty.h"
#include "hold.h"
#include "pin-private.h"
#include "reader.h"

/* ------------------------------------------------------------------ */
/* Removals                                                            */
/* ------------------------------------------------------------------ */

static size_t wanted(const struct dma_pins *pins, size_t n)
{
	n += pins->table.n + pins->n_leaving;
	return pins->async ? n / DMA_PIN_BATCH + DMA_MAX_REMOVALS + 2 : 1;
}

int dma_removals_reserve(struct dma_pins *pins, size_t n)
{
	for (size_t want = wanted(pins, n); pins->n_removals < want;) {
		struct dma_removal *r = malloc(sizeof(*r));

		if (!r)
			return -ENOMEM;
		r->n = 0;
		list_insert(&pins->spare, &r->link);
		pins->n_removals++;
	}
	return 0;
}

static void on_unmapped(struct vgpu_iommu_request *req, int64_t bytes);

/* The backend has taken all of it back. */
static void finish(struct dma_space *space, struct dma_removal *r,
		   uint64_t bytes)
{
	struct dma_pins *pins = space->pins;

	dma_budget_uncharge(pins->budget, bytes);
	pins->bytes -= bytes;
	dma_enter();
	for (unsigned i = 0; i < r->n; i++)
		if (r->keys[i] & DMA_PROT_WRITE)
			dma_mark_dirty(space, r->keys[i] & ~DMA_PIN_PROT,
				       DMA_PAGE_SIZE);
	dma_leave();
	for (unsigned i = 0; i < r->n; i++) {
		space->local[r->ranges[i]].leaving--;
		dma_range_drop(space, r->ranges[i], 1);
	}
	pins->n_leaving -= r->n;
	r->n = 0;
	if (pins->n_removals > wanted(pins, 0)) {
		free(r);
		pins->n_removals--;
	} else {
		list_insert(&pins->spare, &r->link);
	}
}

static void send(struct dma_space *space, struct dma_removal *r)
{
	struct dma_pins *pins = space->pins;
	const struct vgpu_iommu_ops *ops = pins->iommu->ops;
	int64_t bytes;

	list_remove(&r->link);
	if (!pins->async) {
		finish(space, r, ops->unmap(pins->iommu, r->addrs, r->n));
		return;
	}
	r->space = space;
	r->req = (struct vgpu_iommu_request){ .addrs = r->addrs,
					      .n = r->n,
					      .done = on_unmapped };
	bytes = ops->submit_unmap(pins->iommu, &r->req);
	if (bytes >= 0) {
		finish(space, r, (uint64_t)bytes);
		return;
	}
	list_insert(&pins->sent, &r->link);
	pins->n_sent++;
}

void dma_removals_flush(struct dma_space *space)
{
	struct dma_pins *pins = space->pins;

	while (!list_empty(&pins->waiting) && pins->n_sent < DMA_MAX_REMOVALS)
		send(space,
		     list_entry(pins->waiting.next, struct dma_removal, link));
}

/* From the backend, on the loop */
static void on_unmapped(struct vgpu_iommu_request *req, int64_t bytes)
{
	struct dma_removal *r =
		vgpu_container_of(req, struct dma_removal, req);
	struct dma_space *space = r->space;
	struct dma_pins *pins = space->pins;

	pthread_mutex_lock(&pins->lock);
	list_remove(&r->link);
	pins->n_sent--;
	finish(space, r, bytes > 0 ? (uint64_t)bytes : 0);
	dma_removals_flush(space);
	pthread_mutex_unlock(&pins->lock);
	dma_pin_requests_advance(space);
}

/* The last one that waits, if it has room; or one that was set aside */
static struct dma_removal *with_room(struct dma_pins *pins)
{
	struct dma_removal *r;

	if (!list_empty(&pins->waiting)) {
		r = list_entry(pins->waiting.prev, struct dma_removal, link);
		if (r->n < DMA_PIN_BATCH)
			return r;
	}
	r = list_entry(pins->spare.next, struct dma_removal, link);
	list_remove(&r->link);
	list_insert(&pins->waiting, &r->link);
	return r;
}

void dma_pin_take_off(struct dma_space *space, struct dma_pin *pin)
{
	struct dma_pins *pins = space->pins;
	struct dma_removal *r = with_room(pins);
	struct dma_range_local *local = &space->local[pin->range];

	r->keys[r->n] = pin->key;
	r->addrs[r->n] = pin->addr;
	r->ranges[r->n++] = pin->range;
	pins->n_leaving++;
	local->leaving++;
	/* Nobody else may have it: see detach() in unmap.c. */
	if (pins->async && atomic_load(&local->refs) & DMA_REFS_DYING)
		dma_space_notify(space);
	dma_pin_table_remove(&pins->table, pin);
	if (r->n == DMA_PIN_BATCH)
		dma_removals_flush(space);
}

/* ------------------------------------------------------------------ */

void dma_space_unpin(struct dma_space *space, const uint64_t *iovas, size_t n,
		     unsigned prot)
{
	struct dma_pins *pins = space->pins;
	struct dma_pin *p;

	pthread_mutex_lock(&pins->lock);
	for (size_t i = n; i--;) { /* see dma_pin_table_remove() */
		if (i >= DMA_PIN_AHEAD && pins->table.size)
			dma_pin_table_prefetch(
				&pins->table,
				dma_pin_key(iovas[i - DMA_PIN_AHEAD], prot));
		p = dma_pin_table_find(&pins->table,
				       dma_pin_key(iovas[i], prot));
		if (p && p->addr != DMA_PIN_NO_ADDR && !--p->refs)
			dma_pin_take_off(space, p);
	}
	dma_removals_flush(space);
	pthread_mutex_unlock(&pins->lock);
}

/* Down from a free slot: so removing moves only what was looked at already. */
void dma_pins_revoke(struct dma_space *space, uint32_t range)
{
	struct dma_pins *pins = space->pins;
	size_t end = 0;

	pthread_mutex_lock(&pins->lock);
	while (end < pins->table.size && pins->table.slots[end].key)
		end++;
	for (size_t k = 1; k < pins->table.size; k++) {
		size_t i = (end - k) & (pins->table.size - 1);
		struct dma_pin *p = &pins->table.slots[i];

		if (p->key && p->addr != DMA_PIN_NO_ADDR &&
		    (range == DMA_EVERY_RANGE || p->range == range))
			dma_pin_take_off(space, p);
	}
	dma_removals_flush(space);
	pthread_mutex_unlock(&pins->lock);
}

void dma_pins_abandon(struct dma_space *space)
{
	struct dma_pins *pins = space->pins;

	dma_pin_requests_abandon(space);
	pthread_mutex_lock(&pins->lock);
	while (!list_empty(&pins->sent)) {
		struct dma_removal *r =
			list_entry(pins->sent.next, struct dma_removal, link);

		list_remove(&r->link);
		pins->n_sent--;
		pins->iommu->ops->withdraw(pins->iommu, &r->req);
		finish(space, r, 0);
		/* Which it finishes without us, too. */
		dma_removals_flush(space);
	}
	dma_budget_uncharge(pins->budget, pins->bytes);
	pins->bytes = 0;
	pthread_mutex_unlock(&pins->lock);
}
