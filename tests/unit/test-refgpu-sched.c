/* SPDX-License-Identifier: MIT */
/*
 * Who runs when: the arbiter, host scheduling and its events, resets, work
 * that would be lost. That preempted work comes to the same is in
 * test-refgpu-preempt.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <unistd.h>

#include "refgpu-rig.h"

#define DATA 0x40000000ull
#define HOUR 3600000000000ull

struct fixture {
	struct rig rig;
	struct gpu g[6];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	rig_start(&f->rig);
	for (unsigned i = 0; i < 6; i++) {
		gpu_open(&f->g[i], &f->rig, i, REFGPU_ENGINE_RENDER);
		gpu_map(&f->g[i], DATA, 0, 1 << 20, RW);
	}
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

static void spin(struct gpu *g, uint32_t groups, uint64_t ns)
{
	EMIT(g, REFGPU_CMD(REFGPU_OP_DISPATCH, 7), REFGPU_KERNEL_SPIN, groups,
	     1, 1, A(ns));
}

static void add(struct gpu *g, unsigned word)
{
	EMIT(g, REFGPU_CMD(REFGPU_OP_SEM_ADD, 5), A(DATA + word * 8), A(1));
}

static uint64_t word(struct fixture *f, unsigned i)
{
	return atomic_load((_Atomic uint64_t *)f->rig.vram + i);
}

static uint64_t time_of(struct gpu *g)
{
	uint64_t low = gpu_rd(g, REFGPU_CTX_TIME_LO);

	return low | (uint64_t)gpu_rd(g, REFGPU_CTX_TIME_HI) << 32;
}

static uint32_t eng(struct fixture *f, uint32_t reg)
{
	return rd(&f->rig, REFGPU_ENG(0, reg));
}

static void eng_wr(struct fixture *f, uint32_t reg, uint32_t value)
{
	wr(&f->rig, REFGPU_ENG(0, reg), value);
}

static void host(struct fixture *f)
{
	eng_wr(f, REFGPU_ENG_MODE, REFGPU_MODE_HOST);
	wr(&f->rig, REFGPU_IRQ_ENABLE, REFGPU_IRQ_HOST);
}

static void submit(struct fixture *f, unsigned i)
{
	eng_wr(f, REFGPU_ENG_SUBMIT, i);
}

static void expect(struct fixture *f, unsigned ctx, enum refgpu_stop why)
{
	uint32_t e = REFGPU_NO_EVENT;

	WAIT_FOR((e = eng(f, REFGPU_ENG_EVENT)) != REFGPU_NO_EVENT);
	if (e != (ctx | (uint32_t)why << 16))
		fail_msg("event %x, not %u of %u", e, why, ctx);
}

static void expect_none(struct fixture *f)
{
	assert_int_equal(eng(f, REFGPU_ENG_EVENT), REFGPU_NO_EVENT);
}

/* ------------------------------------------------------------------ */
/* The arbiter                                                         */
/* ------------------------------------------------------------------ */

static void test_arbiter_shares(void **state)
{
	struct fixture *f = *state;
	for (unsigned i = 0; i < 4; i++) {
		spin(&f->g[i], 65536, 100000);
		gpu_kick(&f->g[i]);
	}
	assert_int_equal(rd(&f->rig, REFGPU_STATUS) & 1, 1);
	for (unsigned i = 0; i < 4; i++)
		WAIT_FOR(time_of(&f->g[i]) > 40000000);
	/* In turn: each got far, and none is at its end. */
	for (unsigned i = 0; i < 4; i++)
		assert_true(gpu_state(&f->g[i]) == REFGPU_STATE_RUNNING ||
			    gpu_state(&f->g[i]) == REFGPU_STATE_READY);
	for (unsigned i = 0; i < 4; i++)
		gpu_close(&f->g[i]);
	WAIT_FOR(!(rd(&f->rig, REFGPU_STATUS) & 1));
}

