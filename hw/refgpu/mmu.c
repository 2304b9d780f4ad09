/* SPDX-License-Identifier: MIT */
/* The walk through page tables, and the TLB. */
#include <string.h>

#include "mmu.h"
#include "vram.h"

#define PTE_KNOWN                                                              \
	(REFGPU_PTE_VALID | REFGPU_PTE_READ | REFGPU_PTE_WRITE |               \
	 REFGPU_PTE_SYSTEM | REFGPU_PTE_HUGE | REFGPU_PTE_ADDR |               \
	 REFGPU_PTE_SOFT)
#define PTE_PAGE_ONLY (REFGPU_PTE_READ | REFGPU_PTE_WRITE | REFGPU_PTE_HUGE)
#define HUGE_UNUSED   (REFGPU_HUGE - 1 - (REFGPU_PAGE - 1)) /* bits 20:12 */

enum step mmu_fault(struct engine *e, uint64_t va, enum refgpu_fault why,
		    unsigned prot)
{
	e->fault = why | (prot & PROT_WRITE_ ? 1u << 8 : 0);
	e->fault_va = va & ~(REFGPU_PAGE - 1);
	return STEP_FAULT;
}

void mmu_forget(struct refgpu_hw *hw, struct context *c)
{
	atomic_store(&c->asid, atomic_fetch_add(&hw->asids, 1) + 1);
}

/* What there is at a device address, or why not. */
static void *reach(struct engine *e, bool system, uint64_t addr, unsigned prot,
		   size_t *len, enum refgpu_fault *ret_why)
{
	const struct refgpu_hw_config *config = &e->hw->config;
	size_t page = REFGPU_PAGE - (addr & (REFGPU_PAGE - 1));
	void *p = NULL;

	if (!system) {
		p = vram_find(e, addr, len);
		*ret_why = REFGPU_FAULT_RESERVED;
		return p;
	}
	if (*len > page)
		*len = page;
	if (config->bus)
		p = config->bus->ptr(config->user, addr, prot);
	*ret_why = REFGPU_FAULT_BUS;
	return p;
}

void *mmu_phys(struct engine *e, bool system, uint64_t addr, unsigned prot,
	       size_t *len)
{
	enum refgpu_fault why;
	void *p = reach(e, system, addr, prot, len, &why);

	if (!p)
		mmu_fault(e, addr, why, prot);
	return p;
}

/* Entry @index of the table that @parent points to. */
static enum refgpu_fault read_entry(struct engine *e, uint64_t parent,
				    uint64_t index, uint64_t *ret_entry)
{
	uint64_t addr = (parent & REFGPU_PTE_ADDR) + index * 8;
	enum refgpu_fault why;
	size_t len = 8;
	_Atomic uint64_t *p = reach(e, parent & REFGPU_PTE_SYSTEM, addr,
				    PROT_READ_, &len, &why);

	if (!p || len < 8)
		return why;
	*ret_entry = atomic_load_explicit(p, memory_order_acquire);
	return REFGPU_FAULT_NONE;
}

static enum refgpu_fault check_table(uint64_t entry)
{
	if (!(entry & REFGPU_PTE_VALID))
		return REFGPU_FAULT_INVALID;
	if (entry & (~PTE_KNOWN | PTE_PAGE_ONLY))
		return REFGPU_FAULT_RESERVED;
	return REFGPU_FAULT_NONE;
}

static enum refgpu_fault check_page(uint64_t entry, bool huge)
{
	if (!(entry & REFGPU_PTE_VALID))
		return REFGPU_FAULT_INVALID;
	if (entry & (~PTE_KNOWN | (huge ? HUGE_UNUSED : REFGPU_PTE_HUGE)))
		return REFGPU_FAULT_RESERVED;
	return REFGPU_FAULT_NONE;
}

static enum refgpu_fault walk(struct engine *e, uint64_t va, uint64_t *ret_pte)
{
	uint64_t root = e->run->root, mid, leaf;
	enum refgpu_fault why = check_table(root);

