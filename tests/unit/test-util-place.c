/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "util/place.h"

#define SHORT PLACE_CROWDED_NS
#define LONG  (PLACE_CROWDED_NS + 1)

/* Looks in vain, until one is answered otherwise than by "again" */
static enum place_step steps(struct place *p, uint64_t now, unsigned *ret_looks)
{
	enum place_step step;
	unsigned n = 1;

	while ((step = place_next(p, now)) == PLACE_LOOK) {
		assert_true(n < 1000);
		n++;
	}
	*ret_looks = n;
	return step;
}

/* The peer shares the cpu: @p yields in vain until it moves. */
static void share_until_move(struct place *p, uint64_t now)
{
	unsigned looks, yields = 0;

	while (steps(p, now, &looks) == PLACE_YIELD) {
		assert_true(++yields <= PLACE_SHARED_YIELDS);
		place_yielded(p, LONG, now);
	}
}

static void alone_it_looks_and_seldom_yields(void **state)
{
	struct place p = { 0 };
	unsigned looks;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(steps(&p, 1, &looks), PLACE_YIELD);
		assert_int_equal(looks, PLACE_LONELY_LOOKS);
		place_yielded(&p, SHORT, 1);
	}
}

static void with_company_it_yields_each_time(void **state)
{
	struct place p = { 0 };
	unsigned looks;

	(void)state;
	assert_int_equal(steps(&p, 1, &looks), PLACE_YIELD);
	for (unsigned i = 0; i < PLACE_SHARED_YIELDS - 1; i++) {
		place_yielded(&p, LONG, 1);
		assert_int_equal(place_next(&p, 1), PLACE_YIELD);
	}
	/* The other one has gone: believed at once. */
	place_yielded(&p, SHORT, 1);
	assert_int_equal(steps(&p, 1, &looks), PLACE_YIELD);
	assert_int_equal(looks, PLACE_LONELY_LOOKS);
}

static void a_passer_by_does_not_make_it_move(void **state)
{
	struct place p = { 0 };
	unsigned looks;

	(void)state;
	for (int i = 0; i < 100; i++) {
		for (unsigned k = 0; k < PLACE_SHARED_YIELDS - 1; k++) {
			assert_int_equal(steps(&p, 1, &looks), PLACE_YIELD);
			place_yielded(&p, LONG, 1);
		}
		assert_int_equal(steps(&p, 1, &looks), PLACE_YIELD);
		place_yielded(&p, SHORT, 1);
	}
}

static void it_moves_once_and_then_rarely(void **state)
{
	struct place p = { 0 };
	uint64_t now = 5, pause = PLACE_MOVE_MIN_NS;
	unsigned looks;

	(void)state;
	share_until_move(&p, now);
	/* Where it does not help, it takes twice as long until the next. */
	for (int i = 0; i < 20; i++) {
		for (unsigned k = 0; k < 2 * PLACE_SHARED_YIELDS; k++) {
			assert_int_equal(steps(&p, now + pause - 1, &looks),
					 PLACE_YIELD);
			assert_int_equal(looks, 1);
			place_yielded(&p, LONG, now + pause - 1);
		}
		now += pause;
		assert_int_equal(place_next(&p, now), PLACE_MOVE);
		pause = 2 * pause < PLACE_MOVE_MAX_NS ? 2 * pause
						      : PLACE_MOVE_MAX_NS;
	}
	assert_int_equal(pause, PLACE_MOVE_MAX_NS);
	/* One that held for long is followed by a short pause again. */
	now += 4 * PLACE_MOVE_MAX_NS;
	place_yielded(&p, SHORT, now);
	share_until_move(&p, now);
	now += PLACE_MOVE_MIN_NS;
	share_until_move(&p, now);
}

/* One who works keeps the cpu for a time slice each time that it is yielded. */
static void where_somebody_works_it_sleeps(void **state)
{
	struct place p = { 0 };
	uint64_t now = 5, rest = PLACE_REST_MIN_NS;
	unsigned looks;

	(void)state;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(steps(&p, now, &looks), PLACE_YIELD);
		now += PLACE_WORKER_NS;
		place_yielded(&p, PLACE_WORKER_NS, now);
		assert_int_equal(place_next(&p, now), PLACE_SLEEP);
		assert_int_equal(place_next(&p, now + rest - 1), PLACE_SLEEP);
		now += rest;
		rest = 2 * rest < PLACE_REST_MAX_NS ? 2 * rest
						    : PLACE_REST_MAX_NS;
	}
	assert_int_equal(rest, PLACE_REST_MAX_NS);
	/* The next one that is met long after need not stay. */
	now += 4 * PLACE_REST_MAX_NS;
	assert_int_equal(steps(&p, now, &looks), PLACE_YIELD);
	place_yielded(&p, PLACE_WORKER_NS, now);
	assert_int_equal(place_next(&p, now + PLACE_REST_MIN_NS - 1),
			 PLACE_SLEEP);
	assert_int_not_equal(place_next(&p, now + PLACE_REST_MIN_NS),
			     PLACE_SLEEP);
}

/* It has left its peer for somebody who works: that is not tried again soon. */
static void a_bad_move_is_remembered(void **state)
{
	struct place p = { 0 };
	uint64_t now = 5, moved = now;
	unsigned looks;

	(void)state;
	share_until_move(&p, now);
	assert_int_equal(steps(&p, now, &looks), PLACE_YIELD);
	place_yielded(&p, PLACE_WORKER_NS, now);
	now += PLACE_REST_MIN_NS;
	for (unsigned k = 0; k < 2 * PLACE_SHARED_YIELDS; k++) {
		assert_int_equal(steps(&p, now, &looks), PLACE_YIELD);
		place_yielded(&p, LONG, now);
	}
	assert_int_equal(place_next(&p, moved + PLACE_MOVE_BAD_NS - 1),
			 PLACE_YIELD);
	assert_int_equal(place_next(&p, moved + PLACE_MOVE_BAD_NS), PLACE_MOVE);
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
