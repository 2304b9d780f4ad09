/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "context.h"

#define RING_MIN  4096u
#define RING_MAX  (1u << 20)
#define CTL_ALIGN 128u

#define CTL_HEAD offsetof(struct refgpu_ctl, head)

#define RG_INVALIDATE_NS 4000000u /* compare in a register write, else drop */

static struct rg_slot_status *status_of(const struct rg_context *c)
{
	return &c->queue->shared->slots[c->id];
}

static void event(struct rg_context *c, uint32_t events)
{
	uint32_t fresh = events & ~c->regs->event;

	c->regs->event |= events;
	if (fresh)
		rg_report_irq(c->report, REFGPU_IRQ_EVENT);
}

/* ------------------------------------------------------------------ */
/* What became of jobs                                                 */
/* ------------------------------------------------------------------ */

static void account(struct rg_context *c)
{
	uint64_t now = __atomic_load_n(&status_of(c)->time, __ATOMIC_RELAXED);
	uint64_t seen = c->place->time_seen, more = now > seen ? now - seen : 0;

	c->place->time_seen = now;
	c->place->time += more;
	rg_report_time(c->report, rg_ctx_engine(c->regs), more);
}

static void take_events(struct rg_context *c)
{
	struct rg_slot_status *st = status_of(c);
	uint32_t events;

	if (!__atomic_load_n(&st->events, __ATOMIC_RELAXED))
		return;
	events = __atomic_exchange_n(&st->events, 0, __ATOMIC_ACQ_REL);
	c->regs->cookie = __atomic_load_n(&st->cookie, __ATOMIC_RELAXED);
	event(c, events & REFGPU_EVENT_USER);
}

void rg_context_update(struct rg_context *c)
{
	/* What is there may be of the one before. */
	if (!c->place->open || rg_queue_passed(c->queue) < c->opened_at)
		return;
	rg_jobs_retire(&c->place->jobs,
		       __atomic_load_n(&status_of(c)->done, __ATOMIC_ACQUIRE),
		       &c->regs->head);
	account(c);
	take_events(c);
}

/* HEAD is never behind what the guest may have seen in its control block, where
 * it has no reason to write to. */
uint32_t rg_context_head(struct rg_context *c)
{
	const struct rg_ctx *r = c->regs;
	uint32_t seen, sent = c->place->at.fetch - r->head;

	if (!c->place->jobs.n ||
	    rg_space_load32(c->space, r->ctl + CTL_HEAD, &seen) || seen % 4 ||
	    seen >= r->ring_size ||
	    ((seen - r->head) & (r->ring_size - 1)) >
		    (sent & (r->ring_size - 1)))
		return r->head;
	return seen;
}

/* ------------------------------------------------------------------ */
/* Faults and errors                                                   */
/* ------------------------------------------------------------------ */

void rg_context_fault(struct rg_context *c, uint64_t va, uint32_t code)
{
	c->regs->state = REFGPU_STATE_FAULT;
	c->regs->fault_va = va & ~(REFGPU_PAGE - 1);
	c->regs->fault = code;
	event(c, REFGPU_EVENT_FAULT);
}

void rg_context_error(struct rg_context *c, uint32_t error)
{
	c->regs->state = REFGPU_STATE_ERROR;
	c->regs->error = error;
	c->place->pending.what = RG_PENDING_NONE;
	c->place->faulted = false;
	event(c, REFGPU_EVENT_ERROR);
}

static void on_fault(struct rg_context *c, const struct rg_notice *n)
{
	struct rg_place *p = c->place;

	if (c->regs->state != REFGPU_STATE_IDLE || p->faulted)
		return;
	if (n->va == p->fault.va && n->seq == p->fault.seq)
		p->fault.same++;
	else
		p->fault.same = 0;
	if (n->seq != p->fault.seq)
		c->drops = 0;
	p->faulted = true;
	p->fault.va = n->va;
	p->fault.seq = n->seq;
	p->fault.code = n->code;
	c->fault_after = 0;
}

