/* SPDX-License-Identifier: MIT */
#include "wait.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "loop.h"

/* ------------------------------------------------------------------ */
/* Where the peer runs                                                 */
/* ------------------------------------------------------------------ */

static bool may_move(const struct wait_place *place, uint64_t now)
{
	return place->long_yields >= WAIT_SHARED_YIELDS &&
	       (!place->pause_ns || now - place->moved >= place->pause_ns);
}

/* Wanted again as soon as it may be, it has not helped: wait for longer. */
static uint64_t next_pause(const struct wait_place *place, uint64_t now)
{
	if (!place->pause_ns || now - place->moved >= 4 * place->pause_ns)
		return WAIT_MOVE_MIN_NS;
	return MIN(2 * place->pause_ns, WAIT_MOVE_MAX_NS);
}

/* Met again soon after, it is there to stay. */
static uint64_t next_rest(const struct wait_place *place, uint64_t now)
{
	if (!place->rest_ns || now - place->rested >= 4 * place->rest_ns)
		return WAIT_REST_MIN_NS;
	return MIN(2 * place->rest_ns, WAIT_REST_MAX_NS);
}

enum wait_step wait_next(struct wait_place *place, uint64_t now)
{
	if (now < place->rested)
		return WAIT_SLEEP;
	if (!place->long_yields && ++place->looks < WAIT_LONELY_LOOKS)
		return WAIT_LOOK;
	place->looks = 0;
	if (!may_move(place, now))
		return WAIT_YIELD;
	place->pause_ns = next_pause(place, now);
	place->moved = now;
	place->long_yields = 1; /* until a yield tells */
	return WAIT_MOVE;
}

void wait_yielded(struct wait_place *place, uint64_t ns, uint64_t now)
{
	if (ns <= WAIT_CROWDED_NS) {
		place->long_yields = 0;
	} else if (ns < WAIT_WORKER_NS) {
		if (place->long_yields < WAIT_SHARED_YIELDS)
			place->long_yields++;
	} else {
		place->rest_ns = next_rest(place, now);
		place->rested = now + place->rest_ns;
		place->long_yields = 0;
		/* Not where it went to, not soon again */
		if (place->pause_ns)
			place->pause_ns = WAIT_MOVE_BAD_NS;
	}
}

/* ------------------------------------------------------------------ */
/* Passing the time                                                    */
/* ------------------------------------------------------------------ */

static void yield(struct wait *wait, uint64_t now)
{
	uint64_t before = now;

	sched_yield();
	now = loop_now_ns();
	if (!wait_has(wait, WAIT_TRICK_REST) && now - before >= WAIT_WORKER_NS)
		before = now - WAIT_WORKER_NS + 1;
	wait_yielded(&wait->place, now - before, now);
}

bool wait_again(struct wait *wait, uint64_t now)
{
	enum wait_step step;

	if (!wait->came)
		wait->came = now;
	if (now - wait->came >= WAIT_SPIN_NS)
		goto sleep;
	step = wait_next(&wait->place, now);
	if (step == WAIT_LOOK && !wait_has(wait, WAIT_TRICK_LONELY))
		step = WAIT_YIELD;
	if (step == WAIT_YIELD && !wait_has(wait, WAIT_TRICK_YIELD))
		step = WAIT_LOOK;
	if (step == WAIT_MOVE && !wait_has(wait, WAIT_TRICK_MOVE))
		step = WAIT_YIELD;
	if (step == WAIT_YIELD)
		yield(wait, now);
	if (step == WAIT_LOOK || step == WAIT_YIELD)
		return true;
sleep:
	wait->came = 0;
	return false;
}

/* ------------------------------------------------------------------ */
/* Pollers                                                             */
/* ------------------------------------------------------------------ */

const char *const wait_tricks[WAIT_N_TRICKS] = {
	[WAIT_TRICK_SPIN] = "spin",   [WAIT_TRICK_LONELY] = "lonely",
	[WAIT_TRICK_YIELD] = "yield", [WAIT_TRICK_MOVE] = "move",
	[WAIT_TRICK_REST] = "rest",   [WAIT_TRICK_OTHERS] = "others",
	[WAIT_TRICK_WARM] = "warm",   [WAIT_TRICK_AWAKE] = "awake",
	[WAIT_TRICK_LINK] = "link",
};

void wait_init(struct wait *wait)
{
	const char *without = getenv(WAIT_WITHOUT_ENV);

	*wait = (struct wait){ 0 };
	for (unsigned i = 0; without && i < WAIT_N_TRICKS; i++)
		if (!strcmp(without, wait_tricks[i]))
			wait->without |= 1u << i;
}

void wait_add(struct wait *wait, struct wait_poller *poller)
{
	if (poller->registered)
		return;
	poller->next = wait->pollers;
	poller->registered = true;
	poller->hot = false;
	poller->polled = false;
	wait->pollers = poller;
}

void wait_remove(struct wait *wait, struct wait_poller *poller)
{
	struct wait_poller **p = &wait->pollers;

	while (*p && *p != poller)
		p = &(*p)->next;
	if (*p)
		*p = poller->next;
	if (wait->next == poller)
		wait->next = poller->next;
	poller->registered = false;
	poller->hot = false;
}

static bool any_hot(const struct wait *wait)
{
	for (const struct wait_poller *p = wait->pollers; p; p = p->next)
		if (p->hot)
			return true;
	return false;
}

/* One call of every hot or warm poller. */
static bool poll_hot(struct wait *wait)
{
	struct wait_poller *p = wait->pollers;
	bool did = false;

	while (p) {
		wait->next = p->next; /* poll may remove any of them */
		if (p->hot || (p->warm && wait_has(wait, WAIT_TRICK_WARM))) {
			p->polled = true;
			did |= p->poll(p);
		}
		p = wait->next;
	}
	return did;
}

/* All pollers cool down. */
static void rest(struct wait *wait)
{
	struct wait_poller *p = wait->pollers;

	wait->came = 0;
	while (p) {
		wait->next = p->next;
		if (p->hot || p->polled) {
			p->hot = false;
			p->polled = false;
			if (p->rest)
				p->rest(p);
		}
		p = wait->next;
	}
}

bool wait_spin(struct wait *wait, const atomic_bool *stop)
{
	uint64_t begin = loop_now_ns();

	if (!wait->came)
		wait->came = begin;
	while (any_hot(wait) && wait_has(wait, WAIT_TRICK_SPIN)) {
		bool did = poll_hot(wait);
		uint64_t now;

		if (atomic_load_explicit(stop, memory_order_relaxed))
			break;
		now = loop_now_ns();
		if (did)
			wait->came = now;
		/* Others must not starve behind a busy peer; but a system call
		 * for each of its messages would cost it dearly. */
		if (now - begin >= WAIT_OTHERS_NS)
			return true;
		if (!did && !wait_again(wait, now))
			break;
		if (!wait_has(wait, WAIT_TRICK_OTHERS))
			return true;
	}
	rest(wait);
	return false;
}
