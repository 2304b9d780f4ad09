/* SPDX-License-Identifier: MIT */
/* Translating by what is in the guest's tables at this moment. */
#include "shadow-private.h"

static enum vgpu_shadow_fault out_of_reach(const struct vgpu_shadow_target *t)
{
	return t->local ? VGPU_SHADOW_FAULT_BAD : VGPU_SHADOW_FAULT_BUS;
}

static enum vgpu_shadow_fault permit(const struct vgpu_shadow_target *t,
				     unsigned prot)
{
	unsigned lacks = prot & ~t->prot;

	if (lacks & VGPU_DMA_READ)
		return VGPU_SHADOW_FAULT_READ;
	if (lacks & VGPU_DMA_WRITE)
		return VGPU_SHADOW_FAULT_WRITE;
	return VGPU_SHADOW_OK;
}

enum vgpu_shadow_fault vgpu_shadow_walk(const struct vgpu_shadow_pool *p,
					uint64_t root, uint64_t va,
					unsigned prot,
					struct vgpu_shadow_target *ret_target)
{
	const struct vgpu_shadow_format *f = p->format;
	uint64_t top = (uint64_t)f->entries[0] << f->shift[0];
	struct vgpu_shadow_target t;
	enum vgpu_shadow_fault fault;

	f->decode(root, -1, &t);
	for (unsigned level = 0; level < f->n_levels; level++) {
		uint64_t i = (va >> f->shift[level]) & (f->entries[level] - 1u);
		const uint64_t *entry;

		if (t.kind == VGPU_SHADOW_PAGE)
			break;
		if (t.kind == VGPU_SHADOW_NONE)
			return VGPU_SHADOW_FAULT_NONE;
		if (t.kind == VGPU_SHADOW_BAD ||
		    t.addr % (f->entries[level] * sizeof(*entry)))
			return VGPU_SHADOW_FAULT_BAD;
		if (va >= top)
			return VGPU_SHADOW_FAULT_NONE;
		entry = reach(p, t.addr + i * sizeof(*entry), t.local,
			      sizeof(*entry), VGPU_DMA_READ);
		if (!entry)
			return out_of_reach(&t);
		f->decode(le64toh(__atomic_load_n(entry, __ATOMIC_RELAXED)),
			  (int)level, &t);
		if (t.kind == VGPU_SHADOW_PAGE) {
			fault = permit(&t, prot);
			if (fault)
				return fault;
			t.addr += va & ((1ull << f->shift[level]) - 1);
		}
	}
	if (t.kind != VGPU_SHADOW_PAGE)
		return t.kind == VGPU_SHADOW_NONE ? VGPU_SHADOW_FAULT_NONE
						  : VGPU_SHADOW_FAULT_BAD;
	*ret_target = t;
	return VGPU_SHADOW_OK;
}
