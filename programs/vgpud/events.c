/* SPDX-License-Identifier: MIT */
#include "events.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "control/json.h"
#include "control/server.h"
#include "util/list.h"

struct subscriber {
	struct list link;
	struct events *events;
	struct control_call *call;
	uint64_t next; /* number of the event that it gets next */
};

struct events {
	struct json_object *ring[EVENTS_MAX]; /* number n at n % EVENTS_MAX */
	uint64_t last;			      /* 0: none yet */
	struct list subscribers;
	struct loop_source *retry;
	bool retrying;
};

uint64_t events_last(const struct events *e)
{
	return e->last;
}

static uint64_t oldest(const struct events *e)
{
	return e->last > EVENTS_MAX ? e->last - EVENTS_MAX + 1 : 1;
}

static void subscriber_free(struct subscriber *s)
{
	list_remove(&s->link);
	free(s);
}

static struct json_object *reply(uint64_t sequence, struct json_object *event)
{
	struct json_object *obj = json_object_new_object();

	json_set_uint(&obj, "sequence", sequence);
	if (event)
		json_set(&obj, "event", json_object_get(event));
	else
		json_set_null(&obj, "event");
	return obj;
}

static struct json_object *make(uint64_t sequence, const struct event *e)
{
	struct json_object *obj = json_object_new_object();
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	json_set_uint(&obj, "sequence", sequence);
	json_set_uint(&obj, "time",
		      (uint64_t)now.tv_sec * 1000000u +
			      (uint64_t)now.tv_nsec / 1000u);
	json_set_string(&obj, "kind", e->kind);
	json_set_string(&obj, "uuid", e->uuid);
	json_set_string(&obj, "label", e->label);
	json_set_string(&obj, "type", e->type);
	json_set_string(&obj, "parent", e->parent);
	json_set_string(&obj, "message", e->message);
	return obj;
}

/* Return: 0: it has all; -ENOBUFS: it doesn't keep up. */
static int feed(struct subscriber *s)
{
	struct events *e = s->events;
	int err = 0;

	if (s->next < oldest(e)) {
		struct json_object *lost =
			make(oldest(e) - 1,
			     &(struct event){ .kind = "lost" });

		err = control_reply_more(s->call, reply(oldest(e) - 1, lost));
		json_object_put(lost);
		if (err)
			return err;
		s->next = oldest(e);
	}
	for (; s->next <= e->last; s->next++) {
		err = control_reply_more(
			s->call, reply(s->next, e->ring[s->next % EVENTS_MAX]));
		if (err)
			break;
	}
	return err;
}

static void feed_all(struct events *e)
{
	bool behind = false;

	list_for_each(n, &e->subscribers)
		behind |= feed(list_entry(n, struct subscriber, link)) != 0;
	if (behind != e->retrying)
		loop_arm_timer(e->retry, behind ? EVENTS_RETRY_NS : 0,
			       behind ? EVENTS_RETRY_NS : 0);
	e->retrying = behind;
}

static void on_retry(struct loop_source *src, void *user)
{
	feed_all(user);
}

void events_add(struct events *e, const struct event *event)
{
	struct json_object **slot;

	e->last++;
	slot = &e->ring[e->last % EVENTS_MAX];
	json_object_put(*slot);
	*slot = make(e->last, event);
	feed_all(e);
}

static void on_gone(struct control_call *call, void *user)
{
	struct subscriber *s = user;

	subscriber_free(s);
	control_reply(call, NULL);
}

void events_subscribe(struct events *e, struct control_call *call,
		      int64_t after)
{
	struct subscriber *s;

	if (!control_call_wants_more(call)) {
		control_reply_error(call,
				    "org.varlink.service.ExpectedMore", NULL);
		return;
	}
	s = calloc(1, sizeof(*s));
	if (!s || control_reply_more(call, reply(e->last, NULL))) {
		free(s);
		control_reply(call, NULL);
		return;
	}
	s->events = e;
	s->call = call;
	s->next = e->last + 1;
	if (after >= 0 && (uint64_t)after < e->last)
		s->next = (uint64_t)after + 1;
	list_insert(&e->subscribers, &s->link);
	control_call_on_gone(call, on_gone, s);
	feed_all(e);
}

int events_new(struct loop *loop, struct events **ret_events)
{
	struct events *e = calloc(1, sizeof(*e));
	int err;

	if (!e)
		return -ENOMEM;
	list_init(&e->subscribers);
	err = loop_add_timer(loop, on_retry, e, &e->retry);
	if (err) {
		free(e);
		return err;
	}
	*ret_events = e;
	return 0;
}

void events_free(struct events *e)
{
	if (!e)
		return;
	list_for_each_safe(n, &e->subscribers) {
		struct subscriber *s = list_entry(n, struct subscriber, link);
		struct control_call *call = s->call;

		control_call_on_gone(call, NULL, NULL);
		subscriber_free(s);
		control_reply(call, NULL);
	}
	for (unsigned i = 0; i < EVENTS_MAX; i++)
		json_object_put(e->ring[i]);
	loop_remove(e->retry);
	free(e);
}
