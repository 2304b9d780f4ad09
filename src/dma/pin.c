/* SPDX-License-Identifier: MIT */
#include "pin.h"

#include <errno.h>
#include <stdlib.h>

#include "../util/bytes.h"
#include "access.h"
#include "budget.h"
#include "dirty.h"
#include "hold.h"
#include "pin-private.h"

/* Taken in one reader's section, given back with one call of the backend. */
#define BATCH 512u

/* So many pages are fetched before they are looked at. */
#define AHEAD 8u

#define KEY_PROT ((uint64_t)(DMA_PROT_READ | DMA_PROT_WRITE))

static uint64_t key_of(uint64_t iova, unsigned prot)
{
	return iova | prot;
}

/* The backend's view of a range, made at its first pin. In a section, where
 * the range is whole. */
static struct vgpu_iommu_memory *memory_of(struct dma_space *space,
					   uint32_t range)
{
	static _Atomic uint64_t last_id;
	struct dma_range_local *local = &space->local[range];
	const struct dma_range *r = &space->ranges->range[range];
	struct vgpu_iommu_memory *m = local->memory;

	if (m)
		return m;
	m = malloc(sizeof(*m));
	if (!m)
		return NULL;
	*m = (struct vgpu_iommu_memory){
		.prot = r->flags & (DMA_PROT_READ | DMA_PROT_WRITE),
		.id = atomic_fetch_add(&last_id, 1) + 1,
		.base = space->files.files[r->file - 1].base + r->offset,
		.size = r->size,
		.fd = space->files.records[r->file - 1].fd,
		.offset = r->offset,
	};
	local->memory = m;
	return m;
}

/* A batch under way: what is new in it */
struct batch {
	struct vgpu_iommu_page *pages;
	struct dma_pin **pins; /* by position in the request */
	struct dma_pin **fresh;
	uint64_t *addrs;
	size_t n_fresh;
};

static int batch_init(struct batch *b, size_t n)
{
	*b = (struct batch){ 0 };
	if (n > SIZE_MAX / 64)
		return -ENOMEM;
	b->pages = malloc(n * (sizeof(*b->pages) + sizeof(*b->pins) +
			       sizeof(*b->fresh) + sizeof(*b->addrs)));
	if (!b->pages)
		return -ENOMEM;
	b->pins = (struct dma_pin **)(b->pages + n);
	b->fresh = b->pins + n;
	b->addrs = (uint64_t *)(b->fresh + n);
	return 0;
}

/* One page of the batch, in a section. */
static int take_page(struct dma_space *space, uint64_t iova, unsigned prot,
		     struct batch *b, size_t i)
{
	struct dma_pins *pins = space->pins;
	uint64_t e = dma_table_find(&space->table, iova);
	struct vgpu_iommu_memory *memory;
	const struct dma_range *r;
	struct dma_pin *pin;
	int err = iova & (DMA_PAGE_SIZE - 1) ? -EINVAL
					     : dma_entry_error(e, prot);

	if (err)
		return err;
	pin = dma_pin_table_slot(&pins->table, key_of(iova, prot));
	b->pins[i] = pin;
	if (pin->key) {
		if (pin->refs == UINT32_MAX)
			return -EOVERFLOW;
		pin->refs++;
		return 0;
	}
	memory = memory_of(space, dma_entry_range(e));
	if (!memory)
		return -ENOMEM;
	r = dma_space_range(space, e);
	*pin = (struct dma_pin){ .key = key_of(iova, prot),
				 .range = dma_entry_range(e),
				 .refs = 1 };
	pins->table.n++;
	atomic_fetch_add_explicit(&space->local[pin->range].refs, 1,
				  memory_order_relaxed);
	b->pages[b->n_fresh] =
		(struct vgpu_iommu_page){ memory, iova - r->iova };
	b->fresh[b->n_fresh++] = pin;
	return 0;
}

/* Undo the first @n pages of a batch that has no device addresses yet. */
static void undo(struct dma_space *space, const uint64_t *iovas, size_t n,
		 unsigned prot)
{
	struct dma_pins *pins = space->pins;

	for (size_t i = n; i--;) {
		struct dma_pin *pin = dma_pin_table_find(
			&pins->table, key_of(iovas[i], prot));
		uint32_t range = pin->range;

		if (--pin->refs)
			continue;
		dma_pin_table_remove(&pins->table, pin);
		dma_range_drop(space, range, 1);
	}
}

static int take_pages(struct dma_space *space, const uint64_t *iovas, size_t n,
		      unsigned prot, struct batch *b)
{
	int err = 0;
	size_t i;

	dma_enter();
	for (i = 0; i < n; i++) {
		if (i && !(i % BATCH)) { /* let unmaps in */
			dma_leave();
			dma_enter();
		}
		if (i + AHEAD < n)
			dma_pin_table_prefetch(&space->pins->table,
					       key_of(iovas[i + AHEAD], prot));
		err = take_page(space, iovas[i], prot, b, i);
		if (err)
			break;
	}
	dma_leave();
	if (err)
		undo(space, iovas, i, prot);
	return err;
}

