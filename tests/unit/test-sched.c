/* SPDX-License-Identifier: MIT */
/*
 * Who gets an engine: a clock that the test turns, and an engine that leaves a
 * little late, as hardware does.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vgpu/sched.h>

#include "util/bytes.h"

#define US 1000ull
#define MS 1000000ull
#define S  1000000000ull

#define MAX_JOBS   512u
#define MAX_EVENTS 8u

/* What wants an engine: works for @burst, sleeps for @sleep, and so on. */
struct job {
	struct vgpu_sched_group *group;
	struct vgpu_sched_entity *entity;
	uint64_t burst, sleep; /* burst ~0: without end */
	uint64_t left;	       /* of this burst */
	uint64_t wake_at;
	bool hangs;    /* does not mind being preempted */
	unsigned slow; /* so much slower is the engine's clock; 0: it stands */
	uint64_t ran, bursts;
	uint64_t ready_at, worst; /* from ready to running */
	bool random;
};

struct event {
	struct job *job;
	bool more;
	uint64_t ran, at;
};

/* The engine, and what it has reported but the driver has not heard yet */
struct sim {
	struct vgpu_sched *sched;
	uint64_t now;
	struct job *running, *next;
	uint64_t began, preempt_at;
	struct event events[MAX_EVENTS];
	unsigned n_events;
	struct job jobs[MAX_JOBS];
	unsigned n_jobs;
	uint64_t busy, idle_while_wanted;
	uint64_t latency, boundary; /* at most */
	unsigned preempts, resets, submits;
	uint32_t seed;
};

static uint32_t rnd(struct sim *s)
{
	s->seed = s->seed * 1664525u + 1013904223u;
	return s->seed >> 8;
}

static uint64_t upto(struct sim *s, uint64_t max)
{
	return max ? rnd(s) % (max + 1) : 0;
}

static void start(struct sim *s, struct job *j)
{
	s->running = j;
	s->began = s->now;
	s->preempt_at = VGPU_SCHED_NEVER;
	if (j)
		j->worst = MAX(j->worst, s->now - j->ready_at);
}

static void report(struct sim *s, struct job *j, bool more, uint64_t ns)
{
	assert_true(s->n_events < MAX_EVENTS);
	s->events[s->n_events++] = (struct event){
		.job = j,
		.more = more,
		.ran = ns,
		.at = s->now + upto(s, s->latency),
	};
	/* In order. */
	if (s->n_events > 1)
		s->events[s->n_events - 1].at =
			MAX(s->events[s->n_events - 1].at,
			    s->events[s->n_events - 2].at);
}

static void leave(struct sim *s, bool more)
{
	struct job *j = s->running;
	uint64_t ns = s->now - s->began;

	j->ran += ns;
	s->busy += ns;
	if (j->burst != UINT64_MAX)
		j->left -= MIN(j->left, ns);
	report(s, j, more, ns);
	start(s, s->next);
	s->next = NULL;
}

static void op_submit(void *user, unsigned engine,
		      struct vgpu_sched_entity *entity)
{
	struct sim *s = user;
	struct job *j = vgpu_sched_entity_user(entity);

	assert_int_equal(engine, 0);
	assert_true(vgpu_sched_is_submitted(entity));
	assert_null(s->next);
	assert_ptr_not_equal(s->running, j);
	s->submits++;
	if (s->running)
		s->next = j;
	else
		start(s, j);
}

static void op_preempt(void *user, unsigned engine)
{
	struct sim *s = user;

	(void)engine;
	s->preempts++;
	if (s->next) {
		struct job *j = s->next;

		s->next = NULL;
		report(s, j, true, 0);
	}
	if (s->running && !s->running->hangs)
		s->preempt_at = s->now + upto(s, s->boundary);
}

static void op_reset(void *user, unsigned engine,
		     struct vgpu_sched_entity *entity)
{
	struct sim *s = user;

	(void)engine;
	s->resets++;
	/* It may have left just now. */
	if (s->running == vgpu_sched_entity_user(entity)) {
		s->running->hangs = false;
		s->running->burst = s->running->left = 0;
		leave(s, false);
	}
}

static uint64_t op_time(void *user, struct vgpu_sched_entity *entity)
{
	const struct sim *s = user;
	const struct job *j = vgpu_sched_entity_user(entity);
	uint64_t more = s->running == j ? s->now - s->began : 0;

	return j->ran + (j->slow ? more / j->slow : 0);
}

