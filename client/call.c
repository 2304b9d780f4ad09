/* SPDX-License-Identifier: MIT */
/* Messages: one request at a time, and what the server asks meanwhile. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "private.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/fds.h"
#include "util/loop.h"

int client_fail(struct vgpu_client *c, int err)
{
	c->dead = true;
	shutdown(c->fd, SHUT_RDWR);
	return err;
}

/* Wait for the socket. @deadline_ns: 0: for ever. */
static int wait_for(struct vgpu_client *c, short events, uint64_t deadline_ns)
{
	struct pollfd p = { .fd = c->fd, .events = events };
	int n, ms = -1;

	do {
		if (deadline_ns) {
			uint64_t now = loop_now_ns();

			ms = now >= deadline_ns ?
				     0 :
				     (int)((deadline_ns - now) / 1000000 + 1);
		}
		n = poll(&p, 1, ms);
	} while (n < 0 && errno == EINTR);
	return n > 0 ? 0 : n == 0 ? -ETIMEDOUT : -errno;
}

/* ------------------------------------------------------------------ */
/* Out                                                                 */
/* ------------------------------------------------------------------ */

/* Send all of it; the fds go with the first byte. */
static int send_all(struct vgpu_client *c, struct iovec *iov, size_t n_iov,
		    const int *fds, size_t n_fds, uint64_t deadline_ns)
{
	while (n_iov) {
		ssize_t n = fds_send(c->fd, iov, n_iov, fds, n_fds,
				     MSG_DONTWAIT);

		if (n == -EAGAIN) {
			int err = wait_for(c, POLLOUT, deadline_ns);

			if (err)
				return client_fail(c, err);
			continue;
		}
		if (n == -E2BIG)
			return (int)n;
		if (n < 0)
			return client_fail(c, -ENOTCONN);
		n_fds = 0;
		while (n_iov && (size_t)n >= iov->iov_len) {
			n -= (ssize_t)iov->iov_len;
			iov++;
			n_iov--;
		}
		if (n_iov) {
			iov->iov_base = (uint8_t *)iov->iov_base + n;
			iov->iov_len -= (size_t)n;
		}
	}
	return 0;
}

/* ------------------------------------------------------------------ */
/* In                                                                  */
/* ------------------------------------------------------------------ */

/* File descriptors that come, up to @room */
struct incoming {
	int *fds;
	size_t room, n;
};

static int recv_all(struct vgpu_client *c, void *buf, size_t len,
		    struct incoming *in, uint64_t deadline_ns)
{
	uint8_t *p = buf;

