/* SPDX-License-Identifier: MIT */
/*
 * How a thread that polls spends the time until there is something: pure
 * logic, fed with what its yields took.
 *
 * What is best depends on where the peer runs, and nobody tells. A yield does:
 *
 * - It comes back at once: nobody else wants this cpu, the peer is on another
 *   one. Then looking without a pause is the fastest way to hear of it. A yield
 *   is a system call that makes the next look late, so there is one now and
 *   then only, to notice when that changes.
 * - It takes as long as somebody else's turn: the peer is likely here, and
 *   without a yield after each look it could not go on at all.
 *
 * The second case is twice as slow as the first, and may last: the scheduler
 * chooses a cpu for a thread when it wakes up, and two that only yield never
 * sleep; its balancing leaves alone what ran half a millisecond ago. So the
 * thread sleeps once where it would yield. Who wakes it up does so from this
 * cpu, and if another one is idle, that is where it goes on. If none is, or it
 * may run nowhere else, that has cost some hundred microseconds (a thread that
 * wakes up has to wait for its turn), and is tried again after twice the time.
 */
#ifndef UTIL_PLACE_H
#define UTIL_PLACE_H

#include <stdbool.h>
#include <stdint.h>

/* A yield that took so long let somebody else run. */
#define PLACE_CROWDED_NS 1500ull
/* Looks for each yield if nobody does. */
#define PLACE_LONELY_LOOKS 16u
/* So many long yields in a row are a peer, not a passer-by. */
#define PLACE_SHARED_YIELDS 16u
/* From one sleep that is to find another cpu to the next, at least and, where
 * it does not help, at most. */
#define PLACE_MOVE_MIN_NS (10ull * 1000 * 1000)
#define PLACE_MOVE_MAX_NS (640ull * 1000 * 1000)

/* All zero at first. */
struct place {
	unsigned looks;	      /* since the last yield */
	unsigned long_yields; /* in a row */
	uint64_t moved;	      /* when it slept for that last */
	uint64_t pause_ns;    /* from then to the next time; 0: never did */
};

enum place_step {
	PLACE_LOOK,  /* look again */
	PLACE_YIELD, /* sched_yield(), then place_yielded() */
	PLACE_MOVE,  /* sleep until there is something */
};

/* A look has found nothing, at @now (CLOCK_MONOTONIC, ns): what next? */
enum place_step place_next(struct place *place, uint64_t now);
/* The yield took @ns. */
void place_yielded(struct place *place, uint64_t ns);

#endif