static const struct vgpu_sched_ops ops = { op_submit, op_preempt, op_reset,
					   op_time };

/* When the engine does something by itself */
static uint64_t engine_at(const struct sim *s)
{
	uint64_t at = VGPU_SCHED_NEVER;

	if (!s->running)
		return at;
	if (s->running->burst != UINT64_MAX && !s->running->hangs)
		at = s->began + s->running->left;
	return MIN(at, s->preempt_at);
}

static void deliver(struct sim *s)
{
	struct event e = s->events[0];
	struct job *j = e.job;
	bool more = e.more || (j->burst == UINT64_MAX && !j->hangs);

	memmove(s->events, s->events + 1, --s->n_events * sizeof(e));
	if (!more && j->burst) {
		j->bursts++;
		j->wake_at =
			s->now + (j->random ? upto(s, 2 * j->sleep) : j->sleep);
	}
	if (more && e.ran)
		j->ready_at = s->now;
	vgpu_sched_left(j->entity, more, e.ran, s->now);
}

static void wake(struct sim *s, struct job *j)
{
	j->wake_at = VGPU_SCHED_NEVER;
	j->left = j->random ? 1 + upto(s, 2 * j->burst) : j->burst;
	j->ready_at = s->now;
	vgpu_sched_ready(j->entity, s->now);
}

static void run(struct sim *s, uint64_t ns)
{
	uint64_t end = s->now + ns;

	while (s->now < end) {
		uint64_t at = end, t = engine_at(s);
		struct job *woken = NULL;
		enum { NOTHING, ENGINE, EVENT, TICK, WAKE } what = NOTHING;

		if (t < at)
			at = t, what = ENGINE;
		if (s->n_events && s->events[0].at < at)
			at = s->events[0].at, what = EVENT;
		t = vgpu_sched_next(s->sched);
		if (t < at)
			at = t, what = TICK;
		for (unsigned i = 0; i < s->n_jobs; i++)
			if (s->jobs[i].wake_at < at) {
				at = s->jobs[i].wake_at;
				what = WAKE;
				woken = &s->jobs[i];
			}
		s->now = MAX(at, s->now);
		switch (what) {
		case ENGINE:
			leave(s, s->running->burst == UINT64_MAX ||
					 s->now - s->began < s->running->left);
			break;
		case EVENT:
			deliver(s);
			break;
		case TICK:
			vgpu_sched_tick(s->sched, s->now);
			break;
		case WAKE:
			wake(s, woken);
			break;
		case NOTHING:
			break;
		}
	}
}

static struct sim *sim_new(enum vgpu_sched_mode mode, unsigned shares)
{
	struct sim *s = calloc(1, sizeof(*s));
	const struct vgpu_sched_config config = {
		.engines = 1,
		.mode = mode,
		.shares = shares,
		.ops = &ops,
		.user = s,
	};

	assert_non_null(s);
	s->now = 12345 * S;
	s->seed = 1;
	s->latency = 30 * US;
	s->boundary = 100 * US;
	assert_int_equal(vgpu_sched_new(&config, &s->sched), 0);
	return s;
}

static struct job *job_of(struct sim *s, struct vgpu_sched_group *group,
			  uint64_t burst, uint64_t sleep)
{
	struct job *j = &s->jobs[s->n_jobs++];

	*j = (struct job){ .group = group,
			   .burst = burst,
			   .sleep = sleep,
			   .slow = 1,
			   .wake_at = s->now };
	assert_int_equal(vgpu_sched_entity_new(group, 0, j, &j->entity), 0);
	return j;
}

static struct job *job(struct sim *s, unsigned weight, unsigned cap,
		       uint64_t burst, uint64_t sleep)
{
	struct vgpu_sched_group *group;

	assert_int_equal(vgpu_sched_group_new(s->sched, weight, cap, &group),
			 0);
	return job_of(s, group, burst, sleep);
}

