/* SPDX-License-Identifier: MIT */
/* Each command of the reference GPU by itself, against plain C. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>

#include "refgpu-rig.h"

#define DATA 0x40000000ull /* VA: VRAM from 0 on, 4 MiB */
#define SYS  0x50000000ull /* VA: system memory from 0 on, 4 MiB */
#define SIZE (4ull << 20)

struct fixture {
	struct rig rig;
	struct gpu g;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	rig_start(&f->rig);
	gpu_open(&f->g, &f->rig, 3, REFGPU_ENGINE_RENDER);
	gpu_map(&f->g, DATA, 0, SIZE, RW);
	gpu_map(&f->g, SYS, RIG_BUS, SIZE, RW | REFGPU_PTE_SYSTEM);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(atomic_load(&f->rig.inside), 0);
	rig_stop(&f->rig);
	free(f);
	return 0;
}

static uint64_t u64_at(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

static void test_identity(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(rd(&f->rig, REFGPU_ID), REFGPU_ID_VALUE);
	assert_int_equal(rd(&f->rig, REFGPU_CONTEXTS), RIG_CONTEXTS);
	assert_int_equal(rd(&f->rig, REFGPU_CAPS),
			 REFGPU_CAP_HOST | REFGPU_CAP_DISPLAY);
	assert_int_equal(rd(&f->rig, REFGPU_VRAM_SIZE_LO), RIG_VRAM);
	assert_int_equal(rd(&f->rig, 2), 0xffffffff);
	assert_int_equal(rd(&f->rig, REFGPU_REGS_SIZE), 0xffffffff);
	assert_int_equal(
		rd(&f->rig, REFGPU_CTX(RIG_CONTEXTS, REFGPU_CTX_CONTROL)), 0);
}

static void test_fence(void **state)
{
	struct fixture *f = *state;

	EMIT(&f->g, REFGPU_CMD(REFGPU_OP_NOP, 1));
	EMIT(&f->g, REFGPU_CMD(REFGPU_OP_FENCE, 5), A(DATA + 64), 7, 9);
	EMIT(&f->g, REFGPU_CMD(REFGPU_OP_NOP, 3), ~0u, ~0u);
	gpu_run(&f->g);
	assert_int_equal(u64_at(f->rig.vram + 64), 7 | 9ull << 32);
	assert_int_equal(gpu_rd(&f->g, REFGPU_CTX_HEAD), f->g.tail);
	WAIT_FOR(gpu_state(&f->g) == REFGPU_STATE_IDLE);
}

static void test_fill(void **state)
{
	struct fixture *f = *state;
	const uint64_t n = 1 << 20;

	EMIT(&f->g, REFGPU_CMD(REFGPU_OP_FILL, 6), A(DATA + 4), A(n),
	     0x12345678);
	EMIT(&f->g, REFGPU_CMD(REFGPU_OP_FILL, 6), A(SYS + 4092), A(8), 5);
	EMIT(&f->g, REFGPU_CMD(REFGPU_OP_FILL, 6), A(SYS), A(0), 5);
	gpu_run(&f->g);
	assert_int_equal(u64_at(f->rig.vram), 0x1234567800000000ull);
	for (uint64_t i = 4; i < n + 4; i += 4)
		assert_int_equal(*(uint32_t *)(f->rig.vram + i), 0x12345678);
	assert_int_equal(*(uint32_t *)(f->rig.vram + n + 4), 0);
	assert_int_equal(u64_at(f->rig.system + 4092), 5 | 5ull << 32);
	assert_int_equal(u64_at(f->rig.system), 0);
}

static void test_copy(void **state)
{
	struct fixture *f = *state;
	const size_t n = 300001;

	for (size_t i = 0; i < n; i++)
		f->rig.vram[i + 13] = (uint8_t)(i * 7 + (i >> 9));
	EMIT(&f->g, REFGPU_CMD(REFGPU_OP_COPY, 7), A(SYS + 777), A(DATA + 13),
	     A(n));
	gpu_run(&f->g);
	assert_memory_equal(f->rig.system + 777, f->rig.vram + 13, n);
	assert_int_equal(f->rig.system[776], 0);
	assert_int_equal(f->rig.system[777 + n], 0);
}

static void test_irq(void **state)
{
	struct fixture *f = *state;

	wr(&f->rig, REFGPU_IRQ_ENABLE, REFGPU_IRQ_EVENT);
	EMIT(&f->g, REFGPU_CMD(REFGPU_OP_IRQ, 2), 0xc0de);
	gpu_run(&f->g);
	assert_int_equal(gpu_rd(&f->g, REFGPU_CTX_EVENT), REFGPU_EVENT_USER);
	assert_int_equal(gpu_rd(&f->g, REFGPU_CTX_COOKIE), 0xc0de);
	assert_int_equal(rd(&f->rig, REFGPU_CTX_EVENTS(0)), 1u << 3);
	assert_int_equal(rd(&f->rig, REFGPU_IRQ_STATUS), REFGPU_IRQ_EVENT);
	WAIT_FOR(atomic_load(&f->rig.irqs[REFGPU_VECTOR_EVENT]) == 1);
	wr(&f->rig, REFGPU_IRQ_STATUS, REFGPU_IRQ_EVENT);
	gpu_wr(&f->g, REFGPU_CTX_EVENT, REFGPU_EVENT_USER);
	assert_int_equal(rd(&f->rig, REFGPU_IRQ_STATUS), 0);
	assert_int_equal(rd(&f->rig, REFGPU_CTX_EVENTS(0)), 0);
}

static void test_semaphores(void **state)
{
	struct fixture *f = *state;
	struct gpu other;

	gpu_open(&other, &f->rig, 5, REFGPU_ENGINE_COPY);
	gpu_map(&other, DATA, 0, SIZE, RW);
	EMIT(&f->g, REFGPU_CMD(REFGPU_OP_SEM_WAIT, 5), A(DATA), A(3));
	EMIT(&f->g, REFGPU_CMD(REFGPU_OP_FENCE, 5), A(DATA + 8), A(1));
	gpu_kick(&f->g);
	WAIT_FOR(gpu_state(&f->g) == REFGPU_STATE_WAITING);
	EMIT(&other, REFGPU_CMD(REFGPU_OP_SEM_ADD, 5), A(DATA), A(2));
	gpu_run(&other);
	assert_int_equal(u64_at(f->rig.vram + 8), 0);
	EMIT(&other, REFGPU_CMD(REFGPU_OP_SEM_ADD, 5), A(DATA), A(1));
	gpu_run(&other);
	gpu_wait(&f->g);
	assert_int_equal(u64_at(f->rig.vram), 3);
	assert_int_equal(u64_at(f->rig.vram + 8), 1);
}

/* Neither a fence nor a doorbell: the processor stores. */
static void test_semaphore_is_polled(void **state)
{
	struct fixture *f = *state;

	EMIT(&f->g, REFGPU_CMD(REFGPU_OP_SEM_WAIT, 5), A(DATA), ~0u, ~0u);
	gpu_kick(&f->g);
	WAIT_FOR(gpu_state(&f->g) == REFGPU_STATE_WAITING);
	atomic_store((_Atomic uint64_t *)f->rig.vram, ~0ull);
	gpu_wait(&f->g);
}

static void test_timestamp(void **state)
{
	struct fixture *f = *state;
	uint64_t t[2], before, after, time;

	before = rd(&f->rig, REFGPU_TIME_LO);
	before |= (uint64_t)rd(&f->rig, REFGPU_TIME_HI) << 32;
	EMIT(&f->g, REFGPU_CMD(REFGPU_OP_DISPATCH, 7), REFGPU_KERNEL_SPIN, 1, 1,
	     1, A(2000000));
	/* Over the border of two pages */
	EMIT(&f->g, REFGPU_CMD(REFGPU_OP_TIMESTAMP, 3), A(DATA + 4088));
	gpu_run(&f->g);
	after = rd(&f->rig, REFGPU_TIME_LO);
	after |= (uint64_t)rd(&f->rig, REFGPU_TIME_HI) << 32;
	time = gpu_rd(&f->g, REFGPU_CTX_TIME_LO);
	memcpy(t, f->rig.vram + 4088, 16);
	assert_true(t[0] >= before + 2000000 && t[0] <= after);
	/* By the engine's clock, which may have stood meanwhile */
	assert_true(t[1] > 0 && t[1] <= time);
}

/* A command may wrap at any dword of the ring. */
static void test_ring_wraps(void **state)
{
	struct fixture *f = *state;

	for (uint32_t i = 1; i <= 3000; i++) {
		EMIT(&f->g, REFGPU_CMD(REFGPU_OP_FENCE, 5), A(DATA), A(i));
		if (i % 7 == 0)
			EMIT(&f->g, REFGPU_CMD(REFGPU_OP_NOP, 2), 0);
		if (i % 3 == 0)
			gpu_kick(&f->g);
	}
	gpu_run(&f->g);
	assert_int_equal(u64_at(f->rig.vram), 3000);
}

static void put(struct fixture *f, uint64_t at, const uint32_t *d, size_t n)
{
	memcpy(f->rig.vram + at, d, n * 4);
}

#define PUT(f, at, ...)                                                        \
	do {                                                                   \
		const uint32_t d_[] = { __VA_ARGS__ };                         \
		put(f, at, d_, sizeof(d_) / sizeof(d_[0]));                    \
	} while (0)

static void test_batches(void **state)
{
	struct fixture *f = *state;

	/* Outer at 4096 - 8: over pages; it ends with END before its length */
	PUT(f, 4088, REFGPU_CMD(REFGPU_OP_FENCE, 5), A(DATA), A(1),
	    REFGPU_CMD(REFGPU_OP_BATCH, 4), A(DATA + 8192), 5,
	    REFGPU_CMD(REFGPU_OP_FENCE, 5), A(DATA + 16), A(3),
	    REFGPU_CMD(REFGPU_OP_END, 1), 0, 0);
	PUT(f, 8192, REFGPU_CMD(REFGPU_OP_FENCE, 5), A(DATA + 8), A(2));
	EMIT(&f->g, REFGPU_CMD(REFGPU_OP_BATCH, 4), A(DATA + 4088), 17);
	EMIT(&f->g, REFGPU_CMD(REFGPU_OP_FENCE, 5), A(DATA + 24), A(4));
	gpu_run(&f->g);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(u64_at(f->rig.vram + 8 * i), i + 1);
}

/* ------------------------------------------------------------------ */
/* Errors                                                              */
/* ------------------------------------------------------------------ */

struct bad {
	const char *what;
	enum refgpu_error error;
	unsigned engine;
	uint32_t n;
	uint32_t d[44];
};

#define SPIN	    REFGPU_KERNEL_SPIN
#define DISPATCH(n) REFGPU_CMD(REFGPU_OP_DISPATCH, n)
static const struct bad bad[] = {
	{ "no opcode", REFGPU_ERROR_COMMAND, 0, 1, { 1 } },
	{ "length 0", REFGPU_ERROR_COMMAND, 0, 1, { 0x01000000 } },
	{ "flags", REFGPU_ERROR_COMMAND, 0, 1, { 0x01010001 } },
	{ "cut off", REFGPU_ERROR_COMMAND, 0, 1, { 0x04000005 } },
	{ "long", REFGPU_ERROR_COMMAND, 0, 6, { 0x04000006 } },
	{ "end", REFGPU_ERROR_COMMAND, 0, 1, { 0x03000001 } },
	{ "long dispatch",
	  REFGPU_ERROR_COMMAND,
	  0,
	  38,
	  { DISPATCH(38), SPIN } },
	{ "reg write", REFGPU_ERROR_PRIVILEGED, 0, 3, { 0xe0000003 } },
	{ "phys copy", REFGPU_ERROR_PRIVILEGED, 0, 7, { 0xe1000007 } },
	{ "rect", REFGPU_ERROR_ENGINE, 1, 7, { 0x20000007 } },
	{ "dispatch", REFGPU_ERROR_ENGINE, 1, 5, { DISPATCH(5) } },
	{ "fence at 4", REFGPU_ERROR_ARGUMENT, 0, 5, { 0x04000005, 4 } },
	{ "time at 4", REFGPU_ERROR_ARGUMENT, 0, 3, { 0x08000003, 4 } },
	{ "fill at 2", REFGPU_ERROR_ARGUMENT, 0, 6, { 0x10000006, 2 } },
	{ "fill 2", REFGPU_ERROR_ARGUMENT, 0, 6, { 0x10000006, 0, 0, 2 } },
	{ "copy much",
	  REFGPU_ERROR_ARGUMENT,
	  0,
	  7,
	  { 0x11000007, 0, 0, 0, 0, 1, 1 } },
	{ "empty batch", REFGPU_ERROR_ARGUMENT, 0, 4, { 0x02000004 } },
	{ "batch at 2", REFGPU_ERROR_ARGUMENT, 0, 4, { 0x02000004, 2, 0, 1 } },
	{ "batch", REFGPU_ERROR_ARGUMENT, 0, 4, { 0x02000004, 0, 0, 16385 } },
	{ "rect stride", REFGPU_ERROR_ARGUMENT, 0, 7, { 0x20000007, 0, 0, 6 } },
	{ "rect at",
	  REFGPU_ERROR_ARGUMENT,
	  0,
	  7,
	  { 0x20000007, 0, 0, 4, 16384 } },
	{ "rect over",
	  REFGPU_ERROR_ARGUMENT,
	  0,
	  7,
	  { 0x20000007, 0, 0, 4, 16000, 385 } },
	{ "blend over",
	  REFGPU_ERROR_ARGUMENT,
	  0,
	  10,
	  { 0x2200000a, 0, 0, 4, 0, 0, 4, 0, 0, 0x40000000 } },
	{ "no kernel",
	  REFGPU_ERROR_ARGUMENT,
	  0,
	  5,
	  { DISPATCH(5), 0, 1, 1, 1 } },
	{ "kernel 99",
	  REFGPU_ERROR_ARGUMENT,
	  0,
	  5,
	  { DISPATCH(5), 99, 1, 1, 1 } },
	{ "arguments",
	  REFGPU_ERROR_ARGUMENT,
	  0,
	  6,
	  { DISPATCH(6), SPIN, 1, 1, 1 } },
	{ "no groups",
	  REFGPU_ERROR_ARGUMENT,
	  0,
	  7,
	  { DISPATCH(7), SPIN, 1, 0, 1 } },
	{ "groups",
	  REFGPU_ERROR_ARGUMENT,
	  0,
	  7,
	  { DISPATCH(7), SPIN, 1, 1, 65537 } },
	{ "saxpy at 2",
	  REFGPU_ERROR_ARGUMENT,
	  0,
	  11,
	  { DISPATCH(11), 1, 1, 1, 1, 1, 0, 2 } },
	{ "sgemm k",
	  REFGPU_ERROR_ARGUMENT,
	  0,
	  19,
	  { DISPATCH(19), 2, 1, 1, 1, 1, 1, 4097 } },
	{ "mandelbrot",
	  REFGPU_ERROR_ARGUMENT,
	  0,
	  19,
	  { DISPATCH(19), 3, 1, 1, 1, 0, 0, 4, 1, 1, 4097 } },
};

static void test_errors(void **state)
{
	struct fixture *f = *state;
	struct gpu g;

	gpu_open(&g, &f->rig, 7, 0);
	gpu_map(&g, DATA, 0, SIZE, RW);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		gpu_close(&g);
		gpu_enable(&g, bad[i].engine, 0, RIG_RING_VA, RIG_CTL_VA);
		EMIT(&g, REFGPU_CMD(REFGPU_OP_NOP, 1));
		gpu_emit(&g, bad[i].d, bad[i].n);
		gpu_kick(&g);
		WAIT_FOR(gpu_state(&g) == REFGPU_STATE_ERROR);
		if (gpu_rd(&g, REFGPU_CTX_ERROR) != bad[i].error)
			fail_msg("%s: %u", bad[i].what,
				 gpu_rd(&g, REFGPU_CTX_ERROR));
		assert_int_equal(gpu_rd(&g, REFGPU_CTX_HEAD), 4);
		assert_int_equal(gpu_head(&g), 4);
		assert_int_equal(gpu_rd(&g, REFGPU_CTX_EVENT),
				 REFGPU_EVENT_ERROR);
		/* It stands. */
		gpu_wr(&g, REFGPU_CTX_RESUME, 1);
		refgpu_hw_doorbell(f->rig.hw, 7);
		assert_int_equal(gpu_state(&g), REFGPU_STATE_ERROR);
	}
	gpu_close(&g);
	assert_int_equal(gpu_state(&g), REFGPU_STATE_OFF);
	assert_int_equal(gpu_rd(&g, REFGPU_CTX_ERROR), 0);
	assert_int_equal(gpu_rd(&g, REFGPU_CTX_EVENT), 0);
	assert_int_equal(rd(&f->rig, REFGPU_CTX_EVENTS(0)), 0);
}