/* TIME stands while the engine does; the device's goes on. */
static void test_time_stands(void **state)
{
	struct fixture *f = *state;
	uint64_t va = 0x70000000, seen, now = 0, wall;

	gpu_map(&f->g[0], va, RIG_BUS | REFGPU_PTE_SYSTEM, 4096, RW);
	EMIT(&f->g[0], REFGPU_CMD(REFGPU_OP_FILL, 6), A(va), A(64), 1);
	pthread_mutex_lock(&f->rig.door);
	gpu_kick(&f->g[0]);
	WAIT_FOR(gpu_state(&f->g[0]) == REFGPU_STATE_RUNNING);
	do {
		seen = now;
		wall = rd(&f->rig, REFGPU_TIME_LO);
		usleep(2000);
		now = time_of(&f->g[0]);
		assert_true(rd(&f->rig, REFGPU_TIME_LO) - wall >= 2000000);
	} while (!now || now != seen);
	pthread_mutex_unlock(&f->rig.door);
	gpu_wait(&f->g[0]);
	assert_true(time_of(&f->g[0]) > now);
}

/* A group of an hour is stopped, and others run then. */
static void test_disable_hang(void **state)
{
	struct fixture *f = *state;

	spin(&f->g[0], 1, HOUR);
	gpu_kick(&f->g[0]);
	WAIT_FOR(gpu_state(&f->g[0]) == REFGPU_STATE_RUNNING);
	add(&f->g[1], 0);
	gpu_kick(&f->g[1]);
	gpu_close(&f->g[0]);
	assert_int_equal(gpu_state(&f->g[0]), REFGPU_STATE_OFF);
	gpu_wait(&f->g[1]);
	/* And it starts anew. */
	gpu_enable(&f->g[0], 0, 0, RIG_RING_VA, RIG_CTL_VA);
	add(&f->g[0], 0);
	gpu_run(&f->g[0]);
	assert_int_equal(word(f, 0), 2);
}

static void test_reset_hang(void **state)
{
	struct fixture *f = *state;

	spin(&f->g[0], 1, HOUR);
	gpu_kick(&f->g[0]);
	WAIT_FOR(gpu_state(&f->g[0]) == REFGPU_STATE_RUNNING);
	eng_wr(f, REFGPU_ENG_RESET, 1);
	WAIT_FOR(gpu_state(&f->g[0]) == REFGPU_STATE_ERROR);
	assert_int_equal(gpu_rd(&f->g[0], REFGPU_CTX_ERROR),
			 REFGPU_ERROR_RESET);
	assert_int_equal(gpu_rd(&f->g[0], REFGPU_CTX_EVENT),
			 REFGPU_EVENT_ERROR);
	add(&f->g[1], 0);
	gpu_run(&f->g[1]);
}

static void test_global_reset(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 3; i++) {
		spin(&f->g[i], 1, HOUR);
		gpu_kick(&f->g[i]);
	}
	wr(&f->rig, REFGPU_IRQ_ENABLE, 7);
	WAIT_FOR(gpu_state(&f->g[0]) == REFGPU_STATE_RUNNING);
	wr(&f->rig, REFGPU_RESET, 1);
	assert_int_equal(rd(&f->rig, REFGPU_STATUS), 0);
	assert_int_equal(rd(&f->rig, REFGPU_IRQ_ENABLE), 0);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(gpu_state(&f->g[i]), REFGPU_STATE_OFF);
		assert_int_equal(gpu_rd(&f->g[i], REFGPU_CTX_RING_LO), 0);
		assert_int_equal(time_of(&f->g[i]), 0);
	}
	gpu_enable(&f->g[0], 0, 0, RIG_RING_VA, RIG_CTL_VA);
	add(&f->g[0], 0);
	gpu_run(&f->g[0]);
}

/* Both engines at once: the copy engine's work is done while the other hangs.
 */
