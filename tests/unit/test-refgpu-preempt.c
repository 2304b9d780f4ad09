/* SPDX-License-Identifier: MIT */
/*
 * A property: random streams of commands leave the same memory whether they run
 * undisturbed or are preempted, faulted and resumed at random moments.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>

#include "refgpu-rig.h"

/* VA: sources, which nothing writes, and destinations */
#define SRC   0x40000000ull
#define DST   0x50000000ull
#define SIZE  (2ull << 20)
#define BATCH 0x60000000ull

struct fixture {
	struct rig rig;
	struct gpu g;
	uint32_t seed;
};

static uint32_t draw(uint32_t *seed, uint32_t n)
{
	*seed = *seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)(*seed ^ *seed >> 16) % n);
}

/* Somewhere with room for @bytes */
static uint64_t at(struct fixture *f, uint64_t base, uint32_t bytes,
		   uint32_t align)
{
	return base + draw(&f->seed, (uint32_t)SIZE - bytes) / align * align;
}

static size_t put(uint32_t *d, size_t n, const uint32_t *from, size_t len)
{
	memcpy(d + n, from, len * 4);
	return n + len;
}

#define PUT(...)                                                               \
	do {                                                                   \
		const uint32_t d_[] = { __VA_ARGS__ };                         \
		n = put(d, n, d_, sizeof(d_) / sizeof(d_[0]));                 \
	} while (0)
#define DISPATCH(args, k, ...)                                                 \
	REFGPU_CMD(REFGPU_OP_DISPATCH, 5 + (args)), (k), __VA_ARGS__

static size_t kernel(struct fixture *f, uint32_t *d, size_t n)
{
	switch (draw(&f->seed, 5)) {
	case 0:
		PUT(DISPATCH(6, REFGPU_KERNEL_SAXPY, 4, 1, 1, 60001, f32(0.5)),
		    A(at(f, SRC, 250000, 4)), A(at(f, DST, 250000, 4)));
		break;
	case 1:
		PUT(DISPATCH(14, REFGPU_KERNEL_SGEMM, 3, 2, 1, 100, 150, 200,
			     200, 150, 155, f32(0.5), f32(0.25)),
		    A(at(f, SRC, 90000, 4)), A(at(f, SRC, 130000, 4)),
		    A(at(f, DST, 70000, 4)));
		break;
	case 2:
		PUT(DISPATCH(14, REFGPU_KERNEL_MANDELBROT, 4, 4, 1),
		    A(at(f, DST, 70000, 4)), 600, 120, 110, 60, A(f64(-2)),
		    A(f64(-1)), A(f64(0.02)), A(f64(0.02)));
		break;
	case 3:
		PUT(DISPATCH(6, REFGPU_KERNEL_REDUCE, 4, 1, 1, 200001, 0),
		    A(at(f, SRC, 810000, 4)), A(at(f, DST, 16, 4)));
		break;
	default:
		PUT(DISPATCH(6, REFGPU_KERNEL_HISTOGRAM, 4, 1, 1, 200001, 0),
		    A(at(f, SRC, 210000, 4)), A(at(f, DST, 1024, 4)));
	}
	return n;
}

static size_t command(struct fixture *f, uint32_t *d, size_t n)
{
	uint32_t bytes = draw(&f->seed, 200000) + 1;

	switch (draw(&f->seed, 9)) {
	case 0:
		PUT(REFGPU_CMD(REFGPU_OP_FILL, 6), A(at(f, DST, bytes, 4)),
		    A(bytes & ~3u), f->seed & ~0x40000000u);
		break;
	case 1:
		PUT(REFGPU_CMD(REFGPU_OP_COPY, 7), A(at(f, DST, bytes, 1)),
		    A(at(f, SRC, bytes, 1)), A(bytes));
		break;
	case 2:
		PUT(REFGPU_CMD(REFGPU_OP_SEM_ADD, 5), A(at(f, DST, 8, 8)),
		    A(bytes));
		break;
	case 3:
		PUT(REFGPU_CMD(REFGPU_OP_RECT_FILL, 7),
		    A(at(f, DST, 800 * 410, 4)), 800, 3 | 5 << 16,
		    190 | 400 << 16, f->seed);
		break;
	case 4:
		PUT(REFGPU_CMD(REFGPU_OP_RECT_COPY, 10),
		    A(at(f, DST, 800 * 410, 4)), 800,
		    A(at(f, SRC, 804 * 410, 4)), 804, 3 | 5 << 16, 0,
		    190 | 400 << 16);
		break;
	case 5:
		PUT(REFGPU_CMD(REFGPU_OP_RECT_BLEND, 10),
		    A(at(f, DST, 800 * 410, 4)), 800,
		    A(at(f, SRC, 804 * 410, 4)), 804, 3 | 5 << 16, 0,
		    190 | 400 << 16);
		break;
	default:
		n = kernel(f, d, n);
	}
	return n;
}

