/* SPDX-License-Identifier: MIT */
/* Descriptors beside a message of the link to a parent. */
#ifndef LINK_FDS_H
#define LINK_FDS_H

#include <sys/socket.h>

#define WIRE_MAX_FDS 5u /* of one message: a WELCOME */

struct wire_fds {
	unsigned n;
	int fd[WIRE_MAX_FDS];
};

/* Room for their control message, and so for what a receiver takes. */
union wire_control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(WIRE_MAX_FDS * sizeof(int))];
};

/* Let them go with @msg; they stay the caller's. NULL, none: fine. @control
 * lives as long as @msg. */
void wire_fds_attach(struct msghdr *msg, union wire_control *control,
		     const struct wire_fds *fds);

/**
 * wire_fds_take() - what came with a received message
 * @fds: gets them, behind those that are in it
 *
 * Return: 0; -EPROTO: more than there is room for; those are closed.
 */
int wire_fds_take(struct msghdr *msg, struct wire_fds *fds);

/* Close all of them. */
void wire_fds_close(struct wire_fds *fds);

static inline void cleanup_wire_fds_(struct wire_fds *fds)
{
	wire_fds_close(fds);
}

#define cleanup_wire_fds __attribute__((cleanup(cleanup_wire_fds_)))

#endif