static void test_engines_side_by_side(void **state)
{
	struct fixture *f = *state;
	struct gpu copy;

	gpu_open(&copy, &f->rig, 20, REFGPU_ENGINE_COPY);
	gpu_map(&copy, DATA, 0, 4096, RW);
	spin(&f->g[0], 1, HOUR);
	gpu_kick(&f->g[0]);
	add(&copy, 0);
	gpu_run(&copy);
	assert_int_equal(word(f, 0), 1);
}

/* ------------------------------------------------------------------ */
/* Host mode                                                           */
/* ------------------------------------------------------------------ */

static void test_host_events(void **state)
{
	struct fixture *f = *state;

	host(f);
	/* Nothing to do; a doorbell alone does nothing. */
	submit(f, 0);
	expect(f, 0, REFGPU_STOP_IDLE);
	add(&f->g[0], 0);
	gpu_kick(&f->g[0]);
	expect_none(f);
	assert_int_equal(word(f, 0), 0);
	submit(f, 0);
	expect(f, 0, REFGPU_STOP_IDLE);
	assert_int_equal(word(f, 0), 1);
	/* A semaphore */
	EMIT(&f->g[1], REFGPU_CMD(REFGPU_OP_SEM_WAIT, 5), A(DATA), A(2));
	gpu_kick(&f->g[1]);
	submit(f, 1);
	expect(f, 1, REFGPU_STOP_WAIT);
	assert_int_equal(gpu_state(&f->g[1]), REFGPU_STATE_WAITING);
	submit(f, 1);
	expect(f, 1, REFGPU_STOP_WAIT);
	add(&f->g[0], 0);
	gpu_kick(&f->g[0]);
	submit(f, 0);
	submit(f, 1);
	expect(f, 0, REFGPU_STOP_IDLE);
	expect(f, 1, REFGPU_STOP_IDLE);
	/* A fault */
	EMIT(&f->g[2], REFGPU_CMD(REFGPU_OP_FENCE, 5), A(8), A(2));
	gpu_kick(&f->g[2]);
	submit(f, 2);
	expect(f, 2, REFGPU_STOP_FAULT);
	submit(f, 2);
	expect(f, 2, REFGPU_STOP_FAULT);
	gpu_map(&f->g[2], 0, 4096, 4096, RW);
	gpu_wr(&f->g[2], REFGPU_CTX_RESUME, 1);
	assert_int_equal(gpu_state(&f->g[2]), REFGPU_STATE_READY);
	submit(f, 2);
	expect(f, 2, REFGPU_STOP_IDLE);
	/* An error */
	EMIT(&f->g[3], 0);
	gpu_kick(&f->g[3]);
	submit(f, 3);
	expect(f, 3, REFGPU_STOP_ERROR);
	submit(f, 3);
	expect(f, 3, REFGPU_STOP_ERROR);
	/* What is off */
	submit(f, 30);
	expect(f, 30, REFGPU_STOP_DROPPED);
	submit(f, RIG_CONTEXTS);
	expect_none(f);
	assert_true(atomic_load(&f->rig.irqs[REFGPU_VECTOR_HOST]) > 0);
}

static void test_host_two_slots(void **state)
{
	struct fixture *f = *state;

	host(f);
	spin(&f->g[0], 10, HOUR);
	gpu_kick(&f->g[0]);
	submit(f, 0);
	assert_int_equal(eng(f, REFGPU_ENG_STATUS), 0);
	submit(f, 1);
	submit(f, 2); /* no room */
	assert_int_equal(eng(f, REFGPU_ENG_STATUS), 0 | 1 << 16);
	eng_wr(f, REFGPU_ENG_RESET, 1);
	expect(f, 1, REFGPU_STOP_DROPPED);
	expect(f, 0, REFGPU_STOP_ERROR);
	assert_int_equal(eng(f, REFGPU_ENG_STATUS), REFGPU_ENG_NONE);
	expect_none(f);
}