void rg_context_notice(struct rg_context *c, const struct rg_notice *n)
{
	rg_context_update(c);
	/* It may be about the context that was here before. */
	if (!c->place->open || n->generation != c->place->generation)
		return;
	switch (n->kind) {
	case RG_NOTICE_FAULT:
		on_fault(c, n);
		break;
	case RG_NOTICE_ERROR:
		if (c->regs->state != REFGPU_STATE_ERROR)
			rg_context_error(c, n->code);
		break;
	case RG_NOTICE_NONSENSE:
		vgpu_log(c->queue->dev, VGPU_LOG_WARNING,
			 "context %u: the parent has refused a record: %s",
			 c->id, strerror((int)(n->code & 4095)));
		if (c->regs->state != REFGPU_STATE_ERROR)
			rg_context_error(c, REFGPU_ERROR_RESET);
		break;
	}
}

static void stop(struct rg_context *c, enum vgpu_shadow_fault why)
{
	const struct rg_place *p = c->place;

	c->place->faulted = false;
	c->place->stopped = true;
	rg_queue_small(c->queue, c->id, RG_STOP_FAULT);
	rg_context_fault(c, p->fault.va,
			 rg_fault_code(why) | (p->fault.code & 1u << 8));
}

/*
 * The hardware has found nothing, in the shadow. What do the guest's tables say
 * now? Where that can't be answered yet (the ring is full, a limit was reached
 * and pages have to go first), it is asked again with the next kick.
 */
void rg_context_answer_fault(struct rg_context *c)
{
	struct rg_place *p = c->place;
	struct rg_queue *q = c->queue;
	unsigned prot = p->fault.code & 1u << 8 ? VGPU_DMA_WRITE
						: VGPU_DMA_READ;
	enum vgpu_shadow_fault why;
	int err;

	rg_queue_want_room(q);
	if (rg_queue_room(q) < RG_ROOM_SYNC ||
	    rg_queue_passed(q) < c->fault_after)
		return;
	if (c->fault_after)
		vgpu_shadow_reap(c->space->all->pool, rg_queue_passed(q),
				 SIZE_MAX);
	c->fault_after = 0;
	err = rg_space_fault(c->space, p->fault.va, prot, &why);
	if (err == -EINPROGRESS)
		return;
	/* Others may have something to let go of if this one has not. */
	if (c->drops < RG_MAX_DROPS &&
	    (err == -EAGAIN || (err && rg_spaces_drop(c->space->all)))) {
		c->drops++;
		c->fault_after = q->ring.own;
		rg_queue_kick(q);
		return;
	}
	if (err || (!why && p->fault.same >= RG_SAME_FAULTS))
		why = VGPU_SHADOW_FAULT_BUS;
	if (why) {
		stop(c, why);
	} else {
		p->faulted = false;
		c->space->syncing = true;
		rg_queue_small(q, c->id, RG_RESUME);
	}
	rg_queue_kick(q);
}

void rg_context_resume(struct rg_context *c)
{
	struct rg_place *p = c->place;

	if (c->regs->state != REFGPU_STATE_FAULT)
		return;
	c->regs->state = REFGPU_STATE_IDLE;
	c->regs->fault = REFGPU_FAULT_NONE;
	c->regs->fault_va = 0;
	p->fault.same = c->drops = 0;
	/* The guest may have changed tables before an INVALIDATE that has been
	 * done already. */
	if (rg_early_is(&c->early))
		rg_space_drop(c->space);
	/* It faults again if it has to. */
	if (p->stopped)
		rg_queue_small(c->queue, c->id, RG_RESUME);
	p->stopped = false;
	p->rung = true;
}

void rg_context_invalidate(struct rg_context *c, uint64_t va, uint64_t pages)
{
	struct rg_queue *q = c->queue;
	uint64_t before = q->ring.own;
	int err;

	if (!c->place->open)
		return;
	rg_context_update(c);
	rg_space_invalidate(c->space, va, pages);
	if (!c->place->jobs.n)
		return; /* nothing runs: before the next job is soon enough */
	err = rg_space_sync(c->space, RG_INVALIDATE_NS);
	if (err && err != -EINPROGRESS)
		rg_space_drop(c->space);
	if (q->ring.own != before &&
	    !rg_queue_wait(q, q->ring.own, RG_PATIENCE_NS))
		vgpu_log(q->dev, VGPU_LOG_DEBUG,
			 "context %u: the parent is late to invalidate", c->id);
}

