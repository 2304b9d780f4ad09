/* SPDX-License-Identifier: MIT */
/* A vGPU is taken from one worker to another in the middle of its jobs. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "refgpu-worker-rig.h"
#include "util/bytes.h"
#include "util/loop.h"

#define PAGE	  4096ull
#define HUGE_PAGE (2ull << 20)
#define RW	  (REFGPU_PTE_VALID | REFGPU_PTE_READ | REFGPU_PTE_WRITE)
#define VA	  (5ull << 30)
/* In VRAM */
#define X      0ull
#define Y      (16ull << 20)
#define FROM   (32ull << 20)
#define TO     (48ull << 20)
#define SEM    (47ull << 20)
#define FLOATS (4u << 20)
#define MOVED  (15ull << 20)
#define REPEAT 8u

#define STATE_MAX (1u << 20)

enum { RENDER, COPY, WAITS, FAILS, N_SLOTS };

static int setup(void **state)
{
	*state = rig_new("software,vram=1g,contexts=64");
	return 0;
}

static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

static void map(struct worker *w)
{
	for (unsigned i = 0; i < N_SLOTS; i++)
		worker_run(w, i, VA, WORKER_VRAM / PAGE, RW);
	worker_kick(w);
}

static uint32_t cmd_saxpy(uint32_t *to, uint32_t n, uint64_t x, uint64_t y)
{
	const uint32_t d[] = {
		REFGPU_CMD(REFGPU_OP_DISPATCH, 11),
		REFGPU_KERNEL_SAXPY,
		(n + REFGPU_SAXPY_GROUP - 1) / REFGPU_SAXPY_GROUP,
		1,
		1,
		n,
		0x3f800000, /* 1.0 */
		(uint32_t)x,
		(uint32_t)(x >> 32),
		(uint32_t)y,
		(uint32_t)(y >> 32),
	};

	memcpy(to, d, sizeof(d));
	return ARRAY_SIZE(d);
}

/* Work on both engines that can't be done twice without a trace, one context
 * that waits for another's end, and one that has failed. */
static void begin(struct worker *w)
{
	float *x = (float *)(w->vram + X), *y = (float *)(w->vram + Y);
	uint32_t d[256], n = 0;

	for (unsigned i = 0; i < FLOATS; i++) {
		x[i] = (float)(i % 1000);
		y[i] = 0;
	}
	for (uint64_t i = 0; i < MOVED; i++)
		w->vram[FROM + i] = (uint8_t)(i * 2654435761u >> 13);
	for (unsigned i = 0; i < N_SLOTS; i++)
		worker_open(w, i,
			    i == COPY ? REFGPU_ENGINE_COPY
				      : REFGPU_ENGINE_RENDER);
	map(w);
	for (unsigned i = 0; i < REPEAT; i++) {
		n = cmd_saxpy(d, FLOATS - i, VA + X, VA + Y);
		n += cmd_irq(d + n, 100 + i);
		worker_job(w, RENDER, d, n);
	}
	n = 0;
	for (unsigned i = 0; i < REPEAT; i++)
		n += cmd_copy(d + n, VA + TO, VA + FROM, MOVED);
	n += cmd_sem_add(d + n, VA + SEM, 1);
	worker_job(w, COPY, d, n);
	n = cmd_sem_wait(d, VA + SEM, 1);
	n += cmd_fill(d + n, VA + SEM + PAGE, PAGE, 77);
	worker_job(w, WAITS, d, n);
	d[0] = REFGPU_CMD(REFGPU_OP_REG_WRITE, 3);
	worker_job(w, FAILS, d, 3);
	w->seq[FAILS] = 0;
	worker_kick(w);
}

static bool done(const struct worker *w)
{
	for (unsigned i = 0; i < FAILS; i++)
		if (__atomic_load_n(&w->shared->slots[i].done,
				    __ATOMIC_ACQUIRE) != w->seq[i])
			return false;
	return true;
}

/* Pages come back when they are asked for, as an instance half would do. */
static void go_on(struct worker *w)
{
	rig_run(w->rig);
	worker_look(w);
	while (w->n_notices) {
		struct rg_notice n = worker_notice(w);

		if (n.slot == FAILS) {
			assert_int_equal(n.kind, RG_NOTICE_NONSENSE);
			continue;
		}
		assert_int_equal(n.kind, RG_NOTICE_FAULT);
		worker_run(w, n.slot, VA, WORKER_VRAM / PAGE, RW);
		worker_small(w, RG_RESUME, n.slot);
		worker_kick(w);
	}
}

static size_t save(struct worker *w, void *buf)
{
	uint64_t end = loop_now_ns() + 10000000000ull;
	size_t len = 0;
	int err;

	do {
		err = worker_save(w, buf, STATE_MAX, &len);
		assert_true(loop_now_ns() < end);
	} while (err == -EAGAIN);
	assert_int_equal(err, 0);
	assert_true(len && len <= STATE_MAX);
	return len;
}

/* To another worker, with what the first one had in its memory */
static struct worker *carry(struct worker *w, void *buf)
{
	struct worker *next = worker_new(w->rig, 1);
	size_t len = save(w, buf);

	assert_non_null(next);
	memcpy(next->seq, w->seq, sizeof(w->seq));
	memcpy(next->vram, w->vram, WORKER_VRAM);
	worker_free(w);
	assert_int_equal(worker_restore(next, buf, len), 0);
	return next;
}

