/* SPDX-License-Identifier: MIT */
/*
 * The built-in kernels against plain C: through the device, with matrices that
 * fit no tile and lie across pages; and each processor's loops against the
 * generic ones, bit by bit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <sched.h>

#include <kernels/kernels.h>

#include "refgpu-rig.h"

#define DATA  0x40000000ull /* VA: VRAM from 0 on, 8 MiB, pages shuffled */
#define SIZE  (8ull << 20)
#define PAGES (SIZE / 4096)

struct fixture {
	struct rig rig;
	struct gpu g;
};

/* Neighbours in the GPU's addresses are none in VRAM. */
static uint64_t place(uint64_t offset)
{
	return offset / 4096 * 17 % PAGES * 4096 + offset % 4096;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	rig_start(&f->rig);
	gpu_open(&f->g, &f->rig, 0, REFGPU_ENGINE_RENDER);
	for (uint64_t at = 0; at < SIZE; at += 4096)
		gpu_map(&f->g, DATA + at, place(at), 4096, RW);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rig_stop(&f->rig);
	free(f);
	return 0;
}

static void put(struct fixture *f, uint64_t at, const void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		f->rig.vram[place(at + i)] = ((const uint8_t *)p)[i];
}

static void get(struct fixture *f, uint64_t at, void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)p)[i] = f->rig.vram[place(at + i)];
}

/* Small integers and fractions, of both signs */
static float *numbers(size_t n, uint32_t seed)
{
	float *p = malloc(n * sizeof(float));

	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525 + 1013904223;
		p[i] = (float)(int)(seed >> 8 & 0xffff) / 1024 - 32;
	}
	return p;
}

#define X 0x100004ull
#define Y 0x300ffcull
#define Z 0x500008ull

static void test_saxpy(void **state)
{
	struct fixture *f = *state;
	const uint32_t n = 100001;
	float *x = numbers(n, 1), *y = numbers(n, 2), *out = malloc(n * 4);

	put(f, X, x, n * 4);
	put(f, Y, y, n * 4);
	/* Groups behind the data do nothing. */
	EMIT(&f->g, REFGPU_CMD(REFGPU_OP_DISPATCH, 11), REFGPU_KERNEL_SAXPY, 9,
	     65536, 65536, n, f32(1.7f), A(DATA + X), A(DATA + Y));
	gpu_run(&f->g);
	get(f, Y, out, n * 4);
	for (uint32_t i = 0; i < n; i++) {
		volatile float product = 1.7f * x[i];

		y[i] = y[i] + product;
	}
	assert_memory_equal(out, y, n * 4);
	free(x);
	free(y);
	free(out);
}

/* One element. The sum is a chain in the order of k, of fused operations or of
 * single ones. */
static float element(const float *a, const float *b, uint32_t ldb, uint32_t k,
		     float alpha, float beta, float c, bool fused)
{
	volatile float sum = 0, product, old;

	for (uint32_t l = 0; l < k; l++) {
		product = a[l] * b[l * ldb];
		sum = fused ? fmaf(a[l], b[l * ldb], sum) : sum + product;
	}
	product = alpha * sum;
	old = beta * c;
	return beta != 0 ? product + old : product;
}

static void one_sgemm(struct fixture *f, uint32_t m, uint32_t n, uint32_t k,
		      float alpha, float beta)
{
	uint32_t lda = k + 3, ldb = n + 1, ldc = n + 5;
	float *a = numbers(m * lda, 3), *b = numbers(k * ldb + 1, 4);
	float *c = numbers(m * ldc, 5), *out = malloc(m * ldc * 4);

	put(f, X, a, m * lda * 4);
	put(f, Y, b, k * ldb * 4);
	put(f, Z, c, m * ldc * 4);
	EMIT(&f->g, REFGPU_CMD(REFGPU_OP_DISPATCH, 19), REFGPU_KERNEL_SGEMM,
	     (n + 63) / 64 + 1, (m + 63) / 64 + 1, 2, m, n, k, lda, ldb, ldc,
	     f32(alpha), f32(beta), A(DATA + X), A(DATA + Y), A(DATA + Z));
	gpu_run(&f->g);
	get(f, Z, out, m * ldc * 4);
	/* What is between the rows stays as it was. */
	for (uint32_t i = 0; i < m; i++)
		for (uint32_t j = 0; j < ldc; j++) {
			float *p = c + i * ldc + j, is = out[i * ldc + j];
			float want[2] = { *p, *p };

			for (int fused = 0; fused < 2 && j < n; fused++)
				want[fused] = element(a + i * lda, b + j, ldb,
						      k, alpha, beta, *p,
						      fused);
			if (is != want[0] && is != want[1])
				fail_msg("%ux%ux%u: %u, %u: %g, not %g", m, n,
					 k, i, j, is, want[0]);
		}
	free(a);
	free(b);
	free(c);
	free(out);
}

