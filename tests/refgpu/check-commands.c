/* SPDX-License-Identifier: MIT */
/* Each command, in VRAM and in system memory, against the CPU. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define BYTES (300u << 10)

static struct vgpu_rg_context *context(struct vgpu_rg_device *dev, bool system)
{
	struct vgpu_rg_context *ctx;

	MUST(vgpu_rg_context_new(
		dev,
		&(struct vgpu_rg_context_options){
			.struct_size = sizeof(struct vgpu_rg_context_options),
			.system = system },
		&ctx));
	return ctx;
}

static void scatter(struct mem *m, uint64_t seed)
{
	uint32_t *p = m->p;

	for (uint64_t i = 0; i < m->size / 4; i++)
		p[i] = random32(&seed);
}

static void *copy_of(const struct mem *m)
{
	void *p = malloc(m->size);

	if (!p)
		FAIL("memory");
	memcpy(p, m->p, m->size);
	return p;
}

static void same(const struct mem *m, void *want, const char *what)
{
	const uint8_t *a = m->p, *b = want;

	for (uint64_t i = 0; i < m->size; i++)
		if (a[i] != b[i])
			FAIL("%s: byte 0x%llx is 0x%02x, not 0x%02x", what,
			     (unsigned long long)i, a[i], b[i]);
	free(want);
}

/* Run a test four times: commands and data here and there. */
static void everywhere(struct vgpu_rg_device *dev,
		       void (*fn)(struct vgpu_rg_context *ctx, unsigned where))
{
	for (unsigned i = 0; i < 4; i++) {
		struct vgpu_rg_context *ctx = context(dev, i & 1);

		fn(ctx, i & 2 ? VGPU_RG_SYSTEM : VGPU_RG_VRAM);
		vgpu_rg_context_free(ctx);
	}
}

static void fill_copy(struct vgpu_rg_context *ctx, unsigned where)
{
	struct mem a = mem_new(ctx, BYTES, where, RW);
	struct mem b = mem_new(ctx, BYTES, VGPU_RG_VRAM, RW);
	struct vgpu_rg_stream s = { 0 };
	uint8_t *wa, *wb;

	scatter(&a, 1);
	scatter(&b, 2);
	wa = copy_of(&a);
	wb = copy_of(&b);
	vgpu_rg_fill(&s, a.va + 4092, 70000, 0xdeadbeef);
	for (unsigned i = 0; i < 70000; i += 4)
		memcpy(wa + 4092 + i, "\xef\xbe\xad\xde", 4);
	vgpu_rg_fill(&s, a.va, 0, 1);
	vgpu_rg_copy(&s, b.va + 33, a.va + 4001, 123457);
	memcpy(wb + 33, wa + 4001, 123457);
	vgpu_rg_copy(&s, a.va + 200001, b.va + 7, 1);
	wa[200001] = wb[7];
	vgpu_rg_copy(&s, a.va, b.va, 0);
	run(ctx, &s);
	same(&a, wa, "a");
	same(&b, wb, "b");
	mem_free(ctx, &a);
	mem_free(ctx, &b);
	vgpu_rg_stream_free(&s);
}

static void test_fill_copy(struct vgpu_rg_device *dev)
{
	everywhere(dev, fill_copy);
}

#define STRIDE 1000u /* bytes */

static uint32_t blend(uint32_t d, uint32_t s)
{
	uint32_t out = 0;

	for (unsigned c = 0; c < 32; c += 8) {
		uint32_t v = (d >> c & 255) * (255 - (s >> 24));

		v = (s >> c & 255) + (v + 127) / 255;
		out |= (v > 255 ? 255 : v) << c;
	}
	return out;
}