static void expect_error(struct gpu *g, enum refgpu_error error)
{
	gpu_kick(g);
	WAIT_FOR(gpu_state(g) == REFGPU_STATE_ERROR);
	assert_int_equal(gpu_rd(g, REFGPU_CTX_ERROR), error);
	assert_int_equal(gpu_rd(g, REFGPU_CTX_HEAD), 0);
}

static void test_errors_in_batches(void **state)
{
	struct fixture *f = *state;

	/* Three deep */
	PUT(f, 0, REFGPU_CMD(REFGPU_OP_BATCH, 4), A(DATA + 64), 4);
	PUT(f, 64, REFGPU_CMD(REFGPU_OP_BATCH, 4), A(DATA + 128), 1);
	PUT(f, 128, REFGPU_CMD(REFGPU_OP_NOP, 1));
	EMIT(&f->g, REFGPU_CMD(REFGPU_OP_BATCH, 4), A(DATA), 4);
	expect_error(&f->g, REFGPU_ERROR_NESTING);
	/* Cut off by the batch's end */
	gpu_close(&f->g);
	gpu_enable(&f->g, 0, 0, RIG_RING_VA, RIG_CTL_VA);
	PUT(f, 0, REFGPU_CMD(REFGPU_OP_NOP, 2));
	EMIT(&f->g, REFGPU_CMD(REFGPU_OP_BATCH, 4), A(DATA), 1);
	expect_error(&f->g, REFGPU_ERROR_COMMAND);
}

