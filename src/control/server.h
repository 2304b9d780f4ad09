/* SPDX-License-Identifier: MIT */
/*
 * The control server: varlink interfaces, answered on an event loop.
 *
 * Whoever owns the listening socket hands over connections
 * (control_server_accept()); each interface brings a table of handlers. A
 * handler owns its call until it has answered it, at once or later, so that
 * slow work can be done elsewhere and events can be streamed. Calls of one
 * client are answered one after the other; clients are independent.
 *
 * Parameters are checked against the interface's definition before a handler
 * sees them; org.varlink.service is answered here.
 *
 * All calls on the loop's thread, unless they say otherwise.
 */
#ifndef CONTROL_SERVER_H
#define CONTROL_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "../util/loop.h"
#include "channel.h"
#include "interface.h"
#include "message.h"

struct json_object;
struct control_server;
struct control_call;

/* Clients connected at a time. When another one comes, the one that has been
 * idle the longest has to go; if none is idle, the new one is refused. */
#define CONTROL_MAX_CLIENTS 64

/* Bytes that may wait for a client of a stream before control_reply_more()
 * refuses. */
#define CONTROL_MAX_STREAM (256u << 10)

/**
 * struct control_server_config - what org.varlink.service.GetInfo says
 *
 * The strings must outlive the server.
 */
struct control_server_config {
	const char *vendor;
	const char *product;
	const char *version;
	const char *url;
};

int control_server_new(struct loop *loop,
		       const struct control_server_config *config,
		       struct control_server **ret_server);

/* Closes all connections. Calls that are still in work may be answered
 * afterwards; the answers go nowhere. NULL is fine. */
void control_server_free(struct control_server *server);

/**
 * control_handler_fn - answer a call
 * @call: owned: answer it exactly once, now or later
 * @parameters: as checked; NULL: none. Valid until the call is answered.
 */
typedef void (*control_handler_fn)(struct control_call *call,
				   struct json_object *parameters, void *user);

struct control_handler {
	const char *method; /* without the interface */
	control_handler_fn fn;
};

/**
 * control_server_add() - serve an interface
 * @def: must outlive the server
 * @handlers: a handler per method; must outlive the server. A method without
 *            one answers MethodNotImplemented.
 *
 * Return: 0; -EEXIST: served already; -EINVAL: a handler for a method that
 * the definition lacks; -ENOMEM.
 */
int control_server_add(struct control_server *server,
		       const struct control_interface_def *def,
		       const struct control_handler *handlers,
		       size_t n_handlers, void *user);

/**
 * control_server_accept() - serve a new connection
 * @fd: connected; owned from here on, also on failure
 *
 * Return: 0; -EUSERS: too many clients, none of them idle; -ENOMEM.
 */
int control_server_accept(struct control_server *server, int fd);

/* ---- answering a call ---------------------------------------------- */

/* All of these take @parameters (NULL: they could not be made, for lack of
 * memory), and all but control_reply_more() end the call. Failing to send one
 * (no memory, over CONTROL_MAX_QUEUED) ends the connection: the client must
 * not wait for what will not come. */
void control_reply(struct control_call *call, struct json_object *parameters);

/* With file descriptors, which are taken. */
void control_reply_fds(struct control_call *call,
		       struct json_object *parameters, const int *fds,
		       size_t n_fds);

/* The whole message, as control_format_reply() makes it; taken. */
void control_reply_text(struct control_call *call, char *text, size_t len);

/* NULL @parameters: an error without any. */
void control_reply_error(struct control_call *call, const char *error,
			 struct json_object *parameters);

/* CONTROL_ERR_INVALID for one parameter */
void control_reply_invalid(struct control_call *call, const char *parameter);

/**
 * control_reply_more() - one of several replies
 *
 * Only if control_call_wants_more(). Return: 0; -ENOBUFS: the client doesn't
 * keep up (CONTROL_MAX_STREAM), nothing was sent; -EPIPE: it is gone; -ENOMEM.
 */
int control_reply_more(struct control_call *call,
		       struct json_object *parameters);

/* The client set "more". */
bool control_call_wants_more(const struct control_call *call);

/* Is anybody left who would read the answer? */
bool control_call_alive(const struct control_call *call);

/**
 * control_call_on_gone() - be told when the client leaves before the answer
 * @fn: called once, at most; the call is still to be answered (into the void)
 */
void control_call_on_gone(struct control_call *call,
			  void (*fn)(struct control_call *call, void *user),
			  void *user);

/* SO_PEERCRED, as it was at connect. */
const struct ucred *control_call_peer(const struct control_call *call);

/* Was the client a member of the group when it connected (SO_PEERGROUPS)? */
bool control_call_peer_in_group(const struct control_call *call, gid_t gid);

#endif