static void rectangles(struct vgpu_rg_context *ctx, unsigned where)
{
	struct mem a = mem_new(ctx, BYTES, where, RW);
	struct mem b = mem_new(ctx, BYTES, VGPU_RG_VRAM, RW);
	struct vgpu_rg_surface to = { a.va, STRIDE }, from = { b.va, STRIDE };
	const struct vgpu_rg_point size = { 100, 50 };
	struct vgpu_rg_stream s = { 0 };
	uint32_t *wa, *wb;

	scatter(&a, 3);
	scatter(&b, 4);
	wa = copy_of(&a);
	wb = copy_of(&b);
	vgpu_rg_rect_fill(&s, to, (struct vgpu_rg_point){ 7, 3 }, size,
			  0x11223344);
	vgpu_rg_rect_copy(&s, to, from, (struct vgpu_rg_point){ 120, 60 },
			  (struct vgpu_rg_point){ 1, 2 }, size);
	vgpu_rg_rect_blend(&s, to, from, (struct vgpu_rg_point){ 20, 150 },
			   (struct vgpu_rg_point){ 100, 100 }, size);
	vgpu_rg_rect_fill(&s, to, (struct vgpu_rg_point){ 0, 0 },
			  (struct vgpu_rg_point){ 0, 9 }, 1);
	for (unsigned y = 0; y < size.y; y++)
		for (unsigned x = 0; x < size.x; x++) {
			unsigned w = STRIDE / 4, at;

			wa[(3 + y) * w + 7 + x] = 0x11223344;
			wa[(60 + y) * w + 120 + x] = wb[(2 + y) * w + 1 + x];
			at = (150 + y) * w + 20 + x;
			wa[at] = blend(wa[at], wb[(100 + y) * w + 100 + x]);
		}
	run(ctx, &s);
	same(&a, wa, "a");
	same(&b, wb, "b");
	mem_free(ctx, &a);
	mem_free(ctx, &b);
	vgpu_rg_stream_free(&s);
}

static void test_rectangles(struct vgpu_rg_device *dev)
{
	everywhere(dev, rectangles);
}

/* Small whole numbers: sums are exact, in whatever order. */
static float small(uint64_t *seed)
{
	return (float)((int)below(seed, 17) - 8);
}

static void kernels(struct vgpu_rg_context *ctx, unsigned where)
{
	const unsigned n = 70000, m = 70, k = 33;
	struct mem x = mem_new(ctx, n * 4, where, RW);
	struct mem y = mem_new(ctx, n * 4, VGPU_RG_VRAM, RW);
	struct mem out = mem_new(ctx, 64 << 10, where, RW);
	struct vgpu_rg_stream s = { 0 };
	float *px = x.p, *py = y.p, *want, *o = out.p;
	uint32_t bins[256] = { 0 };
	uint64_t seed = 5;

	for (unsigned i = 0; i < n; i++) {
		px[i] = small(&seed);
		py[i] = small(&seed);
	}
	want = copy_of(&y);
	vgpu_rg_saxpy(&s, n, 0.5f, x.va, y.va);
	for (unsigned i = 0; i < n; i++)
		want[i] += 0.5f * px[i];
	run(ctx, &s);
	same(&y, want, "saxpy");

	vgpu_rg_reduce(&s, n, x.va, out.va);
	run(ctx, &s);
	for (unsigned g = 0, i = 0; g < 2; g++) {
		float sum = 0;

		for (; i < n && i < (g + 1) * REFGPU_REDUCE_GROUP; i++)
			sum += px[i];
		if (o[g] != sum)
			FAIL("reduce: sum %u is %g, not %g", g, (double)o[g],
			     (double)sum);
	}

	memset(out.p, 0, 1024);
	vgpu_rg_histogram(&s, n * 4, x.va, out.va);
	for (unsigned i = 0; i < n * 4; i++)
		bins[((uint8_t *)x.p)[i]]++;
	run(ctx, &s);
	CHECK(!memcmp(out.p, bins, sizeof(bins)));

	vgpu_rg_sgemm(&s, &(struct vgpu_rg_sgemm){ .m = m,
						   .n = m,
						   .k = k,
						   .lda = 40,
						   .ldb = 80,
						   .ldc = 90,
						   .alpha = 2,
						   .beta = 0.5f,
						   .a = x.va,
						   .b = x.va + 4 * m * 40,
						   .c = out.va });
	for (unsigned i = 0; i < m * 90; i++)
		o[i] = small(&seed);
	want = copy_of(&out);
	for (unsigned i = 0; i < m; i++)
		for (unsigned j = 0; j < m; j++) {
			float sum = 0;

			for (unsigned l = 0; l < k; l++)
				sum += px[i * 40 + l] * px[m * 40 + l * 80 + j];
			want[i * 90 + j] = 2 * sum + 0.5f * want[i * 90 + j];
		}
	run(ctx, &s);
	same(&out, want, "sgemm");
	mem_free(ctx, &x);
	mem_free(ctx, &y);
	mem_free(ctx, &out);
	vgpu_rg_stream_free(&s);
}

