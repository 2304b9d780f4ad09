/* SPDX-License-Identifier: MIT */
/* What a guest of a refgpu vGPU sees, and what reaches the parent half. */
#include "refgpu-guest.h"
#include "rig/clock.h"

/* ------------------------------------------------------------------ */

static void registers_are_the_hardwares(void **state)
{
	struct guest *g = *state;
	struct vgpu_core *c = g->core;

	assert_int_equal(rig_read(c, REFGPU_ID), REFGPU_ID_VALUE);
	assert_int_equal(rig_read(c, REFGPU_CAPS), REFGPU_CAP_DISPLAY);
	assert_int_equal(rig_read(c, REFGPU_CONTEXTS), RG_CONTEXTS);
	assert_int_equal(rig_read(c, REFGPU_VRAM_SIZE_LO), VRAM_SIZE);
	/* Host scheduling is not for vGPUs. */
	rig_write(c, REFGPU_ENG(0, REFGPU_ENG_MODE), 1);
	assert_int_equal(rig_read(c, REFGPU_ENG(0, REFGPU_ENG_MODE)), 0);
	/* Only dwords */
	assert_int_equal(rg_reg_ops.read(c->dev, NULL, 0, 2), ~0ull);
	assert_int_equal(rg_reg_ops.read(c->dev, NULL, 0, 8), ~0ull);
	/* Of a context that is on, these stay as they are. */
	rig_write(c, REFGPU_CTX(0, REFGPU_CTX_RING_SIZE), 4096);
	assert_int_equal(ctx(g, REFGPU_CTX_RING_SIZE), RING_SIZE);
	assert_int_equal(ctx(g, REFGPU_CTX_STATE), REFGPU_STATE_IDLE);
	rig_write(c, REFGPU_CTX(1, REFGPU_CTX_RING_SIZE), 4096);
	assert_int_equal(rig_read(c, REFGPU_CTX(1, REFGPU_CTX_RING_SIZE)),
			 4096);
	/* What makes no sense is an error at once. */
	enable(g, 1, 2);
	assert_int_equal(rig_read(c, REFGPU_CTX(1, REFGPU_CTX_ERROR)),
			 REFGPU_ERROR_ENGINE);
	assert_int_equal(rig_read(c, REFGPU_CTX_EVENTS(0)), 2);
	assert_int_equal(c->irqs[REFGPU_VECTOR_EVENT], 1);
	/* PRIV and HOST_RING are ignored. */
	rig_write(c, REFGPU_CTX(2, REFGPU_CTX_CONTROL),
		  REFGPU_CTX_PRIV | REFGPU_CTX_HOST_RING);
	assert_int_equal(rig_read(c, REFGPU_CTX(2, REFGPU_CTX_CONTROL)), 0);
	/* Contexts that there are not */
	assert_int_equal(rig_read(c, REFGPU_CTX(RG_CONTEXTS, 0)), 0);
	rig_write(c, REFGPU_RESET, 1);
	assert_int_equal(rig_read(c, REFGPU_CTX(0, REFGPU_CTX_RING_SIZE)), 0);
	assert_int_equal(ctx(g, REFGPU_CTX_STATE), REFGPU_STATE_OFF);
	assert_int_equal(rig_read(c, REFGPU_IRQ_ENABLE), 0);
}

