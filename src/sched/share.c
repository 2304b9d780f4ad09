/* SPDX-License-Identifier: MIT */
/* What a group may still have of an engine: by its weight, and by its cap. */
#include "../util/bytes.h"
#include "private.h"

uint64_t share_units(const struct share *share, uint64_t ns)
{
	return MIN(ns, SCHED_RUN_MAX_NS) * SCHED_SCALE / share->group->weight;
}

static bool behind(uint64_t v, uint64_t other)
{
	return (int64_t)(v - other) < 0;
}

/* That of who is furthest behind, of those that want the engine. */
uint64_t engine_clock(struct engine *engine, uint64_t now)
{
	const struct slot *s = engine->slots;
	uint64_t clock;

	if (!engine->n_slots)
		return engine->clock;
	clock = s->tag + share_units(s->entity->share,
				     now - MIN(engine->started, now));
	if (engine->n_slots > 1 && behind(s[1].tag, clock))
		clock = s[1].tag;
	if (engine->run.n && behind(engine->run.shares[0]->v, clock))
		clock = engine->run.shares[0]->v;
	if (behind(engine->clock, clock))
		engine->clock = clock;
	return engine->clock;
}

/* ------------------------------------------------------------------ */
/* The cap: a bucket that fills at its rate, up to a window's worth     */
/* ------------------------------------------------------------------ */

static bool capped(const struct share *share)
{
	return share->group->ppm < SCHED_PPM;
}

static int64_t bucket(const struct share *share)
{
	return (int64_t)(VGPU_SCHED_WINDOW_NS / SCHED_PPM * share->group->ppm);
}

static void refill(struct share *share, uint64_t now)
{
	uint64_t ns = now - MIN(share->tokens_at, now);
	int64_t full = bucket(share), more;

	/* Debts are of a turn at most, so after a while it is full. */
	ns = MIN(ns, SCHED_RUN_MAX_NS / 4);
	more = (int64_t)(ns * share->group->ppm / SCHED_PPM);
	share->tokens_at = now;
	share->tokens += more;
	if (share->tokens > full)
		share->tokens = full;
}

/* One that was stopped goes on with a turn's worth, and not with a crumb. */
static int64_t needed(const struct share *share)
{
	int64_t full = bucket(share);

	return MIN((int64_t)VGPU_SCHED_SLICE_NS, full);
}

static uint64_t go_on_at(const struct share *share, uint64_t now)
{
	uint64_t missing = (uint64_t)(needed(share) - share->tokens);

	return now + missing * SCHED_PPM / share->group->ppm + 1;
}

/* ------------------------------------------------------------------ */
/* Places                                                              */
/* ------------------------------------------------------------------ */

static struct heap *heap_of(const struct share *share)
{
	return share->place == PLACE_RUN ? &share->engine->run
					 : &share->engine->throttled;
}

static void move(struct share *share, enum share_place place, uint64_t key)
{
	if (share->place == place) {
		share->key = key;
		if (place != PLACE_NONE)
			heap_moved(heap_of(share), share);
		return;
	}
	if (share->place != PLACE_NONE)
		heap_remove(heap_of(share), share);
	share->place = place;
	share->key = key;
	if (place != PLACE_NONE)
		heap_insert(heap_of(share), share);
}

/* Who was away has not saved anything up but a turn or three, which let it in
 * before those who were there; who was ahead still is. */
void share_wake(struct share *share, uint64_t now)
{
	uint64_t clock = engine_clock(share->engine, now);
	uint64_t least = clock - share_units(share, VGPU_SCHED_LAG_NS);
	int64_t ahead = (int64_t)(share->v - clock);

	if ((int64_t)(share->v - least) < 0)
		share->v = least;
	else if (ahead > 0 &&
		 (uint64_t)ahead > share_units(share, SCHED_AHEAD_NS))
		share->v = clock;
}

void share_place(struct share *share, uint64_t now)
{
	bool was = share->place == PLACE_THROTTLED, stop = false;

	if (capped(share) && !list_empty(&share->queue)) {
		refill(share, now);
		stop = share->tokens < (was ? needed(share) : 1);
	}
	/* Nor has one that was not allowed to. */
	if (was && !stop && !share->submitted)
		share_wake(share, now);
	if (list_empty(&share->queue))
		move(share, PLACE_NONE, 0);
	else if (stop)
		move(share, PLACE_THROTTLED, go_on_at(share, now));
	else
		move(share, PLACE_RUN, share->v);
	if (!was && stop)
		share->throttled_at = now;
	if (was && share->place != PLACE_THROTTLED)
		share->stats.throttled_ns +=
			now - MIN(share->throttled_at, now);
}

void share_changed(struct share *share, unsigned old_weight, uint64_t now)
{
	uint64_t clock = engine_clock(share->engine, now);
	int64_t lag = (int64_t)(share->v - clock);

	/* In the engine's time it is ahead or behind by as much as before. */
	lag = lag / (int64_t)share->group->weight * (int64_t)old_weight;
	share->v = clock + (uint64_t)lag;
	if (capped(share))
		refill(share, now);
	share_place(share, now);
}

void share_charge(struct share *share, uint64_t ns, struct slot *slot,
		  uint64_t now)
{
	slot->tag = share->v;
	slot->charged = share_units(share, ns);
	slot->taken = 0;
	slot->allowed = VGPU_SCHED_NEVER;
	share->v += slot->charged;
	if (!capped(share))
		return;
	refill(share, now);
	if (share->tokens > 0)
		/* More comes in while it runs. */
		slot->allowed = (uint64_t)share->tokens * SCHED_PPM /
				(SCHED_PPM - share->group->ppm);
	else
		slot->allowed = 0;
	slot->taken = ns;
	share->tokens -= (int64_t)ns;
}

void share_settle(struct share *share, uint64_t ns, const struct slot *slot,
		  uint64_t now)
{
	ns = MIN(ns, SCHED_RUN_MAX_NS);
	share->v += share_units(share, ns) - slot->charged;
	if (!capped(share) && !slot->taken)
		return;
	refill(share, now);
	share->tokens += (int64_t)slot->taken - (int64_t)ns;
}
