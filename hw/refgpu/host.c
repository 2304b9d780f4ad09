/* SPDX-License-Identifier: MIT */
/* Host scheduling: one context runs, one is next, events tell who left. */
#include "arbiter.h"
#include "engine.h"

void host_event(struct engine *e, const struct context *c, enum refgpu_stop why)
{
	uint32_t n = atomic_load(&e->n_events);

	/* host_submit() has seen to it that there is room. */
	e->events[(e->first_event + n) % EVENTS_MAX] = c->id | (uint32_t)why
								       << 16;
	atomic_store(&e->n_events, n + 1);
	hw_irq(e->hw, REFGPU_VECTOR_HOST);
}

uint32_t host_take_event(struct engine *e)
{
	uint32_t n = atomic_load(&e->n_events), event;

	if (!n)
		return REFGPU_NO_EVENT;
	event = e->events[e->first_event];
	e->first_event = (e->first_event + 1) % EVENTS_MAX;
	atomic_store(&e->n_events, n - 1);
	return event;
}

uint32_t host_status(struct engine *e)
{
	const struct context *cur = atomic_load(&e->cur);

	return (cur ? cur->id : REFGPU_ENG_NONE) | (e->next ? 1u << 16 : 0);
}

/* Why @c can't run, 0: it can. */
static unsigned obstacle(const struct engine *e, const struct context *c)
{
	switch (atomic_load(&c->state)) {
	case REFGPU_STATE_FAULT:
		return REFGPU_STOP_FAULT;
	case REFGPU_STATE_ERROR:
		return REFGPU_STOP_ERROR;
	case REFGPU_STATE_OFF:
		return REFGPU_STOP_DROPPED;
	default:
		return c->dying || context_engine(c) != e->id
			       ? REFGPU_STOP_DROPPED
			       : 0;
	}
}

/* Makes @c the one that runs, if there is nothing against it. */
static void begin(struct engine *e, struct context *c)
{
	unsigned why = obstacle(e, c);

	if (why) {
		host_event(e, c, why);
		return;
	}
	atomic_store(&c->state, REFGPU_STATE_READY);
	atomic_store(&e->cur, c);
	engine_kick(e);
}

void host_submit(struct engine *e, uint32_t ctx)
{
	struct refgpu_hw *hw = e->hw;
	bool busy = atomic_load(&e->cur);
	/* Each of those that are in comes to have an event. */
	uint32_t owed = atomic_load(&e->n_events) + busy + !!e->next;

	if (e->mode != REFGPU_MODE_HOST || ctx >= hw->config.contexts ||
	    e->next || owed >= EVENTS_MAX)
		return;
	if (busy)
		e->next = &hw->ctx[ctx];
	else
		begin(e, &hw->ctx[ctx]);
}

void host_drop_next(struct engine *e)
{
	if (!e->next)
		return;
	host_event(e, e->next, REFGPU_STOP_DROPPED);
	e->next = NULL;
}

void host_preempt(struct engine *e)
{
	if (e->mode != REFGPU_MODE_HOST)
		return;
	host_drop_next(e);
	engine_request(e, REQUEST_PREEMPT);
}

void host_left(struct engine *e, struct context *c, enum refgpu_stop why)
{
	struct context *next = e->next;

	host_event(e, c, why);
	e->next = NULL;
	if (next)
		begin(e, next);
}
