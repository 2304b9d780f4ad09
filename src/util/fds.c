/* SPDX-License-Identifier: MIT */
#include "fds.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "bytes.h"
#include "foreign-fd.h"
#include "log.h"

union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(FDS_MAX * sizeof(int))];
};

ssize_t fds_send(int sock, const struct iovec *iov, size_t n_iov,
		 const int *fds, size_t n_fds, int flags)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)iov,
			      .msg_iovlen = n_iov };
	size_t bytes = n_fds * sizeof(int);
	union control control;
	ssize_t n;

	if (n_fds > FDS_MAX)
		return -E2BIG;
	if (n_fds) {
		memset(&control, 0, CMSG_SPACE(bytes));
		control.align = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
						  .cmsg_type = SCM_RIGHTS,
						  .cmsg_len = CMSG_LEN(bytes) };
		memcpy(CMSG_DATA(&control.align), fds, bytes);
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(bytes);
	}
	do
		n = sendmsg(sock, &msg, flags | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* What came with @msg. All of it, or nothing. */
static int take(struct msghdr *msg, int *fds, size_t room, size_t *n_fds)
{
	bool cut = msg->msg_flags & MSG_CTRUNC;
	size_t taken = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c;
	     c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = MIN(n, room - taken); /* the kernel had no room for more */
		memcpy(fds + taken, CMSG_DATA(c), n * sizeof(int));
		taken += n;
	}
	if (!cut) {
		*n_fds += taken;
		return 0;
	}
	while (taken)
		foreign_fd_close(fds[--taken]);
	return -EMSGSIZE;
}

ssize_t fds_receive(int sock, void *buf, size_t len, int *fds, size_t max,
		    size_t *n_fds)
{
	bool hang = foreign_fds_hang();
	size_t room = hang ? 0 : MIN(max - *n_fds, (size_t)FDS_MAX);
	union control control;
	struct iovec iov = { buf, len };
	/* The exact length: rounded up, it would have room for one more. */
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = room ? CMSG_LEN(room * sizeof(int)) : 0,
	};
	ssize_t n = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int err = 0;

	if (n < 0)
		return -errno;
	if (msg.msg_controllen || msg.msg_flags & MSG_CTRUNC)
		err = take(&msg, fds + *n_fds, room, n_fds);
	if (err && hang) {
		log_warning(NULL,
			    "descriptors that were sent here can't be closed, "
			    "since their file systems don't answer: no others "
			    "are taken before they do");
		err = -EMFILE;
	}
	return err ? err : n;
}
