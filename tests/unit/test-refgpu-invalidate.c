/* SPDX-License-Identifier: MIT */
/*
 * INVALIDATE, in a stream and by register: what comes before it and behind, and
 * when it need not wait (drivers/refgpu/instance/early.c).
 */
#include "refgpu-guest.h"

static void invalidate_is_in_order(void **state)
{
	struct guest *g = *state;
	uint64_t va = 300 * PAGE;

	fence(g, va, 1);
	ring(g);
	rig_settle(g->core);
	/* Moved, and told so in the ring, behind a command that uses it */
	fence(g, va + 8, 2);
	EMIT(g, REFGPU_CMD(REFGPU_OP_INVALIDATE, 4), (uint32_t)va, 0, 1);
	fence(g, va, 3);
	ring(g);
	assert_int_equal(g->core->n_jobs, 1);
	rig_ram64(g->core, LEAF, 300, sysmem(FIRST + 301) | RW);
	rig_settle(g->core);
	assert_int_equal(at(g, 300 * PAGE), 1);
	assert_int_equal(at(g, 300 * PAGE + 8), 2);
	assert_int_equal(at(g, 301 * PAGE), 3);
	assert_int_equal(ctx(g, REFGPU_CTX_STATE), REFGPU_STATE_IDLE);
	assert_int_equal(ctl(g)->head, g->tail);
	assert_int_equal(g->core->waits, 0);

	/* By register, with nothing under way */
	rig_ram64(g->core, LEAF, 300, sysmem(FIRST + 302) | RW);
	rig_write64(g->core, REFGPU_CTX(0, REFGPU_CTX_INV_LO), va);
	rig_write(g->core, REFGPU_CTX(0, REFGPU_CTX_INV_PAGES), 1);
	fence(g, va, 4);
	ring(g);
	/* With a job under way: done on return */
	rig_ram64(g->core, LEAF, 300, 0);
	rig_write(g->core, REFGPU_CTX(0, REFGPU_CTX_INV_PAGES), 1);
	assert_null(rig_hw(g->core, 0, va, true));
	rig_finish(g->core);
	assert_int_equal(ctx(g, REFGPU_CTX_STATE), REFGPU_STATE_FAULT);
}

static void inv(struct guest *g, uint64_t va)
{
	EMIT(g, REFGPU_CMD(REFGPU_OP_INVALIDATE, 4), (uint32_t)va, 0, 1);
}

static void move(struct guest *g, unsigned to)
{
	rig_ram64(g->core, LEAF, 300, sysmem(FIRST + to) | RW);
}

/* From the second one on, it need not wait for jobs that write no tables. */
static void first_invalidate(struct guest *g)
{
	inv(g, 300 * PAGE);
	fence(g, DATA_VA, 1);
	ring(g);
	rig_settle(g->core);
	assert_int_equal(at(g, DATA_VA), 1);
}

static void invalidate_need_not_wait(void **state)
{
	struct guest *g = *state;
	uint64_t va = 300 * PAGE;

	first_invalidate(g);
	fence(g, va, 1);
	ring(g);
	assert_int_equal(g->core->n_jobs, 1);
	move(g, 301);
	inv(g, va);
	fence(g, va, 2);
	ring(g);
	assert_int_equal(g->core->n_jobs, 2);
	/* Also where it is in the middle of what was rung for */
	move(g, 302);
	fence(g, va + 8, 3);
	inv(g, va);
	fence(g, va, 4);
	ring(g);
	assert_int_equal(g->core->n_jobs, 4);
	rig_settle(g->core);
	assert_int_equal(at(g, 302 * PAGE), 4);
	assert_int_equal(ctl(g)->head, g->tail);
}