/* Whatever comes first; sources are small numbers as floats, too. */
static void memory(struct fixture *f, uint32_t seed)
{
	float *p = (float *)f->rig.vram;

	for (size_t i = 0; i < 2 * SIZE / 4; i++)
		p[i] = (float)draw(&seed, 4096) / 64 - 32;
}

/* Fills a batch and the ring with a stream of its own for each @seed. */
static void stream(struct fixture *f, uint32_t seed)
{
	uint32_t *batch = (uint32_t *)(f->rig.vram + 2 * SIZE), d[64];
	size_t n = 0;

	f->seed = seed;
	for (unsigned i = 0; i < 6; i++)
		n = command(f, batch, n);
	for (unsigned i = 0; i < 6; i++) {
		gpu_emit(&f->g, d, command(f, d, 0));
		if (i == 2)
			EMIT(&f->g, REFGPU_CMD(REFGPU_OP_BATCH, 4), A(BATCH),
			     (uint32_t)n);
	}
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	rig_start(&f->rig);
	gpu_open_sized(&f->g, &f->rig, 0, REFGPU_ENGINE_RENDER, 65536, 0);
	gpu_map(&f->g, SRC, 0, SIZE, REFGPU_PTE_READ);
	gpu_map(&f->g, DST, SIZE, SIZE, RW);
	gpu_map(&f->g, BATCH, 2 * SIZE, 65536, REFGPU_PTE_READ);
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

static void eng_wr(struct fixture *f, uint32_t reg, uint32_t value)
{
	wr(&f->rig, REFGPU_ENG(0, reg), value);
}

/* Until the context goes idle, preempted after random times. Return: how often
 * it was. */
static unsigned preempted(struct fixture *f, uint32_t seed)
{
	unsigned times = 0;
	uint32_t e;

	eng_wr(f, REFGPU_ENG_MODE, REFGPU_MODE_HOST);
	gpu_publish(&f->g);
	do {
		uint64_t end = rig_now() + draw(&seed, 150000);

		eng_wr(f, REFGPU_ENG_SUBMIT, 0);
		while (rig_now() < end)
			;
		eng_wr(f, REFGPU_ENG_PREEMPT, 1);
		WAIT_FOR((e = rd(&f->rig, REFGPU_ENG(0, REFGPU_ENG_EVENT))) !=
			 REFGPU_NO_EVENT);
		times += e >> 16 == REFGPU_STOP_PREEMPTED;
	} while (e >> 16 == REFGPU_STOP_PREEMPTED);
	assert_int_equal(e >> 16, REFGPU_STOP_IDLE);
	return times;
}

/* With pages of the destination that come and go: each fault brings one, and
 * takes another away. */
static unsigned faulted(struct fixture *f, uint32_t seed)
{
	unsigned times = 0;
	uint64_t va = 0;

	for (uint64_t page = 0; page < SIZE; page += 4096)
		atomic_store(gpu_pte(&f->g, DST + page), 0);
	gpu_invalidate(&f->g, 0, 0);
	gpu_kick(&f->g);
	for (;;) {
		uint64_t was = va;

		WAIT_FOR(gpu_state(&f->g) == REFGPU_STATE_FAULT ||
			 gpu_state(&f->g) == REFGPU_STATE_IDLE);
		if (gpu_state(&f->g) == REFGPU_STATE_IDLE)
			break;
		va = gpu_rd(&f->g, REFGPU_CTX_FAULT_LO);
		assert_true(va >= DST && va < DST + SIZE);
		gpu_map(&f->g, va, va - DST + SIZE, 4096, RW);
		/* Not the last one: a histogram's two must be there at once. */
		if (was && was != va && draw(&seed, 8) == 0) {
			uint64_t off = draw(&seed, SIZE / 4096) * 4096ull;

			if (DST + off != va && DST + off != was) {
				atomic_store(gpu_pte(&f->g, DST + off), 0);
				gpu_invalidate(&f->g, DST + off, 1);
			}
		}
		times++;
		gpu_wr(&f->g, REFGPU_CTX_RESUME, 1);
	}
	for (uint64_t page = 0; page < SIZE; page += 4096)
		gpu_map(&f->g, DST + page, SIZE + page, 4096, RW);
	return times;
}

static void test_identity(void **state)
{
	struct fixture *f = *state;
	uint8_t *want = malloc(SIZE);
	unsigned preemptions = 0, faults = 0;

	for (uint32_t seed = 1; seed <= 6; seed++) {
		memory(f, seed);
		stream(f, seed);
		gpu_run(&f->g);
		memcpy(want, f->rig.vram + SIZE, SIZE);

		memory(f, seed);
		stream(f, seed);
		preemptions += preempted(f, seed);
		assert_int_equal(gpu_head(&f->g), f->g.tail);
		assert_memory_equal(f->rig.vram + SIZE, want, SIZE);
		eng_wr(f, REFGPU_ENG_MODE, REFGPU_MODE_ARBITER);

		memory(f, seed);
		stream(f, seed);
		faults += faulted(f, seed);
		assert_int_equal(gpu_head(&f->g), f->g.tail);
		assert_memory_equal(f->rig.vram + SIZE, want, SIZE);
	}
	print_message("%u preemptions, %u faults\n", preemptions, faults);
	assert_true(preemptions > 20 && faults > 500);
	free(want);
}

/* ------------------------------------------------------------------ */
/* Progress that a host reads and writes                               */
/* ------------------------------------------------------------------ */

static void host_context(struct gpu *g, struct rig *rig, unsigned ctx)
{
	gpu_open_sized(g, rig, ctx, REFGPU_ENGINE_RENDER, 4096,
		       REFGPU_CTX_HOST_RING);
	gpu_map(g, SRC, 0, SIZE, RW);
	gpu_map(g, DST, SIZE, SIZE, RW);
}

/* DONE says where the fault is, and another context goes on from there. */
static void test_progress(void **state)
{
	struct fixture *f = *state;
	uint32_t *to = (uint32_t *)(f->rig.vram + SIZE);
	struct gpu a, b;

	memset(to, 0, SIZE);
	host_context(&a, &f->rig, 10);
	assert_int_equal(gpu_rd(&a, REFGPU_CTX_DONE_LO), 0);
	atomic_store(gpu_pte(&a, DST + 40960), 0);
	EMIT(&a, REFGPU_CMD(REFGPU_OP_FILL, 6), A(DST), A(SIZE), 5);
	gpu_kick(&a);
	WAIT_FOR(gpu_state(&a) == REFGPU_STATE_FAULT);
	assert_int_equal(gpu_rd(&a, REFGPU_CTX_DONE_LO), 40960);
	assert_int_equal(gpu_rd(&a, REFGPU_CTX_DONE_HI), 0);
	/* It has run, and is not written any more. */
	gpu_wr(&a, REFGPU_CTX_DONE_LO, 8);
	assert_int_equal(gpu_rd(&a, REFGPU_CTX_DONE_LO), 40960);

	host_context(&b, &f->rig, 11);
	EMIT(&b, REFGPU_CMD(REFGPU_OP_FILL, 6), A(DST), A(SIZE), 6);
	gpu_wr(&b, REFGPU_CTX_DONE_LO, 40960);
	assert_int_equal(gpu_rd(&b, REFGPU_CTX_DONE_LO), 40960);
	EMIT(&b, REFGPU_CMD(REFGPU_OP_FILL, 6), A(SRC), A(4096), 7);
	gpu_run(&b);
	assert_int_equal(to[40960 / 4 - 1], 5);
	assert_int_equal(to[40960 / 4], 6);
	assert_int_equal(to[SIZE / 4 - 1], 6);
	/* The second one was begun from its start. */
	assert_int_equal(*(uint32_t *)f->rig.vram, 7);
}

/* What no engine could have come to */
static void test_progress_of_nothing(void **state)
{
	struct fixture *f = *state;
	struct gpu g;

	for (unsigned i = 0; i < 4; i++) {
		memory(f, 1);
		host_context(&g, &f->rig, 12);
		for (unsigned k = REFGPU_CTX_DONE_LO; k <= REFGPU_CTX_PART;
		     k += 4)
			gpu_wr(&g, k, i == 0 ? 2 : ~0u - i);
		if (i < 2)
			EMIT(&g, REFGPU_CMD(REFGPU_OP_FILL, 6), A(DST), A(SIZE),
			     9);
		else if (i == 2)
			EMIT(&g, REFGPU_CMD(REFGPU_OP_DISPATCH, 11),
			     REFGPU_KERNEL_SAXPY, 9, 1, 1, 60001, f32(1),
			     A(SRC), A(DST));
		else
			EMIT(&g, REFGPU_CMD(REFGPU_OP_COPY, 7), A(DST), A(SRC),
			     A(SIZE));
		gpu_kick(&g);
		if (i < 2)
			WAIT_FOR(gpu_rd(&g, REFGPU_CTX_ERROR) ==
				 REFGPU_ERROR_ARGUMENT);
		else
			gpu_wait(&g);
		gpu_close(&g);
		assert_int_equal(gpu_rd(&g, REFGPU_CTX_DONE_LO), 0);
	}
	/* Not of one whose ring its own commands reach */
	gpu_wr(&f->g, REFGPU_CTX_PART, 4);
	assert_int_equal(gpu_rd(&f->g, REFGPU_CTX_PART), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_identity, setup, teardown),
		cmocka_unit_test_setup_teardown(test_progress, setup, teardown),
		cmocka_unit_test_setup_teardown(test_progress_of_nothing, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
