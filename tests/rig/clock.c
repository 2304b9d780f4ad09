/* SPDX-License-Identifier: MIT */
#include "rig/clock.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "util/loop.h"

#define MAX_FDS 1024

/*
 * A timer is a real timerfd, which the kernel rings only when it is told to: so
 * it can be polled and read as any other, and nobody needs to tell this file
 * when one is closed. A number that is no timer's any more is refused by the
 * kernel.
 */
static struct {
	pthread_mutex_t lock;
	uint64_t now, tick;
	int end; /* no timer's descriptor is this, or above */
	struct {
		uint64_t at, interval; /* @at of 0: not armed */
	} timers[MAX_FDS];	       /* by descriptor */
	unsigned sleeps;
} hand = { .lock = PTHREAD_MUTEX_INITIALIZER, .now = 1000 * S };

static uint64_t to_ns(const struct timespec *t)
{
	return (uint64_t)t->tv_sec * S + (uint64_t)t->tv_nsec;
}

static int set(int fd, int flags, const struct itimerspec *its)
{
	return (int)syscall(SYS_timerfd_settime, fd, flags, its, NULL);
}

/* Readable from now on */
static int ring(int fd)
{
	struct itimerspec past = { .it_value.tv_nsec = 1 };

	return set(fd, TFD_TIMER_ABSTIME, &past);
}

/* With the lock held */
static void turn(uint64_t ns)
{
	hand.now += ns;
	for (int fd = 0; fd < hand.end; fd++) {
		uint64_t interval = hand.timers[fd].interval;

		if (!hand.timers[fd].at || hand.timers[fd].at > hand.now)
			continue;
		if (ring(fd) < 0 || !interval)
			hand.timers[fd].at = 0;
		else
			hand.timers[fd].at +=
				((hand.now - hand.timers[fd].at) / interval +
				 1) *
				interval;
	}
}

uint64_t clock_now(void)
{
	uint64_t now;

	pthread_mutex_lock(&hand.lock);
	now = hand.now;
	pthread_mutex_unlock(&hand.lock);
	return now;
}

uint64_t clock_until_timer(void)
{
	uint64_t first = UINT64_MAX;

	pthread_mutex_lock(&hand.lock);
	for (int fd = 0; fd < hand.end; fd++) {
		uint64_t at = hand.timers[fd].at;
		struct itimerspec its;

		/* Closed since? */
		if (at && syscall(SYS_timerfd_gettime, fd, &its) < 0)
			at = hand.timers[fd].at = 0;
		if (at && at < first)
			first = at;
	}
	if (first != UINT64_MAX)
		first = first > hand.now ? first - hand.now : 0;
	pthread_mutex_unlock(&hand.lock);
	return first;
}

void clock_turn(uint64_t ns)
{
	pthread_mutex_lock(&hand.lock);
	turn(ns);
	pthread_mutex_unlock(&hand.lock);
}

static void do_all(struct loop *loop)
{
	int n;

	while ((n = loop_run_once(loop, 0)) > 0)
		;
	if (n < 0) {
		fprintf(stderr, "the loop ended: error %d\n", n);
		abort();
	}
}

void clock_run(struct loop *loop, uint64_t ns)
{
	uint64_t end = clock_now() + ns;

	do_all(loop);
	for (;;) {
		uint64_t now = clock_now(), next = clock_until_timer();

		if (now >= end)
			break;
		clock_turn(next < end - now ? next : end - now);
		do_all(loop);
	}
}

void clock_tick(uint64_t ns)
{
	pthread_mutex_lock(&hand.lock);
	hand.tick = ns;
	pthread_mutex_unlock(&hand.lock);
}

unsigned clock_sleeps(void)
{
	unsigned n;

	pthread_mutex_lock(&hand.lock);
	n = hand.sleeps;
	pthread_mutex_unlock(&hand.lock);
	return n;
}

/* ------------------------------------------------------------------ */
/* The C library's                                                     */
/* ------------------------------------------------------------------ */

int clock_gettime(clockid_t id, struct timespec *t)
{
	uint64_t now;

	if (id != CLOCK_MONOTONIC)
		return (int)syscall(SYS_clock_gettime, id, t);
	pthread_mutex_lock(&hand.lock);
	if (hand.tick)
		turn(hand.tick);
	now = hand.now;
	pthread_mutex_unlock(&hand.lock);
	t->tv_sec = (time_t)(now / S);
	t->tv_nsec = (long)(now % S);
	return 0;
}

int nanosleep(const struct timespec *time, struct timespec *rest)
{
	(void)rest;
	pthread_mutex_lock(&hand.lock);
	hand.sleeps++;
	turn(to_ns(time));
	pthread_mutex_unlock(&hand.lock);
	return sched_yield();
}

int timerfd_create(int clock, int flags)
{
	int fd = (int)syscall(SYS_timerfd_create, clock, flags);

	if (fd >= MAX_FDS) {
		close(fd);
		errno = EMFILE;
		return -1;
	}
	if (fd >= 0) {
		/* Who had this number before is gone. */
		pthread_mutex_lock(&hand.lock);
		hand.timers[fd].at = 0;
		if (fd >= hand.end)
			hand.end = fd + 1;
		pthread_mutex_unlock(&hand.lock);
	}
	return fd;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *its,
		    struct itimerspec *old)
{
	static const struct itimerspec never;
	uint64_t ns = to_ns(&its->it_value);
	int ret;

	(void)old;
	pthread_mutex_lock(&hand.lock);
	ret = set(fd, 0, &never); /* what has rung and was not read is over */
	if (!ret) {
		uint64_t from = flags & TFD_TIMER_ABSTIME ? 0 : hand.now;

		hand.timers[fd].at = ns ? from + ns : 0;
		hand.timers[fd].interval = to_ns(&its->it_interval);
		turn(0);
	}
	pthread_mutex_unlock(&hand.lock);
	return ret;
}
