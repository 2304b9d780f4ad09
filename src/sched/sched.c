/* SPDX-License-Identifier: MIT */
/* Engines: who runs, who is next, when a turn ends. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "../util/sized.h"
#include "../util/bytes.h"
#include "private.h"

static struct engine *engine_of(const struct vgpu_sched_entity *e)
{
	return e->share->engine;
}

/* ------------------------------------------------------------------ */
/* Turns                                                               */
/* ------------------------------------------------------------------ */

static uint64_t slice(const struct engine *engine)
{
	uint64_t n = engine->run.n + engine->n_slots, ns;

	ns = VGPU_SCHED_LATENCY_NS / MAX(n, (uint64_t)1);
	ns = MAX(ns, VGPU_SCHED_MIN_SLICE_NS);
	return MIN(ns, engine->sched->config.slice_ns);
}

/* Who of those that wait is furthest behind; NULL: nobody waits. */
static const struct share *first_waiting(const struct engine *engine,
					 uint64_t *ret_v)
{
	const struct slot *next = &engine->slots[1];
	const struct share *share = NULL;

	if (engine->n_slots > 1) {
		share = next->entity->share;
		*ret_v = next->tag;
	}
	if (engine->run.n &&
	    (!share || (int64_t)(engine->run.shares[0]->v - *ret_v) < 0)) {
		share = engine->run.shares[0];
		*ret_v = share->v;
	}
	return share;
}

/*
 * How long the one that runs may. It has its turn at least, and goes on until
 * it has caught up with who is next. One who has come meanwhile, and has had
 * less than its share, waits no longer than it takes to be worth the change;
 * where many come and go, each change costs the others.
 */
static uint64_t turn(const struct engine *engine)
{
	const struct slot *s = &engine->slots[0];
	const struct share *own = s->entity->share, *share;
	uint64_t v, ns = slice(engine), more;
	int64_t ahead;

	share = first_waiting(engine, &v);
	if (!share)
		return VGPU_SCHED_LONE_NS;
	ahead = (int64_t)(v - s->tag);
	if (share == own)
		return ns;
	if (ahead < -(int64_t)share_units(share, SCHED_WAKE_NS))
		return engine->run.n + engine->n_slots > 2
			       ? MIN(ns, VGPU_SCHED_MIN_SLICE_NS)
			       : VGPU_SCHED_MIN_RUN_NS;
	if (ahead <= 0)
		return ns;
	more = (uint64_t)ahead / SCHED_SCALE * own->group->weight;
	ns = MAX(ns, more);
	return MIN(ns, VGPU_SCHED_LONE_NS);
}

static uint64_t turn_ends(const struct engine *engine)
{
	uint64_t ns = turn(engine);

	return engine->started + MIN(ns, engine->slots[0].allowed);
}

static void begin(struct engine *engine, uint64_t now)
{
	struct vgpu_sched_entity *e = engine->slots[0].entity;
	struct vgpu_sched_stats *stats = &e->share->stats;
	uint64_t wait = now - MIN(e->since, now);

	if ((int64_t)(engine->slots[0].tag - engine->clock) > 0)
		engine->clock = engine->slots[0].tag;
	engine->started = now;
	engine->preempted = false;
	stats->runs++;
	stats->wait_ns += wait;
	stats->max_wait_ns = MAX(stats->max_wait_ns, wait);
}

static void submit(struct engine *engine, struct share *share, uint64_t now)
{
	struct vgpu_sched *sched = engine->sched;
	struct vgpu_sched_entity *e =
		list_entry(share->queue.next, struct vgpu_sched_entity, link);
	struct slot *slot = &engine->slots[engine->n_slots];

	list_remove(&e->link);
	e->queued = false;
	e->submitted = true;
	share->submitted++;
	slot->entity = e;
	share_charge(share, slice(engine), slot, now);
	share_place(share, now);
	if (!engine->n_slots++)
		begin(engine, now);
	sched->ops.submit(sched->config.user, engine->number, e);
}

static void fill(struct engine *engine, uint64_t now)
{
	unsigned room = ARRAY_SIZE(engine->slots);

	if (engine->preempted && engine->goes_on)
		room = 1;
	while (engine->n_slots < room && engine->run.n)
		submit(engine, engine->run.shares[0], now);
}

static void enqueue(struct vgpu_sched_entity *e, bool first, uint64_t now)
{
	struct share *share = e->share;

	list_insert(first ? share->queue.next : &share->queue, &e->link);
	e->queued = true;
	e->since = now;
	share_place(share, now);
}

void vgpu_sched_ready(struct vgpu_sched_entity *e, uint64_t now)
{
	struct engine *engine = engine_of(e);

	if (e->queued || e->submitted)
		return;
	if (list_empty(&e->share->queue) && !e->share->submitted)
		share_wake(e->share, now);
	enqueue(e, false, now);
	fill(engine, now);
}

