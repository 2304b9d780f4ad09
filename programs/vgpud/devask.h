/* SPDX-License-Identifier: MIT */
/* One call to a process's control socket, with its reply, on the loop. */
#ifndef VGPUD_DEVASK_H
#define VGPUD_DEVASK_H

#include "util/loop.h"

struct devask;
struct json_object;

/* How long the answer may take. */
#define DEVASK_NS (5ull * 1000000000ull)

/**
 * devask_fn - the answer
 * @err: 0; -EREMOTEIO: an error, and @message says which; -ETIMEDOUT,
 *	-ECONNRESET and others of the socket, -EBADMSG: nonsense
 * @message: NULL without @err
 * @fd: what came with it, the function's; -1: nothing
 *
 * The question is gone afterwards.
 */
typedef void (*devask_fn)(int err, const char *message, int fd, void *user);

/**
 * devask_start() - call a method of the control socket at @path
 * @parameters: taken
 *
 * Never blocks, and @fn is not called in here.
 *
 * Return: 0; errno of the socket, such as -EAGAIN: its queue is full; -ENOMEM.
 */
int devask_start(struct loop *loop, const char *path, const char *method,
		 struct json_object *parameters, devask_fn fn, void *user,
		 struct devask **ret_ask);

/* Whoever is asked may have done it. NULL is fine. */
void devask_cancel(struct devask *ask);

#endif