static void sim_free(struct sim *s)
{
	struct vgpu_sched_stats stats;
	uint64_t sum = 0;

	/* What it counted is what the engine did, but for what is under way. */
	for (unsigned i = 0; i < s->n_jobs; i++) {
		struct vgpu_sched_group *group = s->jobs[i].group;

		if (i && s->jobs[i - 1].group == group)
			continue;
		vgpu_sched_group_stats(group, 0, &stats);
		sum += stats.time_ns;
	}
	for (unsigned i = 0; i < s->n_events; i++)
		sum += s->events[i].ran;
	assert_int_equal(sum, s->busy);
	for (unsigned i = 0; i < s->n_jobs; i++) {
		bool last = i + 1 == s->n_jobs ||
			    s->jobs[i + 1].group != s->jobs[i].group;

		vgpu_sched_entity_free(s->jobs[i].entity);
		if (last)
			vgpu_sched_group_free(s->jobs[i].group);
	}
	vgpu_sched_free(s->sched);
	free(s);
}

/* Up to now */
static uint64_t ran(const struct sim *s, const struct job *j)
{
	return j->ran + (s->running == j ? s->now - s->began : 0);
}

static uint64_t busy(const struct sim *s)
{
	return s->busy + (s->running ? s->now - s->began : 0);
}

static void assert_share(const struct sim *s, const struct job *j,
			 uint64_t before, uint64_t ns, double share,
			 double tolerance)
{
	double got = (double)(ran(s, j) - before) / (double)ns;

	if (got > share * (1 + tolerance) || got < share * (1 - tolerance))
		fail_msg("a share of %.4f where %.4f is due", got, share);
}

/* ------------------------------------------------------------------ */

static void test_weights_hold(void **state)
{
	static const unsigned weights[] = { 1, 1, 2, 4, 8 };
	struct sim *s = sim_new(VGPU_SCHED_BEST_EFFORT, 0);

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(weights); i++)
		job(s, weights[i], 0, UINT64_MAX, 0);
	run(s, 2 * S);
	for (unsigned i = 0; i < ARRAY_SIZE(weights); i++)
		assert_share(s, &s->jobs[i], 0, 2 * S, weights[i] / 16.0, 0.03);
	/* It does not stand still in between. */
	assert_true(busy(s) > 2 * S / 1000 * 995);
	sim_free(s);
}

static void test_sixty_four_and_their_weights(void **state)
{
	struct sim *s = sim_new(VGPU_SCHED_BEST_EFFORT, 0);
	unsigned sum = 0;

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		job(s, 100 + 10 * i, 0, UINT64_MAX, 0);
		sum += 100 + 10 * i;
	}
	run(s, 4 * S);
	for (unsigned i = 0; i < 64; i++) {
		assert_share(s, &s->jobs[i], 0, 4 * S,
			     (100 + 10 * i) / (double)sum, 0.05);
		/* Turns are shorter where many wait. */
		assert_true(s->jobs[i].worst < 400 * MS);
	}
	sim_free(s);
}

static void test_extreme_weights(void **state)
{
	struct sim *s = sim_new(VGPU_SCHED_BEST_EFFORT, 0);

	(void)state;
	job(s, 1, 0, UINT64_MAX, 0);
	job(s, VGPU_WEIGHT_MAX, 0, UINT64_MAX, 0);
	run(s, 60 * S);
	/* The small one has had its turns, and no more than that. */
	assert_true(s->jobs[0].ran > 2 * MS && s->jobs[0].ran < 15 * MS);
	assert_true(busy(s) > 60 * S / 1000 * 995);
	sim_free(s);
}

static void test_nobody_saves_up(void **state)
{
	struct sim *s = sim_new(VGPU_SCHED_BEST_EFFORT, 0);
	struct job *hog = job(s, 1, 0, UINT64_MAX, 0), *late;
	uint64_t before;

	(void)state;
	late = job(s, 1, 0, UINT64_MAX, 0);
	late->wake_at = s->now + 10 * S;
	run(s, 10 * S);
	before = ran(s, hog);
	/* Ten seconds of sleep are no claim to ten seconds of engine. */
	run(s, 100 * MS);
	assert_share(s, hog, before, 100 * MS, 0.5, 0.1);
	sim_free(s);
}

static void test_who_was_greedy_pays(void **state)
{
	struct sim *s = sim_new(VGPU_SCHED_BEST_EFFORT, 0);
	struct job *a = job(s, 1, 0, 50 * US, 10 * US);
	struct job *b = job(s, 1, 0, UINT64_MAX, 0);

	(void)state;
	/* One that sleeps after each 50 us wants more than half of what it
	 * could get: it gets nearly half, the other one the rest. */
	run(s, 2 * S);
	assert_true(a->ran > 2 * S / 100 * 20);
	assert_true(a->ran <= 2 * S / 100 * 51);
	assert_true(ran(s, b) >= 2 * S / 100 * 48);
	sim_free(s);
}

