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
 * - It takes as long as a whole time slice: this is somebody who has nothing to
 *   do with us and does not give the cpu back. Who sleeps instead is let in
 *   again as soon as there is something for him, so for a while there is no
 *   polling at all.
 *
 * The second case is twice as slow as the first, and may last: the scheduler
 * chooses a cpu for a thread when it wakes up, and two that only yield never
 * sleep; its balancing leaves alone what ran half a millisecond ago. So the
 * thread goes to another cpu by itself (hop.h); if it may not, it sleeps once
 * where it would yield, since whoever wakes it up does so from this cpu, and if
 * another one is idle, that may be where it goes on. If that has not helped, it
 * has cost some hundred microseconds, and is tried again after twice the time;
 * if it led to somebody of the third kind, which costs a time slice, after
 * seconds.
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
/* From one attempt to find another cpu to the next, at least and, where it does
 * not help, at most. */
#define PLACE_MOVE_MIN_NS (10ull * 1000 * 1000)
#define PLACE_MOVE_MAX_NS (640ull * 1000 * 1000)
#define PLACE_MOVE_BAD_NS (5ull * 1000 * 1000 * 1000)
/* A yield that took so long was for somebody who works. */
#define PLACE_WORKER_NS (500ull * 1000)
/* So long there is no polling then, at first and at most. */
#define PLACE_REST_MIN_NS (5ull * 1000 * 1000)
#define PLACE_REST_MAX_NS (1280ull * 1000 * 1000)

/* All zero at first. */
struct place {
	unsigned looks;	      /* since the last yield */
	unsigned long_yields; /* in a row */
	uint64_t moved;	      /* when it tried to leave last */
	uint64_t pause_ns;    /* from then to the next time; 0: never did */
	uint64_t rested;      /* end of the last time without polling, */
	uint64_t rest_ns;     /* and how long that was; 0: there was none */
};

enum place_step {
	PLACE_LOOK,  /* look again */
	PLACE_YIELD, /* sched_yield(), then place_yielded() */
	PLACE_MOVE,  /* hop_away(); if that can't be, sleep as below */
	PLACE_SLEEP, /* until there is something */
};

/* A look has found nothing, at @now (CLOCK_MONOTONIC, ns): what next? */
enum place_step place_next(struct place *place, uint64_t now);
/* The yield took @ns, until @now. */
void place_yielded(struct place *place, uint64_t ns, uint64_t now);

#endif
