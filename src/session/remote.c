/* SPDX-License-Identifier: MIT */
/*
 * The session's own requests: DMA_READ and DMA_WRITE, for client memory that
 * came without a file. One is out at a time (a client may be slow, and QEMU
 * serves them on its main loop), and none is ever waited for.
 *
 * They go by the twin socket if the client wanted one ("twin_socket" in the
 * specification's VERSION), else by the connection itself.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "../dma/space.h"
#include "private.h"

/* ------------------------------------------------------------------ */
/* The twin socket                                                     */
/* ------------------------------------------------------------------ */

static int on_twin_message(struct conn *conn, struct conn_message *msg,
			   void *user)
{
	/* Only replies belong here ("Client/server interactions"). */
	if ((msg->header.flags & VFIO_USER_TYPE_MASK) != VFIO_USER_TYPE_REPLY)
		return -EPROTO;
	return session_remote_reply(user, msg);
}

static void on_twin_room(struct conn *conn, void *user)
{
	struct session *s = user;

	dma_space_remote_ready(s->core->dma);
}

/* A client that closes the twin only can't be asked any more. */
static void on_twin_closed(struct conn *conn, int err, void *user)
{
	struct session *s = user;

	log_debug(s->core->name, "the client's twin socket closed: %s",
		  strerror(-err));
	conn_free(conn);
	s->twin = NULL;
	s->twin_gone = true;
	s->asking = false;
	dma_space_remote_gone(s->core->dma);
}

static const struct conn_ops twin_ops = {
	.message = on_twin_message,
	.room = on_twin_room,
	.closed = on_twin_closed,
};

int session_open_twin(struct session *s, struct exchange *x)
{
	int fds[2], err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	err = conn_new(s->core->loop, fds[0], s->core->arena, "twin", &twin_ops,
		       s, &s->twin);
	if (err) {
		close_fd(fds[1]);
		return err;
	}
	x->passed_fd = fds[1];
	x->reply_fds[x->n_reply_fds++] = fds[1];
	return 0;
}

/* ------------------------------------------------------------------ */
/* Asking                                                              */
/* ------------------------------------------------------------------ */

int session_remote(struct client *client,
		   const struct dma_remote_request *request)
{
	struct session *s = to_session(client);
	struct vfio_user_dma_request dma = {
		.command = request->data ? VFIO_USER_DMA_WRITE :
					   VFIO_USER_DMA_READ,
		.iova = request->iova,
		.count = request->len,
	};
	size_t size = VFIO_USER_DMA_HEAD + (request->data ? request->len : 0);
	struct conn *conn;
	uint8_t *buf;
	int ret;

	if (!s->state->negotiated || s->twin_gone)
		return -ENOTCONN;
	/* quirks.h: it would take the question for the next answer. */
	if (s->state->never_errs)
		return -EOPNOTSUPP;
	conn = s->twin ? s->twin : s->conn;
	buf = conn_reply(conn, size);
	if (!buf)
		return -EAGAIN;
	dma.id = s->next_id++;
	ret = vfio_user_encode_dma_request(buf, size, &dma);
	if (ret < 0) {
		conn_commit(conn, 0, NULL, 0);
		return ret;
	}
	if (request->data)
		memcpy(buf + VFIO_USER_DMA_HEAD, request->data, request->len);
	s->asked = dma;
	s->asked_cookie = request->cookie;
	s->asking = true;
	return conn_commit(conn, size, NULL, 0);
}

int session_remote_reply(struct session *s, struct conn_message *msg)
{
	struct vfio_user_dma_reply reply;
	int err;

	if (!s->asking || msg->header.id != s->asked.id) {
		/* Nobody waits for it, perhaps since it came too late. */
		if (log_allowed(&s->core->client_log, s->core->name))
			log_warning(s->core->name,
				    "client sent a reply (id %u) that answers "
				    "no request",
				    msg->header.id);
		return 0;
	}
	err = vfio_user_decode_dma_reply(msg->data, msg->size, &s->asked,
					 &reply);
	s->asking = false;
	if (err)
		dma_space_remote_done(s->core->dma, s->asked_cookie, err, NULL,
				      0);
	else
		dma_space_remote_done(s->core->dma, s->asked_cookie,
				      -reply.error, reply.data,
				      (size_t)reply.count);
	return 0;
}

void session_remote_end(struct session *s)
{
	s->asking = false;
	conn_free(s->twin);
	s->twin = NULL;
}
