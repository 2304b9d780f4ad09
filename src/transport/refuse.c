/* SPDX-License-Identifier: MIT */
#include "refuse.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "../util/cleanup.h"
#include "../vfio-user/decode.h"
#include "../vfio-user/encode.h"

struct refusal {
	struct loop_source *src, *timer;
	int fd;
	int err;
	size_t got;
	uint8_t head[sizeof(struct vfio_user_header)];
	bool answered;
};

/* Of the process: what one client can make us hold is limited. */
static atomic_int refusals;

static void finish(struct refusal *r)
{
	loop_remove(r->src);
	loop_remove(r->timer);
	close_fd(r->fd);
	atomic_fetch_sub(&refusals, 1);
	free(r);
}

/* Reply to the header that came. It fits into an empty socket buffer; if it
 * does not go out, the client did not want to hear it. */
static void answer(struct refusal *r)
{
	uint8_t reply[sizeof(struct vfio_user_header)];
	struct vfio_user_header header;

	r->answered = true;
	if (vfio_user_frame(r->head, sizeof(r->head), &header) > 0 &&
	    vfio_user_encode_error(reply, sizeof(reply), &header, r->err) > 0 &&
	    send(r->fd, reply, sizeof(reply), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return;
	shutdown(r->fd, SHUT_WR);
}

static void on_readable(struct loop_source *src, uint32_t events, void *user)
{
	struct refusal *r = user;
	uint8_t drop[4096];
	ssize_t n;

	/* recv() without room for control data: fds that come are discarded by
	 * the kernel. */
	if (!r->answered)
		n = recv(r->fd, r->head + r->got, sizeof(r->head) - r->got,
			 MSG_DONTWAIT);
	else
		n = recv(r->fd, drop, sizeof(drop), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		finish(r);
		return;
	}
	if (r->answered)
		return;
	r->got += (size_t)n;
	if (r->got == sizeof(r->head))
		answer(r);
}

static void on_timeout(struct loop_source *src, void *user)
{
	finish(user);
}

int refuse_client(struct loop *loop, int fd, int err)
{
	struct refusal *r;
	int ret;

	if (atomic_fetch_add(&refusals, 1) >= REFUSE_MAX) {
		ret = -EMFILE;
		goto fail;
	}
	r = calloc(1, sizeof(*r));
	if (!r) {
		ret = -ENOMEM;
		goto fail;
	}
	r->fd = fd;
	r->err = err;
	ret = loop_add_fd(loop, fd, EPOLLIN, on_readable, r, &r->src);
	if (ret)
		goto fail_free;
	ret = loop_add_timer(loop, on_timeout, r, &r->timer);
	if (!ret)
		ret = loop_arm_timer(r->timer,
				     REFUSE_TIMEOUT_MS * 1000000ull, 0);
	if (!ret)
		return 0;
	loop_remove(r->timer);
	loop_remove(r->src);
fail_free:
	free(r);
fail:
	atomic_fetch_sub(&refusals, 1);
	close_fd(fd);
	return ret;
}