static void test_host_preempt(void **state)
{
	struct fixture *f = *state;

	host(f);
	spin(&f->g[0], 2000, 100000);
	gpu_kick(&f->g[0]);
	submit(f, 0);
	submit(f, 1);
	WAIT_FOR(gpu_state(&f->g[0]) == REFGPU_STATE_RUNNING);
	eng_wr(f, REFGPU_ENG_PREEMPT, 1);
	/* Its place is free at once. */
	add(&f->g[2], 0);
	gpu_kick(&f->g[2]);
	submit(f, 2);
	expect(f, 1, REFGPU_STOP_DROPPED);
	expect(f, 0, REFGPU_STOP_PREEMPTED);
	expect(f, 2, REFGPU_STOP_IDLE);
	assert_int_equal(gpu_state(&f->g[0]), REFGPU_STATE_READY);
	/* Of nothing: nothing */
	eng_wr(f, REFGPU_ENG_PREEMPT, 1);
	submit(f, 0);
	WAIT_FOR(gpu_state(&f->g[0]) == REFGPU_STATE_RUNNING);
	expect_none(f);
	gpu_close(&f->g[0]);
	expect(f, 0, REFGPU_STOP_DROPPED);
}

/* The queue holds 256; then submits are ignored until one is taken. */
static void test_host_queue_full(void **state)
{
	struct fixture *f = *state;

	host(f);
	for (unsigned i = 0; i < 300; i++) {
		submit(f, 0);
		WAIT_FOR(eng(f, REFGPU_ENG_STATUS) == REFGPU_ENG_NONE);
	}
	for (unsigned i = 0; i < 256; i++)
		expect(f, 0, REFGPU_STOP_IDLE);
	expect_none(f);
	submit(f, 0);
	expect(f, 0, REFGPU_STOP_IDLE);
}

static void test_modes(void **state)
{
	struct fixture *f = *state;

	/* The arbiter's become the host's ... Long ones: this thread may not
	 * be there to see them for as long as others have the cpus. */
	for (unsigned i = 0; i < 2; i++) {
		spin(&f->g[i], 5000, 100000);
		add(&f->g[i], i);
		gpu_kick(&f->g[i]);
	}
	WAIT_FOR(gpu_state(&f->g[0]) == REFGPU_STATE_RUNNING ||
		 gpu_state(&f->g[1]) == REFGPU_STATE_RUNNING);
	host(f);
	WAIT_FOR(eng(f, REFGPU_ENG_STATUS) == REFGPU_ENG_NONE);
	while (eng(f, REFGPU_ENG_EVENT) != REFGPU_NO_EVENT)
		;
	submit(f, 0);
	expect(f, 0, REFGPU_STOP_IDLE);
	assert_int_equal(word(f, 0), 1);
	assert_int_equal(word(f, 1), 0);
	/* ... and back. A doorbell that the host ignored is not lost. */
	add(&f->g[2], 2);
	gpu_kick(&f->g[2]);
	eng_wr(f, REFGPU_ENG_MODE, REFGPU_MODE_ARBITER);
	gpu_wait(&f->g[1]);
	gpu_wait(&f->g[2]);
}

/* ------------------------------------------------------------------ */
/* Nothing is lost                                                     */
/* ------------------------------------------------------------------ */

#define JOBS 6000u

/* Jobs one at a time, each rung as soon as the one before is seen to be done:
 * just when the context goes idle. */
static void test_doorbells_arbiter(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < JOBS; i++) {
		add(&f->g[0], 0);
		gpu_run(&f->g[0]);
	}
	assert_int_equal(word(f, 0), JOBS);
}

/* The host submits again only when the context has left as idle; who rings
 * after the store of the tail must be served all the same. */
struct producer {
	struct fixture *f;
	atomic_uint rung; /* doorbells */
	atomic_bool done;
};