	/* Its two pages lie side by side. */
	if (!why && (root & REFGPU_PAGE))
		why = REFGPU_FAULT_RESERVED;
	if (!why)
		why = read_entry(e, root, va >> REFGPU_ROOT_SHIFT, &mid);
	if (!why)
		why = check_table(mid);
	if (!why)
		why = read_entry(e, mid,
				 va >> REFGPU_MID_SHIFT & (REFGPU_ENTRIES - 1),
				 &leaf);
	if (why)
		return why;
	if ((leaf & REFGPU_PTE_VALID) && (leaf & REFGPU_PTE_HUGE)) {
		*ret_pte = leaf;
		return check_page(leaf, true);
	}
	why = check_table(leaf);
	if (!why)
		why = read_entry(e, leaf,
				 va >> REFGPU_LEAF_SHIFT & (REFGPU_ENTRIES - 1),
				 &leaf);
	if (!why)
		why = check_page(leaf, false);
	*ret_pte = leaf;
	return why;
}

/* The entry for @va from the TLB, 0 if it isn't there. */
static inline uint64_t remembered(struct engine *e, uint64_t va)
{
	uint32_t vpn = (uint32_t)(va >> REFGPU_LEAF_SHIFT);
	uint32_t hpn = (uint32_t)(va >> REFGPU_MID_SHIFT);
	const struct tlb_entry *t = &e->tlb[vpn % TLB_ENTRIES];

	if (t->asid == e->asid && t->vpn == vpn)
		return t->pte;
	t = &e->huge[hpn % TLB_HUGE_ENTRIES];
	if (t->asid == e->asid && t->vpn == hpn)
		return t->pte;
	return 0;
}

static void remember(struct engine *e, uint64_t va, uint64_t pte)
{
	bool huge = pte & REFGPU_PTE_HUGE;
	uint32_t n =
		(uint32_t)(va >> (huge ? REFGPU_MID_SHIFT : REFGPU_LEAF_SHIFT));
	struct tlb_entry *t = huge ? &e->huge[n % TLB_HUGE_ENTRIES]
				   : &e->tlb[n % TLB_ENTRIES];

	*t = (struct tlb_entry){ e->asid, pte, n };
}

static inline bool allowed(uint64_t pte, unsigned prot)
{
	return (!(prot & PROT_READ_) || (pte & REFGPU_PTE_READ)) &&
	       (!(prot & PROT_WRITE_) || (pte & REFGPU_PTE_WRITE));
}

/* Also where a remembered entry does not allow it: it may do by now, and who
 * has mended it after a fault needs no invalidate. */
static uint64_t look_up(struct engine *e, uint64_t va, unsigned prot)
{
	uint64_t pte;
	enum refgpu_fault why = walk(e, va, &pte);

	if (why) {
		mmu_fault(e, va, why, prot);
		return 0;
	}
	remember(e, va, pte);
	if (allowed(pte, prot))
		return pte;
	mmu_fault(e, va,
		  allowed(pte, prot & PROT_READ_) ? REFGPU_FAULT_WRITE
						  : REFGPU_FAULT_READ,
		  prot);
	return 0;
}

void *mmu_ptr(struct engine *e, uint64_t va, unsigned prot, size_t *len)
{
	uint64_t pte, mask, at;
	enum refgpu_fault why;
	void *p;

	if (va >= REFGPU_VA_SIZE) {
		mmu_fault(e, va, REFGPU_FAULT_INVALID, prot);
		return NULL;
	}
	pte = remembered(e, va);
	if (!pte || !allowed(pte, prot)) {
		pte = look_up(e, va, prot);
		if (!pte)
			return NULL;
	}
	mask = (pte & REFGPU_PTE_HUGE ? REFGPU_HUGE : REFGPU_PAGE) - 1;
	at = va & mask;
	if (*len > mask + 1 - at)
		*len = mask + 1 - at;
	p = reach(e, pte & REFGPU_PTE_SYSTEM, (pte & REFGPU_PTE_ADDR) + at,
		  prot, len, &why);
	if (!p)
		mmu_fault(e, va, why, prot);
	return p;
}

enum step mmu_read(struct engine *e, uint64_t va, void *to, size_t len)
{
	uint8_t *d = to;

	for (size_t done = 0, n; done < len; done += n) {
		const void *p;

		n = len - done;
		p = mmu_ptr(e, mmu_add(va, done), PROT_READ_, &n);
		if (!p)
			return STEP_FAULT;
		memcpy(d + done, p, n);
	}
	return STEP_DONE;
}