static void test_short_jobs_come_soon(void **state)
{
	struct sim *s = sim_new(VGPU_SCHED_BEST_EFFORT, 0);
	struct job *quick;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		job(s, 1, 0, UINT64_MAX, 0);
	quick = job(s, 1, 0, 100 * US, 20 * MS);
	quick->wake_at += 10 * MS;
	run(s, 2 * S);
	/* Not after a turn of each of the others. */
	assert_true(quick->bursts > 90);
	assert_true(quick->worst < 2500 * US);
	sim_free(s);
}

static void test_work_conserving(void **state)
{
	struct sim *s = sim_new(VGPU_SCHED_BEST_EFFORT, 0);
	struct job *big, *small;

	(void)state;
	big = job(s, 100, 0, 1 * MS, 9 * MS);
	small = job(s, 1, 0, UINT64_MAX, 0);
	run(s, 2 * S);
	assert_share(s, big, 0, 2 * S, 0.1, 0.1);
	assert_share(s, small, 0, 2 * S, 0.9, 0.02);
	sim_free(s);
}

static void test_one_alone_is_left_alone(void **state)
{
	struct sim *s = sim_new(VGPU_SCHED_BEST_EFFORT, 0);

	(void)state;
	job(s, 7, 0, UINT64_MAX, 0);
	run(s, 2 * S);
	assert_true(s->preempts <= 8 && s->preempts >= 7);
	assert_true(busy(s) > 2 * S / 10000 * 9990);
	sim_free(s);
}

static void test_entities_share_their_groups_share(void **state)
{
	struct sim *s = sim_new(VGPU_SCHED_BEST_EFFORT, 0);
	struct job *many = job(s, 1, 0, UINT64_MAX, 0), *one;
	uint64_t sum = 0;

	(void)state;
	for (unsigned i = 1; i < 8; i++)
		job_of(s, many->group, UINT64_MAX, 0);
	one = job(s, 1, 0, UINT64_MAX, 0);
	run(s, 2 * S);
	for (unsigned i = 0; i < 8; i++) {
		assert_share(s, &s->jobs[i], 0, 2 * S, 0.5 / 8, 0.1);
		sum += s->jobs[i].ran;
	}
	assert_true(sum > 2 * S / 100 * 48);
	assert_share(s, one, 0, 2 * S, 0.5, 0.03);
	sim_free(s);
}

static void test_caps(void **state)
{
	struct sim *s = sim_new(VGPU_SCHED_BEST_EFFORT, 0);
	struct job *a = job(s, 1000, 20, UINT64_MAX, 0);
	struct job *b = job(s, 1, 30, UINT64_MAX, 0);
	struct vgpu_sched_stats stats;

	(void)state;
	run(s, 4 * S);
	assert_share(s, a, 0, 4 * S, 0.2, 0.04);
	assert_share(s, b, 0, 4 * S, 0.3, 0.04);
	vgpu_sched_group_stats(a->group, 0, &stats);
	assert_true(stats.throttled_ns > S);
	sim_free(s);
}

static void test_a_cap_holds_for_all_of_a_group(void **state)
{
	struct sim *s = sim_new(VGPU_SCHED_BEST_EFFORT, 0);
	struct job *a = job(s, 1, 10, UINT64_MAX, 0);
	uint64_t sum = 0;

	(void)state;
	for (unsigned i = 1; i < 4; i++)
		job_of(s, a->group, i == 3 ? 30 * US : UINT64_MAX, 5 * US);
	run(s, 4 * S);
	for (unsigned i = 0; i < 4; i++) {
		assert_true(s->jobs[i].ran > 0);
		sum += s->jobs[i].ran;
	}
	assert_in_range(sum, 4 * S / 1000 * 90, 4 * S / 1000 * 110);
	sim_free(s);
}

static void test_equal_shares(void **state)
{
	struct sim *s = sim_new(VGPU_SCHED_EQUAL, 0);

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		job(s, 1 + 100 * i, 0, UINT64_MAX, 0);
	run(s, 2 * S);
	for (unsigned i = 0; i < 4; i++)
		assert_share(s, &s->jobs[i], 0, 2 * S, 0.25, 0.03);
	sim_free(s);
}

