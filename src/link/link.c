/* SPDX-License-Identifier: MIT */
#include "link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "../util/bytes.h"
#include "../util/cleanup.h"
#include "../util/fds.h"
#include "../util/loop.h"

struct link {
	int fd;
	struct loop_source *src;
	struct loop_source *defer; /* to break from the loop, not from a send */
	const struct link_ops *ops;
	void *user;
	int err;   /* why it is broken */
	bool told; /* ops->broken was called */
	bool busy; /* in a callback: link_free() waits for its end */
	bool dead;
	bool out;     /* waits for room in the socket */
	bool blocked; /* somebody waits until nothing is queued */
	bool serving; /* in messages: replies are gathered */
	struct loop *loop;
	struct wait_poller poller;

	uint64_t n_served;
	size_t rx_len;
	struct wire_fds fds; /* received, and not yet claimed */
	uint8_t *tx;	     /* LINK_MAX_QUEUED, made when first needed */
	size_t tx_at, tx_len;
	_Alignas(8) uint8_t rx[4 * WIRE_MAX_SIZE];
	_Alignas(8) uint8_t payload[WIRE_MAX_PAYLOAD];
};

int wire_frame(const void *buf, size_t len)
{
	struct wire_header h;

	if (len < sizeof(h))
		return 0;
	memcpy(&h, buf, sizeof(h));
	if (h.size < sizeof(h) || h.size > WIRE_MAX_SIZE || h.flags ||
	    h.reserved)
		return -EPROTO;
	return len < h.size ? 0 : (int)h.size;
}

/* ------------------------------------------------------------------ */
/* The end                                                             */
/* ------------------------------------------------------------------ */

static void destroy(struct link *link)
{
	wait_remove(loop_wait(link->loop), &link->poller);
	loop_remove(link->src);
	loop_remove(link->defer);
	wire_fds_close(&link->fds);
	close_fd(link->fd);
	free(link->tx);
	free(link);
}

/* Says so once. The link may be gone afterwards. */
static void broken(struct link *link, int err)
{
	if (!link->err)
		link->err = err;
	if (link->told || link->dead)
		return;
	link->told = true;
	/* A hang-up stays, and would wake the loop for ever. */
	loop_remove(link->src);
	link->src = NULL;
	link->ops->broken(link, link->err, link->user);
}

/* From a send: the caller does not expect to lose the link under its feet. */
static int break_later(struct link *link, int err)
{
	if (!link->err) {
		link->err = err;
		loop_arm_timer(link->defer, 1, 0);
	}
	return -ENOTCONN;
}

int link_fd(const struct link *link)
{
	return link->fd;
}

void link_free(struct link *link)
{
	if (!link)
		return;
	link->dead = true;
	if (!link->busy)
		destroy(link);
}

/* ------------------------------------------------------------------ */
/* Receiving                                                           */
/* ------------------------------------------------------------------ */

static int receive(struct link *link)
{
	ssize_t n = fds_receive(link->fd, link->rx + link->rx_len,
				sizeof(link->rx) - link->rx_len, link->fds.fd,
				WIRE_MAX_FDS, &link->fds.n);

	if (n == -EAGAIN || n == -EINTR)
		return 0;
	if (n <= 0)
		return !n ? -ENOTCONN : n == -EMSGSIZE ? -EPROTO : (int)n;
	link->rx_len += (size_t)n;
	return 0;
}

/* One whole message, if there is one. Return: its size; 0; negative errno. */
static int serve_one(struct link *link, size_t at)
{
	struct wire_header h;
	int size = wire_frame(link->rx + at, link->rx_len - at), err;
	size_t len;

	if (size <= 0)
		return size;
	memcpy(&h, link->rx + at, sizeof(h));
	len = (size_t)size - sizeof(h);
	memcpy(link->payload, link->rx + at + sizeof(h), len);
	err = link->ops->message(link, &h, link->payload, len, link->user);
	return err ? err : size;
}

static int serve(struct link *link)
{
	size_t at = 0;
	int n = 0;

	while (!link->dead && !link->err) {
		n = serve_one(link, at);
		if (n <= 0)
			break;
		at += (size_t)n;
		link->n_served++;
	}
	if (n < 0 || link->dead)
		return n < 0 ? n : 0;
	link->rx_len -= at;
	memmove(link->rx, link->rx + at, link->rx_len);
	return 0;
}

/* ------------------------------------------------------------------ */
/* Sending                                                             */
/* ------------------------------------------------------------------ */

