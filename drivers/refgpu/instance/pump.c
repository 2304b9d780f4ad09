/* SPDX-License-Identifier: MIT */
#include "../clock.h"
#include "pump.h"

#define JOB_BYTES (sizeof(struct rg_job) + RG_JOB_DWORDS * sizeof(uint32_t))

_Static_assert(JOB_BYTES <= RG_RECORD_MAX, "a job is a record");

#define JOB_ROOM (JOB_BYTES + RG_ROOM_LAST)

enum step {
	STEP_ON,   /* there may be more to do */
	STEP_WAIT, /* somebody kicks, or rings */
	STEP_TURN, /* our own turn is over */
};

static enum step wait_for_room(struct rg_queue *q, uint64_t room)
{
	rg_queue_want_room(q);
	rg_queue_kick(q);
	return rg_queue_room(q) < room ? STEP_WAIT : STEP_ON;
}

/* The draft, of @n dwords. There is room. */
static void send(struct rg_context *c, uint32_t n)
{
	struct rg_draft *d = c->stream.draft;
	struct rg_jobs *jobs = &c->place->jobs;

	rg_early_note(&c->early, d->job.dwords, n);
	rg_jobs_add(jobs, n, d->irqs, c->place->at.fetch);
	d->job.r = (struct rg_job){
		.r = { .size = (uint32_t)(sizeof(d->job.r) +
					  n * sizeof(uint32_t)),
		       .kind = RG_JOB,
		       .slot = (uint16_t)c->id },
		.seq = jobs->seq,
		.n = n,
	};
	rg_queue_put(c->queue, &d->job.r.r, RG_ROOM_LAST);
}

/* All that was sent is over, or need not be. */
static bool is_due(struct rg_context *c)
{
	switch (c->place->pending.what) {
	case RG_PENDING_INVALIDATE:
		return rg_early_may(&c->early);
	case RG_PENDING_COMMANDS:
		return !rg_early_is(&c->early);
	default:
		return rg_jobs_over(&c->place->jobs);
	}
}

/* What was sent need not wait for this. */
static enum step do_pending(struct rg_context *c)
{
	const struct rg_pending p = c->place->pending;

	c->place->pending.what = RG_PENDING_NONE;
	rg_queue_kick(c->queue);
	switch (p.what) {
	case RG_PENDING_INVALIDATE:
		rg_early_invalidate(&c->early, p.va, p.n);
		return STEP_ON;
	case RG_PENDING_COMMANDS:
		return STEP_ON;
	case RG_PENDING_FAULT:
		rg_context_fault(c, p.va, p.code);
		return STEP_WAIT;
	default:
		rg_context_error(c, p.code);
		return STEP_WAIT;
	}
}

bool rg_pump_busy(const struct rg_context *c)
{
	const struct rg_place *p = c->place;

	return p->jobs.n || p->pending.what || p->rung ||
	       !rg_stream_at_rest(&c->stream);
}

/* The tail is looked at when the doorbell has rung, and when all is done. */
static enum step look_for_work(struct rg_context *c)
{
	struct rg_place *p = c->place;
	uint32_t tail;

	if (!p->rung && !rg_jobs_over(&p->jobs))
		return STEP_WAIT;
	p->rung = false;
	if (!rg_stream_read_tail(&c->stream, &tail))
		return STEP_ON; /* it is pending */
	if (tail == p->at.fetch)
		return STEP_WAIT;
	p->at.tail = tail;
	rg_space_suspect(c->space);
	return STEP_ON;
}

static enum step pump_step(struct rg_context *c)
{
	struct rg_place *p = c->place;
	uint32_t n;
	int err;

	if (!p->open || c->regs->state != REFGPU_STATE_IDLE)
		return STEP_WAIT;
	if (p->faulted) {
		rg_context_answer_fault(c);
		return STEP_WAIT;
	}
	if (p->pending.what)
		return is_due(c) ? do_pending(c) : STEP_WAIT;
	if (c->space->syncing) {
		err = rg_space_sync(c->space, RG_PUMP_NS);
		if (err < 0)
			return STEP_WAIT;
		/* Its time may be up as the ring is full: then nobody has been
		 * asked for room yet. */
		if (err)
			return wait_for_room(c->queue, RG_ROOM_SYNC) ==
					       STEP_WAIT
				       ? STEP_WAIT
				       : STEP_TURN;
		c->space->syncing = false;
		if (!rg_early_check(&c->early)) { /* once more, in its turn */
			p->pending = (struct rg_pending){
				.what = RG_PENDING_INVALIDATE,
				.va = c->early.va,
				.n = c->early.n,
			};
			return STEP_ON;
		}
	}
	if (rg_stream_at_rest(&c->stream))
		return look_for_work(c);
	if (!rg_jobs_room(&p->jobs))
		return STEP_WAIT;
	if (rg_queue_room(c->queue) < JOB_ROOM &&
	    wait_for_room(c->queue, JOB_ROOM) == STEP_WAIT)
		return STEP_WAIT;
	n = rg_stream_build(&c->stream);
	if (n)
		send(c, n);
	return STEP_ON;
}

void rg_pump(struct rg_pump *pump, struct rg_context *c)
{
	uint64_t start = rg_now();
	enum step step;

	do {
		rg_context_update(c);
		step = pump_step(c);
		if (step == STEP_ON && rg_now() - start > RG_PUMP_NS)
			step = STEP_TURN;
	} while (step == STEP_ON);
	if (step == STEP_TURN)
		vgpu_timer_arm(pump->turn, 1);
	rg_queue_kick(c->queue);
	rg_spaces_reap(c->space->all, false);
}

void rg_pump_all(struct rg_pump *pump)
{
	unsigned first = pump->first++;

	for (unsigned i = 0; i < RG_CONTEXTS; i++) {
		struct rg_context *c =
			&pump->contexts[(first + i) % RG_CONTEXTS];

		if (c->place->open)
			rg_pump(pump, c);
	}
}

void rg_pump_ring(struct rg_pump *pump, struct rg_context *c)
{
	c->place->rung = true;
	rg_pump(pump, c);
}

static void on_turn(void *user)
{
	rg_pump_all(user);
}

int rg_pump_init(struct rg_pump *pump, struct vgpu_device *dev,
		 struct rg_context *contexts)
{
	pump->contexts = contexts;
	return vgpu_timer_new(dev, on_turn, pump, &pump->turn);
}

void rg_pump_fini(struct rg_pump *pump)
{
	vgpu_timer_free(pump->turn);
}