static void test_sgemm(void **state)
{
	struct fixture *f = *state;

	one_sgemm(f, 64, 64, 128, 1, 0);
	one_sgemm(f, 1, 1, 1, 2, 1);
	one_sgemm(f, 5, 3, 0, 1, 0.5f);
	one_sgemm(f, 70, 201, 300, 0.5f, -1.25f);
	one_sgemm(f, 129, 33, 257, 1, 1);
	one_sgemm(f, 3, 130, 2500, 1, 0);
}

/* NaNs in C do not matter where beta is 0. */
static void test_sgemm_beta(void **state)
{
	struct fixture *f = *state;
	float one = 1, c = NAN;

	put(f, X, &one, 4);
	put(f, Y, &one, 4);
	put(f, Z, &c, 4);
	EMIT(&f->g, REFGPU_CMD(REFGPU_OP_DISPATCH, 19), REFGPU_KERNEL_SGEMM, 1,
	     1, 1, 1, 1, 1, 1, 1, 1, f32(3), f32(0), A(DATA + X), A(DATA + Y),
	     A(DATA + Z));
	gpu_run(&f->g);
	get(f, Z, &c, 4);
	assert_true(c == 3);
}

static uint32_t mandelbrot(uint32_t i, uint32_t j, uint32_t iterations,
			   double x0, double y0, double dx, double dy)
{
	volatile double cr = i * dx, ci = j * dy, zr = 0, zi = 0;
	uint32_t n = 0;

	cr = x0 + cr;
	ci = y0 + ci;
	while (n < iterations) {
		volatile double rr = zr * zr, ii = zi * zi, ri, d;

		if (rr + ii > 4)
			break;
		ri = (zr + zr) * zi;
		d = rr - ii;
		zi = ri + ci;
		zr = d + cr;
		n++;
	}
	if (n == iterations)
		return 0;
	return (n * 5 & 255) << 16 | (n * 3 & 255) << 8 | (n * 9 & 255);
}

static void test_mandelbrot(void **state)
{
	struct fixture *f = *state;
	const uint32_t w = 173, h = 99, stride = 4 * 180, most = 300;
	const double x0 = -2.2, y0 = -1.1, dx = 0.017, dy = 0.0223;
	uint32_t *out = malloc(stride * h);

	EMIT(&f->g, REFGPU_CMD(REFGPU_OP_DISPATCH, 19),
	     REFGPU_KERNEL_MANDELBROT, 8, 8, 1, A(DATA + X), stride, w, h, most,
	     A(f64(x0)), A(f64(y0)), A(f64(dx)), A(f64(dy)));
	gpu_run(&f->g);
	get(f, X, out, stride * h);
	for (uint32_t j = 0; j < h; j++)
		for (uint32_t i = 0; i < stride / 4; i++)
			assert_int_equal(
				out[j * stride / 4 + i],
				i < w ? mandelbrot(i, j, most, x0, y0, dx, dy)
				      : 0);
	free(out);
}

static void test_reduce(void **state)
{
	struct fixture *f = *state;
	const uint32_t n = 65536 * 2 + 12345;
	float *x = numbers(n, 6), out[3];

	put(f, X, x, n * 4);
	EMIT(&f->g, REFGPU_CMD(REFGPU_OP_DISPATCH, 11), REFGPU_KERNEL_REDUCE, 3,
	     1, 1, n, 0, A(DATA + X), A(DATA + Z));
	gpu_run(&f->g);
	get(f, Z, out, sizeof(out));
	for (uint32_t g = 0; g < 3; g++) {
		float sum[8] = { 0 }, all;

		for (uint32_t i = 0; i < 65536 && g * 65536 + i < n; i++)
			sum[i % 8] += x[g * 65536 + i];
		all = sum[0];
		for (int i = 1; i < 8; i++)
			all += sum[i];
		assert_true(all == out[g]);
	}
	free(x);
}

