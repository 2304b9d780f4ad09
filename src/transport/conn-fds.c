/* SPDX-License-Identifier: MIT */
/* File descriptors that travel with messages. */
#include "conn-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "../util/bytes.h"
#include "../util/cleanup.h"
#include "../util/foreign-fd.h"
#include "../util/log.h"

/* Room for @n more behind the last one. */
static bool make_room(struct conn_fds *fds, size_t n)
{
	if (fds->n + n > CONN_FDS_WAITING)
		return false;
	if (fds->head + fds->n + n <= CONN_FDS_WAITING)
		return true;
	memmove(fds->fd, fds->fd + fds->head, fds->n * sizeof(fds->fd[0]));
	memmove(fds->pos, fds->pos + fds->head, fds->n * sizeof(fds->pos[0]));
	fds->head = 0;
	return true;
}

static void append(struct conn_fds *fds, int fd, uint64_t pos)
{
	uint32_t i = fds->head + fds->n;

	fds->fd[i] = fd;
	fds->pos[i] = pos;
	conn_order();
	fds->n++;
}

int conn_fds_receive(struct conn_fds *fds, const struct msghdr *msg,
		     uint64_t pos, size_t *ret_n)
{
	bool ok = !(msg->msg_flags & MSG_CTRUNC);
	size_t total = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c;
	     c = CMSG_NXTHDR((struct msghdr *)msg, c)) {
		const unsigned char *data = CMSG_DATA(c);
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		ok = ok && make_room(fds, n);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, data + i * sizeof(fd), sizeof(fd));
			if (ok)
				append(fds, fd, pos);
			else
				foreign_fd_close(fd);
		}
		total += n;
	}
	if (!ok && foreign_fds_hang()) {
		log_warning(NULL,
			    "descriptors that were sent here can't be closed, "
			    "since their file systems don't answer: no others "
			    "are taken before they do");
		return -EMFILE;
	}
	if (!ok)
		return -EMSGSIZE;
	*ret_n = total;
	return 0;
}

size_t conn_fds_until(const struct conn_fds *fds, uint64_t pos)
{
	size_t n = 0;

	while (n < fds->n && fds->pos[fds->head + n] <= pos)
		n++;
	return n;
}

void conn_fds_drop(struct conn_fds *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		foreign_fd_close(fds->fd[fds->head + i]);
	fds->n -= (uint32_t)n;
	fds->head = fds->n ? fds->head + (uint32_t)n : 0;
}

int conn_fds_dup(struct conn_fds *fds, const int *src, size_t n, uint64_t pos)
{
	uint32_t had = fds->n;

	if (!make_room(fds, n))
		return -EAGAIN;
	for (size_t i = 0; i < n; i++) {
		int fd = fcntl(src[i], F_DUPFD_CLOEXEC, 0);

		if (fd < 0) {
			int err = -errno;

			while (fds->n > had)
				close_fd(fds->fd[fds->head + --fds->n]);
			return err;
		}
		append(fds, fd, pos);
	}
	return 0;
}

void conn_fds_attach(struct conn *conn, struct msghdr *msg, const int *fds,
		     size_t n)
{
	struct cmsghdr *c;

	memset(conn->control.buf, 0, CMSG_SPACE(n * sizeof(int)));
	msg->msg_control = conn->control.buf;
	msg->msg_controllen = CMSG_SPACE(n * sizeof(int));
	c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
}
