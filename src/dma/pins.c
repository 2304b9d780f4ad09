/* SPDX-License-Identifier: MIT */
/* What a space's pins go through, and how many there may be. */
#include <errno.h>
#include <stdlib.h>

#include "budget.h"
#include "dirty.h"
#include "pin-private.h"
#include "pin.h"
#include "space-private.h"

void dma_pins_each_written(struct dma_space *space,
			   void (*fn)(uint64_t iova, void *user), void *user)
{
	struct dma_pins *pins = space->pins;

	pthread_mutex_lock(&pins->lock);
	for (size_t i = 0; i < pins->table.size; i++)
		if (pins->table.slots[i].key & DMA_PROT_WRITE)
			fn(pins->table.slots[i].key & ~DMA_PIN_PROT, user);
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

static void free_all(struct list *removals)
{
	list_for_each_safe(n, removals)
		free(list_entry(n, struct dma_removal, link));
}

int dma_pins_new(struct dma_space *space)
{
	struct dma_pins *pins = calloc(1, sizeof(*pins));
	int err;

	if (!pins)
		return -ENOMEM;
	pthread_mutex_init(&pins->lock, NULL);
	pins->limit = DMA_MAX_PINNED_BYTES;
	list_init(&pins->requests);
	list_init(&pins->spare);
	list_init(&pins->waiting);
	list_init(&pins->sent);
	space->pins = pins;
	err = dma_removals_reserve(pins, 0);
	if (err)
		dma_pins_free(space);
	return err;
}

void dma_pins_free(struct dma_space *space)
{
	struct dma_pins *pins = space->pins;

	if (!pins)
		return;
	free_all(&pins->spare);
	dma_pin_table_fini(&pins->table);
	dma_budget_unref(pins->budget);
	pthread_mutex_destroy(&pins->lock);
	free(pins);
	space->pins = NULL;
}

bool iommu_is_whole(const struct vgpu_iommu *iommu)
{
	const struct vgpu_iommu_ops *ops = iommu->ops;

	if (!ops || iommu->ops_size < sizeof(*ops) || !ops->get_stats ||
	    !ops->destroy)
		return false;
	return ops->submit_map ? ops->submit_unmap && ops->withdraw
			       : ops->map && ops->unmap;
}

int dma_space_set_iommu(struct dma_space *space, struct vgpu_iommu *iommu)
{
	struct dma_pins *pins = space->pins;
	int err = 0;

	if (iommu && !iommu_is_whole(iommu))
		return -EINVAL;
	pthread_mutex_lock(&pins->lock);
	if (pins->table.n || pins->n_leaving || pins->n_requests)
		err = -EBUSY;
	for (uint32_t i = 0; !err && i < space->ranges->used; i++)
		dma_pins_forget(space, i); /* of the backend before */
	if (!err) {
		pins->iommu = iommu;
		pins->async = iommu && iommu->ops->submit_map;
	}
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