static int charge(struct dma_pins *pins, uint64_t bytes)
{
	int err;

	if (pins->bytes > pins->limit || bytes > pins->limit - pins->bytes)
		return -ENOSPC;
	err = dma_budget_charge(pins->budget, bytes);
	if (!err)
		pins->bytes += bytes;
	return err;
}

static void uncharge(struct dma_pins *pins, uint64_t bytes)
{
	dma_budget_uncharge(pins->budget, bytes);
	pins->bytes -= bytes;
}

static int map(struct dma_pins *pins, unsigned prot, struct batch *b)
{
	const struct vgpu_iommu_ops *ops = pins->iommu->ops;
	unsigned n = (unsigned)b->n_fresh;
	int64_t bytes;
	int err;

	if (!n)
		return 0;
	bytes = ops->map(pins->iommu, b->pages, n, prot, b->addrs);
	if (bytes < 0)
		return (int)bytes;
	/* Only the backend knows what it takes: it may hold more than pages. */
	err = charge(pins, (uint64_t)bytes);
	if (err)
		ops->unmap(pins->iommu, b->addrs, n);
	return err;
}

static int pin(struct dma_space *space, const uint64_t *iovas, size_t n,
	       unsigned prot, struct batch *b, uint64_t *ret_addrs)
{
	struct dma_pins *pins = space->pins;
	int err;

	if (!pins->iommu)
		return -ENODEV;
	err = dma_pin_table_reserve(&pins->table, n);
	if (err)
		return err;
	err = take_pages(space, iovas, n, prot, b);
	if (err)
		return err;
	err = map(pins, prot, b);
	if (err) {
		undo(space, iovas, n, prot);
		return err;
	}
	for (size_t i = 0; i < b->n_fresh; i++)
		b->fresh[i]->addr = b->addrs[i];
	for (size_t i = 0; i < n; i++)
		ret_addrs[i] = b->pins[i]->addr;
	return 0;
}

int dma_space_pin(struct dma_space *space, const uint64_t *iovas, size_t n,
		  unsigned prot, uint64_t *ret_addrs)
{
	struct dma_pins *pins = space->pins;
	struct batch b;
	int err;

	if (!prot || prot & ~(DMA_PROT_READ | DMA_PROT_WRITE) || n > UINT32_MAX)
		return -EINVAL;
	if (!n)
		return 0;
	err = batch_init(&b, n);
	if (err)
		return err;
	pthread_mutex_lock(&pins->lock);
	err = pin(space, iovas, n, prot, &b, ret_addrs);
	pthread_mutex_unlock(&pins->lock);
	free(b.pages);
	return err;
}

/* Pins whose last reference went: out of the device's reach first, then what
 * it may have written is dirty, then their ranges are free to go. */
struct removal {
	uint64_t keys[BATCH];
	uint64_t addrs[BATCH];
	uint32_t ranges[BATCH];
	unsigned n;
};

static void flush(struct dma_space *space, struct removal *out)
{
	struct dma_pins *pins = space->pins;

	if (!out->n)
		return;
	uncharge(pins,
		 pins->iommu->ops->unmap(pins->iommu, out->addrs, out->n));
	dma_enter();
	for (unsigned i = 0; i < out->n; i++)
		if (out->keys[i] & DMA_PROT_WRITE)
			dma_mark_dirty(space, out->keys[i] & ~KEY_PROT,
				       DMA_PAGE_SIZE);
	dma_leave();
	for (unsigned i = 0; i < out->n; i++)
		dma_range_drop(space, out->ranges[i], 1);
	out->n = 0;
}

static void take_off(struct dma_space *space, struct dma_pin *pin,
		     struct removal *out)
{
	out->keys[out->n] = pin->key;
	out->addrs[out->n] = pin->addr;
	out->ranges[out->n++] = pin->range;
	dma_pin_table_remove(&space->pins->table, pin);
	if (out->n == BATCH)
		flush(space, out);
}

void dma_space_unpin(struct dma_space *space, const uint64_t *iovas, size_t n,
		     unsigned prot)
{
	struct dma_pins *pins = space->pins;
	struct removal out;
	struct dma_pin *p;

	out.n = 0;
	pthread_mutex_lock(&pins->lock);
	for (size_t i = n; i--;) { /* see dma_pin_table_remove() */
		if (i >= AHEAD && pins->table.size)
			dma_pin_table_prefetch(&pins->table,
					       key_of(iovas[i - AHEAD], prot));
		p = dma_pin_table_find(&pins->table, key_of(iovas[i], prot));
		if (p && !--p->refs)
			take_off(space, p, &out);
	}
	flush(space, &out);
	pthread_mutex_unlock(&pins->lock);
}