static void a_job_runs(void **state)
{
	struct guest *g = *state;

	fence(g, DATA_VA, 0x1234);
	EMIT(g, REFGPU_CMD(REFGPU_OP_IRQ, 2), 77);
	ring(g);
	assert_int_equal(g->core->n_jobs, 1);
	/* Two commands, and head before and behind the interrupt */
	assert_int_equal(g->core->jobs[0].n, 17);
	assert_int_equal(ctx(g, REFGPU_CTX_HEAD), 0);
	assert_int_equal(ctx(g, REFGPU_CTX_STATE), REFGPU_STATE_READY);
	rig_finish(g->core);
	rig_kick(g->core);
	assert_int_equal(at(g, DATA_VA), 0x1234);
	assert_int_equal(ctl(g)->head, g->tail);
	assert_int_equal(ctx(g, REFGPU_CTX_HEAD), g->tail);
	assert_int_equal(ctx(g, REFGPU_CTX_STATE), REFGPU_STATE_IDLE);
	assert_int_equal(ctx(g, REFGPU_CTX_EVENT), REFGPU_EVENT_USER);
	assert_int_equal(ctx(g, REFGPU_CTX_COOKIE), 77);
	assert_int_equal(g->core->irqs[REFGPU_VECTOR_EVENT], 1);
	assert_int_equal(rig_read(g->core, REFGPU_IRQ_STATUS),
			 REFGPU_IRQ_EVENT);
	rig_write(g->core, REFGPU_CTX(0, REFGPU_CTX_EVENT), REFGPU_EVENT_USER);
	assert_int_equal(rig_read(g->core, REFGPU_CTX_EVENTS(0)), 0);
	/* All 512 pages were pinned, by few calls. */
	assert_int_equal(g->core->n_pinned, 512);
	assert_true(g->core->pin_calls <= 2);
	assert_int_equal(g->core->waits, 0);
}

static void what_is_written_later_is_not_run(void **state)
{
	struct guest *g = *state;
	uint32_t *r = ram(g, RING_VA);

	g->core->eager = false;
	fence(g, DATA_VA, 1);
	ring(g);
	/* The guest writes a privileged command over it. */
	r[0] = REFGPU_CMD(REFGPU_OP_REG_WRITE, 3);
	r[3] = 99;
	rig_settle(g->core);
	assert_int_equal(at(g, DATA_VA), 1);
	assert_int_equal(ctx(g, REFGPU_CTX_ERROR), 0);
	g->core->eager = true;
}

static void errors_stand_where_they_are(void **state)
{
	static const struct {
		uint32_t dwords[7];
		unsigned n, error;
	} bad[] = {
		{ { REFGPU_CMD(REFGPU_OP_REG_WRITE, 3), 0, 0 },
		  3,
		  REFGPU_ERROR_PRIVILEGED },
		{ { REFGPU_CMD(REFGPU_OP_PHYS_COPY, 7) },
		  7,
		  REFGPU_ERROR_PRIVILEGED },
		{ { 0 }, 1, REFGPU_ERROR_COMMAND },
		{ { REFGPU_CMD(REFGPU_OP_FENCE, 4) }, 4, REFGPU_ERROR_COMMAND },
		{ { REFGPU_CMD(REFGPU_OP_FENCE, 5) }, 4, REFGPU_ERROR_COMMAND },
		{ { REFGPU_CMD(REFGPU_OP_FENCE, 5) | 1 << 16 },
		  5,
		  REFGPU_ERROR_COMMAND },
		{ { REFGPU_CMD(REFGPU_OP_FENCE, 5), 4 },
		  5,
		  REFGPU_ERROR_ARGUMENT },
		{ { REFGPU_CMD(REFGPU_OP_END, 1) }, 1, REFGPU_ERROR_COMMAND },
		{ { REFGPU_CMD(REFGPU_OP_BATCH, 4), 0, 0, 0 },
		  4,
		  REFGPU_ERROR_ARGUMENT },
	};
	struct guest *g = *state;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint32_t head;

		fence(g, DATA_VA, i + 1);
		head = g->tail;
		emit(g, bad[i].n, bad[i].dwords);
		ring(g);
		/* What is before it is done first. */
		assert_int_equal(ctx(g, REFGPU_CTX_STATE), REFGPU_STATE_READY);
		rig_settle(g->core);
		assert_int_equal(at(g, DATA_VA), i + 1);
		assert_int_equal(ctx(g, REFGPU_CTX_STATE), REFGPU_STATE_ERROR);
		assert_int_equal(ctx(g, REFGPU_CTX_ERROR), bad[i].error);
		assert_int_equal(ctx(g, REFGPU_CTX_HEAD), head);
		assert_int_equal(ctl(g)->head, head);
		assert_int_equal(ctx(g, REFGPU_CTX_EVENT), REFGPU_EVENT_ERROR);
		/* It stands. */
		ring(g);
		assert_int_equal(g->core->n_jobs, 0);
		rig_write(g->core, REFGPU_CTX(0, REFGPU_CTX_CONTROL), 0);
		assert_int_equal(ctx(g, REFGPU_CTX_ERROR), 0);
		assert_int_equal(ctx(g, REFGPU_CTX_HEAD), 0);
		g->tail = 0;
		enable(g, 0, REFGPU_ENGINE_RENDER);
	}
	/* A tail that can't be */
	ctl(g)->tail = 2;
	rig_doorbell(g->core, 0);
	assert_int_equal(ctx(g, REFGPU_CTX_ERROR), REFGPU_ERROR_RING);
}

