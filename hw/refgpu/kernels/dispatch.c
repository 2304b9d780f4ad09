/* SPDX-License-Identifier: MIT */
/* DISPATCH: from group to group. */
#include <stdlib.h>

#include "kernels.h"

#define ARGS 5u /* where they begin in the command */

static const struct kernel *const kernels[] = {
	[REFGPU_KERNEL_SAXPY] = &kernel_saxpy,
	[REFGPU_KERNEL_SGEMM] = &kernel_sgemm,
	[REFGPU_KERNEL_MANDELBROT] = &kernel_mandelbrot,
	[REFGPU_KERNEL_REDUCE] = &kernel_reduce,
	[REFGPU_KERNEL_HISTOGRAM] = &kernel_histogram,
	[REFGPU_KERNEL_SPIN] = &kernel_spin,
};

const struct kernel_ops *kernels_choose(void)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx512f") &&
	    __builtin_cpu_supports("avx512vl") &&
	    __builtin_cpu_supports("avx512dq") &&
	    __builtin_cpu_supports("avx512bw"))
		return &kernels_avx512;
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		return &kernels_avx2;
#endif
	return &kernels_generic;
}

struct scratch *kernels_scratch(void)
{
	struct scratch *s = aligned_alloc(64, sizeof(struct scratch));

	if (s)
		s->packed = false;
	return s;
}

void kernels_forget(struct engine *e)
{
	e->scratch->packed = false;
}

bool kernels_bad(const uint32_t *d)
{
	const struct kernel *k = NULL;

	if (d[1] < sizeof(kernels) / sizeof(kernels[0]))
		k = kernels[d[1]];
	return !k || REFGPU_CMD_LEN(d[0]) - ARGS != k->args || k->bad(d + ARGS);
}

/* The next group that has something to do, from @g on. False: none. */
static bool seek(uint32_t g[3], const uint32_t dim[3], const uint64_t max[3])
{
	uint64_t end[3];

	for (int i = 0; i < 3; i++) {
		end[i] = dim[i] < max[i] ? dim[i] : max[i];
		if (!end[i])
			return false;
	}
	if (g[0] >= end[0]) {
		g[0] = 0;
		g[1]++;
	}
	if (g[1] >= end[1]) {
		g[1] = 0;
		g[2]++;
	}
	return g[2] < end[2];
}

enum step kernels_dispatch(struct engine *e, struct context *c,
			   const uint32_t *d)
{
	const struct kernel *k = kernels[d[1]];
	struct stream *s = &c->s;
	uint64_t max[3];
	enum step r;

	/* .done: the dispatch has begun */
	if (!s->done++)
		kernels_forget(e);
	k->bounds(d + ARGS, max);
	if (!seek(s->group, d + 2, max))
		return STEP_DONE;
	r = k->group(e, c, d + ARGS, s->group);
	if (r)
		return r;
	s->part = 0;
	s->group[0]++;
	return seek(s->group, d + 2, max) ? STEP_AGAIN : STEP_DONE;
}
