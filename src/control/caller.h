/* SPDX-License-Identifier: MIT */
/*
 * The calling side of a control socket, on a loop: a connection on which calls
 * are made, one at a time, and answered by a function. Nothing here waits.
 * Programs that ask and wait use client.h, which is made of this.
 *
 * The peer is not trusted: what it sends is bounded, and read strictly.
 *
 * All calls on the loop's thread.
 */
#ifndef CONTROL_CALLER_H
#define CONTROL_CALLER_H

#include <stdint.h>

#include "channel.h"

struct json_object;
struct control_caller;

/**
 * struct control_result - a reply
 * @parameters: an object, never NULL
 * @error: name of an error, or NULL
 * @continues: more replies follow
 * @fds: those that came with it; take one by replacing it with -1
 */
struct control_result {
	struct json_object *parameters;
	char *error;
	bool continues;
	int fds[CONTROL_MAX_FDS];
	size_t n_fds;
};

/* Closes what was not taken. A zeroed one is fine. */
void control_result_release(struct control_result *result);

/**
 * control_connect() - connect to the control socket at @path
 * @patience_ms: how long to wait while nobody accepts; 0: not at all
 *
 * Return: a descriptor; -ENAMETOOLONG; errno of connect(): -ENOENT (no such
 * socket), -ECONNREFUSED (nobody listens there), -EACCES, -EAGAIN (its queue is
 * full).
 */
int control_connect(const char *path, int patience_ms);

/**
 * control_caller_new() - call by a connection
 * @fd: as control_connect() returns it: taken, also on failure; an error of it
 *      is returned
 * @max_reply, @max_fds: as channel_ask() has them
 */
int control_caller_new(struct loop *loop, int fd, size_t max_reply,
		       size_t max_fds, struct control_caller **ret_caller);
/* No answer comes any more; the peer may have done what it was asked. NULL is
 * fine. */
void control_caller_free(struct control_caller *caller);

/**
 * control_answer_fn - a reply, or why there is none
 * @err: 0; -ETIMEDOUT; -ECONNRESET: the peer hung up; -EBADMSG: it sent no
 *       varlink reply; -EMSGSIZE: one that is too long; others of the socket.
 *       After an error the connection is of no use any more
 * @result: with 0, and gone when the function returns; it may be taken by
 *          copying and zeroing it
 *
 * The caller may be freed in it, or called again after the last reply.
 */
typedef void (*control_answer_fn)(int err, struct control_result *result,
				  void *user);

/**
 * control_caller_call() - call a method
 * @method: "interface.Method"
 * @parameters: stays the caller's; NULL: none
 * @more: ask for a stream
 * @timeout_ns: for the first reply; 0: for ever
 * @fn: is called for each reply, never in here
 *
 * Return: 0; -EBUSY: the last call is not answered; -ECONNRESET: the connection
 * has failed before; -ENOMEM.
 */
int control_caller_call(struct control_caller *caller, const char *method,
			struct json_object *parameters, bool more,
			uint64_t timeout_ns, control_answer_fn fn, void *user);

/* Deliver no reply before control_caller_resume(). */
void control_caller_pause(struct control_caller *caller);
void control_caller_resume(struct control_caller *caller);

/* Who listens there. */
int control_caller_peer(const struct control_caller *caller,
			struct ucred *ret_cred);

/**
 * control_ask() - connect without waiting, and call once
 * @parameters: taken
 *
 * @ret_caller is to be freed, in @fn or at any time. Return: 0; errors of all
 * of the above.
 */
int control_ask(struct loop *loop, const char *path, const char *method,
		struct json_object *parameters, bool more, uint64_t timeout_ns,
		control_answer_fn fn, void *user,
		struct control_caller **ret_caller);

/* What an answer says if it is an error: a sentence, valid as long as @result;
 * NULL: it is none. */
const char *control_answer_problem(int err,
				   const struct control_result *result);

/**
 * control_tell() - call a method of the socket at @path; nobody hears a reply
 * @parameters: taken
 *
 * Never waits. Return: 0: sent; errno of the socket; -ENOMEM.
 */
int control_tell(const char *path, const char *method,
		 struct json_object *parameters);

#endif