static void test_kernels(struct vgpu_rg_device *dev)
{
	everywhere(dev, kernels);
}

static void test_mandelbrot(struct vgpu_rg_device *dev)
{
	struct vgpu_rg_context *ctx = context(dev, false);
	struct mem a = mem_new(ctx, 100 * 100 * 4, VGPU_RG_SYSTEM, RW);
	struct vgpu_rg_mandelbrot m = { .va = a.va,
					.stride = 400,
					.width = 100,
					.height = 90,
					.iterations = 64,
					.x0 = -2,
					.y0 = -1.4,
					.dx = 1 / 32.,
					.dy = 1 / 32. };
	struct vgpu_rg_stream s = { 0 };
	const uint32_t *p = a.p;
	unsigned wrong = 0;

	vgpu_rg_mandelbrot(&s, &m);
	run(ctx, &s);
	for (unsigned j = 0; j < 90; j++)
		for (unsigned i = 0; i < 100; i++) {
			double cx = m.x0 + i * m.dx, cy = m.y0 + j * m.dy;
			double x = 0, y = 0;
			uint32_t n = 0, c;

			while (n < 64 && x * x + y * y <= 4) {
				double t = x * x - y * y + cx;

				y = 2 * x * y + cy;
				x = t;
				n++;
			}
			c = n == 64 ? 0
				    : (n * 5 & 255) << 16 | (n * 3 & 255) << 8 |
					      (n * 9 & 255);
			wrong += (p[j * 100 + i] & 0xffffff) != c;
		}
	if (wrong > 18)
		FAIL("%u of 9000 pixels are others", wrong);
	vgpu_rg_stream_free(&s);
	vgpu_rg_context_free(ctx);
	vgpu_rg_buffer_free(a.buf);
}

/* Two contexts, on both engines, hand something over by semaphores. */
static void test_semaphores(struct vgpu_rg_device *dev)
{
	struct vgpu_rg_context *a = context(dev, false), *b;
	struct vgpu_rg_stream s = { 0 }, t = { 0 };
	struct mem ma = mem_new(a, 8192, VGPU_RG_VRAM, RW);
	uint64_t vb, fence, *p = ma.p;

	MUST(vgpu_rg_context_new(
		dev,
		&(struct vgpu_rg_context_options){
			.struct_size = sizeof(struct vgpu_rg_context_options),
			.engine = REFGPU_ENGINE_COPY },
		&b));
	MUST(vgpu_rg_map(b, ma.buf, RW, &vb));
	for (unsigned i = 1; i <= 20; i++) {
		vgpu_rg_sem_wait(&s, ma.va, i);
		vgpu_rg_sem_add(&s, ma.va + 8, 1);
		vgpu_rg_sem_add(&t, vb, 1);
		vgpu_rg_sem_wait(&t, vb + 8, i);
	}
	vgpu_rg_fence(&s, ma.va + 16, 0x123456789abcdefull);
	vgpu_rg_timestamp(&s, ma.va + 24);
	MUST(vgpu_rg_submit(a, &s, &fence));
	run(b, &t);
	MUST(vgpu_rg_wait(a, fence, PATIENCE));
	CHECK(p[0] == 20 && p[1] == 20 && p[2] == 0x123456789abcdefull);
	CHECK(p[3] && p[4] && p[4] < p[3]);
	vgpu_rg_stream_free(&s);
	vgpu_rg_stream_free(&t);
	vgpu_rg_context_free(a);
	vgpu_rg_context_free(b);
	vgpu_rg_buffer_free(ma.buf);
}

