/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bank.h"

int rgp_bank_init(struct rgp_bank *bank, uint64_t at)
{
	void *base = mmap(NULL, RGP_BANK_SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED)
		return -ENOMEM;
	*bank = (struct rgp_bank){
		.base = base,
		.at = at,
		.used = calloc(RGP_TABLE_PAGES, sizeof(*bank->used)),
		.free = calloc(RGP_TABLE_PAGES, sizeof(*bank->free)),
	};
	if (!bank->used || !bank->free) {
		rgp_bank_fini(bank);
		return -ENOMEM;
	}
	return 0;
}

void rgp_bank_fini(struct rgp_bank *bank)
{
	if (bank->base)
		munmap(bank->base, RGP_BANK_SIZE);
	free(bank->used);
	free(bank->free);
	*bank = (struct rgp_bank){ 0 };
}

uint64_t *rgp_bank_get(struct rgp_bank *bank)
{
	uint32_t i;

	if (bank->n_free)
		i = bank->free[--bank->n_free];
	else if (bank->n_fresh < RGP_TABLE_PAGES)
		i = bank->n_fresh++;
	else
		return NULL;
	bank->used[i] = 0;
	return (uint64_t *)(bank->base + RGP_TABLES_AT + i * REFGPU_PAGE);
}

void rgp_bank_put(struct rgp_bank *bank, uint64_t *page)
{
	uint64_t offset = (uint64_t)((uint8_t *)page - bank->base);

	memset(page, 0, REFGPU_PAGE);
	bank->free[bank->n_free++] =
		(uint32_t)((offset - RGP_TABLES_AT) / REFGPU_PAGE);
}
