/* SPDX-License-Identifier: MIT */
/* The clock that tests turn by hand (rig/clock.h), under a loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <time.h>
#include <unistd.h>

#include "rig/clock.h"
#include "util/loop.h"

static struct loop *loop;
static struct loop_source *timer;

/* When the timer rang, in ns since the test began */
static uint64_t began, rang[8];
static unsigned n_rang;

static void on_time(struct loop_source *src, void *user)
{
	(void)src;
	(void)user;
	assert_true(n_rang < 8);
	rang[n_rang++] = loop_now_ns() - began;
}

static int setup(void **state)
{
	(void)state;
	clock_tick(0);
	n_rang = 0;
	began = loop_now_ns();
	return loop_new(&loop) || loop_add_timer(loop, on_time, NULL, &timer);
}

static int teardown(void **state)
{
	(void)state;
	loop_remove(timer);
	loop_free(loop);
	return 0;
}

static void time_stands_still(void **state)
{
	struct timespec t;

	(void)state;
	usleep(1);
	assert_int_equal(loop_now_ns(), began);
	clock_turn(3 * S + 5);
	assert_int_equal(loop_now_ns(), began + 3 * S + 5);
	assert_int_equal(clock_now(), loop_now_ns());
	/* Other clocks are the system's. */
	assert_int_equal(clock_gettime(CLOCK_REALTIME, &t), 0);
	assert_true(t.tv_sec > 1000000000);
}

static void a_timer_rings_when_its_time_has_come(void **state)
{
	(void)state;
	assert_int_equal(clock_until_timer(), UINT64_MAX);
	loop_arm_timer(timer, 2 * S, 0);
	assert_int_equal(clock_until_timer(), 2 * S);
	clock_run(loop, 2 * S - 1);
	assert_int_equal(n_rang, 0);
	clock_run(loop, 1);
	assert_int_equal(n_rang, 1);
	clock_run(loop, 10 * S);
	assert_int_equal(n_rang, 1);
}

static void an_interval_goes_on(void **state)
{
	(void)state;
	loop_arm_timer(timer, 1 * S, 300 * MS);
	clock_run(loop, 1700 * MS);
	assert_int_equal(n_rang, 3);
	assert_int_equal(rang[0], 1000 * MS);
	assert_int_equal(rang[1], 1300 * MS);
	assert_int_equal(rang[2], 1600 * MS);
	/* Once for all that passes at once */
	clock_turn(5 * S);
	clock_run(loop, 0);
	assert_int_equal(n_rang, 4);
}

static void one_that_is_disarmed_or_gone_does_not_ring(void **state)
{
	int p[2];

	(void)state;
	loop_arm_timer(timer, 1 * S, 0);
	clock_turn(1 * S);
	loop_arm_timer(timer, 0, 0); /* has rung, but nobody has looked */
	clock_run(loop, 1 * S);
	loop_arm_timer(timer, 1 * S, 0);
	loop_remove(timer);
	timer = NULL;
	/* Something else has its number. */
	assert_int_equal(pipe(p), 0);
	assert_int_equal(clock_until_timer(), UINT64_MAX);
	clock_run(loop, 2 * S);
	assert_int_equal(n_rang, 0);
	close(p[0]);
	close(p[1]);
	assert_int_equal(loop_add_timer(loop, on_time, NULL, &timer), 0);
	clock_run(loop, 2 * S);
	assert_int_equal(n_rang, 0);
}

static void again(struct loop_source *src, void *user)
{
	on_time(src, user);
	if (n_rang < 4)
		loop_arm_timer(src, 10 * MS, 0);
}

static void callbacks_run_at_their_times(void **state)
{
	struct loop_source *chain;

	(void)state;
	assert_int_equal(loop_add_timer(loop, again, NULL, &chain), 0);
	loop_arm_timer(chain, 10 * MS, 0);
	loop_arm_timer(timer, 25 * MS, 0);
	clock_run(loop, 1 * S);
	assert_int_equal(n_rang, 4);
	assert_int_equal(rang[1], 20 * MS);
	assert_int_equal(rang[2], 25 * MS);
	assert_int_equal(rang[3], 30 * MS);
	assert_int_equal(loop_now_ns() - began, 1 * S);
	loop_remove(chain);
}

static void looking_and_sleeping_take_time(void **state)
{
	unsigned slept = clock_sleeps();

	(void)state;
	nanosleep(&(struct timespec){ .tv_sec = 1, .tv_nsec = 5 }, NULL);
	assert_int_equal(clock_sleeps(), slept + 1);
	assert_int_equal(loop_now_ns() - began, 1 * S + 5);
	clock_tick(100);
	assert_int_equal(loop_now_ns() - began, 1 * S + 105);
	assert_int_equal(loop_now_ns() - began, 1 * S + 205);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(time_stands_still),
		TEST(a_timer_rings_when_its_time_has_come),
		TEST(an_interval_goes_on),
		TEST(one_that_is_disarmed_or_gone_does_not_ring),
		TEST(callbacks_run_at_their_times),
		TEST(looking_and_sleeping_take_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
