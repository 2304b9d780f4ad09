/* SPDX-License-Identifier: MIT */
/*
 * From a doorbell to jobs. A slot is *pumped*: as far as it gets without
 * waiting for anything. What it waits for - the end of its jobs, room in the
 * ring, its turn - brings it back here.
 */
#include <string.h>

#include "instance.h"

/* With the record's header and what keeps the ring from being full */
#define JOB_BYTES (sizeof(struct rg_job) + RG_JOB_DWORDS * sizeof(uint32_t))

_Static_assert(JOB_BYTES <= RG_RECORD_MAX, "a job is a record");

enum step {
	STEP_ON,   /* there may be more to do */
	STEP_WAIT, /* somebody kicks, or rings */
	STEP_TURN, /* our own turn is over */
};

static enum step wait_for_room(struct rg *rg, uint64_t room)
{
	rg_ring_want_room(rg);
	rg_ring_kick(rg);
	return rg_ring_room(rg) < room ? STEP_WAIT : STEP_ON;
}

/* There is room. */
static void send(struct rg_slot *s, uint32_t n)
{
	struct rg *rg = s->rg;
	uint32_t bytes = n * (uint32_t)sizeof(uint32_t);
	struct rg_job *r =
		rg_ring_reserve(rg, (uint32_t)sizeof(*r) + bytes, RG_ROOM_LAST);
	unsigned last = (s->st->first_job + s->st->n_jobs) % RG_MAX_JOBS;
	uint32_t irqs = rg->job_irqs < RG_JOB_IRQS ? rg->job_irqs : RG_JOB_IRQS;

	rg_early_note(s, n);
	r->r.kind = RG_JOB;
	r->r.slot = (uint16_t)s->id;
	r->seq = ++s->st->seq;
	r->n = n;
	r->reserved = 0;
	memcpy(r + 1, rg->job, bytes);
	rg_ring_commit(rg);
	s->st->jobs[last] =
		(struct rg_job_end){ s->st->seq, s->st->stream.fetch,
				     bytes + RG_JOB_EXTRA, irqs + 1 };
	s->bytes += bytes + RG_JOB_EXTRA;
	s->marks += irqs + 1;
	s->st->n_jobs++;
}

/* Is there room for any job in the queue, and in the hardware's ring? If not,
 * the parent half kicks when some are over. */
static bool may_send(const struct rg_slot *s)
{
	return s->st->n_jobs < RG_MAX_JOBS &&
	       s->bytes + RG_JOB_DWORDS * sizeof(uint32_t) + RG_JOB_EXTRA <=
		       RG_SLOT_BYTES &&
	       s->marks + RG_JOB_IRQS + 1 <= RG_SLOT_MARKS;
}

/* All that was sent is over, or need not be. */
static bool is_due(struct rg_slot *s)
{
	switch (s->st->pending) {
	case RG_PENDING_INVALIDATE:
		return rg_early_may(s);
	case RG_PENDING_COMMANDS:
		return !rg_early_is(s);
	default:
		return s->st->done == s->st->seq;
	}
}

/* What was sent need not wait for this. */
static enum step do_pending(struct rg_slot *s)
{
	enum rg_pending what = s->st->pending;

	s->st->pending = RG_PENDING_NONE;
	rg_ring_kick(s->rg);
	switch (what) {
	case RG_PENDING_INVALIDATE:
		rg_early_invalidate(s, s->st->pending_va, s->st->pending_n);
		return STEP_ON;
	case RG_PENDING_COMMANDS:
		return STEP_ON;
	case RG_PENDING_FAULT:
		rg_slot_fault(s, s->st->pending_va, s->st->pending_code);
		return STEP_WAIT;
	default:
		rg_slot_error(s, s->st->pending_code);
		return STEP_WAIT;
	}
}

static bool at_rest(const struct rg_slot *s)
{
	return !s->st->stream.depth &&
	       s->st->stream.fetch == s->st->stream.tail &&
	       !s->st->stream.unstored;
}

/* Is anything of what it knows of not done yet? */
bool rg_slot_busy(const struct rg_slot *s)
{
	return s->st->n_jobs || s->st->pending || s->st->rung || !at_rest(s);
}

/* The tail is looked at when the doorbell has rung, and when all is done. */
static enum step look_for_work(struct rg_slot *s)
{
	uint32_t tail;

	if (!s->st->rung && s->st->done < s->st->seq)
		return STEP_WAIT;
	s->st->rung = false;
	if (rg_stream_read_tail(s, &tail))
		return STEP_ON; /* it is pending */
	if (tail == s->st->stream.fetch)
		return STEP_WAIT;
	s->st->stream.tail = tail;
	vgpu_shadow_suspect(s->shadow);
	s->syncing = true;
	return STEP_ON;
}

static enum step pump_step(struct rg_slot *s)
{
	struct rg *rg = s->rg;
	const uint64_t room = RG_ALIGN + 2 * JOB_BYTES + RG_ROOM_LAST;
	uint32_t n;

	if (!s->st->open || rg_ctx_of(s)->state != REFGPU_STATE_IDLE)
		return STEP_WAIT;
	if (s->st->faulted) {
		rg_slot_answer_fault(s);
		return STEP_WAIT;
	}
	if (s->st->pending)
		return is_due(s) ? do_pending(s) : STEP_WAIT;
	if (s->syncing) {
		/* Its time may be up as the ring is full: then nobody has been
		 * asked for room yet. */
		if (rg_space_sync(s, RG_PUMP_NS))
			return wait_for_room(rg, RG_ROOM_SYNC) == STEP_WAIT
				       ? STEP_WAIT
				       : STEP_TURN;
		s->syncing = false;
		if (!rg_early_check(s)) { /* once more, in its turn */
			s->st->pending = RG_PENDING_INVALIDATE;
			s->st->pending_va = s->early.va;
			s->st->pending_n = s->early.n;
			return STEP_ON;
		}
	}
	if (at_rest(s))
		return look_for_work(s);
	if (!may_send(s))
		return STEP_WAIT;
	if (rg_ring_room(rg) < room && wait_for_room(rg, room) == STEP_WAIT)
		return STEP_WAIT;
	n = rg_stream_build(s);
	if (n)
		send(s, n);
	return STEP_ON;
}

void rg_slot_pump(struct rg_slot *s)
{
	uint64_t start = rg_now();
	enum step step;

	do {
		rg_slot_update(s);
		step = pump_step(s);
		if (step == STEP_ON && rg_now() - start > RG_PUMP_NS)
			step = STEP_TURN;
	} while (step == STEP_ON);
	if (step == STEP_TURN)
		vgpu_timer_arm(s->rg->pump_timer, 1);
	rg_ring_kick(s->rg);
	rg_space_reap(s->rg, false);
}

/* Whoever waits may go on. */
void rg_pump_all(void *user)
{
	struct rg *rg = user;

	for (unsigned i = 0; i < RG_CONTEXTS; i++)
		if (rg->slots[i].st->open)
			rg_slot_pump(&rg->slots[i]);
}

/* The doorbell */
void rg_slot_ring(struct rg_slot *s)
{
	s->st->rung = true;
	rg_slot_pump(s);
}
