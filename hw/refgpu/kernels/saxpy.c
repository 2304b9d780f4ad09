/* SPDX-License-Identifier: MIT */
/* y += a x */
#include "../commands.h"
#include "../mmu.h"
#include "kernels.h"

static bool bad(const uint32_t *a)
{
	return a[2] % 4 || a[4] % 4;
}

static void bounds(const uint32_t *a, uint64_t max[3])
{
	max[0] = kernels_groups(a[0], REFGPU_SAXPY_GROUP);
	max[1] = max[2] = 1;
}

/* Each piece is within a page of x and of y, and is done wholly once both are
 * there. */
static enum step group(struct engine *e, struct context *c, const uint32_t *a,
		       const uint32_t g[3])
{
	uint64_t first = (uint64_t)g[0] * REFGPU_SAXPY_GROUP;
	uint32_t n = a[0] - first < REFGPU_SAXPY_GROUP
			     ? (uint32_t)(a[0] - first)
			     : REFGPU_SAXPY_GROUP;

	while (c->s.part < n) {
		uint64_t at = (first + c->s.part) * 4;
		size_t len = (n - c->s.part) * 4ull;
		const float *x = mmu_ptr(e, mmu_add(command_u64(a + 2), at),
					 PROT_READ_, &len);
		float *y = x ? mmu_ptr(e, mmu_add(command_u64(a + 4), at),
				       PROT_READ_ | PROT_WRITE_, &len)
			     : NULL;

		if (!y)
			return STEP_FAULT;
		e->hw->ops->saxpy(y, x, command_f32(a[1]), len / 4);
		c->s.part += (uint32_t)(len / 4);
	}
	return STEP_DONE;
}

const struct kernel kernel_saxpy = { 6, bad, bounds, group };