static void check(const struct worker *w)
{
	const float *x = (const float *)(w->vram + X);
	const float *y = (const float *)(w->vram + Y);

	for (unsigned i = 0; i < FLOATS; i++) {
		unsigned n = MIN(FLOATS - i, REPEAT);

		if (y[i] != (float)n * x[i])
			fail_msg("y[%u] is %f, x %f", i, (double)y[i],
				 (double)x[i]);
	}
	assert_memory_equal(w->vram + TO, w->vram + FROM, MOVED);
	assert_int_equal(*(const uint64_t *)(w->vram + SEM), 1);
	assert_int_equal(*(const uint32_t *)(w->vram + SEM + PAGE), 77);
	assert_int_equal(w->shared->slots[FAILS].state, REFGPU_STATE_ERROR);
	assert_int_equal(w->shared->slots[RENDER].cookie, 100 + REPEAT - 1);
	assert_int_equal(w->shared->slots[RENDER].events, REFGPU_EVENT_USER);
	assert_true(w->shared->slots[RENDER].time > 0);
}

static void test_carried_in_the_middle(void **state)
{
	struct worker *w = worker_new(*state, 1);
	uint8_t *buf = malloc(STATE_MAX);
	unsigned carried = 0;
	uint64_t time = 0;

	assert_non_null(w);
	assert_non_null(buf);
	begin(w);
	while (!done(w)) {
		for (unsigned i = 0; i < 2 + carried % 3 && !done(w); i++)
			go_on(w);
		if (done(w))
			break;
		assert_true(w->shared->slots[RENDER].time >= time);
		time = w->shared->slots[RENDER].time;
		if (carried < 40) {
			w = carry(w, buf);
			carried++;
		}
	}
	check(w);
	assert_true(carried > 1);
	worker_free(w);
	free(buf);
}

/* A worker in the middle of its jobs, and what was saved of it */
static struct worker *saved(void **state, uint8_t *buf, size_t *ret_len)
{
	struct worker *w = worker_new(*state, 1);

	assert_non_null(w);
	begin(w);
	go_on(w);
	*ret_len = save(w, buf);
	return w;
}

/* It stands: whatever is said to it. */
static void test_what_is_saved_stands(void **state)
{
	static uint8_t buf[STATE_MAX], again[STATE_MAX];
	size_t len, len2;
	struct worker *w = saved(state, buf, &len);
	uint32_t d[8];

	worker_job(w, RENDER, d, cmd_fill(d, VA + X, PAGE, 1));
	worker_kick(w);
	for (unsigned i = 0; i < 20; i++)
		go_on(w);
	assert_int_equal(save(w, again), len);
	assert_memory_equal(buf, again, len);
	assert_int_equal(worker_save(w, again, len - 1, &len2), -ENOSPC);
	assert_int_equal(len2, len);
	worker_free(w);
}

/* Its neighbour is none the worse for it. */
static void test_the_neighbour_goes_on(void **state)
{
	struct worker *w = worker_new(*state, 1),
		      *other = worker_new(*state, 1);
	static uint8_t buf[STATE_MAX];
	uint32_t d[8];

	worker_open(other, RENDER, REFGPU_ENGINE_RENDER);
	worker_run(other, RENDER, VA, WORKER_VRAM / PAGE, RW);
	begin(w);
	for (unsigned i = 0; i < 5; i++) {
		worker_job(other, RENDER, d,
			   cmd_fill(d, VA + i * HUGE_PAGE, HUGE_PAGE, i + 1));
		worker_kick(other);
		go_on(w);
		if (i == 2)
			save(w, buf);
	}
	worker_until_done(other, RENDER, 5);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(
			*(uint32_t *)(other->vram + (i + 1) * HUGE_PAGE - 4),
			i + 1);
	worker_free(other);
	worker_free(w);
}

/* ---- what is no state ---------------------------------------------- */

static void test_lengths_and_versions(void **state)
{
	static uint8_t buf[STATE_MAX];
	size_t len;
	struct worker *w = saved(state, buf, &len);
	struct worker *next = worker_new(*state, 1);

	for (size_t i = 0; i < len; i += i < 512 ? 1 : 64)
		assert_int_equal(worker_restore(next, buf, i), -EINVAL);
	buf[4]++;
	assert_int_equal(worker_restore(next, buf, len), -EPROTO);
	buf[4]--;
	assert_int_equal(worker_restore(next, buf, len), 0);
	/* Not upon what is there already */
	assert_int_equal(worker_restore(next, buf, len), -EINVAL);
	worker_free(next);
	worker_free(w);
}

/* A byte here and there: it is refused whole, or is a vGPU whose work is
 * nonsense to itself only. */
static void test_changed_bytes(void **state)
{
	static uint8_t buf[STATE_MAX], evil[STATE_MAX];
	uint32_t seed = 1, refused = 0, taken = 0;
	size_t len;
	struct worker *w = saved(state, buf, &len);
	struct worker *next = worker_new(*state, 1);

	for (unsigned i = 0; i < 3000; i++) {
		int err;

		memcpy(evil, buf, len);
		for (unsigned k = 0; k <= i % 3; k++) {
			seed = seed * 1664525 + 1013904223;
			evil[(seed >> 8) % len] = (uint8_t)(seed >> 3);
		}
		err = worker_restore(next, evil, len);
		refused += err != 0;
		if (err)
			continue;
		for (unsigned k = 0; k < 3; k++)
			rig_run(*state);
		worker_free(next);
		next = worker_new(*state, 1);
		assert_non_null(next);
		if (++taken == 40)
			break;
	}
	assert_true(refused > 20 && taken > 20);
	worker_free(next);
	worker_free(w);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_carried_in_the_middle),
		TEST(test_what_is_saved_stands),
		TEST(test_the_neighbour_goes_on),
		TEST(test_lengths_and_versions),
		TEST(test_changed_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
