/* SPDX-License-Identifier: MIT */
#include "fds.h"

#include <errno.h>
#include <string.h>

#include "../util/foreign-fd.h"

void wire_fds_attach(struct msghdr *msg, union wire_control *control,
		     const struct wire_fds *fds)
{
	size_t bytes = fds ? fds->n * sizeof(int) : 0;
	struct cmsghdr *c;

	if (!bytes)
		return;
	memset(control, 0, sizeof(*control));
	msg->msg_control = control;
	msg->msg_controllen = CMSG_SPACE(bytes);
	c = CMSG_FIRSTHDR(msg);
	*c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
			       .cmsg_type = SCM_RIGHTS,
			       .cmsg_len = CMSG_LEN(bytes) };
	memcpy(CMSG_DATA(c), fds->fd, bytes);
}

int wire_fds_take(struct msghdr *msg, struct wire_fds *fds)
{
	int err = msg->msg_flags & MSG_CTRUNC ? -EPROTO : 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c;
	     c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (!err && fds->n < WIRE_MAX_FDS) {
				fds->fd[fds->n++] = fd;
			} else {
				foreign_fd_close(fd);
				err = -EPROTO;
			}
		}
	}
	return err;
}

void wire_fds_close(struct wire_fds *fds)
{
	while (fds->n)
		foreign_fd_close(fds->fd[--fds->n]);
}
