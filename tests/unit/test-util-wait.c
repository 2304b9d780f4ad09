/* SPDX-License-Identifier: MIT */
/* What a thread does between two looks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "util/wait.h"

#define SHORT WAIT_CROWDED_NS
#define LONG  (WAIT_CROWDED_NS + 1)

/* Looks in vain, until one is answered otherwise than by "again" */
static enum wait_step steps(struct wait_place *p, uint64_t now,
			    unsigned *ret_looks)
{
	enum wait_step step;
	unsigned n = 1;

	while ((step = wait_next(p, now)) == WAIT_LOOK) {
		assert_true(n < 1000);
		n++;
	}
	*ret_looks = n;
	return step;
}

/* The peer shares the cpu: @p yields in vain until it moves. */
static void share_until_move(struct wait_place *p, uint64_t now)
{
	unsigned looks, yields = 0;

	while (steps(p, now, &looks) == WAIT_YIELD) {
		assert_true(++yields <= WAIT_SHARED_YIELDS);
		wait_yielded(p, LONG, now);
	}
}

static void alone_it_looks_and_seldom_yields(void **state)
{
	struct wait_place p = { 0 };
	unsigned looks;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(steps(&p, 1, &looks), WAIT_YIELD);
		assert_int_equal(looks, WAIT_LONELY_LOOKS);
		wait_yielded(&p, SHORT, 1);
	}
}

static void with_company_it_yields_each_time(void **state)
{
	struct wait_place p = { 0 };
	unsigned looks;

	(void)state;
	assert_int_equal(steps(&p, 1, &looks), WAIT_YIELD);
	for (unsigned i = 0; i < WAIT_SHARED_YIELDS - 1; i++) {
		wait_yielded(&p, LONG, 1);
		assert_int_equal(wait_next(&p, 1), WAIT_YIELD);
	}
	/* The other one has gone: believed at once. */
	wait_yielded(&p, SHORT, 1);
	assert_int_equal(steps(&p, 1, &looks), WAIT_YIELD);
	assert_int_equal(looks, WAIT_LONELY_LOOKS);
}

static void a_passer_by_does_not_make_it_move(void **state)
{
	struct wait_place p = { 0 };
	unsigned looks;

	(void)state;
	for (int i = 0; i < 100; i++) {
		for (unsigned k = 0; k < WAIT_SHARED_YIELDS - 1; k++) {
			assert_int_equal(steps(&p, 1, &looks), WAIT_YIELD);
			wait_yielded(&p, LONG, 1);
		}
		assert_int_equal(steps(&p, 1, &looks), WAIT_YIELD);
		wait_yielded(&p, SHORT, 1);
	}
}

static void it_moves_once_and_then_rarely(void **state)
{
	struct wait_place p = { 0 };
	uint64_t now = 5, pause = WAIT_MOVE_MIN_NS;
	unsigned looks;

	(void)state;
	share_until_move(&p, now);
	/* Where it does not help, it takes twice as long until the next. */
	for (int i = 0; i < 20; i++) {
		for (unsigned k = 0; k < 2 * WAIT_SHARED_YIELDS; k++) {
			assert_int_equal(steps(&p, now + pause - 1, &looks),
					 WAIT_YIELD);
			assert_int_equal(looks, 1);
			wait_yielded(&p, LONG, now + pause - 1);
		}
		now += pause;
		assert_int_equal(wait_next(&p, now), WAIT_MOVE);
		pause = 2 * pause < WAIT_MOVE_MAX_NS ? 2 * pause
						     : WAIT_MOVE_MAX_NS;
	}
	assert_int_equal(pause, WAIT_MOVE_MAX_NS);
	/* One that held for long is followed by a short pause again. */
	now += 4 * WAIT_MOVE_MAX_NS;
	wait_yielded(&p, SHORT, now);
	share_until_move(&p, now);
	now += WAIT_MOVE_MIN_NS;
	share_until_move(&p, now);
}

/* One who works keeps the cpu for a time slice each time that it is yielded. */
static void where_somebody_works_it_sleeps(void **state)
{
	struct wait_place p = { 0 };
	uint64_t now = 5, rest = WAIT_REST_MIN_NS;
	unsigned looks;

	(void)state;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(steps(&p, now, &looks), WAIT_YIELD);
		now += WAIT_WORKER_NS;
		wait_yielded(&p, WAIT_WORKER_NS, now);
		assert_int_equal(wait_next(&p, now), WAIT_SLEEP);
		assert_int_equal(wait_next(&p, now + rest - 1), WAIT_SLEEP);
		now += rest;
		rest = 2 * rest < WAIT_REST_MAX_NS ? 2 * rest
						   : WAIT_REST_MAX_NS;
	}
	assert_int_equal(rest, WAIT_REST_MAX_NS);
	/* The next one that is met long after need not stay. */
	now += 4 * WAIT_REST_MAX_NS;
	assert_int_equal(steps(&p, now, &looks), WAIT_YIELD);
	wait_yielded(&p, WAIT_WORKER_NS, now);
	assert_int_equal(wait_next(&p, now + WAIT_REST_MIN_NS - 1), WAIT_SLEEP);
	assert_int_not_equal(wait_next(&p, now + WAIT_REST_MIN_NS), WAIT_SLEEP);
}

/* It has left its peer for somebody who works: that is not tried again soon. */
static void a_bad_move_is_remembered(void **state)
{
	struct wait_place p = { 0 };
	uint64_t now = 5, moved = now;
	unsigned looks;

	(void)state;
	share_until_move(&p, now);
	assert_int_equal(steps(&p, now, &looks), WAIT_YIELD);
	wait_yielded(&p, WAIT_WORKER_NS, now);
	now += WAIT_REST_MIN_NS;
	for (unsigned k = 0; k < 2 * WAIT_SHARED_YIELDS; k++) {
		assert_int_equal(steps(&p, now, &looks), WAIT_YIELD);
		wait_yielded(&p, LONG, now);
	}
	assert_int_equal(wait_next(&p, moved + WAIT_MOVE_BAD_NS - 1),
			 WAIT_YIELD);
	assert_int_equal(wait_next(&p, moved + WAIT_MOVE_BAD_NS), WAIT_MOVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alone_it_looks_and_seldom_yields),
		cmocka_unit_test(with_company_it_yields_each_time),
		cmocka_unit_test(a_passer_by_does_not_make_it_move),
		cmocka_unit_test(it_moves_once_and_then_rarely),
		cmocka_unit_test(where_somebody_works_it_sleeps),
		cmocka_unit_test(a_bad_move_is_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
