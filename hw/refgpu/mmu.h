/* SPDX-License-Identifier: MIT */
/* Addresses to memory: page tables, translations that are remembered, VRAM. All
 * of it is called in a section, and pointers are good until its end. */
#ifndef MMU_H
#define MMU_H

#include "model.h"

/**
 * mmu_ptr() - memory at GPU address @va of the context that runs
 * @prot: PROT_READ_, PROT_WRITE_
 * @len: in: bytes wanted, at least 1; out: how many there are in one piece
 *
 * Return: the byte; NULL: a fault, in e->fault and e->fault_va.
 */
void *mmu_ptr(struct engine *e, uint64_t va, unsigned prot, size_t *len);

/* The same for an address of the bus or of VRAM. */
void *mmu_phys(struct engine *e, bool system, uint64_t addr, unsigned prot,
	       size_t *len);

/* Note a fault at @va. Return: STEP_FAULT. */
enum step mmu_fault(struct engine *e, uint64_t va, enum refgpu_fault why,
		    unsigned prot);

/* Forget all translations of @c. Any thread; what runs in a section that is
 * open goes on with the old ones. */
void mmu_forget(struct refgpu_hw *hw, struct context *c);

/* Base plus offset, for offsets below 2^63: an address that can't be stays one
 * and does not wrap into what can. */
static inline uint64_t mmu_add(uint64_t base, uint64_t offset)
{
	return base < REFGPU_VA_SIZE ? base + offset : base;
}

/* Copy @len bytes to private memory, or from it; piece by piece. Return:
 * STEP_DONE, STEP_FAULT with some of it done. */
enum step mmu_read(struct engine *e, uint64_t va, void *to, size_t len);

#endif