static void test_histogram(void **state)
{
	struct fixture *f = *state;
	const uint32_t n = 65536 + 4321;
	uint8_t *x = (uint8_t *)numbers(n, 7);
	uint32_t bins[256], want[256];

	for (int i = 0; i < 256; i++)
		want[i] = (uint32_t)i;
	/* The bins lie across two pages. */
	put(f, Y, want, sizeof(want));
	put(f, X, x, n);
	EMIT(&f->g, REFGPU_CMD(REFGPU_OP_DISPATCH, 11), REFGPU_KERNEL_HISTOGRAM,
	     2, 1, 1, n, 0, A(DATA + X), A(DATA + Y));
	gpu_run(&f->g);
	get(f, Y, bins, sizeof(bins));
	for (uint32_t i = 0; i < n; i++)
		want[x[i]]++;
	assert_memory_equal(bins, want, sizeof(want));
	free(x);
}

static void test_spin(void **state)
{
	struct fixture *f = *state;
	uint64_t start = rig_now();

	EMIT(&f->g, REFGPU_CMD(REFGPU_OP_DISPATCH, 7), REFGPU_KERNEL_SPIN, 2, 3,
	     4, A(100000));
	gpu_run(&f->g);
	assert_true(rig_now() - start >= 24 * 100000);
}

/* ------------------------------------------------------------------ */
/* Loops of other processors                                           */
/* ------------------------------------------------------------------ */

static void compare(const struct kernel_ops *ops)
{
	const struct kernel_ops *generic = &kernels_generic;
	const size_t n = 1003;
	float *x = numbers(n, 8), *y[2] = { numbers(n, 9), numbers(n, 9) };
	uint32_t counts[2][REFGPU_MANDEL_TILE];
	float sum[2][8] = { { 1 }, { 1 } };

	generic->saxpy(y[0], x, 0.3f, n);
	ops->saxpy(y[1], x, 0.3f, n);
	assert_memory_equal(y[0], y[1], n * 4);
	generic->sum8(sum[0], x, n / 8 * 8);
	ops->sum8(sum[1], x, n / 8 * 8);
	assert_memory_equal(sum[0], sum[1], sizeof(sum[0]));
	generic->blend((uint32_t *)y[0], (uint32_t *)x, n);
	ops->blend((uint32_t *)y[1], (uint32_t *)x, n);
	assert_memory_equal(y[0], y[1], n * 4);
	generic->fill((uint32_t *)y[0] + 1, 0x1234567, n - 2);
	ops->fill((uint32_t *)y[1] + 1, 0x1234567, n - 2);
	assert_memory_equal(y[0], y[1], n * 4);
	for (int j = 0; j < 200; j++) {
		double at = -1.2 + j * 0.01;

		/* Also where nothing is a number */
		if (j == 199)
			at = NAN;
		for (uint32_t most = 0; most < 100; most += 33) {
			generic->mandelbrot(counts[0], 64, -2.5, 0.02, at,
					    most);
			ops->mandelbrot(counts[1], 64, -2.5, 0.02, at, most);
			assert_memory_equal(counts[0], counts[1],
					    sizeof(counts[0]));
		}
	}
	free(x);
	free(y[0]);
	free(y[1]);
}

static void test_processors(void **state)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2"))
		compare(&kernels_avx2);
	if (__builtin_cpu_supports("avx512f") &&
	    __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512dq"))
		compare(&kernels_avx512);
#endif
	compare(kernels_choose());
}

/* The whole device with the loops that every processor has */
static void test_generic(void **state)
{
	struct fixture *f = *state;

	f->rig.hw->ops = &kernels_generic;
	test_mandelbrot(state);
	test_sgemm(state);
	test_reduce(state);
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
		f->rig.hw->ops = &kernels_avx2;
		test_sgemm(state);
	}
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_saxpy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sgemm, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sgemm_beta, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_mandelbrot, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_reduce, setup, teardown),
		cmocka_unit_test_setup_teardown(test_histogram, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_spin, setup, teardown),
		cmocka_unit_test_setup_teardown(test_generic, setup, teardown),
		cmocka_unit_test(test_processors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