static void test_batches(struct vgpu_rg_device *dev)
{
	struct vgpu_rg_context *ctx = context(dev, true);
	struct mem outer = mem_new(ctx, 4096, VGPU_RG_VRAM, RW);
	struct mem inner = mem_new(ctx, 4096, VGPU_RG_SYSTEM, VGPU_RG_READ);
	struct mem data = mem_new(ctx, 4096, VGPU_RG_SYSTEM, RW);
	struct vgpu_rg_stream s = { 0 };
	uint32_t *p = data.p;

	vgpu_rg_fill(&s, data.va, 4, 1);
	vgpu_rg_end(&s);
	vgpu_rg_fill(&s, data.va, 4, 9); /* behind END */
	memcpy(inner.p, s.dwords, s.n * 4);
	vgpu_rg_stream_clear(&s);
	vgpu_rg_nop(&s, 5);
	vgpu_rg_batch(&s, inner.va, 13);
	vgpu_rg_fill(&s, data.va + 4, 4, 2);
	memcpy(outer.p, s.dwords, s.n * 4);
	vgpu_rg_stream_clear(&s);
	vgpu_rg_batch(&s, outer.va, 15);
	vgpu_rg_fill(&s, data.va + 8, 4, 3);
	run(ctx, &s);
	CHECK(p[0] == 1 && p[1] == 2 && p[2] == 3);
	vgpu_rg_stream_free(&s);
	vgpu_rg_context_free(ctx);
	vgpu_rg_buffer_free(outer.buf);
	vgpu_rg_buffer_free(inner.buf);
	vgpu_rg_buffer_free(data.buf);
}

/* A ring that is much smaller than what goes through it. */
static void test_long_streams(struct vgpu_rg_device *dev)
{
	struct vgpu_rg_context *ctx;
	struct vgpu_rg_stream s = { 0 };
	struct mem m;

	MUST(vgpu_rg_context_new(
		dev,
		&(struct vgpu_rg_context_options){
			.struct_size = sizeof(struct vgpu_rg_context_options),
			.ring_size = 4096 },
		&ctx));
	m = mem_new(ctx, 65536, VGPU_RG_SYSTEM, RW);
	for (unsigned turn = 0; turn < 5; turn++) {
		for (unsigned i = 0; i < 16384; i++)
			vgpu_rg_fill(&s, m.va + i * 4, 4, i * 7 + turn);
		run(ctx, &s);
		for (unsigned i = 0; i < 16384; i++)
			CHECK(((uint32_t *)m.p)[i] == i * 7 + turn);
	}
	vgpu_rg_stream_free(&s);
	vgpu_rg_context_free(ctx);
	vgpu_rg_buffer_free(m.buf);
}

/* More commands than any ring in between has room for wait for a page, and for
 * another context: what they wait for comes through. */
#define WAITING_BATCHES 40u

static void calls(struct vgpu_rg_stream *s, uint64_t va, uint32_t n)
{
	for (unsigned i = 0; i < WAITING_BATCHES; i++)
		vgpu_rg_batch(s, va, n);
}

