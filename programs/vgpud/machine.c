/* SPDX-License-Identifier: MIT */
#include "machine.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define WAIT_EVENTS (BIT(DONE) | BIT(FAILED))

/* ---- waits ---------------------------------------------------------- */

void await_done(struct await *wait, int err, const char *why)
{
	/* Not after it was called off. */
	assert(wait->kind);
	wait->kind = NULL;
	wait->err = err;
	free(wait->why);
	wait->why = why ? strdup(why) : NULL;
	machine_post(list_entry(wait, struct machine, wait),
		     err ? FAILED : DONE);
}

static void on_time(struct loop_source *src, void *user)
{
	struct await *wait = user;

	await_time_cancel(wait);
	await_done(wait, 0, NULL);
}

int await_time(struct await *wait, struct loop *loop, uint64_t ns)
{
	struct loop_source *timer;
	int err = loop_add_timer(loop, on_time, wait, &timer);

	if (err)
		return err;
	wait->op = timer;
	return loop_arm_timer(timer, ns ? ns : 1, 0);
}

void await_time_cancel(struct await *wait)
{
	loop_remove(steal_ptr(wait->op));
}

static void begin(struct machine *m)
{
	const struct await_kind *kind = m->table->states[m->state].wait;
	struct await *wait = &m->wait;
	int err;

	wait->kind = kind;
	err = kind ? kind->start(wait) : 0;
	if (!err)
		return;
	kind->cancel(wait);
	await_done(wait, err, strerror(-err));
}

static void call_off(struct machine *m)
{
	const struct await_kind *kind = steal_ptr(m->wait.kind);

	if (kind)
		kind->cancel(&m->wait);
	m->pending &= ~WAIT_EVENTS;
}

/* ---- one machine ---------------------------------------------------- */

unsigned machine_place(const struct machine *m)
{
	return m->table->states[m->state].between ? m->back : m->state;
}

static const struct arc *find(struct machine *m, unsigned state, unsigned event)
{
	for (unsigned i = 0; i < m->table->n_arcs; i++) {
		const struct arc *a = &m->table->arcs[i];

		if (a->from & BIT(state) && a->events & BIT(event) &&
		    (!a->holds || a->holds(m)))
			return a;
	}
	return NULL;
}

void machine_enter(struct machine *m, unsigned state)
{
	unsigned from = m->state;

	call_off(m);
	if (m->table->states[state].between)
		m->back = (uint8_t)from;
	m->state = (uint8_t)state;
	m->pending |= m->kept;
	m->kept = 0;
	if (m->table->moved)
		m->table->moved(m, from);
	begin(m);
	if ((m->pending || state == m->table->last) && list_empty(&m->queued))
		list_insert(&m->queue->list, &m->queued);
}

/* Follow @arc, and choices behind it, to a state. */
static void follow(struct machine *m, const struct arc *arc, unsigned event)
{
	unsigned to;

	for (;;) {
		if (arc->act)
			arc->act(m);
		to = arc->to;
		if (to >= m->table->n_states || !m->table->states[to].choice)
			break;
		arc = find(m, to, AT_ONCE);
		assert(arc);
	}
	if (to == KEEP)
		m->kept |= BIT(event);
	else if (to == BACK)
		machine_enter(m, m->back);
	else if (to < m->table->n_states)
		machine_enter(m, to);
}

static void run(struct machine *m)
{
	while (m->pending && m->state != m->table->last) {
		unsigned event = (unsigned)__builtin_ctz(m->pending);
		const struct arc *arc = find(m, m->state, event);

		m->pending &= ~BIT(event);
		assert(arc);
		follow(m, arc, event);
	}
	if (m->state == m->table->last)
		m->table->ended(m);
}

int machine_would_refuse(struct machine *m, unsigned event)
{
	switch (find(m, m->state, event)->to) {
	case BUSY:
		return -EBUSY;
	case ALREADY:
		return -EALREADY;
	default:
		return 0;
	}
}

int machine_request(struct machine *m, unsigned event)
{
	int err = machine_would_refuse(m, event);

	if (err)
		return err;
	machine_hold(m->queue);
	follow(m, find(m, m->state, event), event);
	machine_release(m->queue);
	return 0;
}

/* ---- all of them ---------------------------------------------------- */

void machine_queue_init(struct machine_queue *queue)
{
	list_init(&queue->list);
	queue->held = 0;
}

void machine_hold(struct machine_queue *queue)
{
	queue->held++;
}

void machine_release(struct machine_queue *queue)
{
	while (queue->held == 1 && !list_empty(&queue->list)) {
		struct machine *m =
			list_entry(queue->list.next, struct machine, queued);

		list_remove(&m->queued);
		run(m);
	}
	queue->held--;
}

void machine_post(struct machine *m, unsigned event)
{
	struct machine_queue *queue = m->queue;

	m->pending |= BIT(event);
	if (list_empty(&m->queued))
		list_insert(&queue->list, &m->queued);
	machine_hold(queue);
	machine_release(queue);
}

void machine_init(struct machine *m, struct machine_queue *queue,
		  const struct machine_table *table, unsigned state)
{
	*m = (struct machine){ .table = table,
			       .queue = queue,
			       .state = (uint8_t)state };
	list_init(&m->queued);
	list_init(&m->wait.link);
}

void machine_fini(struct machine *m)
{
	call_off(m);
	list_remove(&m->queued);
	free(steal_ptr(m->wait.why));
}