static void test_fixed_shares(void **state)
{
	struct sim *s = sim_new(VGPU_SCHED_FIXED, 16);

	(void)state;
	job(s, 1, 0, UINT64_MAX, 0);
	job(s, 4, 0, UINT64_MAX, 0);
	run(s, 4 * S);
	/* Though the rest is nobody's. */
	assert_share(s, &s->jobs[0], 0, 4 * S, 1 / 16.0, 0.05);
	assert_share(s, &s->jobs[1], 0, 4 * S, 4 / 16.0, 0.05);
	sim_free(s);
}

static void test_another_weight(void **state)
{
	struct sim *s = sim_new(VGPU_SCHED_BEST_EFFORT, 0);
	struct job *a = job(s, 1, 0, UINT64_MAX, 0);
	struct job *b = job(s, 1, 0, UINT64_MAX, 0);
	uint64_t before;

	(void)state;
	run(s, S);
	assert_int_equal(vgpu_sched_group_set(a->group, 3, 0, s->now), 0);
	before = ran(s, a);
	run(s, 2 * S);
	assert_share(s, a, before, 2 * S, 0.75, 0.03);
	assert_int_equal(vgpu_sched_group_set(a->group, 3, 10, s->now), 0);
	before = ran(s, a);
	run(s, 2 * S);
	assert_share(s, a, before, 2 * S, 0.1, 0.08);
	assert_int_equal(vgpu_sched_group_set(a->group, 1, 0, s->now), 0);
	before = ran(s, b);
	run(s, 2 * S);
	assert_share(s, b, before, 2 * S, 0.5, 0.03);
	assert_int_equal(vgpu_sched_group_set(a->group, 0, 0, s->now), -EINVAL);
	assert_int_equal(vgpu_sched_group_set(a->group, 1, 101, s->now),
			 -EINVAL);
	sim_free(s);
}

static void test_a_hang_is_ended(void **state)
{
	struct sim *s = sim_new(VGPU_SCHED_BEST_EFFORT, 0);
	struct job *bad = job(s, 100, 0, UINT64_MAX, 0);
	struct vgpu_sched_stats stats;
	uint64_t before;

	(void)state;
	bad->hangs = true;
	for (unsigned i = 0; i < 3; i++)
		job(s, 1, 0, UINT64_MAX, 0);
	run(s, S);
	assert_int_equal(s->resets, 1);
	vgpu_sched_group_stats(bad->group, 0, &stats);
	assert_int_equal(stats.hangs, 1);
	assert_in_range(stats.time_ns, VGPU_SCHED_HANG_NS,
			VGPU_SCHED_HANG_NS + 10 * MS);
	/* The others have it all after that. */
	before = ran(s, &s->jobs[2]);
	run(s, 3 * S);
	assert_share(s, &s->jobs[2], before, 3 * S, 1 / 3.0, 0.03);
	sim_free(s);
}

static void test_a_hang_is_found_though_nobody_waits(void **state)
{
	struct sim *s = sim_new(VGPU_SCHED_BEST_EFFORT, 0);
	struct job *bad = job(s, 1, 0, UINT64_MAX, 0);

	(void)state;
	bad->hangs = true;
	run(s, 2 * S);
	assert_int_equal(s->resets, 1);
	assert_null(s->running);
	sim_free(s);
}

/* An engine that is stopped is no hang, for a while. */
static void test_an_engine_that_stands(void **state)
{
	struct sim *s = sim_new(VGPU_SCHED_BEST_EFFORT, 0);
	struct job *bad = job(s, 1, 0, UINT64_MAX, 0);

	(void)state;
	job(s, 1, 0, UINT64_MAX, 0);
	bad->hangs = true;
	bad->slow = 4;
	run(s, 3 * VGPU_SCHED_HANG_NS);
	assert_int_equal(s->resets, 0);
	run(s, 2 * VGPU_SCHED_HANG_NS);
	assert_int_equal(s->resets, 1);
	sim_free(s);
	s = sim_new(VGPU_SCHED_BEST_EFFORT, 0);
	bad = job(s, 1, 0, UINT64_MAX, 0);
	bad->hangs = true;
	bad->slow = 0;
	run(s, (VGPU_SCHED_HANG_FACTOR - 1) * VGPU_SCHED_HANG_NS);
	assert_int_equal(s->resets, 0);
	run(s, 2 * VGPU_SCHED_HANG_NS);
	assert_int_equal(s->resets, 1);
	sim_free(s);
}