/* ------------------------------------------------------------------ */
/* On and off                                                          */
/* ------------------------------------------------------------------ */

static void clear(struct rg_context *c)
{
	struct rg_place *p = c->place;
	struct rg_ctx *r = c->regs;

	r->state = REFGPU_STATE_OFF;
	r->head = r->event = r->fault = r->error = r->cookie = 0;
	r->fault_va = 0;
	*p = (struct rg_place){ .generation = p->generation, .time = p->time };
	c->early = (struct rg_early){ .space = c->space, .sent = &p->jobs };
	c->drops = 0;
	c->fault_after = 0;
}

/* Tell the parent half. Return: is there anything to wait for? */
static bool end(struct rg_context *c)
{
	bool was = c->place->open;

	rg_context_update(c);
	if (was) {
		rg_queue_small(c->queue, c->id, RG_CLOSE);
		rg_space_close(c->space);
	}
	clear(c);
	return was;
}

void rg_contexts_end(struct rg_context *c, unsigned n)
{
	struct rg_queue *q = c->queue;
	bool any = false;

	for (unsigned i = 0; i < n; i++)
		any |= end(&c[i]);
	if (!any)
		return;
	/* A parent that takes longer still runs it in this guest's own memory
	 * only, for a moment. */
	if (!rg_queue_wait(q, q->ring.own, RG_PATIENCE_NS))
		vgpu_log(q->dev, VGPU_LOG_WARNING,
			 "the parent is late to end a context: is the host "
			 "overloaded?");
	rg_spaces_reap(c->space->all, false);
}

static unsigned check(const struct rg_ctx *r)
{
	if (rg_ctx_engine(r) >= REFGPU_NUM_ENGINES)
		return REFGPU_ERROR_ENGINE;
	if (r->ring_size < RING_MIN || r->ring_size > RING_MAX ||
	    r->ring_size & (r->ring_size - 1) || r->ring % REFGPU_PAGE ||
	    r->ring >= REFGPU_VA_SIZE ||
	    r->ring_size > REFGPU_VA_SIZE - r->ring || r->ctl % CTL_ALIGN ||
	    r->ctl >= REFGPU_VA_SIZE)
		return REFGPU_ERROR_RING;
	return REFGPU_ERROR_NONE;
}

static int open_context(struct rg_context *c)
{
	const struct rg_open r = {
		.r = { .size = sizeof(r),
		       .kind = RG_OPEN,
		       .slot = (uint16_t)c->id },
		.engine = rg_ctx_engine(c->regs),
		.generation = ++c->generations,
	};
	int err;

	if (!c->queue->ready)
		return -ENODEV;
	err = rg_space_open(c->space, c->regs->root);
	if (err)
		return err;
	if (!rg_queue_put(c->queue, &r.r, RG_ROOM_LAST)) {
		rg_space_close(c->space);
		return -EBUSY;
	}
	rg_queue_kick(c->queue);
	c->place->generation = r.generation;
	c->place->open = true;
	c->opened_at = c->queue->ring.own;
	return 0;
}

void rg_context_ready(struct rg_context *c)
{
	int err;

	if (!c->place->waits)
		return;
	c->place->waits = false;
	err = open_context(c);
	if (!err)
		return;
	vgpu_log(c->queue->dev, VGPU_LOG_WARNING,
		 "context %u can't be started: %s", c->id, strerror(-err));
	rg_context_error(c, REFGPU_ERROR_RESET);
}

void rg_context_start(struct rg_context *c)
{
	unsigned error = check(c->regs);

	clear(c);
	if (error) {
		rg_context_error(c, error);
		return;
	}
	c->regs->state = REFGPU_STATE_IDLE;
	c->place->waits = true;
	if (!c->queue->coming)
		rg_context_ready(c);
}

void rg_context_init(struct rg_context *c, struct rg_draft *draft)
{
	struct rg_place *p = c->place;

	c->early = (struct rg_early){ .space = c->space, .sent = &p->jobs };
	c->stream = (struct rg_stream){ .regs = c->regs,
					.at = &p->at,
					.pending = &p->pending,
					.space = c->space,
					.early = &c->early,
					.draft = draft };
}