static void test_bad_rings(void **state)
{
	struct fixture *f = *state;
	static const struct {
		uint64_t ring, ctl;
		uint32_t size;
	} no[] = {
		{ RIG_RING_VA + 4, RIG_CTL_VA, 4096 },
		{ RIG_RING_VA, RIG_CTL_VA + 64, 4096 },
		{ RIG_RING_VA, RIG_CTL_VA, 2048 },
		{ RIG_RING_VA, RIG_CTL_VA, 12288 },
		{ RIG_RING_VA, RIG_CTL_VA, 2 << 20 },
		{ REFGPU_VA_SIZE - 4096, RIG_CTL_VA, 8192 },
		{ ~0ull << 12, RIG_CTL_VA, 4096 },
		{ RIG_RING_VA, REFGPU_VA_SIZE, 4096 },
	};

	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		gpu_close(&f->g);
		f->g.ring_size = no[i].size;
		gpu_enable(&f->g, 0, 0, no[i].ring, no[i].ctl);
		assert_int_equal(gpu_state(&f->g), REFGPU_STATE_ERROR);
		assert_int_equal(gpu_rd(&f->g, REFGPU_CTX_ERROR),
				 REFGPU_ERROR_RING);
	}
	gpu_close(&f->g);
	f->g.ring_size = 4096;
	gpu_enable(&f->g, 2, 0, RIG_RING_VA, RIG_CTL_VA);
	assert_int_equal(gpu_rd(&f->g, REFGPU_CTX_ERROR), REFGPU_ERROR_ENGINE);
	for (uint32_t tail = 4095; tail <= 4096; tail++) {
		gpu_close(&f->g);
		gpu_enable(&f->g, 0, 0, RIG_RING_VA, RIG_CTL_VA);
		f->g.tail = tail;
		expect_error(&f->g, REFGPU_ERROR_RING);
	}
}

