/* SPDX-License-Identifier: MIT */
/*
 * Dispatches: the built-in kernels, and what they are made of: loops over plain
 * memory, compiled for several kinds of processors (struct kernel_ops).
 *
 * Results do not depend on how the work was cut: sums have a fixed order, and
 * multiplications and additions are rounded each by itself except in sgemm,
 * whose sums are chains of fused ones where the processor has those.
 */
#ifndef KERNELS_H
#define KERNELS_H

#include "../model.h"

#define SGEMM_KC    128u /* of k at a time: what fits the caches */
#define SGEMM_MR    8u	 /* rows of a register tile */
#define SGEMM_NR    32u	 /* columns of it */
#define SGEMM_LINES 16u	 /* rows of B that are fetched at a time */

/**
 * struct kernel_ops - loops over memory that is at hand
 * @fill: dwords
 * @blend: RECT_BLEND of pixels
 * @saxpy: y[i] += a * x[i]
 * @sum8: sum[i % 8] += x[i]; @n is a multiple of 8
 * @mandelbrot: counts of REFGPU_MANDEL_TILE pixels of a line: from @x on by
 *              @dx (x of pixel i is x0 + (first + i) * dx), at height @y
 * @sgemm: @c (SGEMM_MR rows of REFGPU_SGEMM_TILE) += a (kc columns of
 *         SGEMM_MR) times b (kc rows of SGEMM_NR)
 */
struct kernel_ops {
	void (*fill)(uint32_t *p, uint32_t value, size_t n);
	void (*blend)(uint32_t *to, const uint32_t *from, size_t n);
	void (*saxpy)(float *y, const float *x, float a, size_t n);
	void (*sum8)(float sum[8], const float *x, size_t n);
	void (*mandelbrot)(uint32_t *counts, uint32_t first, double x0,
			   double dx, double y, uint32_t iterations);
	void (*sgemm)(float *c, const float *a, const float *b, size_t kc);
};

extern const struct kernel_ops kernels_generic, kernels_avx2, kernels_avx512;
void kernels_sgemm_generic(float *c, const float *a, const float *b, size_t kc);
void kernels_sgemm_avx2(float *c, const float *a, const float *b, size_t kc);
void kernels_sgemm_avx512(float *c, const float *a, const float *b, size_t kc);

/* The best that this processor can do. */
const struct kernel_ops *kernels_choose(void);

/* Private memory of an engine's kernels. */
struct scratch {
	_Alignas(64) float a[REFGPU_SGEMM_TILE * REFGPU_SGEMM_MAX_K];
	_Alignas(64) float b[SGEMM_KC * REFGPU_SGEMM_TILE];
	_Alignas(64) float line[SGEMM_LINES][REFGPU_SGEMM_TILE];
	_Alignas(64) float c[REFGPU_SGEMM_TILE * REFGPU_SGEMM_TILE];
	_Alignas(64) uint32_t pixels[REFGPU_MANDEL_TILE * REFGPU_MANDEL_TILE];
	_Alignas(64) uint32_t bins[4][256];
	/* Which rows of A are packed in .a: the group's y; of this run of this
	 * dispatch */
	bool packed;
	uint32_t packed_y;
};

struct scratch *kernels_scratch(void);
/* Something else begins: nothing in the scratch is of use any more. */
void kernels_forget(struct engine *e);

/* DISPATCH: is there something wrong with kernel or arguments? */
bool kernels_bad(const uint32_t *d);
/* DISPATCH: a group of it. In a section. */
enum step kernels_dispatch(struct engine *e, struct context *c,
			   const uint32_t *d);

/**
 * struct kernel - one of enum refgpu_kernel
 * @args: dwords of arguments
 * @bad: are they out of range?
 * @bounds: in each direction, how many groups have something to do
 * @group: do group @g; c->s.part keeps what of it is written for good. In a
 *         section, which may be left and entered. Return: STEP_DONE,
 *         STEP_FAULT, STEP_CUT.
 */
struct kernel {
	unsigned args;
	bool (*bad)(const uint32_t *a);
	void (*bounds)(const uint32_t *a, uint64_t max[3]);
	enum step (*group)(struct engine *e, struct context *c,
			   const uint32_t *a, const uint32_t g[3]);
};

extern const struct kernel kernel_saxpy, kernel_sgemm, kernel_mandelbrot,
	kernel_reduce, kernel_histogram, kernel_spin;

/* Groups that @n elements make, @per in each. */
static inline uint64_t kernels_groups(uint32_t n, uint32_t per)
{
	return ((uint64_t)n + per - 1) / per;
}

#endif
