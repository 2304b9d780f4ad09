/* SPDX-License-Identifier: MIT */
#include "channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../util/bytes.h"
#include "../util/cleanup.h"
#include "../util/fds.h"
#include "../util/list.h"

/* The receive buffer grows from here, doubling. */
#define RX_STEP (4u << 10)

/* What one channel may do before others have their turn. */
#define MESSAGES_PER_ROUND 8
#define BYTES_PER_ROUND	   (256u << 10)

/* A message that waits to leave. */
struct packet {
	struct list link;
	char *text;
	size_t len;
	size_t sent;
	size_t n_fds; /* 0 once they have left */
	int fds[CONTROL_MAX_FDS];
};

struct channel {
	int fd;
	struct loop *loop;
	struct loop_source *source;
	struct loop_source *stall_timer; /* made when the peer first stalls */
	struct channel_budget *budget;
	const struct channel_ops *ops;
	void *user;

	char *rx;
	size_t rx_len, rx_size, rx_max;
	size_t rx_scanned; /* no NUL before this */
	int fds[CONTROL_MAX_FDS];
	size_t n_fds, max_fds;

	struct list tx; /* of struct packet */
	size_t queued;

	bool asks; /* a caller's end */
	bool paused;
	bool stalled; /* the timer runs */
	bool eof;
	bool closing;
	bool kick; /* run in the next round, ready or not */
	int close_err;
	bool *freed; /* set by channel_free() inside message() */
};

static void packet_free(struct channel *ch, struct packet *p)
{
	for (size_t i = 0; i < p->n_fds; i++)
		close_fd(p->fds[i]);
	list_remove(&p->link);
	ch->queued -= p->len;
	ch->budget->queued -= p->len;
	free(p->text);
	free(p);
}

void channel_free(struct channel *ch)
{
	if (!ch)
		return;
	list_for_each_safe(n, &ch->tx)
		packet_free(ch, list_entry(n, struct packet, link));
	while (ch->n_fds)
		close_fd(ch->fds[--ch->n_fds]);
	loop_remove(ch->source);
	loop_remove(ch->stall_timer);
	close_fd(ch->fd);
	free(ch->rx);
	if (ch->freed)
		*ch->freed = true;
	free(ch);
}

/* What to wait for, given what there is to do. */
static void update_events(struct channel *ch)
{
	uint32_t events = 0;

	if (!list_empty(&ch->tx) || ch->kick)
		events |= EPOLLOUT;
	else if (!ch->paused && !ch->eof && !ch->closing)
		events |= EPOLLIN;
	/* Modifying a registered, open fd takes no memory: can't fail. */
	loop_set_events(ch->source, events);
}

static void on_stall(struct loop_source *src, void *user)
{
	struct channel *ch = user;

	ch->ops->closed(ch, -ETIMEDOUT, ch->user);
}

/* The peer has a while to take something, counted from now. */
static int watch_stall(struct channel *ch, bool on)
{
	int err;

	if (!ch->stall_timer) {
		err = loop_add_timer(ch->loop, on_stall, ch, &ch->stall_timer);
		if (err)
			return err;
	}
	ch->stalled = on;
	return loop_arm_timer(ch->stall_timer, on ? CONTROL_STALL_NS : 0, 0);
}

/* Send what the socket takes. Return: 0, or a negative errno of the socket. */
static int flush(struct channel *ch)
{
	size_t moved = 0;

	while (!list_empty(&ch->tx) && moved < BYTES_PER_ROUND) {
		struct packet *p = list_entry(ch->tx.next, struct packet, link);
		struct iovec iov = { p->text + p->sent, p->len - p->sent };
		ssize_t n = fds_send(ch->fd, &iov, 1, p->fds, p->n_fds,
				     MSG_DONTWAIT);

		if (n == -EAGAIN)
			return moved || !ch->stalled ? watch_stall(ch, true)
						     : 0;
		if (n == -EPIPE && ch->asks) {
			packet_free(ch, p);
			continue;
		}
		if (n < 0)
			return (int)n;
		moved += (size_t)n;
		for (size_t i = 0; i < p->n_fds; i++)
			close_fd(p->fds[i]);
		p->n_fds = 0;
		p->sent += (size_t)n;
		if (p->sent == p->len)
			packet_free(ch, p);
	}
	return ch->stalled ? watch_stall(ch, !list_empty(&ch->tx)) : 0;
}

int channel_send(struct channel *ch, char *text, size_t len, const int *fds,
		 size_t n_fds)
{
	struct packet *p = NULL;
	int err = -E2BIG;

	if (n_fds > CONTROL_MAX_FDS)
		goto fail;
	err = -ENOBUFS;
	if (len > ch->budget->max - ch->budget->queued)
		goto fail;
	err = -ENOMEM;
	p = calloc(1, sizeof(*p));
	if (!p)
		goto fail;
	p->text = text;
	p->len = len;
	p->n_fds = n_fds;
	if (n_fds)
		memcpy(p->fds, fds, n_fds * sizeof(*fds));
	list_insert(&ch->tx, &p->link);
	ch->queued += len;
	ch->budget->queued += len;
	/* It leaves from the loop: a handler that fails a send must not find
	 * its channel gone. */
	update_events(ch);
	return 0;
fail:
	for (size_t i = 0; i < n_fds; i++)
		close_fd(fds[i]);
	free(text);
	return err;
}

size_t channel_queued(const struct channel *ch)
{
	return ch->queued;
}

static int rx_grow(struct channel *ch)
{
	size_t size = MIN(ch->rx_size ? ch->rx_size * 2 : RX_STEP, ch->rx_max);
	char *rx;

	if (ch->rx_size == ch->rx_max)
		return -EMSGSIZE;
	rx = realloc(ch->rx, size);
	if (!rx)
		return -ENOMEM;
	ch->rx = rx;
	ch->rx_size = size;
	return 0;
}