/* Down from a free slot: so removing moves only what was looked at already. */
void dma_pins_revoke(struct dma_space *space, uint32_t range)
{
	struct dma_pins *pins = space->pins;
	struct removal out;
	size_t end = 0;

	out.n = 0;
	pthread_mutex_lock(&pins->lock);
	while (end < pins->table.size && pins->table.slots[end].key)
		end++;
	for (size_t k = 1; k < pins->table.size; k++) {
		size_t i = (end - k) & (pins->table.size - 1);
		struct dma_pin *p = &pins->table.slots[i];

		if (p->key && (range == DMA_EVERY_RANGE || p->range == range))
			take_off(space, p, &out);
	}
	flush(space, &out);
	pthread_mutex_unlock(&pins->lock);
}

void dma_pins_each_written(struct dma_space *space,
			   void (*fn)(uint64_t iova, void *user), void *user)
{
	struct dma_pins *pins = space->pins;

	pthread_mutex_lock(&pins->lock);
	for (size_t i = 0; i < pins->table.size; i++)
		if (pins->table.slots[i].key & DMA_PROT_WRITE)
			fn(pins->table.slots[i].key & ~KEY_PROT, user);
	pthread_mutex_unlock(&pins->lock);
}

void dma_pins_forget(struct dma_space *space, uint32_t range)
{
	struct vgpu_iommu *iommu = space->pins->iommu;
	struct vgpu_iommu_memory *m = space->local[range].memory;

	if (!m)
		return;
	if (iommu->ops->forget)
		iommu->ops->forget(iommu, m);
	free(m);
	space->local[range].memory = NULL;
}

/* ------------------------------------------------------------------ */

int dma_pins_new(struct dma_space *space)
{
	struct dma_pins *pins = calloc(1, sizeof(*pins));

	if (!pins)
		return -ENOMEM;
	pthread_mutex_init(&pins->lock, NULL);
	pins->limit = DMA_MAX_PINNED_BYTES;
	space->pins = pins;
	return 0;
}

void dma_pins_free(struct dma_space *space)
{
	struct dma_pins *pins = space->pins;

	if (!pins)
		return;
	dma_pin_table_fini(&pins->table);
	dma_budget_unref(pins->budget);
	pthread_mutex_destroy(&pins->lock);
	free(pins);
	space->pins = NULL;
}

bool iommu_is_whole(const struct vgpu_iommu *iommu)
{
	const struct vgpu_iommu_ops *ops = iommu->ops;

	return ops && iommu->ops_size >= sizeof(*ops) && ops->map &&
	       ops->unmap && ops->get_stats && ops->destroy;
}

int dma_space_set_iommu(struct dma_space *space, struct vgpu_iommu *iommu)
{
	struct dma_pins *pins = space->pins;
	int err = 0;

	if (iommu && !iommu_is_whole(iommu))
		return -EINVAL;
	pthread_mutex_lock(&pins->lock);
	if (pins->table.n)
		err = -EBUSY;
	for (uint32_t i = 0; !err && i < space->ranges->used; i++)
		dma_pins_forget(space, i); /* of the backend before */
	if (!err)
		pins->iommu = iommu;
	pthread_mutex_unlock(&pins->lock);
	return err;
}

int dma_space_set_budget(struct dma_space *space, struct dma_budget *budget)
{
	struct dma_pins *pins = space->pins;
	int err;

	pthread_mutex_lock(&pins->lock);
	/* What is pinned moves along. */
	err = dma_budget_charge(budget, pins->bytes);
	if (!err) {
		dma_budget_uncharge(pins->budget, pins->bytes);
		dma_budget_unref(pins->budget);
		pins->budget = budget ? dma_budget_ref(budget) : NULL;
	}
	pthread_mutex_unlock(&pins->lock);
	return err;
}

void dma_space_set_pin_limit(struct dma_space *space, uint64_t bytes)
{
	pthread_mutex_lock(&space->pins->lock);
	space->pins->limit = bytes;
	pthread_mutex_unlock(&space->pins->lock);
}

void dma_space_pin_stats(struct dma_space *space,
			 struct dma_pin_stats *ret_stats)
{
	struct dma_pins *pins = space->pins;

	pthread_mutex_lock(&pins->lock);
	*ret_stats = (struct dma_pin_stats){
		.bytes = pins->bytes,
		.limit = pins->limit,
		.user_bytes = pins->budget ? pins->budget->used : pins->bytes,
		.user_limit = pins->budget ? pins->budget->limit : UINT64_MAX,
	};
	pthread_mutex_unlock(&pins->lock);
}
