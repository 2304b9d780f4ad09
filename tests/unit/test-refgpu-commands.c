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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_identity, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fence, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fill, setup, teardown),
		cmocka_unit_test_setup_teardown(test_copy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_irq, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