static void invalidate_waits_for_tables(void **state)
{
	struct guest *g = *state;
	uint64_t va = 300 * PAGE;

	/* The table is in reach of commands, at two addresses. */
	rig_ram64(g->core, LEAF, 400, sysmem(LEAF) | RW);
	rig_ram64(g->core, LEAF, 401, sysmem(LEAF) | RW);
	first_invalidate(g);
	for (unsigned i = 0; i < 2; i++) {
		fence(g, (400 + i) * PAGE + 300 * 8,
		      sysmem(FIRST + 302 + i) | RW);
		ring(g);
		inv(g, va);
		fence(g, va, 3 + i);
		ring(g);
		assert_int_equal(g->core->n_jobs, 1);
		rig_settle(g->core);
		assert_int_equal(at(g, (302 + i) * PAGE), 3 + i);
	}
	/* One that becomes a table only now */
	rig_ram64(g->core, FIRST + 350, 0, 0);
	fence(g, 350 * PAGE + 8 * 7, sysmem(FIRST + 304) | RW);
	ring(g);
	rig_ram64(g->core, MID, 1, sysmem(FIRST + 350) | REFGPU_PTE_VALID);
	inv(g, (512 + 7) * PAGE);
	fence(g, (512 + 7) * PAGE, 5);
	ring(g);
	assert_int_equal(g->core->n_jobs, 1);
	rig_settle(g->core);
	assert_int_equal(at(g, 304 * PAGE), 5);
}

static void invalidate_waits_for_commands(void **state)
{
	struct guest *g = *state;
	uint64_t batch = 310 * PAGE + 4;
	const uint32_t cmd[5] = { REFGPU_CMD(REFGPU_OP_FENCE, 5), DATA_VA, 0,
				  10 };

	first_invalidate(g);
	memcpy(ram(g, batch), cmd, sizeof(cmd));
	fence(g, batch + 12, 11);
	ring(g);
	inv(g, 0);
	EMIT(g, REFGPU_CMD(REFGPU_OP_BATCH, 4), (uint32_t)batch, 0, 5);
	ring(g);
	assert_int_equal(g->core->n_jobs, 1);
	rig_settle(g->core);
	assert_int_equal(at(g, DATA_VA), 11);
	/* The ring is no other memory than a batch. */
	fence(g, RING_VA + g->tail + 9 * 4 + 12, 12);
	ring(g);
	inv(g, 0);
	fence(g, DATA_VA, 11);
	ring(g);
	assert_int_equal(g->core->n_jobs, 1);
	rig_settle(g->core);
	assert_int_equal(at(g, DATA_VA), 12);
}

static void invalidate_waits_for_those_who_wait(void **state)
{
	struct guest *g = *state;
	uint64_t va = 300 * PAGE;

	first_invalidate(g);
	/* The semaphore's owner may be the one who changes the table. */
	EMIT(g, REFGPU_CMD(REFGPU_OP_SEM_WAIT, 5), (uint32_t)DATA_VA, 0, 0, 0);
	ring(g);
	inv(g, va);
	fence(g, va, 2);
	ring(g);
	assert_int_equal(g->core->n_jobs, 1);
	move(g, 303);
	rig_settle(g->core);
	assert_int_equal(at(g, 303 * PAGE), 2);
	/* So may be who is told of a fault. */
	rig_ram64(g->core, LEAF, 320, 0);
	first_invalidate(g);
	EMIT(g, REFGPU_CMD(REFGPU_OP_COPY, 7), (uint32_t)DATA_VA, 0,
	     320 * (uint32_t)PAGE, 0, 4, 0);
	ring(g);
	inv(g, va);
	fence(g, va, 3);
	ring(g);
	assert_int_equal(g->core->n_jobs, 2);
	rig_fault(g->core, 0, 320 * PAGE, false);
	assert_int_equal(ctx(g, REFGPU_CTX_STATE), REFGPU_STATE_FAULT);
	rig_ram64(g->core, LEAF, 320, sysmem(FIRST + 320) | RW);
	move(g, 304);
	rig_write(g->core, REFGPU_CTX(0, REFGPU_CTX_RESUME), 1);
	rig_settle(g->core);
	assert_int_equal(at(g, 304 * PAGE), 3);
	assert_int_equal(ctx(g, REFGPU_CTX_STATE), REFGPU_STATE_IDLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(invalidate_is_in_order),
		TEST(invalidate_need_not_wait),
		TEST(invalidate_waits_for_tables),
		TEST(invalidate_waits_for_commands),
		TEST(invalidate_waits_for_those_who_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
