/* SPDX-License-Identifier: MIT */
/*
 * Page tables of the reference GPU: what is a fault and which, resuming, what
 * is remembered and forgotten, memory that is taken away.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <sched.h>

#include "refgpu-rig.h"

#define DATA  0x40000000ull
#define WRITE 0x100u /* of FAULT */

struct fixture {
	struct rig rig;
	struct gpu g;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	rig_start(&f->rig);
	gpu_open(&f->g, &f->rig, 1, REFGPU_ENGINE_COPY);
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

static void expect_fault(struct gpu *g, uint64_t va, uint32_t why)
{
	WAIT_FOR(gpu_state(g) == REFGPU_STATE_FAULT);
	assert_int_equal(gpu_rd(g, REFGPU_CTX_FAULT), why);
	assert_int_equal(gpu_rd(g, REFGPU_CTX_FAULT_LO), LO(va));
	assert_int_equal(gpu_rd(g, REFGPU_CTX_FAULT_HI), HI(va));
	assert_int_equal(gpu_rd(g, REFGPU_CTX_EVENT), REFGPU_EVENT_FAULT);
	gpu_wr(g, REFGPU_CTX_EVENT, REFGPU_EVENT_FAULT);
}

static void resume(struct gpu *g)
{
	gpu_wr(g, REFGPU_CTX_RESUME, 1);
}

/* A fence at DATA faults so, then is mended to be a page of VRAM. */
static void fence_faults(struct gpu *g, uint32_t why)
{
	EMIT(g, REFGPU_CMD(REFGPU_OP_FENCE, 5), A(DATA), A(1));
	gpu_kick(g);
	expect_fault(g, DATA, why);
	assert_int_not_equal(gpu_head(g), g->tail);
}

static void test_invalid(void **state)
{
	struct fixture *f = *state;
	struct gpu *g = &f->g;
	const uint64_t sys = REFGPU_PTE_SYSTEM, v = REFGPU_PTE_VALID;
	_Atomic uint64_t *root = rig_entry(&f->rig, g->root, DATA >> 30);
	_Atomic uint64_t *mid, *leaf;

	/* Level by level; each is mended, and the next one found. */
	fence_faults(g, REFGPU_FAULT_INVALID | WRITE);
	*root = rig_table(&f->rig, 4096) | v | REFGPU_PTE_WRITE;
	resume(g);
	expect_fault(g, DATA, REFGPU_FAULT_RESERVED | WRITE);
	*root = (RIG_MODULE + 4096) | v;
	resume(g);
	expect_fault(g, DATA, REFGPU_FAULT_RESERVED | WRITE);
	*root = (REFGPU_PTE_ADDR & ~4096ull) | v;
	resume(g);
	expect_fault(g, DATA, REFGPU_FAULT_RESERVED | WRITE);
	*root = 4096 | v | sys;
	resume(g);
	expect_fault(g, DATA, REFGPU_FAULT_BUS | WRITE);
	*root = rig_table(&f->rig, 4096) | v | REFGPU_PTE_SOFT;
	resume(g);
	expect_fault(g, DATA, REFGPU_FAULT_INVALID | WRITE);
	mid = gpu_mid(g, DATA);
	*mid = v | RW | REFGPU_PTE_HUGE | 4096;
	resume(g);
	expect_fault(g, DATA, REFGPU_FAULT_RESERVED | WRITE);
	*mid = v | RW;
	resume(g);
	expect_fault(g, DATA, REFGPU_FAULT_RESERVED | WRITE);
	*mid = rig_table(&f->rig, 4096) | v;
	leaf = gpu_pte(g, DATA);
	*leaf = RW; /* all but valid */
	resume(g);
	expect_fault(g, DATA, REFGPU_FAULT_INVALID | WRITE);
	for (unsigned bit = 0; bit < 64; bit++) {
		if (!(1ull << bit & (1ull << 63 | REFGPU_PTE_HUGE | 0x1e0)))
			continue;
		*leaf = RW | v | 1ull << bit;
		resume(g);
		expect_fault(g, DATA, REFGPU_FAULT_RESERVED | WRITE);
	}
	*leaf = v | REFGPU_PTE_READ;
	resume(g);
	expect_fault(g, DATA, REFGPU_FAULT_WRITE | WRITE);
	/* That was valid and is remembered, yet not held against it. */
	*leaf = v | REFGPU_PTE_WRITE | REFGPU_PTE_SOFT;
	resume(g);
	gpu_wait(g);
	EMIT(g, REFGPU_CMD(REFGPU_OP_SEM_ADD, 5), A(DATA), A(1));
	gpu_kick(g);
	expect_fault(g, DATA, REFGPU_FAULT_READ | WRITE);
	*leaf = v | RW;
	resume(g);
	gpu_wait(g);
	assert_int_equal(gpu_rd(g, REFGPU_CTX_FAULT), REFGPU_FAULT_NONE);
	assert_int_equal(gpu_rd(g, REFGPU_CTX_FAULT_LO), 0);
	assert_int_equal(*(uint64_t *)f->rig.vram, 2);
}

static void test_root(void **state)
{
	struct fixture *f = *state;
	struct gpu *g = &f->g;
	static const struct {
		uint64_t root;
		uint32_t why;
	} bad[] = {
		{ 0, REFGPU_FAULT_INVALID },
		{ REFGPU_PTE_VALID | REFGPU_PTE_READ, REFGPU_FAULT_RESERVED },
		{ REFGPU_PTE_VALID | 4096, REFGPU_FAULT_RESERVED },
		{ REFGPU_PTE_VALID | REFGPU_PTE_SYSTEM, REFGPU_FAULT_BUS },
		{ REFGPU_PTE_VALID | RIG_MODULE, REFGPU_FAULT_RESERVED },
		{ REFGPU_PTE_VALID | RIG_VRAM, REFGPU_FAULT_RESERVED },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		gpu_close(g);
		g->root = bad[i].root & ~REFGPU_PTE_VALID;
		gpu_enable(g, 1, 0, RIG_RING_VA, RIG_CTL_VA);
		if (!bad[i].root)
			gpu_close(g), gpu_wr(g, REFGPU_CTX_ROOT_LO, 0),
				gpu_wr(g, REFGPU_CTX_CONTROL,
				       REFGPU_CTX_ENABLE | 1 << 4);
		gpu_kick(g);
		expect_fault(g, RIG_CTL_VA, bad[i].why);
	}
}

static void test_addresses(void **state)
{
	struct fixture *f = *state;
	struct gpu *g = &f->g;
	const uint64_t end = REFGPU_VA_SIZE;
	static const uint64_t far[] = { REFGPU_VA_SIZE, ~0ull << 3,
					1ull << 63 };

	gpu_map(g, end - 4096, 0, 4096, RW);
	EMIT(g, REFGPU_CMD(REFGPU_OP_FILL, 6), A(end - 4096), A(4096), 5);
	gpu_run(g);
	EMIT(g, REFGPU_CMD(REFGPU_OP_FILL, 6), A(end - 8), A(16), 6);
	gpu_kick(g);
	expect_fault(g, end, REFGPU_FAULT_INVALID | WRITE);
	assert_int_equal(*(uint32_t *)(f->rig.vram + 4088), 6);
	assert_int_equal(*(uint32_t *)(f->rig.vram + 4084), 5);
	for (int i = 0; i < 3; i++) {
		gpu_close(g);
		gpu_enable(g, 1, 0, RIG_RING_VA, RIG_CTL_VA);
		EMIT(g, REFGPU_CMD(REFGPU_OP_FENCE, 5), A(far[i]), A(1));
		gpu_kick(g);
		expect_fault(g, far[i] & ~4095ull,
			     REFGPU_FAULT_INVALID | WRITE);
	}
}

/* A ring in system memory, tables too; the IOMMU says no, then yes. */
static void test_bus(void **state)
{
	struct fixture *f = *state;
	struct gpu *g = &f->g;
	uint64_t *leafs = (uint64_t *)(f->rig.system + 8192);
	const uint64_t sys = REFGPU_PTE_SYSTEM | REFGPU_PTE_VALID;

	*gpu_mid(g, DATA) = (RIG_BUS + 8192) | sys;
	leafs[0] = (RIG_BUS + 4096 * 5) | sys | RW;
	leafs[1] = (RIG_BUS + RIG_SYSTEM) | sys | RW;
	atomic_store(&f->rig.refused[2], true); /* the table */
	atomic_store(&f->rig.refused[5], true); /* the page */
	fence_faults(g, REFGPU_FAULT_BUS | WRITE);
	atomic_store(&f->rig.refused[2], false);
	resume(g);
	expect_fault(g, DATA, REFGPU_FAULT_BUS | WRITE);
	atomic_store(&f->rig.refused[5], false);
	resume(g);
	gpu_wait(g);
	assert_int_equal(*(uint64_t *)(f->rig.system + 4096 * 5), 1);
	EMIT(g, REFGPU_CMD(REFGPU_OP_FENCE, 5), A(DATA + 4096), A(1));
	gpu_kick(g);
	expect_fault(g, DATA + 4096, REFGPU_FAULT_BUS | WRITE);
}

/* Reading the ring, storing head: they fault like anything else. */
static void test_control_faults(void **state)
{
	struct fixture *f = *state;
	struct gpu *g = &f->g;
	uint64_t pte;

	gpu_map(g, DATA, 0, 4096, RW);
	pte = atomic_exchange(gpu_pte(g, RIG_CTL_VA), 0);
	gpu_invalidate(g, RIG_CTL_VA, 1);
	EMIT(g, REFGPU_CMD(REFGPU_OP_SEM_ADD, 5), A(DATA), A(1));
	gpu_kick(g);
	expect_fault(g, RIG_CTL_VA, REFGPU_FAULT_INVALID);
	/* Only for reading: the command is done, head can't be stored. */
	*gpu_pte(g, RIG_CTL_VA) = pte & ~REFGPU_PTE_WRITE;
	resume(g);
	expect_fault(g, RIG_CTL_VA, REFGPU_FAULT_WRITE | WRITE);
	assert_int_equal(gpu_rd(g, REFGPU_CTX_HEAD), 0);
	*gpu_pte(g, RIG_CTL_VA) = pte;
	resume(g);
	gpu_wait(g);
	assert_int_equal(*(uint64_t *)f->rig.vram, 1); /* and not twice */
	pte = atomic_exchange(gpu_pte(g, RIG_RING_VA), 0);
	gpu_invalidate(g, 0, 0);
	EMIT(g, REFGPU_CMD(REFGPU_OP_SEM_ADD, 5), A(DATA), A(1));
	gpu_kick(g);
	expect_fault(g, RIG_RING_VA, REFGPU_FAULT_INVALID);
	*gpu_pte(g, RIG_RING_VA) = pte;
	resume(g);
	gpu_wait(g);
	assert_int_equal(*(uint64_t *)f->rig.vram, 2);
}

/* Pages appear one by one, each after a fault: nothing is done twice. */
static void test_resume(void **state)
{
	struct fixture *f = *state;
	struct gpu g;
	float *y = (float *)f->rig.system;

	gpu_open(&g, &f->rig, 2, REFGPU_ENGINE_RENDER);
	gpu_map(&g, DATA, 0, 65536, REFGPU_PTE_READ);
	for (unsigned i = 0; i < 16384; i++)
		((float *)f->rig.vram)[i] = 1;
	EMIT(&g, REFGPU_CMD(REFGPU_OP_DISPATCH, 11), REFGPU_KERNEL_SAXPY, 1, 1,
	     1, 16384, f32(2), A(DATA), A(DATA + 0x100000 + 16));
	gpu_kick(&g);
	for (unsigned page = 0; page < 17; page++) {
		uint64_t va = DATA + 0x100000 + page * 4096;

		expect_fault(&g, va, REFGPU_FAULT_INVALID | WRITE);
		/* An entry that becomes valid needs no invalidate. */
		gpu_map(&g, va, RIG_BUS + page * 4096, 4096,
			RW | REFGPU_PTE_SYSTEM);
		resume(&g);
	}
	gpu_wait(&g);
	for (unsigned i = 0; i < 17 * 1024; i++)
		assert_true(y[i] == (i >= 4 && i < 16388 ? 2 : 0));
}

static void test_huge(void **state)
{
	struct fixture *f = *state;
	struct gpu *g = &f->g;

	gpu_map_huge(g, DATA, 4 << 20, RW);
	gpu_map_huge(g, DATA + REFGPU_HUGE, RIG_BUS + (2 << 20),
		     RW | REFGPU_PTE_SYSTEM);
	EMIT(g, REFGPU_CMD(REFGPU_OP_FILL, 6), A(DATA + 4), A((4 << 20) - 8),
	     0x77777777);
	gpu_run(g);
	assert_int_equal(*(uint32_t *)(f->rig.vram + (4 << 20)), 0);
	assert_int_equal(*(uint32_t *)(f->rig.vram + (6 << 20) - 4),
			 0x77777777);
	assert_int_equal(*(uint32_t *)(f->rig.system + (2 << 20)), 0x77777777);
	assert_int_equal(*(uint32_t *)(f->rig.system + (4 << 20) - 4), 0);
	/* A page of which VRAM has only the first half */
	refgpu_hw_vram_unplug(f->rig.hw, 0);
	assert_int_equal(
		refgpu_hw_vram_plug(f->rig.hw, 0, f->rig.vram, 5 << 20), 0);
	assert_int_equal(refgpu_hw_vram_plug(f->rig.hw, 6 << 20,
					     f->rig.vram + (6 << 20),
					     RIG_MODULE - (6 << 20)),
			 0);
	EMIT(g, REFGPU_CMD(REFGPU_OP_FILL, 6), A(DATA), A(2 << 20), 1);
	gpu_kick(g);
	expect_fault(g, DATA + (1 << 20), REFGPU_FAULT_RESERVED | WRITE);
	assert_int_equal(*(uint32_t *)(f->rig.vram + (5 << 20) - 4), 1);
	assert_int_equal(*(uint32_t *)(f->rig.vram + (5 << 20)), 0x77777777);
}

static void test_invalidate_command(void **state)
{
	struct fixture *f = *state;
	struct gpu *g = &f->g;

	gpu_map(g, DATA, 0, 4096, RW);
	EMIT(g, REFGPU_CMD(REFGPU_OP_FENCE, 5), A(DATA), A(1));
	gpu_run(g);
	*gpu_pte(g, DATA) = 8192 | RW | REFGPU_PTE_VALID;
	EMIT(g, REFGPU_CMD(REFGPU_OP_INVALIDATE, 4), A(DATA), 1);
	EMIT(g, REFGPU_CMD(REFGPU_OP_FENCE, 5), A(DATA), A(2));
	gpu_run(g);
	assert_int_equal(*(uint64_t *)f->rig.vram, 1);
	assert_int_equal(*(uint64_t *)(f->rig.vram + 8192), 2);
}

/* Two contexts with the same addresses and other memory */
static void test_contexts_apart(void **state)
{
	struct fixture *f = *state;
	struct gpu g[2];

	for (unsigned i = 0; i < 2; i++) {
		gpu_open(&g[i], &f->rig, 10 + i, REFGPU_ENGINE_COPY);
		gpu_map(&g[i], DATA, 4096 * i, 4096, RW);
	}
	for (unsigned n = 0; n < 400; n++) {
		EMIT(&g[n % 2], REFGPU_CMD(REFGPU_OP_SEM_ADD, 5), A(DATA),
		     A(1 + n % 2));
		gpu_run(&g[n % 2]);
	}
	assert_int_equal(*(uint64_t *)f->rig.vram, 200);
	assert_int_equal(*(uint64_t *)(f->rig.vram + 4096), 400);
}

/* ------------------------------------------------------------------ */
/* Taking away                                                         */
/* ------------------------------------------------------------------ */

/* A stream of fills that ends only when a dword says so. */
static void keep_busy(struct gpu *g, uint64_t va, uint32_t bytes)
{
	gpu_map(g, DATA, RIG_BUS + RIG_SYSTEM - 8192, 4096,
		RW | REFGPU_PTE_SYSTEM);
	for (unsigned i = 0; i < 30; i++)
		EMIT(g, REFGPU_CMD(REFGPU_OP_FILL, 6), A(va), A(bytes),
		     0x11111111);
	gpu_kick(g);
}

/* After the invalidate returns the old page is not written any more. */
static void test_invalidate_races(void **state)
{
	struct fixture *f = *state;
	struct gpu *g = &f->g;
	const uint64_t va = DATA + 0x200000;
	uint8_t *page = f->rig.vram, *other = f->rig.vram + 65536;

	for (unsigned round = 0; round < 120; round++) {
		uint32_t head;

		gpu_map(g, va, 0, 65536, RW);
		gpu_invalidate(g, 0, 0);
		head = gpu_head(g);
		keep_busy(g, va, 65536);
		WAIT_FOR(gpu_head(g) != head);
		gpu_map(g, va, 65536, 65536, RW);
		gpu_invalidate(g, va, 16);
		/* It is ours now. */
		memset(page, 0, 65536);
		gpu_wait(g);
		for (unsigned i = 0; i < 65536; i++)
			assert_int_equal(page[i], 0);
		memset(other, 0, 65536);
	}
}

/* The module goes while its memory is written: it may be freed at once. */
static void test_unplug_races(void **state)
{
	struct fixture *f = *state;
	struct gpu *g = &f->g;
	const uint64_t va = DATA + 0x200000, size = 1 << 20;
	const uint64_t at = RIG_MODULE + (2 << 20);
	unsigned written = 0;

	gpu_map(g, va, at, size, RW);
	for (unsigned round = 0; round < 100; round++) {
		uint8_t *module = aligned_alloc(4096, size);
		uint32_t head = gpu_head(g);

		assert_non_null(module);
		memset(module, 0, size);
		assert_int_equal(
			refgpu_hw_vram_plug(f->rig.hw, at, module, size), 0);
		assert_int_equal(
			refgpu_hw_vram_plug(f->rig.hw, at, module, 4096),
			-EEXIST);
		if (gpu_state(g) == REFGPU_STATE_FAULT)
			resume(g);
		else
			keep_busy(g, va, size);
		/* One is done, wholly or the rest of it. */
		WAIT_FOR(gpu_head(g) != head);
		refgpu_hw_vram_unplug(f->rig.hw, at);
		written += *(uint32_t *)(module + size - 4) == 0x11111111;
		free(module);
		WAIT_FOR(gpu_state(g) != REFGPU_STATE_RUNNING &&
			 gpu_state(g) != REFGPU_STATE_READY);
	}
	assert_int_equal(written, 100);
}

static void test_modules(void **state)
{
	struct fixture *f = *state;
	struct refgpu_hw *hw = f->rig.hw;
	uint8_t *p = f->rig.vram;

	assert_int_equal(refgpu_hw_vram_plug(hw, 4096, p, 4096), -EEXIST);
	assert_int_equal(refgpu_hw_vram_plug(hw, RIG_MODULE - 4096, p, 8192),
			 -EEXIST);
	assert_int_equal(refgpu_hw_vram_plug(hw, RIG_VRAM - 4096, p, 8192),
			 -EINVAL);
	assert_int_equal(refgpu_hw_vram_plug(hw, RIG_MODULE + 1, p, 4096),
			 -EINVAL);
	assert_int_equal(refgpu_hw_vram_plug(hw, ~4095ull, p, 8192), -EINVAL);
	assert_int_equal(refgpu_hw_vram_plug(hw, RIG_VRAM - 4096, p, 4096), 0);
	assert_int_equal(refgpu_hw_vram_plug(hw, RIG_MODULE, p + 4096, 4096),
			 0);
	assert_ptr_equal(refgpu_hw_vram_ptr(hw, RIG_VRAM - 1, 1), p + 4095);
	assert_null(refgpu_hw_vram_ptr(hw, RIG_VRAM - 1, 2));
	assert_null(refgpu_hw_vram_ptr(hw, RIG_MODULE - 1, 2));
	assert_null(refgpu_hw_vram_ptr(hw, RIG_MODULE + 4096, 1));
	refgpu_hw_vram_unplug(hw, RIG_MODULE + 4096); /* nothing there */
	refgpu_hw_vram_unplug(hw, RIG_MODULE);
	assert_null(refgpu_hw_vram_ptr(hw, RIG_MODULE, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
		TEST(test_invalid),	   TEST(test_root),
		TEST(test_addresses),	   TEST(test_bus),
		TEST(test_control_faults), TEST(test_resume),
		TEST(test_huge),	   TEST(test_invalidate_command),
		TEST(test_contexts_apart), TEST(test_invalidate_races),
		TEST(test_unplug_races),   TEST(test_modules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
