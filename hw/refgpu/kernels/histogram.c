/* SPDX-License-Identifier: MIT */
/* How often each byte occurs. */
#include <string.h>

#include "../commands.h"
#include "../mmu.h"
#include "../section.h"
#include "kernels.h"

#define BINS  256u
#define PIECE (CHUNK / 4) /* of a section: counting is slow */

static bool bad(const uint32_t *a)
{
	return a[2] % 4 || a[4] % 4;
}

static void bounds(const uint32_t *a, uint64_t max[3])
{
	max[0] = kernels_groups(a[0], REFGPU_HIST_GROUP);
	max[1] = max[2] = 1;
}

/* Into four sets of counters: equal neighbours don't wait for each other. */
static void count(uint32_t bins[4][BINS], const uint8_t *p, size_t n)
{
	size_t i;

	for (i = 0; i + 4 <= n; i += 4) {
		bins[0][p[i]]++;
		bins[1][p[i + 1]]++;
		bins[2][p[i + 2]]++;
		bins[3][p[i + 3]]++;
	}
	for (; i < n; i++)
		bins[0][p[i]]++;
}

/* All of them or, if one is out of reach, none. In one section. */
static enum step add(struct engine *e, uint64_t va, uint32_t bins[4][BINS])
{
	size_t len = 4 * BINS, rest;
	_Atomic uint32_t *p[2];
	unsigned prot = PROT_READ_ | PROT_WRITE_;

	p[0] = mmu_ptr(e, va, prot, &len);
	rest = 4 * BINS - len;
	p[1] = p[0] && rest ? mmu_ptr(e, mmu_add(va, len), prot, &rest) : p[0];
	if (!p[1])
		return STEP_FAULT;
	for (unsigned i = 0; i < BINS; i++) {
		uint32_t n = bins[0][i] + bins[1][i] + bins[2][i] + bins[3][i];
		unsigned first = (unsigned)(len / 4);

		if (n)
			atomic_fetch_add(
				i < first ? &p[0][i] : &p[1][i - first], n);
	}
	return STEP_DONE;
}

static enum step group(struct engine *e, struct context *c, const uint32_t *a,
		       const uint32_t g[3])
{
	uint64_t first = (uint64_t)g[0] * REFGPU_HIST_GROUP;
	uint32_t n = a[0] - first < REFGPU_HIST_GROUP ? (uint32_t)(a[0] - first)
						      : REFGPU_HIST_GROUP;
	struct scratch *s = e->scratch;
	size_t len, since = 0;

	memset(s->bins, 0, sizeof(s->bins));
	for (uint32_t i = 0; i < n; i += (uint32_t)len) {
		const uint8_t *p;

		len = n - i < PIECE ? n - i : PIECE;
		if (since >= PIECE) {
			section_renew(e);
			since = 0;
		}
		p = mmu_ptr(e, mmu_add(command_u64(a + 2), first + i),
			    PROT_READ_, &len);
		if (!p)
			return STEP_FAULT;
		count(s->bins, p, len);
		since += len;
	}
	return add(e, command_u64(a + 4), s->bins);
}

const struct kernel kernel_histogram = { 6, bad, bounds, group };
