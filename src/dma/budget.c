/* SPDX-License-Identifier: MIT */
#include "budget.h"

#include <errno.h>
#include <stdlib.h>

int dma_budget_new(uint64_t limit, struct dma_budget **ret_budget)
{
	struct dma_budget *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	atomic_init(&b->limit, limit);
	atomic_init(&b->refs, 1);
	*ret_budget = b;
	return 0;
}

struct dma_budget *dma_budget_ref(struct dma_budget *budget)
{
	atomic_fetch_add(&budget->refs, 1);
	return budget;
}

void dma_budget_unref(struct dma_budget *budget)
{
	if (budget && atomic_fetch_sub(&budget->refs, 1) == 1)
		free(budget);
}

int dma_budget_charge(struct dma_budget *budget, uint64_t bytes)
{
	uint64_t used, limit;

	if (!budget)
		return 0;
	used = atomic_load(&budget->used);
	limit = atomic_load(&budget->limit);
	do {
		if (used > limit || bytes > limit - used)
			return -EDQUOT;
	} while (!atomic_compare_exchange_weak(&budget->used, &used,
					       used + bytes));
	return 0;
}

void dma_budget_uncharge(struct dma_budget *budget, uint64_t bytes)
{
	if (budget)
		atomic_fetch_sub(&budget->used, bytes);
}