static void test_long_waits(struct vgpu_rg_device *dev)
{
	struct vgpu_rg_context *ctx = context(dev, false);
	struct vgpu_rg_context *other = context(dev, false);
	struct mem m = mem_new(ctx, 65536, VGPU_RG_SYSTEM, RW);
	struct mem data = mem_new(ctx, 8192, VGPU_RG_SYSTEM, RW);
	struct vgpu_rg_stream s = { 0 };
	struct vgpu_rg_status st;
	uint64_t va = VGPU_RG_VA_USER, there, fence, *entry, pte;

	for (unsigned i = 0; i < 3000; i++)
		vgpu_rg_fence(&s, data.va + 8, i);
	memcpy(m.p, s.dwords, s.n * 4);
	vgpu_rg_stream_clear(&s);

	MUST(vgpu_rg_map(other, data.buf, RW, &there));
	vgpu_rg_sem_wait(&s, data.va, 1);
	calls(&s, m.va, 15000);
	MUST(vgpu_rg_submit(ctx, &s, &fence));
	vgpu_rg_stream_clear(&s);
	vgpu_rg_sem_add(&s, there, 1);
	run(other, &s);
	MUST(vgpu_rg_wait(ctx, fence, PATIENCE));
	vgpu_rg_stream_clear(&s);

	MUST(vgpu_rg_map_at(ctx, va, data.buf, 4096, 4096,
			    RW | VGPU_RG_SMALL));
	entry = vgpu_rg_entry(ctx, va);
	pte = *entry;
	__atomic_store_n(entry, 0, __ATOMIC_RELEASE);
	MUST(vgpu_rg_invalidate(ctx, va, 1));
	vgpu_rg_fill(&s, va, 4, 77);
	calls(&s, m.va, 15000);
	MUST(vgpu_rg_submit(ctx, &s, &fence));
	do
		MUST(vgpu_rg_context_status(ctx, &st));
	while (st.state != REFGPU_STATE_FAULT);
	CHECK(st.fault == REFGPU_FAULT_INVALID && st.fault_va == va);
	__atomic_store_n(entry, pte, __ATOMIC_RELEASE);
	MUST(vgpu_rg_resume(ctx));
	MUST(vgpu_rg_wait(ctx, fence, PATIENCE));
	CHECK(((uint32_t *)data.p)[1024] == 77);
	vgpu_rg_stream_free(&s);
	vgpu_rg_context_free(ctx);
	vgpu_rg_context_free(other);
	vgpu_rg_buffer_free(m.buf);
	vgpu_rg_buffer_free(data.buf);
}

static void test_errors(struct vgpu_rg_device *dev)
{
	struct vgpu_rg_context *ctx = context(dev, false), *copy;
	const uint32_t unknown = REFGPU_CMD(0x77, 1), none = 0;
	const uint32_t reg[3] = { REFGPU_CMD(REFGPU_OP_REG_WRITE, 3), 0, 0 };
	const uint32_t phys[7] = { REFGPU_CMD(REFGPU_OP_PHYS_COPY, 7) };
	const uint32_t cut = REFGPU_CMD(REFGPU_OP_FILL, 5);
	struct vgpu_rg_stream s = { 0 };
	struct mem m = mem_new(ctx, 4096, VGPU_RG_VRAM, RW);

	vgpu_rg_fill(&s, m.va, 4, 1); /* what is before is done */
	vgpu_rg_raw(&s, &unknown, 1);
	vgpu_rg_fill(&s, m.va + 4, 4, 1);
	expect_error(ctx, &s, REFGPU_ERROR_COMMAND);
	CHECK(((uint32_t *)m.p)[0] == 1 && ((uint32_t *)m.p)[1] == 0);
	vgpu_rg_raw(&s, &none, 1);
	expect_error(ctx, &s, REFGPU_ERROR_COMMAND);
	vgpu_rg_raw(&s, &cut, 1);
	expect_error(ctx, &s, REFGPU_ERROR_COMMAND);
	vgpu_rg_end(&s);
	expect_error(ctx, &s, REFGPU_ERROR_COMMAND);
	vgpu_rg_raw(&s, reg, 3);
	expect_error(ctx, &s, REFGPU_ERROR_PRIVILEGED);
	vgpu_rg_raw(&s, phys, 7);
	expect_error(ctx, &s, REFGPU_ERROR_PRIVILEGED);
	vgpu_rg_fill(&s, m.va + 2, 4, 0);
	expect_error(ctx, &s, REFGPU_ERROR_ARGUMENT);
	vgpu_rg_copy(&s, m.va, m.va + 64, REFGPU_BYTES_MAX + 1);
	expect_error(ctx, &s, REFGPU_ERROR_ARGUMENT);
	vgpu_rg_spin(&s, REFGPU_GROUPS_MAX + 1, 1);
	expect_error(ctx, &s, REFGPU_ERROR_ARGUMENT);

	MUST(vgpu_rg_context_new(
		dev,
		&(struct vgpu_rg_context_options){
			.struct_size = sizeof(struct vgpu_rg_context_options),
			.engine = REFGPU_ENGINE_COPY },
		&copy));
	vgpu_rg_spin(&s, 1, 1);
	expect_error(copy, &s, REFGPU_ERROR_ENGINE);
	run(ctx, &s); /* all is well again */
	run(copy, &s);
	vgpu_rg_stream_free(&s);
	vgpu_rg_context_free(ctx);
	vgpu_rg_context_free(copy);
	vgpu_rg_buffer_free(m.buf);
}

