/* SPDX-License-Identifier: MIT */
/*
 * How much memory a user may have pinned, over all his instances here. The
 * instances of one client uid share one budget; where a daemon hands out the
 * limits, it sets them on each process's.
 *
 * Any thread.
 */
#ifndef DMA_BUDGET_H
#define DMA_BUDGET_H

#include <stdatomic.h>
#include <stdint.h>

#define DMA_BUDGET_DEFAULT (64ull << 30) /* bytes pinned per user */

struct dma_budget {
	_Atomic uint64_t used;	/* bytes */
	_Atomic uint64_t limit; /* bytes; may be lowered below @used */
	_Atomic uint32_t refs;
};

int dma_budget_new(uint64_t limit, struct dma_budget **ret_budget);
struct dma_budget *dma_budget_ref(struct dma_budget *budget);
/* NULL is fine. */
void dma_budget_unref(struct dma_budget *budget);

/* 0, or -EDQUOT: nothing was charged. NULL has no limit. */
int dma_budget_charge(struct dma_budget *budget, uint64_t bytes);
void dma_budget_uncharge(struct dma_budget *budget, uint64_t bytes);

struct dma_budgets;

/**
 * dma_budgets_new() - budgets by user, for all instances of a process
 * @limit: bytes that each may have pinned
 */
int dma_budgets_new(uint64_t limit, struct dma_budgets **ret_budgets);
/* Budgets that are referred to live on. NULL is fine. */
void dma_budgets_free(struct dma_budgets *budgets);

/* A user's budget; unref it. */
int dma_budgets_get(struct dma_budgets *budgets, uint32_t uid,
		    struct dma_budget **ret_budget);
/* From now on, for every user */
void dma_budgets_set_limit(struct dma_budgets *budgets, uint64_t limit);

#endif
