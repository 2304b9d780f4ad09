/* SPDX-License-Identifier: MIT */
/* The guest's page tables: docs/refgpu.md, "Page tables". */
#include "space.h"

#define KNOWN                                                                  \
	(REFGPU_PTE_VALID | REFGPU_PTE_READ | REFGPU_PTE_WRITE |               \
	 REFGPU_PTE_SYSTEM | REFGPU_PTE_HUGE | REFGPU_PTE_ADDR |               \
	 REFGPU_PTE_SOFT)
#define PAGES_ONLY  (REFGPU_PTE_READ | REFGPU_PTE_WRITE | REFGPU_PTE_HUGE)
#define HUGE_UNUSED ((REFGPU_HUGE - 1) & ~(REFGPU_PAGE - 1))

static void decode(uint64_t e, int level, struct vgpu_shadow_target *ret)
{
	bool page = level == 2 || (level == 1 && (e & REFGPU_PTE_HUGE));
	uint64_t bad = ~KNOWN;

	*ret = (struct vgpu_shadow_target){ .kind = VGPU_SHADOW_NONE };
	if (!(e & REFGPU_PTE_VALID))
		return;
	if (!page)
		bad |= PAGES_ONLY;
	else
		bad |= level == 1 ? HUGE_UNUSED : REFGPU_PTE_HUGE;
	ret->kind = e & bad ? VGPU_SHADOW_BAD
		    : page  ? VGPU_SHADOW_PAGE
			    : VGPU_SHADOW_TABLE;
	ret->addr = e & REFGPU_PTE_ADDR;
	ret->local = !(e & REFGPU_PTE_SYSTEM);
	ret->prot = (uint8_t)((e & REFGPU_PTE_READ ? VGPU_DMA_READ : 0) |
			      (e & REFGPU_PTE_WRITE ? VGPU_DMA_WRITE : 0));
}

const struct vgpu_shadow_format rg_format = {
	.n_levels = 3,
	.shift = { REFGPU_ROOT_SHIFT, REFGPU_MID_SHIFT, REFGPU_LEAF_SHIFT },
	.entries = { REFGPU_ROOT_ENTRIES, REFGPU_ENTRIES, REFGPU_ENTRIES },
	.decode = decode,
};

enum refgpu_fault rg_fault_code(enum vgpu_shadow_fault fault)
{
	switch (fault) {
	case VGPU_SHADOW_OK:
		return REFGPU_FAULT_NONE;
	case VGPU_SHADOW_FAULT_NONE:
		return REFGPU_FAULT_INVALID;
	case VGPU_SHADOW_FAULT_READ:
		return REFGPU_FAULT_READ;
	case VGPU_SHADOW_FAULT_WRITE:
		return REFGPU_FAULT_WRITE;
	case VGPU_SHADOW_FAULT_BAD:
		return REFGPU_FAULT_RESERVED;
	default:
		return REFGPU_FAULT_BUS;
	}
}
