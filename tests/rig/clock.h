/* SPDX-License-Identifier: MIT */
/*
 * A clock that tests turn by hand.
 *
 * In a program that has clock.c among its sources, time stands still until the
 * test says that it passes. The core, drivers and programs notice nothing:
 * clock.c defines the C library's clock_gettime() (of CLOCK_MONOTONIC; other
 * clocks are the system's), nanosleep(), timerfd_create() and
 * timerfd_settime(), and the linker takes these for whatever is linked into the
 * test. So nothing in the code under test is there for tests only.
 *
 *	arm_something_for_two_seconds();
 *	clock_run(loop, 1999 * MS);
 *	assert_false(something_happened);
 *	clock_run(loop, 1 * MS);
 *	assert_true(something_happened);
 *
 * What still takes real time is what waits in the kernel with a time limit:
 * poll(), or loop_run_once() with a timeout. The clock does not turn meanwhile.
 * Modules that are loaded at run time see the system's clock. Any thread may
 * look at the clock or sleep; one thread turns it.
 */
#ifndef TEST_RIG_CLOCK_H
#define TEST_RIG_CLOCK_H

#include <stdint.h>

struct loop;

#define US 1000ull /* nanoseconds of a microsecond, millisecond, second */
#define MS 1000000ull
#define S  1000000000ull

/* What the clock shows, in ns: what loop_now_ns() returns. */
uint64_t clock_now(void);

/* How long until the next timer is due, in ns; UINT64_MAX: none is armed. */
uint64_t clock_until_timer(void);

/**
 * clock_turn() - let @ns pass at once
 *
 * Timers that are due by then are readable afterwards. One with an interval is
 * so once, however many of its times have passed.
 */
void clock_turn(uint64_t ns);

/**
 * clock_run() - let @ns pass as a loop sees it
 *
 * Time stops at each timer for as long as @loop has anything to do, so
 * callbacks run in the order of their times and may arm what is due in
 * between. The loop is idle before time passes, and when this returns.
 * With @ns of 0: all that can be done now.
 */
void clock_run(struct loop *loop, uint64_t ns);

/**
 * clock_tick() - from here on each look at the clock turns it by @ns
 *
 * For code that works until its time is up: then the number of its steps
 * depends on nothing but the code. 0, as at first: looking takes no time.
 */
void clock_tick(uint64_t ns);

/**
 * clock_sleeps() - how often anybody has come to nanosleep()
 *
 * It turns the clock by the time asked for, yields, and returns. A thread that
 * wants another one to be waiting by now waits until this has grown.
 */
unsigned clock_sleeps(void);

#endif
