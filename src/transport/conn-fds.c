/* SPDX-License-Identifier: MIT */
/* File descriptors that travel with messages. */
#include "conn-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "../util/cleanup.h"
#include "../util/fds.h"
#include "../util/foreign-fd.h"

static void move_to_front(struct conn_fds *fds)
{
	memmove(fds->fd, fds->fd + fds->head, fds->n * sizeof(fds->fd[0]));
	memmove(fds->pos, fds->pos + fds->head, fds->n * sizeof(fds->pos[0]));
	fds->head = 0;
}

static void append(struct conn_fds *fds, int fd, uint64_t pos)
{
	uint32_t i = fds->head + fds->n;

	fds->fd[i] = fd;
	fds->pos[i] = pos;
	conn_order();
	fds->n++;
}

ssize_t conn_fds_receive(struct conn_fds *fds, int sock, void *buf, size_t len,
			 uint64_t pos, size_t *ret_n)
{
	size_t max = CONN_FDS_WAITING - fds->head, had = fds->n, all = had;
	ssize_t n;

	if (max - had < CONN_MAX_FDS && fds->head) {
		move_to_front(fds);
		max = CONN_FDS_WAITING;
	}
	n = fds_receive(sock, buf, len, fds->fd + fds->head, max, &all);
	for (size_t i = had; i < all; i++)
		append(fds, fds->fd[fds->head + i], pos + (uint64_t)n);
	*ret_n = all - had;
	return n;
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

	if (fds->n + n > CONN_FDS_WAITING)
		return -EAGAIN;
	if (fds->head + fds->n + n > CONN_FDS_WAITING)
		move_to_front(fds);
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
