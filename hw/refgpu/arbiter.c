/* SPDX-License-Identifier: MIT */
/* The hardware's own arbiter: contexts in turn, in slices. */
#include "arbiter.h"
#include "engine.h"

static struct list *list_of(struct engine *e, enum place place)
{
	return place == IN_QUEUE ? &e->queue : &e->waiters;
}

static void add(struct engine *e, struct context *c, enum place place)
{
	struct list *l = list_of(e, place);

	c->place = place;
	c->next = NULL;
	c->prev = l->last;
	if (l->last)
		l->last->next = c;
	else
		l->first = c;
	l->last = c;
	atomic_fetch_add(&e->rivals, 1);
	if (place == IN_WAITERS)
		atomic_fetch_add(&e->hw->waiters, 1);
}

void arbiter_remove(struct engine *e, struct context *c)
{
	struct list *l = list_of(e, c->place);

	if (c->place == NOWHERE)
		return;
	if (c->prev)
		c->prev->next = c->next;
	else
		l->first = c->next;
	if (c->next)
		c->next->prev = c->prev;
	else
		l->last = c->prev;
	atomic_fetch_sub(&e->rivals, 1);
	if (c->place == IN_WAITERS)
		atomic_fetch_sub(&e->hw->waiters, 1);
	c->place = NOWHERE;
	c->prev = c->next = NULL;
}

void arbiter_enqueue(struct engine *e, struct context *c)
{
	if (c->place == IN_QUEUE)
		return;
	arbiter_remove(e, c);
	atomic_store(&c->state, REFGPU_STATE_READY);
	add(e, c, IN_QUEUE);
	engine_kick(e);
}

void arbiter_poll_waiters(struct engine *e)
{
	while (e->waiters.first)
		arbiter_enqueue(e, e->waiters.first);
	e->polled = hw_now();
}

struct context *arbiter_pick(struct engine *e)
{
	struct context *c;

	if (e->waiters.first && hw_now() - e->polled >= SEM_POLL_NS)
		arbiter_poll_waiters(e);
	c = e->queue.first;
	if (c)
		arbiter_remove(e, c);
	return c;
}

void arbiter_left(struct engine *e, struct context *c, enum refgpu_stop why)
{
	if (why == REFGPU_STOP_PREEMPTED)
		arbiter_enqueue(e, c);
	else if (why == REFGPU_STOP_WAIT) {
		if (!e->waiters.first)
			e->polled = hw_now();
		add(e, c, IN_WAITERS);
	}
}

/* What was in line stays READY or WAITING; the host submits it, or the arbiter
 * looks at all of them once. */
void arbiter_mode(struct engine *e, uint32_t mode)
{
	struct refgpu_hw *hw = e->hw;

	if (mode > REFGPU_MODE_HOST || mode == e->mode)
		return;
	if (e->mode == REFGPU_MODE_HOST)
		host_drop_next(e);
	e->mode = mode;
	engine_request(e, REQUEST_PREEMPT);
	if (mode == REFGPU_MODE_HOST) {
		while (e->queue.first)
			arbiter_remove(e, e->queue.first);
		while (e->waiters.first)
			arbiter_remove(e, e->waiters.first);
		return;
	}
	for (unsigned i = 0; i < hw->config.contexts; i++) {
		struct context *c = &hw->ctx[i];
		uint32_t state = atomic_load(&c->state);

		if (c != atomic_load(&e->cur) && !c->dying &&
		    context_engine(c) == e->id &&
		    (state == REFGPU_STATE_IDLE ||
		     state == REFGPU_STATE_READY ||
		     state == REFGPU_STATE_WAITING))
			arbiter_enqueue(e, c);
	}
}