static void batch(struct guest *g, uint64_t va, uint32_t n)
{
	EMIT(g, REFGPU_CMD(REFGPU_OP_BATCH, 4), (uint32_t)va,
	     (uint32_t)(va >> 32), n);
}

static void batches_are_flat(void **state)
{
	struct guest *g = *state;
	uint32_t *outer = ram(g, 100 * PAGE), *inner = ram(g, 101 * PAGE);
	const uint32_t call_inner[] = { REFGPU_CMD(REFGPU_OP_BATCH, 4),
					101 * PAGE, 0, 6 };
	const uint32_t store[] = {
		REFGPU_CMD(REFGPU_OP_FENCE, 5), DATA_VA, 0, 5, 0,
		REFGPU_CMD(REFGPU_OP_END, 1)
	};

	memcpy(outer, call_inner, sizeof(call_inner));
	memcpy(outer + 4, call_inner, sizeof(call_inner));
	memcpy(inner, store, sizeof(store));
	batch(g, 100 * PAGE, 8);
	ring(g);
	assert_int_equal(g->core->jobs[0].n, 15); /* twice, and head */
	rig_settle(g->core);
	assert_int_equal(at(g, DATA_VA), 5);
	assert_int_equal(ctl(g)->head, g->tail);

	/* One deeper is one too deep. */
	memcpy(inner, call_inner, sizeof(call_inner));
	batch(g, 100 * PAGE, 8);
	ring(g);
	rig_settle(g->core);
	assert_int_equal(ctx(g, REFGPU_CTX_ERROR), REFGPU_ERROR_NESTING);
	assert_int_equal(ctx(g, REFGPU_CTX_HEAD), 16);
}

static void the_ring_wraps(void **state)
{
	struct guest *g = *state;

	for (unsigned i = 0; i < 5000; i++) {
		fence(g, DATA_VA, i);
		if (i % 7)
			continue;
		ring(g);
		rig_finish(g->core);
		rig_kick(g->core);
		assert_int_equal(at(g, DATA_VA), i);
		assert_int_equal(ctl(g)->head, g->tail);
	}
	assert_int_equal(ctx(g, REFGPU_CTX_ERROR), 0);
}

/* ------------------------------------------------------------------ */

#define FAR_VA (2ull << 20) /* of another leaf table */

static void entries_that_become_valid(void **state)
{
	struct guest *g = *state;

	fence(g, DATA_VA, 1);
	ring(g);
	rig_settle(g->core);
	/* Another table, and no invalidate */
	rig_ram64(g->core, 4, 3, sysmem(FIRST + 200) | RW);
	rig_ram64(g->core, MID, 1, sysmem(4) | REFGPU_PTE_VALID);
	fence(g, FAR_VA + 3 * PAGE, 2);
	ring(g);
	rig_settle(g->core);
	assert_int_equal(at(g, 200 * PAGE), 2);
	assert_int_equal(ctx(g, REFGPU_CTX_STATE), REFGPU_STATE_IDLE);
}