static void test_what_is_not_said_is_measured(void **state)
{
	struct sim *s = sim_new(VGPU_SCHED_BEST_EFFORT, 0);
	struct job *j = job(s, 1, 0, UINT64_MAX, 0);
	struct vgpu_sched_stats stats;

	(void)state;
	vgpu_sched_ready(j->entity, s->now);
	assert_ptr_equal(s->running, j);
	/* Twice is once. */
	vgpu_sched_ready(j->entity, s->now);
	assert_int_equal(s->submits, 1);
	vgpu_sched_left(j->entity, false, VGPU_SCHED_UNKNOWN, s->now + 7 * MS);
	vgpu_sched_left(j->entity, false, VGPU_SCHED_UNKNOWN, s->now + 9 * MS);
	vgpu_sched_group_stats(j->group, 0, &stats);
	assert_int_equal(stats.time_ns, 7 * MS);
	assert_int_equal(stats.runs, 1);
	s->running = NULL;
	s->busy = 7 * MS;
	sim_free(s);
}

static void test_unready(void **state)
{
	struct sim *s = sim_new(VGPU_SCHED_BEST_EFFORT, 0);
	struct job *j[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		j[i] = job(s, 1, 0, UINT64_MAX, 0);
		j[i]->wake_at = VGPU_SCHED_NEVER;
		vgpu_sched_ready(j[i]->entity, s->now);
	}
	assert_ptr_equal(s->running, j[0]);
	assert_ptr_equal(s->next, j[1]);
	vgpu_sched_unready(j[2]->entity);
	vgpu_sched_unready(j[2]->entity);
	vgpu_sched_unready(j[0]->entity);
	assert_true(vgpu_sched_is_submitted(j[0]->entity));
	run(s, S);
	assert_int_equal(j[2]->ran, 0);
	assert_share(s, j[3], 0, S, 1 / 3.0, 0.03);
	sim_free(s);
}

static void test_what_can_not_be(void **state)
{
	struct vgpu_sched_config config = { .engines = 1, .ops = &ops };
	struct vgpu_sched_group *group;
	struct vgpu_sched_entity *entity;
	struct vgpu_sched *sched;

	(void)state;
	config.engines = 0;
	assert_int_equal(vgpu_sched_new(&config, &sched), -EINVAL);
	config.engines = VGPU_SCHED_MAX_ENGINES + 1;
	assert_int_equal(vgpu_sched_new(&config, &sched), -EINVAL);
	config.engines = 2;
	config.mode = VGPU_SCHED_FIXED;
	assert_int_equal(vgpu_sched_new(&config, &sched), -EINVAL);
	config.mode = VGPU_SCHED_FIXED + 1;
	assert_int_equal(vgpu_sched_new(&config, &sched), -EINVAL);
	config.mode = VGPU_SCHED_EQUAL;
	config.ops = NULL;
	assert_int_equal(vgpu_sched_new(&config, &sched), -EINVAL);
	config.ops = &ops;
	assert_int_equal(vgpu_sched_new(&config, &sched), 0);
	assert_int_equal(vgpu_sched_group_new(sched, 0, 0, &group), -EINVAL);
	assert_int_equal(
		vgpu_sched_group_new(sched, VGPU_WEIGHT_MAX + 1, 0, &group),
		-EINVAL);
	assert_int_equal(vgpu_sched_group_new(sched, 1, 101, &group), -EINVAL);
	assert_int_equal(vgpu_sched_group_new(sched, 1, 100, &group), 0);
	assert_int_equal(vgpu_sched_entity_new(group, 2, NULL, &entity),
			 -EINVAL);
	assert_true(vgpu_sched_next(sched) == VGPU_SCHED_NEVER);
	vgpu_sched_tick(sched, 1);
	vgpu_sched_entity_free(NULL);
	vgpu_sched_group_free(group);
	vgpu_sched_group_free(NULL);
	vgpu_sched_free(sched);
	vgpu_sched_free(NULL);
}

/*
 * Whatever they do: the engine works whenever somebody wants it, nobody gets
 * less than its share while it wants more, and all of it is counted.
 */
