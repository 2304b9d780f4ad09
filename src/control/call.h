/* SPDX-License-Identifier: MIT */
/* What the server's two halves share: clients (server.c) and calls (call.c). */
#ifndef CONTROL_CALL_H
#define CONTROL_CALL_H

#include "../util/list.h"
#include "server.h"

struct client {
	struct list link;
	struct control_server *server;
	struct channel *channel;
	struct control_call *call; /* in work */
	struct ucred peer;
};

struct control_call {
	struct client *client; /* NULL: gone */
	struct control_request request;
	struct ucred peer;
	void (*gone)(struct control_call *call, void *user);
	void *gone_user;
};

/* { "@key": "@value" }; NULL without memory: an error then says less. */
struct json_object *control_one_string(const char *key, const char *value);

#endif