static void faults_are_the_guests(void **state)
{
	static const struct {
		uint64_t entry;
		unsigned fault;
	} cases[] = {
		{ 0, REFGPU_FAULT_INVALID },
		{ RW ^ REFGPU_PTE_VALID, REFGPU_FAULT_INVALID },
		{ REFGPU_PTE_VALID | REFGPU_PTE_READ, REFGPU_FAULT_WRITE },
		{ RW | 1ull << 63, REFGPU_FAULT_RESERVED },
		{ RW | REFGPU_PTE_HUGE, REFGPU_FAULT_RESERVED },
		{ RW | VRAM_SIZE, REFGPU_FAULT_RESERVED },
		{ RW | REFGPU_PTE_SYSTEM | 0xdead000, REFGPU_FAULT_BUS },
		{ RW | REFGPU_PTE_SYSTEM | (RAM_BASE + RO_PAGE * PAGE),
		  REFGPU_FAULT_BUS },
	};
	struct guest *g = *state;
	uint64_t va = FAR_VA + 5 * PAGE;

	rig_ram64(g->core, MID, 1, sysmem(4) | REFGPU_PTE_VALID);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned irqs = g->core->irqs[REFGPU_VECTOR_EVENT];

		rig_ram64(g->core, 4, 5, cases[i].entry);
		fence(g, va, i + 1);
		ring(g);
		rig_settle(g->core);
		assert_int_equal(ctx(g, REFGPU_CTX_STATE), REFGPU_STATE_FAULT);
		assert_int_equal(ctx(g, REFGPU_CTX_FAULT),
				 cases[i].fault | 1u << 8);
		assert_int_equal(ctx(g, REFGPU_CTX_FAULT_LO), va);
		assert_int_equal(ctx(g, REFGPU_CTX_EVENT), REFGPU_EVENT_FAULT);
		assert_int_equal(g->core->irqs[REFGPU_VECTOR_EVENT], irqs + 1);
		/* Mended, it goes on. */
		rig_ram64(g->core, 4, 5, sysmem(FIRST + 201) | RW);
		rig_write(g->core, REFGPU_CTX(0, REFGPU_CTX_EVENT), ~0u);
		rig_write(g->core, REFGPU_CTX(0, REFGPU_CTX_RESUME), 1);
		rig_settle(g->core);
		assert_int_equal(ctx(g, REFGPU_CTX_STATE), REFGPU_STATE_IDLE);
		assert_int_equal(at(g, 201 * PAGE), i + 1);
		rig_write(g->core, REFGPU_CTX(0, REFGPU_CTX_INV_PAGES), 0);
	}
}

/* Ring and control block are read by the guest's tables, too. */
static void commands_that_are_not_there(void **state)
{
	struct guest *g = *state;

	/* The ring's second page goes; what is on the first is run. */
	rig_ram64(g->core, LEAF, RING_VA / PAGE + 1, 0);
	for (unsigned i = 0; i < 250; i++)
		fence(g, DATA_VA, i);
	ring(g);
	rig_settle(g->core);
	assert_int_equal(at(g, DATA_VA), 203);
	assert_int_equal(ctx(g, REFGPU_CTX_STATE), REFGPU_STATE_FAULT);
	assert_int_equal(ctx(g, REFGPU_CTX_FAULT), REFGPU_FAULT_INVALID);
	assert_int_equal(ctx(g, REFGPU_CTX_FAULT_LO), RING_VA + PAGE);
	assert_int_equal(ctx(g, REFGPU_CTX_HEAD), 4080);
	rig_ram64(g->core, LEAF, RING_VA / PAGE + 1, sysmem(FIRST + 17) | RW);
	rig_write(g->core, REFGPU_CTX(0, REFGPU_CTX_RESUME), 1);
	rig_settle(g->core);
	assert_int_equal(at(g, DATA_VA), 249);
	/* The control block goes. */
	rig_ram64(g->core, LEAF, CTL_VA / PAGE, 0);
	rig_doorbell(g->core, 0);
	assert_int_equal(ctx(g, REFGPU_CTX_FAULT_LO), CTL_VA);
}

/* ------------------------------------------------------------------ */

static void unmap(struct guest *g, unsigned page, unsigned n)
{
	for (unsigned i = page; i < page + n; i++)
		g->core->unmapped[i] = true;
}