static void random_load(uint32_t seed)
{
	struct sim *s = sim_new(VGPU_SCHED_BEST_EFFORT, 0);
	unsigned n, sum = 0;
	double least;

	s->seed = seed * 7919 + 1;
	s->latency = upto(s, 60 * US);
	s->boundary = upto(s, MS);
	n = 2 + rnd(s) % 30;
	for (unsigned i = 0; i < n; i++) {
		unsigned weight = 1 + rnd(s) % 100;
		struct job *j;

		if (rnd(s) % 3) {
			j = job(s, weight, 0, 10 * US + upto(s, 4 * MS),
				upto(s, 20 * MS));
			j->random = true;
		} else {
			j = job(s, weight, 0, UINT64_MAX, 0);
			while (!(rnd(s) % 3))
				job_of(s, j->group, UINT64_MAX, 0);
		}
		j->wake_at += upto(s, 50 * MS);
		sum += weight;
		/* Weights as in the group, for below. */
		j->hangs = false;
		j->bursts = 0;
		j->worst = 0;
		j->ready_at = s->now;
		j->sleep = j->burst == UINT64_MAX ? weight : j->sleep;
	}
	run(s, 3 * S);
	for (unsigned i = 0; i < s->n_jobs; i++) {
		uint64_t had = 0;

		/* Those that always want it, with all of their group. */
		if (s->jobs[i].burst != UINT64_MAX ||
		    (i && s->jobs[i - 1].group == s->jobs[i].group))
			continue;
		for (unsigned k = i;
		     k < s->n_jobs && s->jobs[k].group == s->jobs[i].group; k++)
			had += ran(s, &s->jobs[k]);
		least = (double)s->jobs[i].sleep / sum;
		if ((double)had < least * 3 * S * 0.93 - 8 * MS)
			fail_msg("seed %u: %.4f where %.4f is due", seed,
				 (double)had / (3 * S), least);
	}
	for (unsigned i = 0; i < s->n_jobs; i++)
		if (s->jobs[i].burst == UINT64_MAX) {
			assert_true(busy(s) > 3 * S / 100 * 90);
			break;
		}
	sim_free(s);
}

static void test_random_loads(void **state)
{
	(void)state;
	for (uint32_t seed = 0; seed < 60; seed++)
		random_load(seed);
}

/* Virtual time goes around; nobody starves behind the turn. */
static void test_years_of_it(void **state)
{
	struct sim *s = sim_new(VGPU_SCHED_BEST_EFFORT, 0);
	struct job *a = job(s, 1, 0, UINT64_MAX, 0);
	struct job *b = job(s, 1, 0, UINT64_MAX, 0);
	const uint64_t day = 86400 * S;
	uint64_t before;

	(void)state;
	b->wake_at = VGPU_SCHED_NEVER;
	a->wake_at = VGPU_SCHED_NEVER;
	for (unsigned i = 0; i < 4 * 365; i++) {
		vgpu_sched_ready(a->entity, s->now);
		s->running = NULL;
		s->busy += day;
		s->now += day;
		vgpu_sched_left(a->entity, false, day, s->now);
	}
	s->running = NULL;
	a->wake_at = b->wake_at = s->now;
	before = ran(s, b);
	run(s, S);
	assert_share(s, b, before, S, 0.5, 0.05);
	sim_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_weights_hold),
		cmocka_unit_test(test_sixty_four_and_their_weights),
		cmocka_unit_test(test_extreme_weights),
		cmocka_unit_test(test_nobody_saves_up),
		cmocka_unit_test(test_who_was_greedy_pays),
		cmocka_unit_test(test_short_jobs_come_soon),
		cmocka_unit_test(test_work_conserving),
		cmocka_unit_test(test_one_alone_is_left_alone),
		cmocka_unit_test(test_entities_share_their_groups_share),
		cmocka_unit_test(test_caps),
		cmocka_unit_test(test_a_cap_holds_for_all_of_a_group),
		cmocka_unit_test(test_equal_shares),
		cmocka_unit_test(test_fixed_shares),
		cmocka_unit_test(test_another_weight),
		cmocka_unit_test(test_a_hang_is_ended),
		cmocka_unit_test(test_a_hang_is_found_though_nobody_waits),
		cmocka_unit_test(test_an_engine_that_stands),
		cmocka_unit_test(test_what_is_not_said_is_measured),
		cmocka_unit_test(test_unready),
		cmocka_unit_test(test_what_can_not_be),
		cmocka_unit_test(test_random_loads),
		cmocka_unit_test(test_years_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
