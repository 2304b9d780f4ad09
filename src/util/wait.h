/* SPDX-License-Identifier: MIT */
/*
 * How a thread waits for its peer. docs/waiting.md says what each part of it
 * buys.
 *
 * A wake-up across cpus costs more than the whole protocol. So who was just
 * heard of is looked at again and again for a moment, before the thread sleeps;
 * one that hears nothing sleeps, and looks at nothing.
 *
 * What is best between two looks depends on where the peer runs, and nobody
 * tells. A yield does:
 *
 * - It comes back at once: nobody else wants this cpu, the peer is on another
 *   one. Then looking without a pause is the fastest way to hear of it. A yield
 *   is a system call that makes the next look late, so there is one now and
 *   then only, to notice when that changes.
 * - It takes as long as somebody else's turn: the peer is likely here, and
 *   without a yield after each look it could not go on at all.
 * - It takes as long as a whole time slice: this is somebody who has nothing to
 *   do with us and does not give the cpu back. Who sleeps instead is let in
 *   again as soon as there is something for him, so for a while there is no
 *   polling at all.
 *
 * The second case is twice as slow as the first, and may last: the scheduler
 * chooses a cpu for a thread when it wakes up, and two that only yield never
 * sleep; its balancing leaves alone what ran half a millisecond ago. So the
 * thread sleeps once where it would yield: whoever wakes it up does so from
 * this cpu, and if another one is idle, that is where it goes on. If that has
 * not helped, it is tried again after twice the time; if it led to somebody of
 * the third kind, which costs a time slice, after seconds.
 */
#ifndef UTIL_WAIT_H
#define UTIL_WAIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* How long a thread looks after something came, before it sleeps. */
#define WAIT_SPIN_NS (50ull * 1000)
/* How often it looks at its other sources meanwhile. */
#define WAIT_OTHERS_NS (100ull * 1000)
/* A yield that took so long let somebody else run. */
#define WAIT_CROWDED_NS 1500ull
/* Looks for each yield if nobody does. */
#define WAIT_LONELY_LOOKS 16u
/* So many long yields in a row are a peer, not a passer-by. */
#define WAIT_SHARED_YIELDS 16u
/* From one attempt to find another cpu to the next, at least and, where it does
 * not help, at most. */
#define WAIT_MOVE_MIN_NS (10ull * 1000 * 1000)
#define WAIT_MOVE_MAX_NS (640ull * 1000 * 1000)
#define WAIT_MOVE_BAD_NS (5ull * 1000 * 1000 * 1000)
/* A yield that took so long was for somebody who works. */
#define WAIT_WORKER_NS (500ull * 1000)
/* So long there is no polling then, at first and at most. */
#define WAIT_REST_MIN_NS (5ull * 1000 * 1000)
#define WAIT_REST_MAX_NS (1280ull * 1000 * 1000)

/* Where the peer runs, as far as it shows. All zero at first. */
struct wait_place {
	unsigned looks;	      /* since the last yield */
	unsigned long_yields; /* in a row */
	uint64_t moved;	      /* when it tried to leave last */
	uint64_t pause_ns;    /* from then to the next time; 0: never did */
	uint64_t rested;      /* end of the last time without polling, */
	uint64_t rest_ns;     /* and how long that was; 0: there was none */
};

/**
 * struct wait_poller - somebody who may be looked at before the thread sleeps
 * @poll: do what is there without blocking. Return true if there was anything.
 * @rest: (optional) it was polled, and will not be until something is hot
 *        again: go back to waiting for epoll
 * @warm: (changed at will) @poll is a load or two: whenever the thread spins
 *        for somebody, poll this one, too. It alone makes nobody spin.
 */
struct wait_poller {
	bool (*poll)(struct wait_poller *poller);
	void (*rest)(struct wait_poller *poller);
	bool warm;
	struct wait_poller *next; /* private */
	bool registered;	  /* private */
	bool hot;		  /* private */
	bool polled;		  /* private: since the last rest */
};

/* One thread's waiting. Private; wait_init(), or all zero. */
struct wait {
	struct wait_poller *pollers;
	struct wait_poller *next; /* of the round in progress */
	struct wait_place place;
	uint64_t came; /* when there was something last; 0: it slept since */
	unsigned without;
};

void wait_init(struct wait *wait);

void wait_add(struct wait *wait, struct wait_poller *poller);
void wait_remove(struct wait *wait, struct wait_poller *poller);
/* Something came for @poller: spin for it before sleeping. */
static inline void wait_mark_hot(struct wait_poller *poller)
{
	poller->hot = true;
}

/**
 * wait_spin() - poll whoever is hot, again and again
 * @stop: come back soon when it becomes true
 *
 * Return: true: look at other sources, without waiting, and come back; false:
 * nothing came for WAIT_SPIN_NS, or nobody is hot: sleep. All pollers are cold
 * then.
 */
bool wait_spin(struct wait *wait, const atomic_bool *stop);

/**
 * wait_again() - a look has found nothing: pass the time until the next one
 * @now: CLOCK_MONOTONIC, ns
 *
 * For who has one thing to look at and no pollers. Return: true: look again;
 * false: it's time to sleep (and wait->came is 0).
 */
bool wait_again(struct wait *wait, uint64_t now);

/* ---- its parts, which tests look at alone ------------------------------ */

enum wait_step {
	WAIT_LOOK,  /* look again */
	WAIT_YIELD, /* sched_yield(), then wait_yielded() */
	WAIT_MOVE,  /* sleep, to wake up elsewhere */
	WAIT_SLEEP, /* until there is something */
};

/* A look has found nothing, at @now (CLOCK_MONOTONIC, ns): what next? */
enum wait_step wait_next(struct wait_place *place, uint64_t now);
/* The yield took @ns, until @now. */
void wait_yielded(struct wait_place *place, uint64_t ns, uint64_t now);

/* What bench-waiting switches off, by name in WAIT_WITHOUT_ENV. For it only. */
#define WAIT_WITHOUT_ENV "VGPU_WAIT_WITHOUT"
extern const char *const wait_tricks[];
enum wait_trick {
	WAIT_TRICK_SPIN,
	WAIT_TRICK_LONELY,
	WAIT_TRICK_YIELD,
	WAIT_TRICK_MOVE,
	WAIT_TRICK_REST,
	WAIT_TRICK_OTHERS,
	WAIT_TRICK_WARM,
	WAIT_TRICK_AWAKE,
	WAIT_TRICK_LINK,
	WAIT_N_TRICKS,
};
static inline bool wait_has(const struct wait *wait, enum wait_trick trick)
{
	return !(wait->without >> trick & 1);
}

#endif