static void unmaps_wait_for_the_hardware(void **state)
{
	struct guest *g = *state;
	unsigned page = FIRST + 300;

	/* It is there a second time. */
	rig_ram64(g->core, LEAF, 310, sysmem(page) | RW);
	fence(g, DATA_VA, 1);
	ring(g);
	rig_settle(g->core);
	assert_non_null(rig_hw(g->core, 0, 310 * PAGE, true));
	/* The parent half sleeps: it is not over. */
	g->core->eager = false;
	g->core->asleep = true;
	unmap(g, page, 4);
	assert_int_equal(g->core->ops->dma_unmap(g->core->dev,
						 RAM_BASE + page * PAGE,
						 4 * PAGE),
			 -EINPROGRESS);
	assert_int_equal(g->core->pins[page][3], 2);
	rig_take(g->core, UINT32_MAX);
	rig_kick(g->core);
	assert_int_equal(g->core->unmaps_done, 1);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(g->core->pins[page + i][3], 0);
	assert_null(rig_hw(g->core, 0, 300 * PAGE, false));
	assert_null(rig_hw(g->core, 0, 310 * PAGE, false));
	assert_non_null(rig_hw(g->core, 0, 304 * PAGE, false));
	/* Whoever uses it faults. */
	g->core->eager = true;
	fence(g, 310 * PAGE, 1);
	ring(g);
	rig_settle(g->core);
	assert_int_equal(ctx(g, REFGPU_CTX_FAULT), REFGPU_FAULT_BUS | 1u << 8);
	/* Nothing of it: nothing to wait for */
	assert_int_equal(g->core->ops->dma_unmap(g->core->dev,
						 RAM_BASE + page * PAGE,
						 4 * PAGE),
			 0);
	assert_int_equal(g->core->waits, 0);
}

static void pins_have_limits(void **state)
{
	struct guest *g = *state;

	g->core->max_pins = 40;
	for (unsigned i = 0; i < 512; i += 8) {
		if (i >= 8 && i < 20)
			continue;
		fence(g, i * PAGE + 512, i + 1);
	}
	ring(g);
	rig_settle(g->core);
	assert_int_equal(ctx(g, REFGPU_CTX_STATE), REFGPU_STATE_IDLE);
	assert_int_equal(at(g, 504 * PAGE + 512), 505);
	assert_true(g->core->n_pinned <= 40);
	/* Too few for anything */
	g->core->max_pins = 1;
	rig_write(g->core, REFGPU_CTX(0, REFGPU_CTX_CONTROL), 0);
	rig_settle(g->core);
	g->tail = 0;
	enable(g, 0, REFGPU_ENGINE_COPY);
	fence(g, DATA_VA, 1);
	ring(g);
	rig_settle(g->core);
	g->core->max_pins = 0;
}

static void huge_pages_and_video_memory(void **state)
{
	struct guest *g = *state;

	/* 2 MiB of video memory, the second 2 MiB of it */
	rig_ram64(g->core, MID, 1, RW | REFGPU_PTE_HUGE | 2ull << 20);
	/* 2 MiB of RAM at a multiple of that */
	rig_ram64(g->core, MID, 2,
		  RW | REFGPU_PTE_HUGE | REFGPU_PTE_SYSTEM | 4ull << 20);
	fence(g, FAR_VA + 0x12340, 5);
	fence(g, 2 * FAR_VA + 0x12340, 6);
	ring(g);
	rig_settle(g->core);
	assert_int_equal(*(uint32_t *)(g->core->vram + (2u << 20) + 0x12340),
			 5);
	assert_int_equal(
		*(uint32_t *)(g->core->ram + (4u << 20) - RAM_BASE + 0x12340),
		6);
	/* A mapped run is one record. */
	assert_true(g->core->n_records[RG_RUN] <= 8);
}

