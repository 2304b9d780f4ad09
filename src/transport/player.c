/* SPDX-License-Identifier: MIT */
#include "player.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../util/bytes.h"
#include "../util/cleanup.h"
#include "../util/fds.h"
#include "../vfio-user/decode.h"
#include "recording.h"

#define PLAYER_WINDOW   4096u /* replies remembered for comparing */
#define PLAYER_MAX_FILE (64ull << 30) /* sparse: costs nothing until touched */

/* What of a reply is compared. */
struct outcome {
	uint16_t command;
	uint32_t size;
	uint32_t error;
};

struct window {
	struct outcome slots[PLAYER_WINDOW];
	uint64_t in, out;
};

struct player {
	struct loop *loop;
	struct loop_source *src;
	struct recording *recording;
	const struct player_ops *ops;
	void *user;
	int fd; /* the client's end; -1: between connections */
	uint32_t connection;
	bool have;  /* @msg is read, and not wholly sent */
	bool ended; /* nothing more to send */
	int err;
	struct recording_message msg;
	size_t sent;
	uint8_t head[sizeof(struct vfio_user_header)]; /* of the reply that comes */
	size_t head_len;
	uint64_t skip; /* bytes of its body */
	struct window recorded, came;
	struct player_result result;
};

/* ------------------------------------------------------------------ */
/* Comparing                                                           */
/* ------------------------------------------------------------------ */

static void compare(struct player *p)
{
	while (p->recorded.out < p->recorded.in && p->came.out < p->came.in) {
		struct outcome *a =
			&p->recorded.slots[p->recorded.out++ % PLAYER_WINDOW];
		struct outcome *b =
			&p->came.slots[p->came.out++ % PLAYER_WINDOW];

		if (a->command != b->command || a->size != b->size ||
		    a->error != b->error)
			p->result.differ++;
	}
}

static void remember(struct player *p, struct window *w,
		     const struct vfio_user_header *h)
{
	if (w->in - w->out == PLAYER_WINDOW) {
		w->out++; /* its counterpart never came */
		p->result.differ++;
	}
	w->slots[w->in++ % PLAYER_WINDOW] = (struct outcome){
		.command = h->command,
		.size = h->size,
		.error = h->flags & VFIO_USER_ERROR ? h->error : 0,
	};
	compare(p);
}

/* ------------------------------------------------------------------ */
/* Sending                                                             */
/* ------------------------------------------------------------------ */

static int make_fd(const struct recording_fd *d)
{
	int fd;

	switch (d->kind) {
	case RECORDING_FD_EVENTFD:
		return eventfd(0, EFD_CLOEXEC);
	case RECORDING_FD_FILE:
		fd = memfd_create("played", MFD_CLOEXEC);
		if (fd >= 0 &&
		    ftruncate(fd, (off_t)MIN(d->size, PLAYER_MAX_FILE)) < 0)
			fd = close_fd(fd);
		return fd;
	default:
		return dup(STDERR_FILENO); /* something that is neither */
	}
}

/* Send what is left of the message; its fds go with the first byte. */
static int send_message(struct player *p)
{
	struct iovec iov = { (void *)(p->msg.data + p->sent),
			     p->msg.frame.size - p->sent };
	int fds[VFIO_USER_MAX_MSG_FDS];
	size_t n = p->sent ? 0 : p->msg.frame.n_fds;
	ssize_t ret;

	for (size_t i = 0; i < n; i++)
		fds[i] = make_fd(&p->msg.fds[i]);
	ret = fds_send(p->fd, &iov, 1, fds, n, MSG_DONTWAIT);
	for (size_t i = 0; i < n; i++)
		close_fd(fds[i]);
	if (ret < 0)
		return (int)ret;
	p->sent += (size_t)ret;
	return p->sent == p->msg.frame.size ? 0 : -EAGAIN;
}

static void on_io(struct loop_source *src, uint32_t events, void *user);

