/* SPDX-License-Identifier: MIT */
/* A connection's life: made, watched by the loop, shut down, over. */
#include "conn-private.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "../state/arena.h"
#include "../util/cleanup.h"

static void destroy(struct conn *conn)
{
	if (conn->poller.registered)
		wait_remove(loop_wait(conn->loop), &conn->poller);
	loop_remove(conn->io);
	loop_remove(conn->timer);
	close_fd(conn->fd);
	if (conn->st) {
		conn_fds_drop(&conn->st->rx_fds, conn->st->rx_fds.n);
		conn_fds_drop(&conn->st->tx_fds, conn->st->tx_fds.n);
	}
	free(conn);
}

void conn_end(struct conn *conn, int err)
{
	if (conn->life == CONN_OVER)
		return;
	/* What conn_shutdown() was told is the cause, all later is effect. */
	if (conn->life == CONN_OPEN)
		conn->end_err = err;
	conn->life = CONN_OVER;
	conn->run.over = true;
	conn->st->closing = 1;
	wait_remove(loop_wait(conn->loop), &conn->poller);
	loop_remove(conn->io);
	conn->io = NULL;
	conn->fd = close_fd(conn->fd);
	conn->end_due = true;
	/* Can't fail: the timer exists and the time is valid. */
	if (!conn->depth)
		(void)loop_arm_timer(conn->timer, 1, 0);
}

void conn_watch(struct conn *conn)
{
	uint32_t events = 0;
	int err = 0;

	if (conn->life == CONN_OVER)
		return;
	if (!conn->stalled && !conn->rx_eof)
		events |= EPOLLIN;
	if (conn_tx_pending(conn))
		events |= EPOLLOUT;
	if (events != conn->events)
		err = loop_set_events(conn->io, events);
	conn->events = events;
	if (err)
		conn_end(conn, err);
}

/* Shutting down: as far as it goes without waiting. */
static void closing_step(struct conn *conn)
{
	int err = conn_tx_flush(conn);

	if (err && err != -EAGAIN) {
		conn_end(conn, err);
		return;
	}
	if (!err && !conn->tx_shut) {
		/* The peer sees the end behind our last reply, and closes. */
		shutdown(conn->fd, SHUT_WR);
		conn->tx_shut = true;
	}
	if (!conn->rx_eof)
		conn->rx_eof = conn_rx_drop(conn) == -EPIPE;
	if (conn->rx_eof && !err)
		conn_end(conn, 0);
}

/* Its time is up. Closed for reading first, nothing can come in between the
 * last look and the close. */
static void closing_final(struct conn *conn)
{
	int err;

	shutdown(conn->fd, SHUT_RDWR);
	do
		err = conn_rx_drop(conn);
	while (!err);
	conn_end(conn, 0);
}

void conn_shutdown(struct conn *conn, int err)
{
	if (conn->life != CONN_OPEN)
		return;
	conn->life = CONN_CLOSING;
	conn->run.over = true;
	conn->st->closing = 1;
	conn->end_err = err;
	conn->stalled = false; /* from now on reading is dropping */
	wait_remove(loop_wait(conn->loop), &conn->poller);
	if (loop_arm_timer(conn->timer, CONN_DRAIN_MS * 1000000ull, 0) < 0) {
		closing_final(conn);
		return;
	}
	/* In a callback of ours leave() goes on with it: here messages and
	 * their file descriptors may still be in use. */
	if (conn->depth)
		return;
	closing_step(conn);
	conn_watch(conn);
}

static void enter(struct conn *conn)
{
	conn->depth++;
}

/* The end of every callback from the loop; @conn may be gone after it. */
static void leave(struct conn *conn)
{
	if (conn->want_room && conn->life == CONN_OPEN && !conn->freed &&
	    conn->st->tx_end - conn->st->tx_pos <= CONN_TX_SIZE / 2) {
		conn->want_room = false;
		if (conn->ops->room)
			conn->ops->room(conn, conn->user);
	}
	if (conn->life == CONN_CLOSING && !conn->freed)
		closing_step(conn);
	conn->depth--;
	if (conn->freed) {
		destroy(conn);
		return;
	}
	conn_watch(conn);
	if (conn->end_due) {
		conn->end_due = false;
		conn->ops->closed(conn, conn->end_err, conn->user);
	}
}

static bool conn_poll(struct wait_poller *poller)
{
	struct conn *conn = (struct conn *)poller;
	bool did;

	if (conn->stalled)
		return false;
	enter(conn);
	did = conn_rx(conn);
	leave(conn);
	return did;
}