static void a_full_ring_is_waited_for(void **state)
{
	struct guest *g = *state;
	unsigned sent = 0;

	g->core->eager = false;
	enable(g, 1, REFGPU_ENGINE_RENDER);
	enable(g, 2, REFGPU_ENGINE_COPY);
	/* Batches that make long jobs, while the parent half sleeps */
	for (unsigned i = 0; i < 3000; i++)
		memcpy((uint32_t *)ram(g, 110 * PAGE) + i * 5,
		       (uint32_t[]){ REFGPU_CMD(REFGPU_OP_FENCE, 5), DATA_VA, 0,
				     i, 0 },
		       20);
	for (unsigned i = 0; i < 60; i++) {
		batch(g, 110 * PAGE, 15000);
		ring(g);
		rig_doorbell(g->core, 1);
		rig_doorbell(g->core, 2);
	}
	while (rig_timers(g->core))
		;
	assert_int_equal(g->core->shared->full, 1);
	assert_true(rig_waiting(g->core) < RG_RING_SIZE / RG_ENTRY);
	do {
		sent += rig_take(g->core, 3);
		rig_finish(g->core);
		assert_true(sent < 1000);
	} while (rig_tell(g->core) || g->core->n_jobs ||
		 rig_waiting(g->core));
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(
			rig_read(g->core, REFGPU_CTX(i, REFGPU_CTX_HEAD)),
			g->tail);
	assert_int_equal(at(g, DATA_VA), 2999);
	rig_settle(g->core);
	g->core->eager = true;
}

/* The time to compare tables is up just as the ring is full, again and again:
 * the slot goes on nevertheless. */
static void a_turn_ends_as_the_ring_is_full(void **state)
{
	struct guest *g = *state;

	/* Two contexts, each with tables that need more than the ring has:
	 * pages that do not follow each other */
	for (unsigned t = 0; t < 64; t++) {
		for (unsigned i = 0; i < 512; i++)
			rig_ram64(g->core, 700 + t, i,
				  sysmem(FIRST + (i * 37 + t) % 500) | RW);
		rig_ram64(g->core, MID, 64 + t,
			  sysmem(700 + t) | REFGPU_PTE_VALID);
	}
	enable(g, 1, REFGPU_ENGINE_RENDER);
	g->core->eager = false;
	g->core->asleep = true;
	clock_tick(RG_PUMP_NS);
	fence(g, DATA_VA, 1);
	ring(g);
	rig_doorbell(g->core, 1);
	while (rig_timers(g->core))
		;
	assert_int_equal(g->core->shared->full, 1);
	rig_settle(g->core);
	assert_int_equal(at(g, DATA_VA), 1);
	assert_int_equal(ctx(g, REFGPU_CTX_STATE), REFGPU_STATE_IDLE);
	clock_tick(RIG_TICK);
	g->core->asleep = false;
	g->core->eager = true;
}

/* Of a context's jobs no more are sent than fit in the hardware's ring: what is
 * said about a fault is not behind some that wait for room. */
static void no_more_is_sent_than_fits(void **state)
{
	struct guest *g = *state;
	uint64_t bytes = 0;
	uint32_t marks = 0;

	for (unsigned i = 0; i < 3000; i++)
		memcpy((uint32_t *)ram(g, 110 * PAGE) + i * 5,
		       (uint32_t[]){ REFGPU_CMD(REFGPU_OP_FENCE, 5), DATA_VA, 0,
				     i, 0 },
		       20);
	for (unsigned i = 0; i < 60; i++)
		batch(g, 110 * PAGE, 15000);
	ring(g);
	while (rig_timers(g->core)) /* its next turn */
		;
	for (unsigned i = 0; i < g->core->n_jobs; i++)
		bytes += g->core->jobs[i].n * 4 + RG_JOB_EXTRA;
	assert_in_range(bytes, RG_SLOT_BYTES / 2, RG_SLOT_BYTES);
	rig_settle(g->core);
	assert_int_equal(ctl(g)->head, g->tail);
	/* And interrupts */
	for (unsigned i = 0; i < 5000; i++)
		memcpy((uint32_t *)ram(g, 110 * PAGE) + i * 2,
		       (uint32_t[]){ REFGPU_CMD(REFGPU_OP_IRQ, 2), i }, 8);
	for (unsigned i = 0; i < 200; i++) {
		batch(g, 110 * PAGE, i < 10 ? 10000 : 20);
		ring(g);
	}
	while (rig_timers(g->core))
		;
	for (unsigned i = 0; i < g->core->n_jobs; i++) {
		const struct rig_job *j = &g->core->jobs[i];
		unsigned irqs = 0;

		for (uint32_t k = 0; k < j->n;
		     k += REFGPU_CMD_LEN(j->dwords[k]))
			irqs += REFGPU_CMD_OP(j->dwords[k]) == REFGPU_OP_IRQ;
		marks += 1 + (irqs < RG_JOB_IRQS ? irqs : RG_JOB_IRQS);
	}
	assert_in_range(marks, RG_SLOT_MARKS / 2, RG_SLOT_MARKS);
	rig_settle(g->core);
	assert_int_equal(ctl(g)->head, g->tail);
}