static void test_faults(struct vgpu_rg_device *dev)
{
	struct vgpu_rg_context *ctx = context(dev, false);
	struct mem rd = mem_new(ctx, 8192, VGPU_RG_SYSTEM, VGPU_RG_READ);
	struct mem wr = mem_new(ctx, 8192, VGPU_RG_VRAM, VGPU_RG_WRITE);
	struct vgpu_rg_stream s = { 0 };
	struct vgpu_rg_buffer *late;
	uint64_t nowhere = VGPU_RG_VA_USER + (5ull << 30), fence;
	struct vgpu_rg_status st;

	vgpu_rg_fill(&s, nowhere + 8192, 4, 0);
	expect_fault(ctx, &s, REFGPU_FAULT_INVALID, nowhere + 8192);
	vgpu_rg_fill(&s, rd.va + 4096, 64, 0);
	expect_fault(ctx, &s, REFGPU_FAULT_WRITE, rd.va + 4096);
	vgpu_rg_copy(&s, wr.va, wr.va + 4096, 64);
	expect_fault(ctx, &s, REFGPU_FAULT_READ, wr.va + 4096);

	/* What is missing comes, without an invalidate, and all goes on. */
	vgpu_rg_fill(&s, nowhere, 8192, 0x600d);
	MUST(vgpu_rg_submit(ctx, &s, &fence));
	CHECK(vgpu_rg_wait(ctx, fence, PATIENCE) == -EFAULT);
	MUST(vgpu_rg_context_status(ctx, &st));
	CHECK(st.fault_va == nowhere && st.write);
	MUST(vgpu_rg_buffer_new(dev, 8192, VGPU_RG_SYSTEM, &late));
	MUST(vgpu_rg_map_at(ctx, nowhere, late, 0, 8192, RW));
	MUST(vgpu_rg_resume(ctx));
	MUST(vgpu_rg_wait(ctx, fence, PATIENCE));
	CHECK(((uint32_t *)vgpu_rg_buffer_ptr(late))[2047] == 0x600d);

	/* And goes: nothing is remembered. */
	MUST(vgpu_rg_unmap(ctx, nowhere, 8192));
	vgpu_rg_stream_clear(&s);
	vgpu_rg_fill(&s, nowhere, 4, 0);
	expect_fault(ctx, &s, REFGPU_FAULT_INVALID, nowhere);
	vgpu_rg_stream_free(&s);
	vgpu_rg_context_free(ctx);
	vgpu_rg_buffer_free(rd.buf);
	vgpu_rg_buffer_free(wr.buf);
	vgpu_rg_buffer_free(late);
}

const struct test command_tests[] = {
	{ "fill-copy", test_fill_copy },
	{ "rectangles", test_rectangles },
	{ "kernels", test_kernels },
	{ "mandelbrot", test_mandelbrot },
	{ "semaphores", test_semaphores },
	{ "batches", test_batches },
	{ "long-streams", test_long_streams },
	{ "long-waits", test_long_waits },
	{ "errors", test_errors },
	{ "faults", test_faults },
	{ NULL, NULL },
};