static void on_io(struct loop_source *src, uint32_t events, void *user)
{
	struct conn *conn = user;

	enter(conn);
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		conn->tx_blocked = false;
	if (conn->life == CONN_OPEN && conn_tx_pending(conn)) {
		int err = conn_tx_flush(conn);

		if (err && err != -EAGAIN)
			conn_end(conn, -ECONNRESET);
		else if (conn->stalled)
			conn_rx_resume(conn);
	}
	if (conn->life == CONN_OPEN && !conn->stalled && !conn->freed &&
	    events & (EPOLLIN | EPOLLHUP | EPOLLERR) && conn_rx(conn) &&
	    conn->life == CONN_OPEN)
		wait_mark_hot(&conn->poller);
	leave(conn); /* goes on with a shutdown */
}

static void on_timer(struct loop_source *src, void *user)
{
	struct conn *conn = user;

	enter(conn);
	if (conn->life == CONN_CLOSING)
		closing_final(conn);
	leave(conn);
}

/* A send up to CONN_SEND_CHUNK must be one piece for the kernel: an inherited
 * socket may have come with less buffer than that takes. */
static int check_sndbuf(int fd)
{
	int size, want = (int)CONN_MIN_SNDBUF;
	socklen_t len = sizeof(size);

	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &len) < 0)
		return -errno;
	if (size >= want)
		return 0;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &want, sizeof(want)) < 0)
		return -errno;
	return 0;
}

static int map_block(struct arena *arena, const char *name, const char *what,
		     size_t size, void **ret_ptr)
{
	char block[ARENA_NAME_MAX];
	int n = snprintf(block, sizeof(block), "%s.%s", name, what);

	if (n < 0 || (size_t)n >= sizeof(block))
		return -EINVAL;
	return arena_block(arena, block, CONN_STATE_VERSION, size, ret_ptr);
}

static int map_blocks(struct conn *conn, struct arena *arena, const char *name)
{
	void *st, *rx, *tx;
	int err;

	err = map_block(arena, name, "state", sizeof(struct conn_state), &st);
	if (err < 0)
		return err;
	err = map_block(arena, name, "rx", CONN_RX_SIZE, &rx);
	if (err < 0)
		return err;
	err = map_block(arena, name, "tx", CONN_TX_SIZE, &tx);
	if (err < 0)
		return err;
	memset(st, 0, sizeof(struct conn_state));
	conn->st = st;
	conn->rx = rx;
	conn->tx = tx;
	return 0;
}

int conn_new(struct loop *loop, int fd, struct arena *arena, const char *name,
	     const struct conn_ops *ops, void *user, struct conn **ret_conn)
{
	struct conn *conn = calloc(1, sizeof(*conn));
	int err;

	if (!conn) {
		close_fd(fd);
		return -ENOMEM;
	}
	conn->poller.poll = conn_poll;
	conn->loop = loop;
	conn->ops = ops;
	conn->user = user;
	conn->fd = fd;
	conn->events = EPOLLIN;
	err = check_sndbuf(fd);
	if (err)
		goto fail;
	err = map_blocks(conn, arena, name);
	if (err)
		goto fail;
	err = loop_add_timer(loop, on_timer, conn, &conn->timer);
	if (err)
		goto fail;
	err = loop_add_fd(loop, fd, EPOLLIN, on_io, conn, &conn->io);
	if (err)
		goto fail;
	wait_add(loop_wait(loop), &conn->poller);
	*ret_conn = conn;
	return 0;
fail:
	destroy(conn);
	return err;
}

void conn_free(struct conn *conn)
{
	if (!conn)
		return;
	conn->run.over = true;
	if (conn->depth)
		conn->freed = true; /* leave() does it */
	else
		destroy(conn);
}

void conn_record(struct conn *conn, struct recorder *recorder)
{
	conn->recorder = recorder;
	conn->recorded = conn->st->rx_pos;
}

void conn_get_stats(const struct conn *conn, struct conn_stats *ret_stats)
{
	*ret_stats = conn->stats;
}

bool conn_hung_up(const struct conn *conn)
{
	struct pollfd p = { .fd = conn->fd };

	if (conn->life == CONN_OVER)
		return true;
	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}

int conn_peer(int fd, pid_t *ret_pid, uid_t *ret_uid)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	*ret_pid = cred.pid;
	*ret_uid = cred.uid;
	return 0;
}
