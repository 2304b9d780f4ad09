/* SPDX-License-Identifier: MIT */
/*
 * State machines: what an instance and a hub are made of.
 *
 * A machine is in one state, and waits for one thing at most: its state says
 * for which. The wait begins when the state is entered. When it is over, that
 * is an event (DONE or FAILED); when another event leads out of the state
 * before, the wait is called off, and nothing is heard of it any more.
 *
 * What follows an event is a row of a table (struct arc). Rows do something,
 * which never waits, and lead to a state; or to a choice, which is left at once
 * by the first of its own rows that holds.
 *
 * Events are handled one after the other, for all machines of a queue: a row
 * that makes an event for another machine, or its own, sees nothing of what
 * follows from it. One event of each kind can be pending for a machine; the one
 * with the lowest number is handled first, whichever came first.
 *
 * One thread.
 */
#ifndef VGPUD_MACHINE_H
#define VGPUD_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "util/list.h"
#include "util/loop.h"

struct machine;
struct await;

/**
 * struct await_kind - an operation that takes its time, and can be called off
 * @start: 0: await_done() follows, perhaps in here; negative errno: it can't
 *         begin, which counts as a wait that failed
 * @cancel: await_done() does not follow any more
 */
struct await_kind {
	const char *name;
	int (*start)(struct await *wait);
	void (*cancel)(struct await *wait);
};

/**
 * struct await - what a machine waits for
 * @kind: NULL: nothing
 * @op, @link: the operation's own, while it goes on
 * @err: of the last one that is over: 0, or negative errno
 * @why: the end of a sentence about it: "its parent ..."; NULL: none
 */
struct await {
	const struct await_kind *kind;
	void *op;
	struct list link;
	int err;
	char *why;
};

/* It is over: @err as in struct await, @why is copied. */
void await_done(struct await *wait, int err, const char *why);

/* A wait for @ns to pass, of which these are start and cancel. */
int await_time(struct await *wait, struct loop *loop, uint64_t ns);
void await_time_cancel(struct await *wait);

/* Events of all machines; others follow. */
enum {
	DONE,	/* what it waits for is there */
	FAILED, /* it can't be had: wait->err, wait->why */
	N_COMMON_EVENTS,
};
/* The one event of choices. */
#define AT_ONCE 31

/* Where rows may lead to besides states. */
enum {
	STAY = 0xf0, /* nothing follows */
	BACK,	     /* to where it was before this state */
	KEEP,	     /* the event waits until there is another state */
	BUSY,	     /* a request that is refused: -EBUSY */
	ALREADY,     /* -EALREADY */
};

#define BIT(n) (1u << (n))

/* What rows ask, and what they do. */
typedef bool machine_ask(struct machine *machine);
typedef void machine_act(struct machine *machine);

/**
 * struct arc - a row: what follows an event
 * @from: states, as bits
 * @events: likewise
 * @holds: NULL: always
 * @act: NULL: nothing
 * @condition, @action: what they are called in words
 *
 * Of the rows for a state and an event the first one counts that holds.
 */
struct arc {
	uint32_t from, events;
	machine_ask *holds;
	const char *condition;
	machine_act *act;
	const char *action;
	uint8_t to;
};

/**
 * struct state - a state, or a choice
 * @wait: what it waits for; NULL: nothing
 * @between: it comes between: the state before is remembered for BACK, and
 *           what was waited for there is waited for anew
 */
struct machine_state {
	const char *name;
	const struct await_kind *wait;
	bool choice, between;
};

/**
 * struct machine_table - what machines of one kind have in common
 * @events: their names
 * @last: the state that is the end
 * @moved: it was in @from, and its new wait has not begun; may be NULL
 * @ended: it has come to @last, and may be freed
 */
struct machine_table {
	const struct machine_state *states;
	unsigned n_states;
	const char *const *events;
	unsigned n_events;
	const struct arc *arcs;
	unsigned n_arcs;
	unsigned last;
	void (*moved)(struct machine *machine, unsigned from);
	machine_act *ended;
};

struct machine_queue {
	struct list list;
	unsigned held;
};

struct machine {
	const struct machine_table *table;
	struct machine_queue *queue;
	struct list queued;
	uint8_t state, back;
	uint32_t pending, kept; /* events, as bits */
	struct await wait;
};

void machine_queue_init(struct machine_queue *queue);
/* Events wait until the (last) release: for who goes through all machines. */
void machine_hold(struct machine_queue *queue);
void machine_release(struct machine_queue *queue);

/* In @state, without a wait; machine_enter(), with the queue held, to begin
 * elsewhere. */
void machine_init(struct machine *machine, struct machine_queue *queue,
		  const struct machine_table *table, unsigned state);
void machine_fini(struct machine *machine);
void machine_enter(struct machine *machine, unsigned state);

/* An event has come. It is handled now, or when the queue is released. */
void machine_post(struct machine *machine, unsigned event);

/**
 * machine_request() - an event that may be refused
 *
 * Handled in here, up to the next state. Return: 0; -EBUSY, -EALREADY.
 */
int machine_request(struct machine *machine, unsigned event);
/* What that would return. */
int machine_would_refuse(struct machine *machine, unsigned event);

/* The state that it is in, or goes back to. */
unsigned machine_place(const struct machine *machine);

#endif