/* What can be written only while ENABLE is 0 */
static void test_fixed_registers(void **state)
{
	struct fixture *f = *state;

	for (uint32_t r = REFGPU_CTX_ROOT_LO; r <= REFGPU_CTX_CTL_HI; r += 4) {
		uint32_t was = gpu_rd(&f->g, r);

		gpu_wr(&f->g, r, was ^ 0x1000);
		assert_int_equal(gpu_rd(&f->g, r), was);
	}
	gpu_wr(&f->g, REFGPU_CTX_CONTROL, REFGPU_CTX_ENABLE | REFGPU_CTX_PRIV);
	assert_int_equal(gpu_rd(&f->g, REFGPU_CTX_CONTROL), REFGPU_CTX_ENABLE);
	gpu_close(&f->g);
	assert_int_equal(gpu_rd(&f->g, REFGPU_CTX_RING_LO), RIG_RING_VA);
	gpu_wr(&f->g, REFGPU_CTX_RING_LO, 0x5000);
	assert_int_equal(gpu_rd(&f->g, REFGPU_CTX_RING_LO), 0x5000);
}

/* ------------------------------------------------------------------ */
/* Privileged                                                          */
/* ------------------------------------------------------------------ */

static void test_privileged(void **state)
{
	struct fixture *f = *state;
	uint64_t sys = (RIG_BUS + 8192) | REFGPU_PTE_VALID | REFGPU_PTE_SYSTEM;
	struct gpu g;

	gpu_open_sized(&g, &f->rig, 8, 1, 65536,
		       REFGPU_CTX_HOST_RING | REFGPU_CTX_PRIV);
	for (unsigned i = 0; i < 10000; i++)
		f->rig.vram[4096 + i] = (uint8_t)(i * 3);
	EMIT(&g, REFGPU_CMD(REFGPU_OP_PHYS_COPY, 7), A(sys),
	     A(4096 | REFGPU_PTE_VALID), A(10000));
	EMIT(&g, REFGPU_CMD(REFGPU_OP_REG_WRITE, 3), REFGPU_IRQ_ENABLE, 5);
	gpu_run(&g);
	assert_memory_equal(f->rig.system + 8192, f->rig.vram + 4096, 10000);
	assert_int_equal(rd(&f->rig, REFGPU_IRQ_ENABLE), 5);
	/* Those that would wait for the engine itself */
	EMIT(&g, REFGPU_CMD(REFGPU_OP_REG_WRITE, 3),
	     REFGPU_CTX(8, REFGPU_CTX_CONTROL), 0);
	gpu_kick(&g);
	WAIT_FOR(gpu_state(&g) == REFGPU_STATE_ERROR);
	assert_int_equal(gpu_rd(&g, REFGPU_CTX_ERROR), REFGPU_ERROR_ARGUMENT);
	/* Memory that is not there */
	gpu_close(&g);
	gpu_enable(&g, 1, REFGPU_CTX_HOST_RING | REFGPU_CTX_PRIV,
		   (uint64_t)((uint8_t *)g.ring - f->rig.vram),
		   (uint64_t)((uint8_t *)g.ctl - f->rig.vram));
	EMIT(&g, REFGPU_CMD(REFGPU_OP_PHYS_COPY, 7), A(sys),
	     A((RIG_MODULE - 4096) | REFGPU_PTE_VALID), A(8192));
	gpu_kick(&g);
	WAIT_FOR(gpu_state(&g) == REFGPU_STATE_FAULT);
	assert_int_equal(gpu_rd(&g, REFGPU_CTX_FAULT), REFGPU_FAULT_RESERVED);
	assert_int_equal(gpu_rd(&g, REFGPU_CTX_FAULT_LO), RIG_MODULE);
}

