/* SPDX-License-Identifier: MIT */
/* Contexts: their life, their faults and errors. */
#include <errno.h>
#include <string.h>

#include "instance.h"

#define RING_MIN  4096u
#define RING_MAX  (1u << 20)
#define CTL_ALIGN 128u

#define CTL_HEAD offsetof(struct refgpu_ctl, head)

static const struct rg_slot_status *status_of(const struct rg_slot *s)
{
	return &s->rg->shared->slots[s->id];
}

/* ------------------------------------------------------------------ */
/* What became of jobs                                                 */
/* ------------------------------------------------------------------ */

static void account(struct rg_slot *s)
{
	struct rg *rg = s->rg;
	unsigned engine = rg_ctx_of(s)->control >> REFGPU_CTX_ENGINE_SHIFT & 15;
	uint64_t now = __atomic_load_n(&status_of(s)->time, __ATOMIC_RELAXED);
	uint64_t more = now > s->st->time_seen ? now - s->st->time_seen : 0;

	s->st->time_seen = now;
	s->st->time += more;
	if (!more || engine >= REFGPU_NUM_ENGINES)
		return;
	rg->engine_ns[engine] += more;
	vgpu_device_account(&rg->dev, engine, rg->engine_ns[engine]);
}

static void take_events(struct rg_slot *s)
{
	struct rg_slot_status *st = &s->rg->shared->slots[s->id];
	uint32_t events;

	if (!__atomic_load_n(&st->events, __ATOMIC_RELAXED))
		return;
	events = __atomic_exchange_n(&st->events, 0, __ATOMIC_ACQ_REL);
	rg_ctx_of(s)->cookie = __atomic_load_n(&st->cookie, __ATOMIC_RELAXED);
	rg_event(s, events & REFGPU_EVENT_USER);
}

/* See how far the parent half has come. */
void rg_slot_update(struct rg_slot *s)
{
	uint64_t done;

	/* What is there may be of the one before. */
	if (!s->st->open || rg_ring_passed(s->rg) < s->opened_at)
		return;
	done = __atomic_load_n(&status_of(s)->done, __ATOMIC_ACQUIRE);
	if (done > s->st->seq)
		done = s->st->seq;
	if (done > s->st->done)
		s->st->done = done;
	while (s->st->n_jobs &&
	       s->st->jobs[s->st->first_job].seq <= s->st->done) {
		const struct rg_job_end *end = &s->st->jobs[s->st->first_job];

		rg_ctx_of(s)->head = end->head;
		s->bytes -= end->bytes;
		s->marks -= end->marks;
		s->st->first_job = (s->st->first_job + 1) % RG_MAX_JOBS;
		s->st->n_jobs--;
	}
	account(s);
	take_events(s);
}

/* HEAD is never behind what the guest may have seen in its control block, where
 * it has no reason to write to. */
uint32_t rg_slot_head(struct rg_slot *s)
{
	const struct rg_ctx *c = rg_ctx_of(s);
	uint32_t seen, sent = s->st->stream.fetch - c->head;

	if (!s->st->n_jobs || rg_space_load32(s, c->ctl + CTL_HEAD, &seen) ||
	    seen % 4 || seen >= c->ring_size ||
	    ((seen - c->head) & (c->ring_size - 1)) >
		    (sent & (c->ring_size - 1)))
		return c->head;
	return seen;
}

/* ------------------------------------------------------------------ */
/* Faults and errors                                                   */
/* ------------------------------------------------------------------ */

void rg_slot_fault(struct rg_slot *s, uint64_t va, uint32_t code)
{
	struct rg_ctx *c = rg_ctx_of(s);

	c->state = REFGPU_STATE_FAULT;
	c->fault_va = va & ~(REFGPU_PAGE - 1);
	c->fault = code;
	rg_event(s, REFGPU_EVENT_FAULT);
}

void rg_slot_error(struct rg_slot *s, uint32_t error)
{
	struct rg_ctx *c = rg_ctx_of(s);

	c->state = REFGPU_STATE_ERROR;
	c->error = error;
	s->st->pending = RG_PENDING_NONE;
	s->st->faulted = false;
	rg_event(s, REFGPU_EVENT_ERROR);
}

/* Let go of what others have shadowed, since this one has nothing to let go of.
 * Return: is there anything? */
