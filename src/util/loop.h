/* SPDX-License-Identifier: MIT */
/*
 * The event loop: a thread with an epoll set. Everything an instance does
 * happens in callbacks of its loop, so instances need no locks.
 */
#ifndef UTIL_LOOP_H
#define UTIL_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "wait.h"

struct loop;
struct loop_source;

/**
 * loop_fd_fn - an fd is ready
 * @events: EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR as they came
 */
typedef void (*loop_fd_fn)(struct loop_source *src, uint32_t events,
			   void *user);
typedef void (*loop_timer_fn)(struct loop_source *src, void *user);

int loop_new(struct loop **ret_loop);
/* Sources must be gone before; NULL is fine. */
void loop_free(struct loop *loop);

/* Run until loop_stop(). Return: 0, or negative errno of epoll itself. */
int loop_run(struct loop *loop);
/* Run what is ready; wait at most @timeout_ms (-1: for ever). For tests and
 * for programs with a loop of their own. Return: callbacks run, or error. */
int loop_run_once(struct loop *loop, int timeout_ms);
/* Any thread. */
void loop_stop(struct loop *loop);

/**
 * loop_add_fd() - watch an fd
 * @fd: stays the caller's; must stay open until the source is removed
 * @events: EPOLLIN and/or EPOLLOUT; 0: hang-up and errors only
 */
int loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_fn fn,
		void *user, struct loop_source **ret_src);
int loop_set_events(struct loop_source *src, uint32_t events);

/* A timer, disarmed at first. */
int loop_add_timer(struct loop *loop, loop_timer_fn fn, void *user,
		   struct loop_source **ret_src);
/* Fire once in @ns (0: disarm), and then every @interval_ns (0: once). */
int loop_arm_timer(struct loop_source *src, uint64_t ns, uint64_t interval_ns);

/* Watch signals (blocked for the thread by this call) */
typedef void (*loop_signal_fn)(struct loop_source *src, int signo, void *user);
int loop_add_signal(struct loop *loop, int signo, loop_signal_fn fn, void *user,
		    struct loop_source **ret_src);

/* Remove a source; NULL is fine. Safe in any callback, also its own: the
 * memory goes when the current round of callbacks is over. */
void loop_remove(struct loop_source *src);

/* How its thread waits. wait_add() somebody whom it is to look at before it
 * sleeps; before the loop goes, wait_remove(). */
struct wait *loop_wait(struct loop *loop);

uint64_t loop_now_ns(void); /* CLOCK_MONOTONIC */

#endif
