/* SPDX-License-Identifier: MIT */
/* One call to a worker that nobody waits for. */
#ifndef VGPUD_DEVCALL_H
#define VGPUD_DEVCALL_H

#include <stdbool.h>

struct json_object;

/**
 * devcall_oneway() - call a method of the control socket at @path
 * @parameters: taken
 *
 * Never blocks. Return: 0: sent; errno of the socket, such as -EAGAIN: its
 * queue is full; -ENOMEM.
 */
int devcall_oneway(const char *path, const char *method,
		   struct json_object *parameters);

/* The same, to be answered: the connection, non-blocking, is the caller's. */
int devcall_send(const char *path, const char *method,
		 struct json_object *parameters, bool oneway);

#endif
