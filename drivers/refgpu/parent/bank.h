/* SPDX-License-Identifier: MIT */
/*
 * A vGPU's part of VRAM that is the parent half's own: rings, control blocks
 * and page tables of its contexts. It is memory of this process that no command
 * can name, since no entry of a table leads there. Memory is taken as it is
 * used, and given back zeroed.
 */
#ifndef RGP_BANK_H
#define RGP_BANK_H

#include <vgpu/refgpu.h>

#include "../proto.h"

#define RGP_HOST_RING	(512u << 10) /* bytes of a context's ring */
#define RGP_GONE_PAGES	64u	     /* of tables, that may still be walked */
#define RGP_TABLE_PAGES (RG_MAX_TABLES + RGP_GONE_PAGES)

/* What is where */
#define RGP_RINGS_AT	0ull
#define RGP_ROOTS_AT	(RGP_RINGS_AT + RG_MAX_SLOTS * (uint64_t)RGP_HOST_RING)
#define RGP_ROOT_SIZE	(2 * REFGPU_PAGE)
#define RGP_CTLS_AT	(RGP_ROOTS_AT + RG_MAX_SLOTS * RGP_ROOT_SIZE)
#define RGP_CTL_STRIDE	256ull
#define RGP_TABLES_AT	(RGP_CTLS_AT + RG_MAX_SLOTS * RGP_CTL_STRIDE)
#define RGP_BANK_SIZE	(RGP_TABLES_AT + RGP_TABLE_PAGES * REFGPU_PAGE)
#define RGP_BANK_STRIDE (128ull << 20)

_Static_assert(RGP_BANK_SIZE <= RGP_BANK_STRIDE, "a bank has room");
_Static_assert(RGP_TABLES_AT % REFGPU_PAGE == 0, "tables are pages");
_Static_assert(RG_RECORD_MAX < RGP_HOST_RING / 2, "any job fits");
_Static_assert(RG_SLOT_BYTES < RGP_HOST_RING, "what may be sent fits");

struct rgp_bank {
	uint8_t *base;
	uint64_t at; /* in VRAM's address space */
	/* Pages of tables: in use, with so many valid entries; free ones are
	 * zero */
	uint16_t *used;
	uint32_t *free;
	uint32_t n_free, n_fresh;
};

int rgp_bank_init(struct rgp_bank *bank, uint64_t at);
void rgp_bank_fini(struct rgp_bank *bank);
/* A zeroed page; NULL: RGP_TABLE_PAGES are in use. */
uint64_t *rgp_bank_get(struct rgp_bank *bank);
void rgp_bank_put(struct rgp_bank *bank, uint64_t *page);

static inline uint64_t rgp_bank_addr(const struct rgp_bank *bank,
				     const void *ptr)
{
	return bank->at + (uint64_t)((const uint8_t *)ptr - bank->base);
}

static inline void *rgp_bank_ptr(const struct rgp_bank *bank, uint64_t addr)
{
	return bank->base + (addr - bank->at);
}

/* How many entries of the page are valid */
static inline uint16_t *rgp_bank_used(const struct rgp_bank *bank,
				      const void *page)
{
	return &bank->used[((uint64_t)((const uint8_t *)page - bank->base) -
			    RGP_TABLES_AT) /
			   REFGPU_PAGE];
}

#endif