static bool drop_others(struct rg_slot *s)
{
	struct vgpu_shadow_stats before, after;

	vgpu_shadow_get_stats(s->rg->pool, &before);
	for (unsigned i = 0; i < RG_CONTEXTS; i++)
		if (s->rg->slots[i].shadow)
			vgpu_shadow_clear(s->rg->slots[i].shadow);
	vgpu_shadow_get_stats(s->rg->pool, &after);
	return after.waiting != before.waiting || before.waiting;
}

static void stop(struct rg_slot *s, enum refgpu_fault why)
{
	s->st->faulted = false;
	s->st->stopped = true;
	rg_ring_small(s->rg, s->id, RG_STOP_FAULT);
	rg_slot_fault(s, s->st->fault_va, why | (s->st->fault_code & 1u << 8));
}

/*
 * The hardware has found nothing, in the shadow. What do the guest's tables say
 * now? Where that can't be answered yet (the ring is full, a limit was reached
 * and pages have to go first), it is asked again with the next kick.
 */
void rg_slot_answer_fault(struct rg_slot *s)
{
	struct rg *rg = s->rg;
	unsigned prot = s->st->fault_code & 1u << 8 ? VGPU_DMA_WRITE
						    : VGPU_DMA_READ;
	enum vgpu_shadow_fault why;
	int err;

	rg_ring_want_room(rg);
	if (rg_ring_room(rg) < RG_ROOM_SYNC ||
	    rg_ring_passed(rg) < s->fault_after)
		return;
	if (s->fault_after)
		vgpu_shadow_reap(rg->pool, rg_ring_passed(rg), SIZE_MAX);
	s->fault_after = 0;
	err = vgpu_shadow_fault(s->shadow, s->st->fault_va, prot, &why);
	rg_space_mend(rg);
	if (s->drops < RG_MAX_DROPS &&
	    (err == -EAGAIN || (err && drop_others(s)))) {
		s->drops++;
		s->fault_after = rg->tail;
		rg_ring_kick(rg);
		return;
	}
	if (err)
		why = VGPU_SHADOW_FAULT_BUS;
	if (!why && s->st->same_faults >= RG_SAME_FAULTS)
		why = VGPU_SHADOW_FAULT_BUS;
	if (why) {
		stop(s, rg_space_fault_code(why));
	} else {
		s->st->faulted = false;
		s->syncing = true;
		rg_ring_small(rg, s->id, RG_RESUME);
	}
	rg_ring_kick(rg);
}

void rg_slot_resume(struct rg_slot *s)
{
	struct rg_ctx *c = rg_ctx_of(s);

	if (c->state != REFGPU_STATE_FAULT)
		return;
	c->state = REFGPU_STATE_IDLE;
	c->fault = REFGPU_FAULT_NONE;
	c->fault_va = 0;
	s->st->same_faults = s->drops = 0;
	/* The guest may have changed tables before an INVALIDATE that has been
	 * done already. */
	if (rg_early_is(s)) {
		vgpu_shadow_clear(s->shadow);
		rg_space_mend(s->rg);
	}
	/* It faults again if it has to. */
	if (s->st->stopped)
		rg_ring_small(s->rg, s->id, RG_RESUME);
	s->st->stopped = false;
	s->st->rung = true;
	rg_slot_pump(s);
}

/* ------------------------------------------------------------------ */
/* Translations                                                        */
/* ------------------------------------------------------------------ */

/* @pages from @va on, 0: all; compared before the next job */
void rg_slot_invalidate(struct rg_slot *s, uint64_t va, uint64_t pages)
{
	uint64_t len =
		pages < REFGPU_VA_SIZE / REFGPU_PAGE ? pages * REFGPU_PAGE : 0;

	vgpu_shadow_invalidate(s->shadow, va & ~(REFGPU_PAGE - 1), len);
	s->syncing = true;
}

/* ------------------------------------------------------------------ */
/* On and off                                                          */
/* ------------------------------------------------------------------ */

static void clear(struct rg_slot *s)
{
	struct rg_ctx *c = rg_ctx_of(s);

	c->state = REFGPU_STATE_OFF;
	c->head = c->event = c->fault = c->error = c->cookie = 0;
	c->fault_va = 0;
	s->st->stream = (struct rg_stream){ 0 };
	s->st->rung = s->syncing = s->lost = s->st->stopped = s->st->faulted =
		false;
	s->st->pending = RG_PENDING_NONE;
	s->st->seq = s->st->done = 0;
	s->st->first_job = s->st->n_jobs = 0;
	s->bytes = s->marks = 0;
	s->early = (struct rg_early){ 0 };
	s->st->same_faults = s->drops = 0;
	s->fault_after = 0;
	s->st->time_seen = 0;
}

