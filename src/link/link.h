/* SPDX-License-Identifier: MIT */
/*
 * One end of a socket between vgpu-device and vgpu-parent, on a loop: cuts the
 * stream into messages, queues what the peer is too slow to take. Nothing that
 * the peer sends is trusted beyond the framing's own checks.
 */
#ifndef LINK_LINK_H
#define LINK_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fds.h"
#include "wire.h"

struct loop;
struct link;

#define LINK_MAX_QUEUED (256u << 10) /* bytes that the peer has not taken */

/**
 * struct link_ops - what comes out
 * @message: @payload is aligned to 8. The handler claims a descriptor that
 *           came with it by link_take_fd(). A negative errno breaks the link.
 * @broken: the peer has gone, or broke the rules: -ENOTCONN, -EPROTO, what
 *          @message returned and so on. Once, and the last call; free the link
 *          then (also in it).
 * @drained: optional. What link_send() has said -EAGAIN for can be sent now.
 */
struct link_ops {
	int (*message)(struct link *link, const struct wire_header *header,
		       const void *payload, size_t len, void *user);
	void (*broken)(struct link *link, int err, void *user);
	void (*drained)(struct link *link, void *user);
};

/* @fd: connected, non-blocking; the link's from here on, also on failure. */
int link_new(struct loop *loop, int fd, const struct link_ops *ops, void *user,
	     struct link **ret_link);

/* Stays the link's. */
int link_fd(const struct link *link);

/* Closes the socket. Safe in callbacks. NULL is fine. */
void link_free(struct link *link);

/**
 * link_send() - send or queue
 * @fds: go with it, and can't wait in the queue; they stay the caller's. NULL:
 *       none
 *
 * Return: 0; -EAGAIN: with @fds, while anything is queued: nothing was sent;
 * -ENOTCONN: it is broken, or breaks now since the peer does not read (@broken
 * is called from the loop then).
 */
int link_send(struct link *link, uint16_t kind, uint32_t seq,
	      const void *payload, size_t len, const struct wire_fds *fds);

/* An answer is likely to come soon: the loop looks for it before it sleeps. */
void link_expect(struct link *link);

/* Is there one to take? */
bool link_has_fd(const struct link *link);

/* The oldest descriptor that came, now the caller's; -1: none. */
int link_take_fd(struct link *link);

/* Bytes of a message are there: check them. Return: 0: more is needed; its
 * size; -EPROTO. */
int wire_frame(const void *buf, size_t len);

#endif