static int watch_out(struct link *link, bool on)
{
	if (link->out == on)
		return 0;
	link->out = on;
	return loop_set_events(link->src, on ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static int flush(struct link *link)
{
	while (link->tx_len) {
		ssize_t n = send(link->fd, link->tx + link->tx_at, link->tx_len,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return watch_out(link, true);
		if (n < 0)
			return -errno;
		link->tx_at += (size_t)n;
		link->tx_len -= (size_t)n;
	}
	link->tx_at = 0;
	return watch_out(link, false);
}

static int enqueue(struct link *link, const struct wire_header *h,
		   const void *payload, size_t len, size_t sent)
{
	uint8_t whole[WIRE_MAX_SIZE];
	size_t left = h->size - sent;
	int err = 0;

	if (!link->tx)
		link->tx = malloc(LINK_MAX_QUEUED);
	if (!link->tx)
		return -ENOMEM;
	if (link->tx_len + left > LINK_MAX_QUEUED)
		err = flush(link);
	if (err)
		return err;
	if (link->tx_len + left > LINK_MAX_QUEUED)
		return -ENOBUFS;
	if (link->tx_at + link->tx_len + left > LINK_MAX_QUEUED) {
		memmove(link->tx, link->tx + link->tx_at, link->tx_len);
		link->tx_at = 0;
	}
	memcpy(whole, h, sizeof(*h));
	if (len)
		memcpy(whole + sizeof(*h), payload, len);
	memcpy(link->tx + link->tx_at + link->tx_len, whole + sent, left);
	link->tx_len += left;
	/* What is sent while messages are served goes at their end, at once. */
	return link->serving ? 0 : watch_out(link, true);
}

int link_send(struct link *link, uint16_t kind, uint32_t seq,
	      const void *payload, size_t len, const struct wire_fds *fds)
{
	struct wire_header h = { .size = (uint32_t)(sizeof(h) + len),
				 .kind = kind,
				 .seq = seq };
	struct iovec iov[2] = { { &h, sizeof(h) }, { (void *)payload, len } };
	size_t n_fds = fds ? fds->n : 0;
	ssize_t n = 0;
	int err;

	if (link->err)
		return -ENOTCONN;
	if (len > WIRE_MAX_PAYLOAD)
		return -EINVAL;
	if (link->tx_len && n_fds) {
		link->blocked = true;
		return -EAGAIN;
	}
	if (!link->tx_len && (!link->serving || n_fds))
		n = fds_send(link->fd, iov, 2, n_fds ? fds->fd : NULL, n_fds,
			     MSG_DONTWAIT);
	if (n < 0 && n != -EAGAIN)
		return break_later(link, (int)n);
	if (n <= 0 && n_fds) { /* they would not go with the bytes */
		link->blocked = true;
		return watch_out(link, true) ? break_later(link, -ENOBUFS)
					     : -EAGAIN;
	}
	if (n < 0)
		n = 0;
	if ((size_t)n == h.size)
		return 0;
	err = enqueue(link, &h, payload, len, (size_t)n);
	return err ? break_later(link, err) : 0;
}

void link_expect(struct link *link)
{
	wait_mark_hot(&link->poller);
}

bool link_has_fd(const struct link *link)
{
	return link->fds.n;
}

int link_take_fd(struct link *link)
{
	struct wire_fds *fds = &link->fds;
	int fd;

	if (!fds->n)
		return -1;
	fd = fds->fd[0];
	fds->n--;
	memmove(fds->fd, fds->fd + 1, fds->n * sizeof(fds->fd[0]));
	return fd;
}

/* ------------------------------------------------------------------ */
/* The loop                                                            */
/* ------------------------------------------------------------------ */

static void finish(struct link *link, int err)
{
	if (err)
		broken(link, err);
	else if (link->blocked && !link->tx_len && !link->dead) {
		link->blocked = false;
		link->ops->drained(link, link->user);
	}
	link->busy = false;
	if (link->dead)
		destroy(link);
}

/* What is there, and replies to it. Return: 0 or why the link is to break. */
static int take_in(struct link *link)
{
	size_t before = link->rx_len;
	int err = receive(link), e;

	/* What came before the end counts. */
	if (err && err != -ENOTCONN)
		return err;
	if (link->rx_len != before && !link->dead &&
	    wait_has(loop_wait(link->loop), WAIT_TRICK_LINK))
		wait_mark_hot(&link->poller);
	link->serving = true;
	e = serve(link);
	link->serving = false;
	if (!link->dead && link->tx_len) {
		int f = flush(link);

		e = e ? e : f;
	}
	return e ? e : err;
}

static void on_ready(struct loop_source *src, uint32_t events, void *user)
{
	struct link *link = user;
	int err = 0;

	if (link->err || link->dead)
		return;
	link->busy = true;
	if (events & EPOLLOUT)
		err = flush(link);
	/* Hang-ups and errors show in a receive call, behind what is still there. */
	if (!err && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		err = take_in(link);
	finish(link, err);
}

/* The answer to an answer is often near: the loop looks for a moment before
 * it sleeps. */
static bool on_poll(struct wait_poller *poller)
{
	struct link *link = vgpu_container_of(poller, struct link, poller);
	size_t before = link->rx_len;
	uint64_t served = link->n_served;
	bool any;
	int err;

	if (link->err || link->dead || link->told)
		return false;
	link->busy = true;
	err = take_in(link);
	any = err || link->dead || link->n_served != served ||
	      link->rx_len != before;
	finish(link, err);
	return any;
}

static void on_defer(struct loop_source *src, void *user)
{
	struct link *link = user;

	link->busy = true;
	finish(link, link->err);
}

int link_new(struct loop *loop, int fd, const struct link_ops *ops, void *user,
	     struct link **ret_link)
{
	struct link *link = calloc(1, sizeof(*link));
	int err;

	if (!link) {
		close_fd(fd);
		return -ENOMEM;
	}
	link->fd = fd;
	link->ops = ops;
	link->user = user;
	link->loop = loop;
	link->poller.poll = on_poll;
	wait_add(loop_wait(loop), &link->poller);
	err = loop_add_fd(loop, fd, EPOLLIN, on_ready, link, &link->src);
	if (!err)
		err = loop_add_timer(loop, on_defer, link, &link->defer);
	if (err) {
		destroy(link);
		return err;
	}
	*ret_link = link;
	return 0;
}
