/* SPDX-License-Identifier: MIT */
#include "place.h"

#include "bytes.h"

static bool may_move(const struct place *place, uint64_t now)
{
	return place->long_yields >= PLACE_SHARED_YIELDS &&
	       (!place->pause_ns || now - place->moved >= place->pause_ns);
}

/* Wanted again as soon as it may be, it has not helped: wait for longer. */
static uint64_t next_pause(const struct place *place, uint64_t now)
{
	if (!place->pause_ns || now - place->moved >= 4 * place->pause_ns)
		return PLACE_MOVE_MIN_NS;
	return MIN(2 * place->pause_ns, PLACE_MOVE_MAX_NS);
}

/* Met again soon after, it is there to stay. */
static uint64_t next_rest(const struct place *place, uint64_t now)
{
	if (!place->rest_ns || now - place->rested >= 4 * place->rest_ns)
		return PLACE_REST_MIN_NS;
	return MIN(2 * place->rest_ns, PLACE_REST_MAX_NS);
}

enum place_step place_next(struct place *place, uint64_t now)
{
	if (now < place->rested)
		return PLACE_SLEEP;
	if (!place->long_yields && ++place->looks < PLACE_LONELY_LOOKS)
		return PLACE_LOOK;
	place->looks = 0;
	if (!may_move(place, now))
		return PLACE_YIELD;
	place->pause_ns = next_pause(place, now);
	place->moved = now;
	place->long_yields = 1; /* until a yield tells */
	return PLACE_MOVE;
}

void place_yielded(struct place *place, uint64_t ns, uint64_t now)
{
	if (ns <= PLACE_CROWDED_NS) {
		place->long_yields = 0;
	} else if (ns < PLACE_WORKER_NS) {
		if (place->long_yields < PLACE_SHARED_YIELDS)
			place->long_yields++;
	} else {
		place->rest_ns = next_rest(place, now);
		place->rested = now + place->rest_ns;
		place->long_yields = 0;
		/* Not where it went to, not soon again */
		if (place->pause_ns)
			place->pause_ns = PLACE_MOVE_BAD_NS;
	}
}