/* What is only to be compared before the next job makes nobody busy. */
static void an_idle_context_stays_idle(void **state)
{
	struct guest *g = *state;

	fence(g, DATA_VA, 1);
	ring(g);
	rig_settle(g->core);
	rig_write(g->core, REFGPU_CTX(0, REFGPU_CTX_INV_PAGES), 0);
	assert_int_equal(ctx(g, REFGPU_CTX_STATE), REFGPU_STATE_IDLE);
}

static void contexts_end_at_once(void **state)
{
	struct guest *g = *state;

	fence(g, DATA_VA, 1);
	ring(g);
	rig_write(g->core, REFGPU_CTX(0, REFGPU_CTX_CONTROL), 0);
	assert_false(g->core->slots[0].open);
	assert_int_equal(g->core->n_jobs, 0);
	assert_int_equal(ctx(g, REFGPU_CTX_STATE), REFGPU_STATE_OFF);
	rig_timers(g->core);
	assert_int_equal(g->core->n_pinned, 0);
	/* And begin anew */
	enable(g, 0, REFGPU_ENGINE_COPY);
	g->tail = 0;
	fence(g, DATA_VA, 2);
	ring(g);
	rig_settle(g->core);
	assert_int_equal(at(g, DATA_VA), 2);
	/* On the copy engine there are no dispatches. */
	EMIT(g, REFGPU_CMD(REFGPU_OP_DISPATCH, 7), REFGPU_KERNEL_SPIN, 1, 1, 1,
	     0, 0);
	ring(g);
	assert_int_equal(ctx(g, REFGPU_CTX_ERROR), REFGPU_ERROR_ENGINE);
	/* Every context, over and over */
	for (unsigned i = 0; i < 4 * RG_CONTEXTS; i++) {
		enable(g, i % RG_CONTEXTS, 0);
		rig_doorbell(g->core, i % RG_CONTEXTS);
		if (i % 3)
			rig_write(g->core, REFGPU_CTX(i % RG_CONTEXTS, 0), 0);
	}
	rig_settle(g->core);
	g->core->ops->reset(g->core->dev, VGPU_RESET_CLIENT);
	rig_timers(g->core);
	assert_int_equal(g->core->n_pinned, 0);
}

static void what_the_parent_says(void **state)
{
	struct guest *g = *state;
	struct rg_notice n = { .kind = RG_NOTICE_ERROR,
			       .code = REFGPU_ERROR_RESET };

	/* Nonsense */
	g->core->ops->parent_message(g->core->dev, &n, 3);
	n.slot = 4000;
	g->core->ops->parent_message(g->core->dev, &n, sizeof(n));
	/* A context that was there before */
	n.slot = 5;
	g->core->ops->parent_message(g->core->dev, &n, sizeof(n));
	assert_int_equal(rig_read(g->core, REFGPU_CTX_EVENTS(0)), 0);
	n.slot = 0;
	fence(g, DATA_VA, 1);
	ring(g);
	n.generation = g->core->slots[0].generation - 1;
	g->core->ops->parent_message(g->core->dev, &n, sizeof(n));
	assert_int_equal(ctx(g, REFGPU_CTX_STATE), REFGPU_STATE_READY);
	n.generation++;
	g->core->shared->slots[0].state = REFGPU_STATE_ERROR;
	g->core->ops->parent_message(g->core->dev, &n, sizeof(n));
	assert_int_equal(ctx(g, REFGPU_CTX_STATE), REFGPU_STATE_ERROR);
	assert_int_equal(ctx(g, REFGPU_CTX_ERROR), REFGPU_ERROR_RESET);
	/* A lie about what is done changes nothing but what is seen. */
	g->core->shared->slots[0].done = UINT64_MAX;
	rig_kick(g->core);
	assert_int_equal(ctx(g, REFGPU_CTX_STATE), REFGPU_STATE_ERROR);
}

