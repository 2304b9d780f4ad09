/* SPDX-License-Identifier: MIT */
/*
 * The calling side of a control socket (caller.h), waiting: for programs that
 * ask and wait, as vgpuctl does. One thread per client.
 */
#ifndef CONTROL_CLIENT_H
#define CONTROL_CLIENT_H

#include <stdbool.h>

#include "caller.h"

struct control_client;

/* How long connecting, and one reply, may take unless something else is said,
 * milliseconds. */
#define CONTROL_CALL_TIMEOUT_MS 10000

/* Longest reply that is read, bytes. */
#define CONTROL_MAX_REPLY (128u << 20)

/**
 * control_client_connect() - connect to a control socket
 * @timeout_ms: for this, and for each call of the client; > 0
 *
 * Return: 0; -ENAMETOOLONG; errno of connect(): -ENOENT (no such socket),
 * -ECONNREFUSED (nobody listens there), -EACCES; -ETIMEDOUT: nobody accepts.
 */
int control_client_connect(const char *path, int timeout_ms,
			   struct control_client **ret_client);
void control_client_free(struct control_client *client);

/**
 * control_client_call() - call a method and wait for its (first) reply
 * @method: "interface.Method"
 * @parameters: stays the caller's; NULL: none
 * @more: ask for a stream
 * @ret_result: filled on 0, also when the reply is an error
 *
 * Return: 0; -ETIMEDOUT; -ECONNRESET: the server hung up; -EBADMSG: it sent
 * no varlink reply; -EMSGSIZE: more than CONTROL_MAX_REPLY; others of the
 * socket. After a failure the client is of no use any more.
 */
int control_client_call(struct control_client *client, const char *method,
			struct json_object *parameters, bool more,
			struct control_result *ret_result);

/**
 * control_client_next() - wait for the next reply of a stream
 * @timeout_ms: -1: for ever. -ETIMEDOUT leaves the client usable.
 */
int control_client_next(struct control_client *client, int timeout_ms,
			struct control_result *ret_result);

/* Connect, call once, hang up. */
int control_call(const char *path, const char *method,
		 struct json_object *parameters, int timeout_ms,
		 struct control_result *ret_result);

#endif