static int open_connection(struct player *p)
{
	int fds[2], err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		       fds) < 0)
		return -errno;
	err = loop_add_fd(p->loop, fds[0], EPOLLIN | EPOLLOUT, on_io, p,
			  &p->src);
	if (err) {
		close_fd(fds[0]);
		close_fd(fds[1]);
		return err;
	}
	p->fd = fds[0];
	p->head_len = 0;
	p->skip = 0;
	p->ops->connect(fds[1], p->user);
	return 0;
}

static void close_connection(struct player *p)
{
	loop_remove(p->src);
	p->src = NULL;
	p->fd = close_fd(p->fd);
}

/* Read on until there is a message to play. */
static void fetch(struct player *p)
{
	struct vfio_user_header h;

	while (!p->have && !p->ended) {
		int ret = recording_next(p->recording, &p->msg);

		if (ret <= 0) {
			p->ended = true;
			p->err = ret;
		} else if (p->msg.frame.direction == RECORDING_IN) {
			p->have = true;
			p->sent = 0;
		} else if (vfio_user_frame(p->msg.data, p->msg.frame.size,
					   &h) > 0) {
			p->result.recorded++;
			remember(p, &p->recorded, &h);
		}
	}
}

/* Send as much as goes. Return: whether the socket should tell when more does. */
static bool pump(struct player *p)
{
	for (;;) {
		int err;

		fetch(p);
		if (p->ended || p->msg.frame.connection != p->connection) {
			/* The client leaves: the server sees the end of the
			 * stream, answers what is left, and closes. */
			shutdown(p->fd, SHUT_WR);
			return false;
		}
		err = send_message(p);
		if (err == -EAGAIN)
			return true;
		if (err) {
			p->ended = true;
			p->err = -EPIPE;
			return false;
		}
		p->have = false;
		p->result.sent++;
	}
}

/* ------------------------------------------------------------------ */
/* Replies                                                             */
/* ------------------------------------------------------------------ */

static void take(struct player *p, const uint8_t *buf, size_t n)
{
	while (n) {
		size_t k;

		if (p->skip) {
			k = MIN(n, p->skip);
			p->skip -= k;
		} else {
			struct vfio_user_header h;

			k = MIN(n, sizeof(p->head) - p->head_len);
			memcpy(p->head + p->head_len, buf, k);
			p->head_len += k;
			if (p->head_len == sizeof(p->head) &&
			    vfio_user_frame(p->head, p->head_len, &h) > 0) {
				p->skip = h.size - sizeof(p->head);
				p->head_len = 0;
				p->result.replies++;
				remember(p, &p->came, &h);
			}
		}
		buf += k;
		n -= k;
	}
}

/* The server has closed: go on with the next client, or end. */
static void next_connection(struct player *p)
{
	close_connection(p);
	fetch(p);
	if (!p->ended && p->msg.frame.connection == p->connection) {
		p->ended = true; /* it closed before all was said */
		p->err = -EPIPE;
	}
	if (!p->ended) {
		p->connection = p->msg.frame.connection;
		p->err = open_connection(p);
		if (!p->err)
			return;
	}
	p->ops->done(p->err, &p->result, p->user);
}

static void on_io(struct loop_source *src, uint32_t events, void *user)
{
	struct player *p = user;
	uint8_t buf[16384];
	ssize_t n;

	while ((n = recv(p->fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		take(p, buf, (size_t)n);
	if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		next_connection(p);
		return;
	}
	if (events & EPOLLOUT)
		loop_set_events(src, pump(p) ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* ------------------------------------------------------------------ */
/* Life                                                                */
/* ------------------------------------------------------------------ */

int player_new(struct loop *loop, FILE *file, const struct player_ops *ops,
	       void *user, struct player **ret_player)
{
	struct player *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->loop = loop;
	p->ops = ops;
	p->user = user;
	p->fd = -1;
	err = recording_open(file, &p->recording);
	if (err)
		goto fail;
	fetch(p);
	p->connection = p->have ? p->msg.frame.connection : 0;
	err = open_connection(p);
	if (err)
		goto fail;
	*ret_player = p;
	return 0;
fail:
	player_free(p);
	return err;
}

void player_free(struct player *p)
{
	if (!p)
		return;
	if (p->fd >= 0)
		close_connection(p);
	recording_close(p->recording);
	free(p);
}