void vgpu_sched_unready(struct vgpu_sched_entity *e)
{
	if (!e->queued)
		return;
	list_remove(&e->link);
	e->queued = false;
	/* The time matters to those only who have something queued; one whose
	 * last entity went has not. Others stay where they are. */
	if (list_empty(&e->share->queue))
		share_place(e->share, e->share->tokens_at);
}

void vgpu_sched_left(struct vgpu_sched_entity *e, bool more, uint64_t ran_ns,
		     uint64_t now)
{
	struct engine *engine = engine_of(e);
	struct share *share = e->share;
	unsigned i = 0;

	while (i < engine->n_slots && engine->slots[i].entity != e)
		i++;
	if (i == engine->n_slots)
		return;
	if (ran_ns == VGPU_SCHED_UNKNOWN)
		ran_ns = i ? 0 : now - MIN(engine->started, now);
	share->stats.time_ns += ran_ns;
	/* Where nothing was done, it was work nevertheless; but for those who
	 * did not get as far. */
	share_settle(share,
		     i && !ran_ns ? 0 : MAX(ran_ns, VGPU_SCHED_OVERHEAD_NS),
		     &engine->slots[i], now);
	if (!i && more && engine->preempted)
		share->stats.preempted++;
	e->submitted = false;
	share->submitted--;
	engine->slots[i] = engine->slots[1];
	engine->n_slots--;
	if (more) {
		uint64_t since = e->since;

		enqueue(e, i, now);
		if (i) /* it waits on */
			e->since = since;
	} else {
		share_place(share, now);
	}
	if (!i && engine->n_slots)
		begin(engine, now);
	fill(engine, now);
}

/* ------------------------------------------------------------------ */
/* Time                                                                */
/* ------------------------------------------------------------------ */

static void preempt(struct engine *engine, uint64_t now)
{
	struct vgpu_sched *sched = engine->sched;
	const struct slot *s = &engine->slots[0];
	uint64_t v, clock = s->tag;

	clock += share_units(s->entity->share, now - engine->started);
	engine->preempted = true;
	engine->goes_on = first_waiting(engine, &v) &&
			  (int64_t)(v - clock) > 0 &&
			  s->allowed > VGPU_SCHED_LONE_NS;
	engine->hang_at = now + sched->config.hang_ns;
	engine->hang_last =
		now + VGPU_SCHED_HANG_FACTOR * sched->config.hang_ns;
	if (sched->ops.time)
		engine->hang_time =
			sched->ops.time(sched->config.user, s->entity);
	sched->ops.preempt(sched->config.user, engine->number);
}

/* Its time is up. Has the engine worked as long? If not, it gets what is
 * missing. */
static bool hangs(struct engine *engine, uint64_t now)
{
	const struct vgpu_sched *sched = engine->sched;
	uint64_t limit = sched->config.hang_ns, worked;

	if (!sched->ops.time || now >= engine->hang_last)
		return true;
	worked = sched->ops.time(sched->config.user, engine->slots[0].entity) -
		 engine->hang_time;
	if (worked >= limit)
		return true;
	engine->hang_at = MIN(now + limit - worked, engine->hang_last);
	return false;
}

static void tick(struct engine *engine, uint64_t now)
{
	struct vgpu_sched *sched = engine->sched;

	while (engine->throttled.n && engine->throttled.shares[0]->key <= now)
		share_place(engine->throttled.shares[0], now);
	fill(engine, now);
	if (!engine->n_slots)
		return;
	if (!engine->preempted && now >= turn_ends(engine)) {
		preempt(engine, now);
	} else if (engine->preempted && now >= engine->hang_at &&
		   hangs(engine, now)) {
		struct vgpu_sched_entity *e = engine->slots[0].entity;

		engine->hang_at = now + sched->config.hang_ns;
		e->share->stats.hangs++;
		sched->ops.reset(sched->config.user, engine->number, e);
	}
}

void vgpu_sched_tick(struct vgpu_sched *sched, uint64_t now)
{
	for (unsigned i = 0; i < sched->config.engines; i++)
		tick(&sched->engines[i], now);
}

uint64_t vgpu_sched_next(const struct vgpu_sched *sched)
{
	uint64_t next = VGPU_SCHED_NEVER, at;

	for (unsigned i = 0; i < sched->config.engines; i++) {
		const struct engine *engine = &sched->engines[i];

		if (engine->throttled.n)
			next = MIN(next, engine->throttled.shares[0]->key);
		if (!engine->n_slots)
			continue;
		at = engine->preempted ? engine->hang_at : turn_ends(engine);
		next = MIN(next, at);
	}
	return next;
}

/* ------------------------------------------------------------------ */
/* Life                                                                */
/* ------------------------------------------------------------------ */

int vgpu_sched_new_sized(const struct vgpu_sched_config *config,
			 struct vgpu_sched **ret_sched, size_t size)
{
	struct vgpu_sched_config c;
	struct vgpu_sched *sched;