/* ------------------------------------------------------------------ */
/* Rectangles                                                          */
/* ------------------------------------------------------------------ */

#define STRIDE 4000u

static uint32_t blended(uint32_t s, uint32_t d)
{
	uint32_t out = 0;

	for (unsigned i = 0; i < 32; i += 8) {
		unsigned v = (d >> i & 255) * (255 - (s >> 24));

		v = (s >> i & 255) + (v + 127) / 255;
		out |= (v > 255 ? 255 : v) << i;
	}
	return out;
}

static void noise(void *p, size_t bytes, uint32_t seed)
{
	uint32_t *d = p;

	for (size_t i = 0; i < bytes / 4; i++) {
		seed = seed * 1664525 + 1013904223;
		d[i] = seed ^ seed >> 15;
	}
}

static void test_rectangles(void **state)
{
	struct fixture *f = *state;
	const unsigned x = 17, y = 5, w = 900, h = 300;
	uint32_t *a = malloc(SIZE), *vram = (uint32_t *)f->rig.vram;
	const uint32_t *src = (uint32_t *)f->rig.system;

	noise(vram, SIZE, 1);
	noise(f->rig.system, SIZE, 2);
	memcpy(a, vram, SIZE);
	EMIT(&f->g, REFGPU_CMD(REFGPU_OP_RECT_FILL, 7), A(DATA + 8), STRIDE,
	     x | y << 16, w | h << 16, 0xabcdef01);
	EMIT(&f->g, REFGPU_CMD(REFGPU_OP_RECT_COPY, 10), A(DATA), STRIDE,
	     A(SYS), STRIDE + 4, 3 | 400u << 16, 90 | 2u << 16, w | h << 16);
	EMIT(&f->g, REFGPU_CMD(REFGPU_OP_RECT_BLEND, 10), A(DATA + 4), STRIDE,
	     A(SYS), STRIDE, 3 | 200u << 16, 9 | 2u << 16, w | h << 16);
	EMIT(&f->g, REFGPU_CMD(REFGPU_OP_RECT_FILL, 7), A(DATA), STRIDE, 0,
	     0 | h << 16, 1);
	gpu_run(&f->g);
	for (unsigned j = 0; j < h; j++)
		for (unsigned i = 0; i < w; i++)
			a[2 + (y + j) * 1000 + x + i] = 0xabcdef01;
	for (unsigned j = 0; j < h; j++)
		memcpy(a + (400 + j) * 1000 + 3, src + (2 + j) * 1001 + 90,
		       w * 4);
	for (unsigned j = 0; j < h; j++)
		for (unsigned i = 0; i < w; i++) {
			uint32_t *d = &a[1 + (200 + j) * 1000 + 3 + i];

			*d = blended(src[(2 + j) * 1000 + 9 + i], *d);
		}
	assert_memory_equal(vram, a, SIZE);
	free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_identity, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fence, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fill, setup, teardown),
		cmocka_unit_test_setup_teardown(test_copy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_irq, setup, teardown),
		cmocka_unit_test_setup_teardown(test_semaphores, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_semaphore_is_polled, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_timestamp, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_ring_wraps, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_batches, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors_in_batches, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_bad_rings, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_fixed_registers, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_privileged, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_rectangles, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