static void *produce(void *arg)
{
	struct producer *p = arg;
	struct gpu *g = &p->f->g[0];

	for (unsigned i = 0; i < JOBS; i++) {
		add(g, 0);
		gpu_kick(g);
		atomic_fetch_add(&p->rung, 1);
		if (i % 3 == 0)
			gpu_wait(g);
	}
	atomic_store(&p->done, true);
	return NULL;
}

static void test_doorbells_host(void **state)
{
	struct fixture *f = *state;
	struct producer p = { .f = f };
	pthread_t thread;
	uint64_t end = rig_now() + PATIENCE_S * 1000000000ull;
	unsigned rung = 0, now;

	host(f);
	pthread_create(&thread, NULL, produce, &p);
	while (!atomic_load(&p.done) || atomic_load(&p.rung) != rung) {
		assert_true(rig_now() < end);
		now = atomic_load(&p.rung);
		if (now == rung) {
			sched_yield();
			continue;
		}
		/* Rung since the last idle event, or before it was queued */
		rung = now;
		submit(f, 0);
		expect(f, 0, REFGPU_STOP_IDLE);
	}
	pthread_join(thread, NULL);
	assert_int_equal(gpu_head(&f->g[0]), f->g[0].tail);
	assert_int_equal(word(f, 0), JOBS);
}

/* If no event was there after the doorbell, the doorbell was first: then the
 * work is done when the event comes, with nothing submitted again. */
static void test_doorbell_before_idle(void **state)
{
	struct fixture *f = *state;
	unsigned first = 0;

	host(f);
	for (unsigned i = 0; i < JOBS; i++) {
		uint32_t e;

		add(&f->g[0], 0);
		gpu_publish(&f->g[0]);
		submit(f, 0);
		add(&f->g[0], 0);
		for (unsigned wait = i % 64 * 8; wait; wait--)
			atomic_signal_fence(memory_order_seq_cst);
		gpu_kick(&f->g[0]);
		e = eng(f, REFGPU_ENG_EVENT);
		if (e == REFGPU_NO_EVENT) {
			first++;
		} else {
			assert_int_equal(e, REFGPU_STOP_IDLE << 16);
			submit(f, 0);
		}
		expect(f, 0, REFGPU_STOP_IDLE);
		assert_int_equal(word(f, 0), 2 * (i + 1));
	}
	assert_true(first > 0);
}

/* Two contexts hand a token to each other, on two engines and on one. */
static void ping_pong(struct fixture *f, struct gpu *a, struct gpu *b)
{
	uint64_t base = word(f, 0);

	for (unsigned i = 0; i < 60; i++) {
		EMIT(a, REFGPU_CMD(REFGPU_OP_SEM_WAIT, 5), A(DATA),
		     A(base + 2 * i));
		add(a, 0);
		EMIT(b, REFGPU_CMD(REFGPU_OP_SEM_WAIT, 5), A(DATA),
		     A(base + 2 * i + 1));
		add(b, 0);
	}
	gpu_kick(a);
	gpu_kick(b);
	gpu_wait(a);
	gpu_wait(b);
	assert_int_equal(word(f, 0), base + 120);
}

static void test_ping_pong(void **state)
{
	struct fixture *f = *state;
	struct gpu copy;

	gpu_open(&copy, &f->rig, 20, REFGPU_ENGINE_COPY);
	gpu_map(&copy, DATA, 0, 4096, RW);
	for (unsigned i = 0; i < 20; i++) {
		ping_pong(f, &f->g[0], &copy);
		ping_pong(f, &f->g[0], &f->g[1]);
	}
}

/* ------------------------------------------------------------------ */
/* Everything at once                                                  */
/* ------------------------------------------------------------------ */

struct storm {
	struct fixture *f;
	uint32_t seed;
	atomic_bool *stop;
};

static uint32_t draw(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 16;
}

