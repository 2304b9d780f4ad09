/* SPDX-License-Identifier: MIT */
/* What happened, for who subscribes. */
#ifndef VGPUD_EVENTS_H
#define VGPUD_EVENTS_H

#include <stdint.h>

#include "util/loop.h"

#define EVENTS_MAX 1024 /* that are remembered */
/* How often one who does not keep up is looked at again. */
#define EVENTS_RETRY_NS (200ull * 1000000ull)

struct control_call;
struct events;

/* What an event is about; strings may be NULL. */
struct event {
	const char *kind, *uuid, *label, *type, *parent, *message;
};

int events_new(struct loop *loop, struct events **ret_events);
/* Ends all subscriptions. NULL is fine. */
void events_free(struct events *events);

void events_add(struct events *events, const struct event *event);
uint64_t events_last(const struct events *events);

/**
 * events_subscribe() - answer a Subscribe call
 * @call: taken
 * @after: events after this number first, as far as they are remembered;
 *         negative: only those to come
 */
void events_subscribe(struct events *events, struct control_call *call,
		      int64_t after);

#endif