	while (len) {
		ssize_t n = fds_receive(c->fd, p, len, in->fds, in->room,
					&in->n);

		if (n == -EAGAIN) {
			int err = wait_for(c, POLLIN, deadline_ns);

			if (err)
				return client_fail(c, err);
			continue;
		}
		if (n == -EINTR)
			continue;
		if (n <= 0)
			return client_fail(c, n == -EMSGSIZE ? -EPROTO
							     : -ENOTCONN);
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int recv_header(struct vgpu_client *c, struct vfio_user_header *h,
		       struct incoming *in, uint64_t deadline_ns)
{
	int err = recv_all(c, h, sizeof(*h), in, deadline_ns);

	if (err)
		return err;
	if (h->size < sizeof(*h) || h->size > VFIO_USER_MAX_MSG_SIZE)
		return client_fail(c, -EPROTO);
	return 0;
}

/* ------------------------------------------------------------------ */
/* What the server asks                                                */
/* ------------------------------------------------------------------ */

/* Answer DMA_READ and DMA_WRITE, whose header is @h; refuse all else. */
static int answer(struct vgpu_client *c, const struct vfio_user_header *h,
		  uint64_t deadline_ns)
{
	struct vfio_user_header reply = { .id = h->id,
					  .command = h->command,
					  .size = sizeof(reply),
					  .flags = VFIO_USER_TYPE_REPLY };
	struct vfio_user_dma_access *a = (void *)c->scratch;
	size_t body = h->size - sizeof(*h), data = 0;
	bool write = h->command == VFIO_USER_DMA_WRITE;
	struct incoming none = { 0 };
	struct iovec iov[3];
	void *memory = NULL;
	int err;

	err = recv_all(c, c->scratch, body, &none, deadline_ns);
	if (err)
		return err;
	if ((write || h->command == VFIO_USER_DMA_READ) && body >= sizeof(*a) &&
	    a->count && a->count <= CLIENT_MAX_XFER &&
	    body == sizeof(*a) + (write ? a->count : 0))
		memory = client_private_memory(c, a->iova, a->count,
					       write ? VGPU_CLIENT_DMA_WRITE :
						       VGPU_CLIENT_DMA_READ);
	if (!memory) {
		reply.flags |= VFIO_USER_ERROR;
		reply.error = EINVAL;
	} else if (write) {
		memcpy(memory, a + 1, a->count);
		reply.size += sizeof(*a);
	} else {
		data = a->count;
		reply.size += (uint32_t)(sizeof(*a) + data);
	}
	if (h->flags & VFIO_USER_NO_REPLY)
		return 0;
	iov[0] = (struct iovec){ &reply, sizeof(reply) };
	iov[1] = (struct iovec){ a, memory ? sizeof(*a) : 0 };
	iov[2] = (struct iovec){ memory, data };
	return send_all(c, iov, 3, NULL, 0, deadline_ns);
}

static bool is_request(const struct vfio_user_header *h)
{
	return (h->flags & VFIO_USER_TYPE_MASK) == VFIO_USER_TYPE_COMMAND;
}

int client_serve_one(struct vgpu_client *c, int timeout_ms)
{
	uint64_t now = loop_now_ns();
	struct incoming none = { 0 };
	struct vfio_user_header h;
	int err;

	if (c->dead)
		return -ENOTCONN;
	err = wait_for(c, POLLIN,
		       timeout_ms < 0 ? 0 :
					now + (uint64_t)timeout_ms * 1000000 + 1);
	if (err)
		return err == -ETIMEDOUT ? 0 : client_fail(c, err);
	now = loop_now_ns() + (uint64_t)c->timeout_ms * 1000000;
	err = recv_header(c, &h, &none, now);
	if (err)
		return err;
	if (!is_request(&h)) /* nothing was asked: what does it answer? */
		return client_fail(c, -EPROTO);
	err = answer(c, &h, now);
	return err ? err : 1;
}

/* ------------------------------------------------------------------ */
/* What we ask                                                         */
/* ------------------------------------------------------------------ */

static int recv_reply(struct vgpu_client *c, struct client_call *call,
		      const struct vfio_user_header *h, struct incoming *in,
		      uint64_t deadline_ns)
{
	size_t left = h->size - sizeof(*h);
	int err;

	for (size_t i = 0; i < 2; i++) {
		size_t n = MIN(left, call->recv_room[i]);

		err = n ? recv_all(c, call->recv[i], n, in, deadline_ns) : 0;
		if (err)
			return err;
		call->recv_size += n;
		left -= n;
	}
	if (left) /* more than there can be */
		return client_fail(c, -EPROTO);
	if (h->flags & VFIO_USER_ERROR)
		return h->error && h->error < 4096 ? -(int)h->error : -EIO;
	return 0;
}

int client_call(struct vgpu_client *c, struct client_call *call)
{
	uint64_t deadline = loop_now_ns() + (uint64_t)c->timeout_ms * 1000000;
	struct vfio_user_header h = {
		.id = c->next_id++,
		.command = call->command,
		.size = (uint32_t)(sizeof(h) + call->send_size[0] +
				   call->send_size[1]),
	};
	struct iovec iov[3] = {
		{ &h, sizeof(h) },
		{ (void *)call->send[0], call->send_size[0] },
		{ (void *)call->send[1], call->send_size[1] },
	};
	struct incoming in = { call->recv_fds, CLIENT_MAX_REPLY_FDS, 0 };
	struct vfio_user_header reply;
	int err;

	call->n_recv_fds = call->recv_size = 0;
	if (c->dead)
		return -ENOTCONN;
	if (call->posted)
		h.flags |= VFIO_USER_NO_REPLY;
	err = send_all(c, iov, 3, call->fds, call->n_fds, deadline);
	if (call->posted)
		return err;
	while (!err) {
		err = recv_header(c, &reply, &in, deadline);
		if (err || !is_request(&reply))
			break;
		err = answer(c, &reply, deadline);
	}
	if (!err && (reply.id != h.id || reply.command != h.command))
		err = client_fail(c, -EPROTO);
	if (!err)
		err = recv_reply(c, call, &reply, &in, deadline);
	if (err) {
		while (in.n)
			close_fd(in.fds[--in.n]);
	}
	call->n_recv_fds = in.n;
	return err;
}
