/* SPDX-License-Identifier: MIT */
/*
 * Turning a client away politely: its first message gets an error reply,
 * what else it sends is drained, then the connection closes. A client that
 * is merely left in the backlog would wait for seconds (QEMU: 5 s).
 */
#ifndef TRANSPORT_REFUSE_H
#define TRANSPORT_REFUSE_H

#include "../util/loop.h"

#define REFUSE_MAX        16   /* at once; more are closed right away */
#define REFUSE_TIMEOUT_MS 2000 /* then it is closed, whatever it does */

/**
 * refuse_client() - answer the first request with @err and say goodbye
 * @fd: connected socket, non-blocking; owned from here on
 * @err: positive errno
 *
 * Return: 0, or why not even that was possible (@fd is closed then).
 */
int refuse_client(struct loop *loop, int fd, int err);

#endif