/* Tell the parent half. Return: is there anything to wait for? */
bool rg_slot_end(struct rg_slot *s)
{
	bool was = s->st->open;

	rg_slot_update(s);
	s->st->open = false;
	if (was) {
		rg_ring_small(s->rg, s->id, RG_CLOSE);
		vgpu_shadow_free(s->shadow);
		s->shadow = NULL;
	}
	clear(s);
	return was;
}

/* Until nothing of what has been ended runs any more. A parent that takes
 * longer still runs it in this guest's own memory only, for a moment. */
static void wait_for_end(struct rg *rg)
{
	if (!rg_ring_wait(rg, rg->tail, RG_PATIENCE_NS))
		vgpu_log(&rg->dev, VGPU_LOG_WARNING,
			 "the parent is late to end a context: is the host "
			 "overloaded?");
	rg_space_reap(rg, false);
}

void rg_slot_close(struct rg_slot *s)
{
	if (rg_slot_end(s))
		wait_for_end(s->rg);
}

void rg_slots_close_all(struct rg *rg)
{
	bool any = false;

	for (unsigned i = 0; i < RG_CONTEXTS; i++)
		any |= rg_slot_end(&rg->slots[i]);
	if (any)
		wait_for_end(rg);
}

static unsigned check(const struct rg_ctx *c)
{
	unsigned engine = c->control >> REFGPU_CTX_ENGINE_SHIFT & 15;

	if (engine >= REFGPU_NUM_ENGINES)
		return REFGPU_ERROR_ENGINE;
	if (c->ring_size < RING_MIN || c->ring_size > RING_MAX ||
	    c->ring_size & (c->ring_size - 1) || c->ring % REFGPU_PAGE ||
	    c->ring >= REFGPU_VA_SIZE ||
	    c->ring_size > REFGPU_VA_SIZE - c->ring || c->ctl % CTL_ALIGN ||
	    c->ctl >= REFGPU_VA_SIZE)
		return REFGPU_ERROR_RING;
	return REFGPU_ERROR_NONE;
}

static int open_slot(struct rg_slot *s)
{
	struct rg *rg = s->rg;
	struct rg_ctx *c = rg_ctx_of(s);
	struct rg_open *r;
	int err;

	if (!rg->shared || !rg->has_memory)
		return -ENODEV;
	err = vgpu_shadow_new(rg->pool, c->root, s, &s->shadow);
	if (err)
		return err;
	r = rg_ring_reserve(rg, sizeof(*r), RG_ROOM_LAST);
	if (!r) {
		vgpu_shadow_free(s->shadow);
		s->shadow = NULL;
		return -EBUSY;
	}
	r->r.kind = RG_OPEN;
	r->r.slot = (uint16_t)s->id;
	r->engine = c->control >> REFGPU_CTX_ENGINE_SHIFT & 15;
	r->generation = s->st->generation = ++rg->generations;
	rg_ring_commit(rg);
	rg_ring_kick(rg);
	s->opened_at = rg->tail;
	s->st->open = true;
	return 0;
}

static void enable(struct rg_slot *s)
{
	struct rg_ctx *c = rg_ctx_of(s);
	unsigned error = check(c);
	int err;

	c->control |= REFGPU_CTX_ENABLE;
	if (!error) {
		err = open_slot(s);
		if (err) {
			vgpu_log(&s->rg->dev, VGPU_LOG_WARNING,
				 "context %u can't be started: %s", s->id,
				 strerror(-err));
			error = REFGPU_ERROR_RESET;
		}
	}
	if (error)
		rg_slot_error(s, error);
	else
		c->state = REFGPU_STATE_IDLE;
}

#define CONTROL_BITS (REFGPU_CTX_ENABLE | 15u << REFGPU_CTX_ENGINE_SHIFT)

void rg_slot_write_control(struct rg_slot *s, uint32_t value)
{
	struct rg_ctx *c = rg_ctx_of(s);

	if (c->control & REFGPU_CTX_ENABLE) {
		if (value & REFGPU_CTX_ENABLE)
			return;
		rg_slot_close(s);
	}
	c->control = value & CONTROL_BITS & ~REFGPU_CTX_ENABLE;
	if (value & REFGPU_CTX_ENABLE) {
		clear(s);
		enable(s);
	}
}
