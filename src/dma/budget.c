/* SPDX-License-Identifier: MIT */
#include "budget.h"

#include <errno.h>
#include <pthread.h>
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

/* ------------------------------------------------------------------ */
/* By user                                                             */
/* ------------------------------------------------------------------ */

/* Few users have vGPUs: a list will do. */
struct user {
	struct user *next;
	uint32_t uid;
	struct dma_budget *budget;
};

struct dma_budgets {
	pthread_mutex_t lock;
	uint64_t limit;
	struct user *users;
};

int dma_budgets_new(uint64_t limit, struct dma_budgets **ret_budgets)
{
	struct dma_budgets *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	pthread_mutex_init(&b->lock, NULL);
	b->limit = limit;
	*ret_budgets = b;
	return 0;
}

void dma_budgets_free(struct dma_budgets *budgets)
{
	if (!budgets)
		return;
	while (budgets->users) {
		struct user *next = budgets->users->next;

		dma_budget_unref(budgets->users->budget);
		free(budgets->users);
		budgets->users = next;
	}
	pthread_mutex_destroy(&budgets->lock);
	free(budgets);
}

static int add(struct dma_budgets *budgets, uint32_t uid,
	       struct user **ret_user)
{
	struct user *u = calloc(1, sizeof(*u));
	int err = u ? dma_budget_new(budgets->limit, &u->budget) : -ENOMEM;

	if (err) {
		free(u);
		return err;
	}
	u->uid = uid;
	u->next = budgets->users;
	budgets->users = u;
	*ret_user = u;
	return 0;
}

int dma_budgets_get(struct dma_budgets *budgets, uint32_t uid,
		    struct dma_budget **ret_budget)
{
	struct user *u;
	int err = 0;

	pthread_mutex_lock(&budgets->lock);
	for (u = budgets->users; u && u->uid != uid; u = u->next)
		;
	if (!u)
		err = add(budgets, uid, &u);
	if (!err)
		*ret_budget = dma_budget_ref(u->budget);
	pthread_mutex_unlock(&budgets->lock);
	return err;
}

void dma_budgets_set_limit(struct dma_budgets *budgets, uint64_t limit)
{
	pthread_mutex_lock(&budgets->lock);
	budgets->limit = limit;
	for (struct user *u = budgets->users; u; u = u->next)
		atomic_store(&u->budget->limit, limit);
	pthread_mutex_unlock(&budgets->lock);
}
