/* SPDX-License-Identifier: MIT */
/*
 * The loops, once for each kind of processor: LEVEL names it, VECTOR is the
 * width in bytes of its vectors. Compiled without contraction, so that all of
 * them compute the same.
 */
#include "kernels.h"

#define PASTE_(a, b) a##b
#define PASTE(a, b)  PASTE_(a, b)

typedef double vf64 __attribute__((vector_size(VECTOR)));
typedef int64_t vi64 __attribute__((vector_size(VECTOR)));
#define LANES (VECTOR / 8)
/* Chains of pixels side by side, which hide the latency of one. */
#define CHAINS (VECTOR == 64 ? 4 : 2)
#define CHECK  8 /* iterations between two looks at whether any goes on */

static void fill(uint32_t *p, uint32_t value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = value;
}

static void blend(uint32_t *to, const uint32_t *from, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t s = from[i], d = to[i], inverse = 255 - (s >> 24);
		uint32_t out = 0;

		for (unsigned shift = 0; shift < 32; shift += 8) {
			uint32_t v = (d >> shift & 255) * inverse + 127;

			/* v / 255 for what can be, by multiplication */
			v = (s >> shift & 255) + (v * 0x8081u >> 23);
			out |= (v > 255 ? 255 : v) << shift;
		}
		to[i] = out;
	}
}

static void saxpy(float *y, const float *x, float a, size_t n)
{
	for (size_t i = 0; i < n; i++)
		y[i] += a * x[i];
}

static void sum8(float sum[8], const float *x, size_t n)
{
	float s[8];

	for (int j = 0; j < 8; j++)
		s[j] = sum[j];
	for (size_t i = 0; i < n; i += 8)
		for (int j = 0; j < 8; j++)
			s[j] += x[i + j];
	for (int j = 0; j < 8; j++)
		sum[j] = s[j];
}

/* CHAINS vectors of pixels of one line */
static void mandelbrot_part(uint32_t *counts, uint32_t first, double x0,
			    double dx, double y, uint32_t iterations)
{
	vf64 cr[CHAINS], zr[CHAINS], zi[CHAINS];
	vi64 alive[CHAINS], n[CHAINS], any;

	for (int j = 0; j < CHAINS; j++) {
		for (int i = 0; i < LANES; i++)
			cr[j][i] = x0 +
				   (double)(first + (uint32_t)(j * LANES + i)) *
					   dx;
		zr[j] = zi[j] = (vf64){ 0 };
		n[j] = (vi64){ 0 };
		alive[j] = ~n[j];
	}
	for (uint32_t done = 0; done < iterations; done++) {
		for (int j = 0; j < CHAINS; j++) {
			vf64 rr = zr[j] * zr[j], ii = zi[j] * zi[j];

			alive[j] &= ~(rr + ii > 4.0);
			n[j] -= alive[j];
			zi[j] = (zr[j] + zr[j]) * zi[j] + y;
			zr[j] = (rr - ii) + cr[j];
		}
		if (done % CHECK)
			continue;
		any = alive[0];
		for (int j = 1; j < CHAINS; j++)
			any |= alive[j];
		for (int i = 1; i < LANES; i++)
			any[0] |= any[i];
		if (!any[0])
			break;
	}
	for (int j = 0; j < CHAINS; j++)
		for (int i = 0; i < LANES; i++)
			counts[j * LANES + i] = (uint32_t)n[j][i];
}

static void mandelbrot(uint32_t *counts, uint32_t first, double x0, double dx,
		       double y, uint32_t iterations)
{
	for (uint32_t i = 0; i < REFGPU_MANDEL_TILE; i += CHAINS * LANES)
		mandelbrot_part(counts + i, first + i, x0, dx, y, iterations);
}

const struct kernel_ops PASTE(kernels_, LEVEL) = {
	.fill = fill,
	.blend = blend,
	.saxpy = saxpy,
	.sum8 = sum8,
	.mandelbrot = mandelbrot,
	.sgemm = PASTE(kernels_sgemm_, LEVEL),
};
