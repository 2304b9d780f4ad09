/* SPDX-License-Identifier: MIT */
/* Sums, in eight running ones. */
#include "../commands.h"
#include "../mmu.h"
#include "../section.h"
#include "kernels.h"

#define SUMS 8u

static bool bad(const uint32_t *a)
{
	return a[2] % 4 || a[4] % 4;
}

static void bounds(const uint32_t *a, uint64_t max[3])
{
	max[0] = kernels_groups(a[0], REFGPU_REDUCE_GROUP);
	max[1] = max[2] = 1;
}

/* @n elements, of which the first is element @i of the group. */
static void add(const struct kernel_ops *ops, float sum[SUMS], const float *x,
		uint32_t i, size_t n)
{
	size_t whole;

	for (; n && i % SUMS; n--, i++)
		sum[i % SUMS] += *x++;
	whole = n - n % SUMS;
	ops->sum8(sum, x, whole);
	for (size_t j = whole; j < n; j++)
		sum[j % SUMS] += x[j];
}

static enum step group(struct engine *e, struct context *c, const uint32_t *a,
		       const uint32_t g[3])
{
	uint64_t first = (uint64_t)g[0] * REFGPU_REDUCE_GROUP;
	uint32_t n = a[0] - first < REFGPU_REDUCE_GROUP
			     ? (uint32_t)(a[0] - first)
			     : REFGPU_REDUCE_GROUP;
	float sum[SUMS] = { 0 }, all, *p;
	size_t len, since = 0;

	for (uint32_t i = 0; i < n; i += (uint32_t)(len / 4)) {
		const float *x;

		len = (n - i) * 4ull < CHUNK ? (n - i) * 4ull : CHUNK;
		if (since >= CHUNK) {
			section_renew(e);
			since = 0;
		}
		x = mmu_ptr(e, mmu_add(command_u64(a + 2), (first + i) * 4),
			    PROT_READ_, &len);
		if (!x)
			return STEP_FAULT;
		add(e->hw->ops, sum, x, i, len / 4);
		since += len;
	}
	all = sum[0];
	for (unsigned i = 1; i < SUMS; i++)
		all += sum[i];
	len = 4;
	p = mmu_ptr(e, mmu_add(command_u64(a + 4), g[0] * 4ull), PROT_WRITE_,
		    &len);
	if (!p)
		return STEP_FAULT;
	*p = all;
	return STEP_DONE;
}

const struct kernel kernel_reduce = { 6, bad, bounds, group };