static void the_screen_is_its_own(void **state)
{
	struct guest *g = *state;
	struct vgpu_core *c = g->core;

	rig_write(c, REFGPU_DISP_FORMAT, VGPU_FORMAT_XRGB8888);
	rig_write(c, REFGPU_DISP_WIDTH, 640);
	rig_write(c, REFGPU_DISP_HEIGHT, 480);
	rig_write(c, REFGPU_DISP_STRIDE, 2560);
	rig_write64(c, REFGPU_DISP_BASE_LO, 4096);
	rig_write(c, REFGPU_DISP_COMMIT, 1);
	rig_write(c, REFGPU_DISP_CONTROL, 1);
	assert_int_equal(rig_read(c, REFGPU_DISP_COMMIT), 1);
	assert_int_equal(c->plane.format, 0);
	while (rig_read(c, REFGPU_DISP_COMMIT))
		rig_timers(c);
	assert_int_equal(c->plane.format, VGPU_FORMAT_XRGB8888);
	assert_int_equal(c->plane.width, 640);
	assert_int_equal(c->plane.offset, 4096);
	assert_int_equal(rig_read(c, REFGPU_DISP_STATUS), 1);
	assert_true(rig_read(c, REFGPU_DISP_VBLANKS) >= 1);
	assert_true(rig_read(c, REFGPU_IRQ_STATUS) & REFGPU_IRQ_VBLANK);
	/* Not wholly in memory */
	rig_write64(c, REFGPU_DISP_BASE_LO, VRAM_SIZE - 4096);
	rig_write(c, REFGPU_DISP_COMMIT, 1);
	while (rig_read(c, REFGPU_DISP_COMMIT))
		rig_timers(c);
	assert_int_equal(rig_read(c, REFGPU_DISP_STATUS), 2);
	assert_int_equal(c->plane.format, 0);
	/* Interrupts, where they are wanted */
	assert_int_equal(c->irqs[REFGPU_VECTOR_VBLANK], 0);
	rig_write(c, REFGPU_IRQ_ENABLE, REFGPU_IRQ_VBLANK);
	while (!c->irqs[REFGPU_VECTOR_VBLANK])
		assert_int_equal(rig_timers(c), 1);
	/* Off: nothing is armed. */
	rig_write(c, REFGPU_DISP_CONTROL, 0);
	while (rig_timers(c))
		;
	assert_int_equal(rig_read(c, REFGPU_DISP_STATUS), 0);
	assert_int_equal(rig_read(c, REFGPU_DISP_EDID), 0xffffff00);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(registers_are_the_hardwares),
		TEST(a_job_runs),
		TEST(what_is_written_later_is_not_run),
		TEST(errors_stand_where_they_are),
		TEST(batches_are_flat),
		TEST(the_ring_wraps),
		TEST(entries_that_become_valid),
		TEST(faults_are_the_guests),
		TEST(commands_that_are_not_there),
		TEST(unmaps_wait_for_the_hardware),
		TEST(pins_have_limits),
		TEST(huge_pages_and_video_memory),
		TEST(a_full_ring_is_waited_for),
		TEST(a_turn_ends_as_the_ring_is_full),
		TEST(no_more_is_sent_than_fits),
		TEST(an_idle_context_stays_idle),
		TEST(contexts_end_at_once),
		TEST(what_the_parent_says),
		TEST(the_screen_is_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