static void *storm(void *arg)
{
	struct storm *s = arg;
	struct rig *rig = &s->f->rig;

	while (!atomic_load(s->stop)) {
		uint32_t r = draw(&s->seed), i = draw(&s->seed) % 6;

		switch (r % 16) {
		case 0:
			wr(rig, REFGPU_CTX(i, REFGPU_CTX_CONTROL), 0);
			break;
		case 1:
		case 2:
			wr(rig, REFGPU_CTX(i, REFGPU_CTX_CONTROL),
			   REFGPU_CTX_ENABLE | (r >> 8 & 1) << 4);
			break;
		case 3:
			wr(rig, REFGPU_ENG(r >> 8 & 1, REFGPU_ENG_MODE),
			   r >> 9 & 1);
			break;
		case 4:
			wr(rig, REFGPU_ENG(r >> 8 & 1, REFGPU_ENG_PREEMPT), 1);
			break;
		case 5:
			if (r >> 8 & 1)
				wr(rig, REFGPU_ENG(0, REFGPU_ENG_RESET), 1);
			break;
		case 6:
			wr(rig, REFGPU_CTX(i, REFGPU_CTX_INV_PAGES), 0);
			break;
		case 7:
			if ((r & 0xff0) == 0x7f0)
				wr(rig, REFGPU_RESET, 1);
			break;
		case 8:
			wr(rig, REFGPU_CTX(i, REFGPU_CTX_RESUME), 1);
			break;
		case 9:
			rd(rig, REFGPU_ENG(r >> 8 & 1, REFGPU_ENG_EVENT));
			break;
		case 10:
			rd(rig, REFGPU_CTX(i, REFGPU_CTX_TIME_LO));
			rd(rig, REFGPU_STATUS);
			break;
		default:
			if (r & 256)
				refgpu_hw_doorbell(rig->hw, i);
			else
				wr(rig,
				   REFGPU_ENG(r >> 9 & 1, REFGPU_ENG_SUBMIT),
				   i);
		}
	}
	return NULL;
}

static void test_storm(void **state)
{
	struct fixture *f = *state;
	atomic_bool stop = false;
	struct storm s[3];
	pthread_t thread[3];

	/* Rings that are full of work, whoever runs them */
	for (unsigned i = 0; i < 6; i++) {
		for (unsigned j = 0; j < 20; j++) {
			add(&f->g[i], i);
			EMIT(&f->g[i], REFGPU_CMD(REFGPU_OP_SEM_WAIT, 5),
			     A(DATA), A(j));
			EMIT(&f->g[i], REFGPU_CMD(REFGPU_OP_FILL, 6),
			     A(DATA + 4096 + i * 150000), A(140000), i);
			EMIT(&f->g[i], REFGPU_CMD(REFGPU_OP_IRQ, 2), i);
		}
		spin(&f->g[i], 100, 10000);
		gpu_publish(&f->g[i]);
	}
	for (unsigned i = 0; i < 3; i++) {
		s[i] = (struct storm){ f, i + 1, &stop };
		pthread_create(&thread[i], NULL, storm, &s[i]);
	}
	for (uint64_t end = rig_now() + 700000000; rig_now() < end;)
		sched_yield();
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	/* It works as on the first day. */
	wr(&f->rig, REFGPU_RESET, 1);
	gpu_enable(&f->g[0], 0, 0, RIG_RING_VA, RIG_CTL_VA);
	atomic_store((_Atomic uint64_t *)f->rig.vram, 0);
	add(&f->g[0], 0);
	gpu_run(&f->g[0]);
	assert_int_equal(word(f, 0), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
		TEST(test_arbiter_shares),
		TEST(test_time_stands),
		TEST(test_disable_hang),
		TEST(test_reset_hang),
		TEST(test_global_reset),
		TEST(test_engines_side_by_side),
		TEST(test_host_events),
		TEST(test_host_two_slots),
		TEST(test_host_preempt),
		TEST(test_host_queue_full),
		TEST(test_modes),
		TEST(test_doorbells_arbiter),
		TEST(test_doorbells_host),
		TEST(test_doorbell_before_idle),
		TEST(test_ping_pong),
		TEST(test_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