/* Return: 1: got something (or the end), 0: nothing there; negative errno. */
static int receive(struct channel *ch)
{
	size_t room;
	ssize_t n;
	char *rx;
	int err;

	if (ch->rx_len == ch->rx_size) {
		err = rx_grow(ch);
		if (err)
			return err;
	}
	rx = ch->rx + ch->rx_len;
	room = ch->rx_size - ch->rx_len;
	/* Without a control buffer, descriptors that come are dropped. */
	if (ch->max_fds)
		n = fds_receive(ch->fd, rx, room, ch->fds, ch->max_fds,
				&ch->n_fds);
	else if ((n = recv(ch->fd, rx, room, MSG_DONTWAIT)) < 0)
		n = -errno;
	if (n < 0)
		return n == -EAGAIN || n == -EINTR ? 0 : (int)n;
	if (n == 0)
		ch->eof = true;
	ch->rx_len += (size_t)n;
	return 1;
}

/* Is a whole message there? Its length, without the NUL. */
static bool have_message(struct channel *ch, size_t *ret_len)
{
	char *nul = NULL;

	if (ch->rx_len > ch->rx_scanned)
		nul = memchr(ch->rx + ch->rx_scanned, '\0',
			     ch->rx_len - ch->rx_scanned);
	if (!nul) {
		ch->rx_scanned = ch->rx_len;
		return false;
	}
	*ret_len = (size_t)(nul - ch->rx);
	return true;
}

/* Return: false: the channel is gone. */
static bool deliver(struct channel *ch, size_t len)
{
	bool freed = false;

	ch->freed = &freed;
	ch->ops->message(ch, ch->rx, len, ch->user);
	if (freed)
		return false;
	ch->freed = NULL;
	ch->rx_len -= len + 1;
	ch->rx_scanned = 0;
	memmove(ch->rx, ch->rx + len + 1, ch->rx_len);
	return true;
}

/* Do what can be done now. A peer that doesn't read its replies is not read
 * from. */
static void run(struct channel *ch, bool readable)
{
	unsigned left = MESSAGES_PER_ROUND;
	size_t len;
	int err;

	ch->kick = false;
	for (;;) {
		err = flush(ch);
		if (err)
			goto closed;
		if (!list_empty(&ch->tx))
			break;
		if (ch->closing) {
			err = ch->close_err;
			goto closed;
		}
		if (ch->paused)
			break;
		if (have_message(ch, &len)) {
			if (!left--) {
				ch->kick = true;
				break;
			}
			if (!deliver(ch, len))
				return;
			continue;
		}
		if (ch->eof)
			goto closed;
		if (!readable)
			break;
		readable = false;
		err = receive(ch);
		if (err < 0)
			goto closed;
	}
	update_events(ch);
	return;
closed:
	ch->ops->closed(ch, err, ch->user);
}

static void on_socket(struct loop_source *src, uint32_t events, void *user)
{
	struct channel *ch = user;

	/* Nobody is left who could read a reply. What came before is still
	 * to be read, unless a call holds it up: that one is moot. */
	if ((events & (EPOLLHUP | EPOLLERR)) && ch->paused)
		ch->ops->closed(ch, 0, ch->user);
	else
		run(ch, events & (EPOLLIN | EPOLLHUP | EPOLLERR));
}

void channel_pause(struct channel *ch)
{
	ch->paused = true;
	update_events(ch);
}

void channel_resume(struct channel *ch)
{
	ch->paused = false;
	ch->kick = true;
	update_events(ch);
}

void channel_shutdown(struct channel *ch, int err)
{
	if (ch->closing)
		return;
	ch->closing = true;
	ch->close_err = err;
	ch->kick = true;
	update_events(ch);
}

void channel_ask(struct channel *ch, size_t max, size_t max_fds)
{
	ch->asks = true;
	ch->rx_max = max;
	ch->max_fds = max_fds;
}

size_t channel_take_fds(struct channel *ch, int *fds)
{
	size_t n = ch->n_fds;

	memcpy(fds, ch->fds, n * sizeof(*fds));
	ch->n_fds = 0;
	return n;
}

int channel_peer(const struct channel *ch, struct ucred *ret_cred)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(ch->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	*ret_cred = cred;
	return 0;
}

int channel_new(struct loop *loop, int fd, struct channel_budget *budget,
		const struct channel_ops *ops, void *user,
		struct channel **ret_ch)
{
	struct channel *ch = calloc(1, sizeof(*ch));
	int err;

	if (!ch) {
		close_fd(fd);
		return -ENOMEM;
	}
	ch->fd = fd;
	ch->loop = loop;
	ch->budget = budget;
	ch->rx_max = CONTROL_MAX_REQUEST;
	ch->ops = ops;
	ch->user = user;
	list_init(&ch->tx);
	err = loop_add_fd(loop, fd, EPOLLIN, on_socket, ch, &ch->source);
	if (err) {
		channel_free(ch);
		return err;
	}
	*ret_ch = ch;
	return 0;
}

bool channel_peer_in_group(const struct channel *ch, gid_t gid)
{
	socklen_t len = 0;
	cleanup_free gid_t *groups = NULL;
	bool found = false;

	/* The first call says how many there are: they never change. */
	if (!getsockopt(ch->fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) ||
	    errno != ERANGE)
		return false;
	groups = malloc(len);
	if (!groups ||
	    getsockopt(ch->fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	for (size_t i = 0; i < len / sizeof(gid_t); i++)
		found |= groups[i] == gid;
	return found;
}