	if (sized_copy(&c, sizeof(c), config, size) < 0 || !c.engines ||
	    c.engines > VGPU_SCHED_MAX_ENGINES || c.mode > VGPU_SCHED_FIXED ||
	    (c.mode == VGPU_SCHED_FIXED && !c.shares) || !c.ops ||
	    !c.ops->submit || !c.ops->preempt || !c.ops->reset)
		return -EINVAL;
	sched = calloc(1,
		       sizeof(*sched) + c.engines * sizeof(sched->engines[0]));
	if (!sched)
		return -ENOMEM;
	sched->ops = *c.ops;
	if (!c.slice_ns)
		c.slice_ns = VGPU_SCHED_SLICE_NS;
	if (!c.hang_ns)
		c.hang_ns = VGPU_SCHED_HANG_NS;
	sched->config = c;
	for (unsigned i = 0; i < c.engines; i++) {
		sched->engines[i].sched = sched;
		sched->engines[i].number = i;
	}
	*ret_sched = sched;
	return 0;
}

void vgpu_sched_free(struct vgpu_sched *sched)
{
	if (!sched)
		return;
	for (unsigned i = 0; i < sched->config.engines; i++) {
		free(sched->engines[i].run.shares);
		free(sched->engines[i].throttled.shares);
	}
	free(sched);
}

/* Room in all heaps for one more group: later nothing can fail. */
static int make_room(struct vgpu_sched *sched)
{
	unsigned room = MAX(2 * sched->room, 16u);

	if (sched->n_groups < sched->room)
		return 0;
	for (unsigned i = 0; i < sched->config.engines; i++) {
		struct heap *heaps[] = { &sched->engines[i].run,
					 &sched->engines[i].throttled };

		for (unsigned k = 0; k < ARRAY_SIZE(heaps); k++) {
			struct share **shares = reallocarray(
				heaps[k]->shares, room, sizeof(*shares));

			if (!shares)
				return -ENOMEM;
			heaps[k]->shares = shares;
		}
	}
	sched->room = room;
	return 0;
}

static int set_terms(struct vgpu_sched_group *group, unsigned weight,
		     unsigned cap)
{
	const struct vgpu_sched_config *c = &group->sched->config;
	uint64_t ppm = cap ? (uint64_t)cap * (SCHED_PPM / 100) : SCHED_PPM;

	if (!weight || weight > VGPU_WEIGHT_MAX || cap > 100)
		return -EINVAL;
	if (c->mode == VGPU_SCHED_FIXED)
		ppm = MIN(ppm, (uint64_t)weight * SCHED_PPM / c->shares);
	group->weight = c->mode == VGPU_SCHED_EQUAL ? 1 : weight;
	group->ppm = (unsigned)MAX(ppm, (uint64_t)1);
	return 0;
}

int vgpu_sched_group_new(struct vgpu_sched *sched, unsigned weight,
			 unsigned cap, struct vgpu_sched_group **ret_group)
{
	unsigned n = sched->config.engines;
	struct vgpu_sched_group *group;
	int err;

	if (sched->n_groups == VGPU_SCHED_MAX_GROUPS)
		return -ENOSPC;
	if (make_room(sched))
		return -ENOMEM;
	group = calloc(1, sizeof(*group) + n * sizeof(group->shares[0]));
	if (!group)
		return -ENOMEM;
	group->sched = sched;
	err = set_terms(group, weight, cap);
	if (err) {
		free(group);
		return err;
	}
	for (unsigned i = 0; i < n; i++) {
		group->shares[i].group = group;
		group->shares[i].engine = &sched->engines[i];
		list_init(&group->shares[i].queue);
	}
	sched->n_groups++;
	*ret_group = group;
	return 0;
}

int vgpu_sched_group_set(struct vgpu_sched_group *group, unsigned weight,
			 unsigned cap, uint64_t now)
{
	unsigned old = group->weight;
	int err = set_terms(group, weight, cap);

	for (unsigned i = 0; !err && i < group->sched->config.engines; i++) {
		share_changed(&group->shares[i], old, now);
		fill(&group->sched->engines[i], now);
	}
	return err;
}

void vgpu_sched_group_free(struct vgpu_sched_group *group)
{
	if (!group)
		return;
	group->sched->n_groups--;
	free(group);
}

void vgpu_sched_group_stats(const struct vgpu_sched_group *group,
			    unsigned engine, struct vgpu_sched_stats *ret_stats)
{
	*ret_stats = group->shares[engine].stats;
}

int vgpu_sched_entity_new(struct vgpu_sched_group *group, unsigned engine,
			  void *user, struct vgpu_sched_entity **ret_entity)
{
	struct vgpu_sched_entity *e;

	if (engine >= group->sched->config.engines)
		return -EINVAL;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->share = &group->shares[engine];
	e->user = user;
	list_init(&e->link);
	*ret_entity = e;
	return 0;
}

void vgpu_sched_entity_free(struct vgpu_sched_entity *entity)
{
	if (!entity)
		return;
	vgpu_sched_unready(entity);
	free(entity);
}

void *vgpu_sched_entity_user(const struct vgpu_sched_entity *entity)
{
	return entity->user;
}

bool vgpu_sched_is_submitted(const struct vgpu_sched_entity *entity)
{
	return entity->submitted;
}
