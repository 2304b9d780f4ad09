/* SPDX-License-Identifier: MIT */
/* Descriptors beside a message of the link to a hub: see util/fds.h. */
#ifndef LINK_FDS_H
#define LINK_FDS_H

#include <stddef.h>

#include "../util/foreign-fd.h"

#define WIRE_MAX_FDS 5u /* of one message: a WELCOME */

struct wire_fds {
	size_t n;
	int fd[WIRE_MAX_FDS];
};

/* Close all of them. */
static inline void wire_fds_close(struct wire_fds *fds)
{
	while (fds->n)
		foreign_fd_close(fds->fd[--fds->n]);
}

static inline void cleanup_wire_fds_(struct wire_fds *fds)
{
	wire_fds_close(fds);
}

#define cleanup_wire_fds __attribute__((cleanup(cleanup_wire_fds_)))

#endif
