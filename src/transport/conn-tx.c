/* SPDX-License-Identifier: MIT */
/*
 * Messages to bytes.
 *
 * The kernel cuts a long send into pieces of somewhat more than 32 KiB and
 * takes or leaves each as a whole; a reader may see the end of one before the
 * next is there. So what must stay in one piece (a header; a message's first
 * byte and its file descriptors) is never put where a cut can fall: see
 * tx_chunk().
 */
#include "conn-private.h"
#include "recording.h"

#include <errno.h>
#include <string.h>

#include "../util/bytes.h"
#include "../util/fds.h"

static uint8_t *tx_at(const struct conn *conn, uint64_t pos)
{
	return conn->tx + (pos - conn->st->tx_base);
}

/* Size of the message that starts at @pos; conn_commit() has checked it. */
static size_t tx_message_size(const struct conn *conn, uint64_t pos)
{
	return get_le32(tx_at(conn, pos) +
			offsetof(struct vfio_user_header, size));
}

/*
 * The length of the next send: whole messages (at first perhaps the rest of
 * one) up to CONN_SEND_CHUNK, or a single larger message, or the rest of one.
 * A message with file descriptors goes alone, so that they are with its first
 * byte and nobody takes them for another's.
 */
static size_t tx_chunk(const struct conn *conn, size_t *ret_n_fds)
{
	const struct conn_state *st = conn->st;
	const struct conn_fds *fds = &st->tx_fds;
	uint64_t limit = st->tx_end;
	uint64_t pos = MAX(st->tx_pos, st->tx_edge);

	*ret_n_fds = 0;
	if (fds->n) {
		limit = fds->pos[fds->head];
		if (limit == st->tx_pos) {
			*ret_n_fds = conn_fds_until(fds, limit);
			return tx_message_size(conn, limit);
		}
	}
	if (limit - st->tx_pos <= CONN_SEND_CHUNK)
		return limit - st->tx_pos;
	while (pos < limit) {
		uint64_t next = pos + tx_message_size(conn, pos);

		if (next - st->tx_pos > CONN_SEND_CHUNK && pos != st->tx_pos)
			break;
		pos = next;
	}
	return pos - st->tx_pos;
}

/* The kernel took @n bytes: where in a message does it leave us? */
static void tx_advance(struct conn *conn, size_t n)
{
	struct conn_state *st = conn->st;
	uint64_t pos = st->tx_pos + n;
	uint64_t edge = MAX(st->tx_pos, st->tx_edge);

	if (pos != st->tx_end) {
		while (edge < pos)
			edge += tx_message_size(conn, edge);
		st->tx_edge = edge;
		conn_order();
	}
	st->tx_pos = pos;
	conn_order();
	st->tx_busy = 0;
	conn->stats.tx_calls++;
	conn->stats.tx_bytes += n;
}

/* One send call. Return: bytes taken, or negative errno. */
static ssize_t tx_send(struct conn *conn, size_t len, const int *fds,
		       size_t n_fds)
{
	struct conn_state *st = conn->st;
	struct iovec iov = { tx_at(conn, st->tx_pos), len };
	ssize_t n;

	st->tx_busy = (uint32_t)len;
	conn_order();
	if (n_fds) {
		n = fds_send(conn->fd, &iov, 1, fds, n_fds, MSG_DONTWAIT);
	} else {
		n = send(conn->fd, iov.iov_base, len,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		n = n < 0 ? -errno : n;
	}
	if (n < 0) {
		st->tx_busy = 0;
		return n;
	}
	tx_advance(conn, (size_t)n);
	return n;
}

int conn_tx_flush(struct conn *conn)
{
	struct conn_state *st = conn->st;
	struct conn_fds *fds = &st->tx_fds;

	if (conn->tx_blocked)
		return -EAGAIN;
	while (conn_tx_pending(conn)) {
		size_t n_fds;
		size_t len = tx_chunk(conn, &n_fds);
		ssize_t n = tx_send(conn, len, fds->fd + fds->head, n_fds);

		if (n == -EINTR)
			continue;
		/* ENOBUFS and ENOMEM pass; there is nothing to wait for but
		 * the socket. */
		if (n == -EAGAIN || n == -ENOBUFS || n == -ENOMEM) {
			conn->tx_blocked = true;
			return -EAGAIN;
		}
		if (n < 0)
			return (int)n;
		if (n_fds)
			conn_fds_drop(fds, n_fds);
	}
	return 0;
}

/* Make room for @max more bytes in one piece. Bytes are moved only to where
 * they don't overlap themselves: then the move counts by one store, and what
 * a slow reader makes us move is in proportion to what it has read. */
static bool tx_make_room(struct conn *conn, size_t max)
{
	struct conn_state *st = conn->st;
	size_t used, start;

	if (!conn_tx_pending(conn))
		st->tx_base = st->tx_end;
	if (st->tx_end - st->tx_base + max <= CONN_TX_SIZE)
		return true;
	/* An error shows again, and is dealt with, when the batch is over or
	 * epoll reports it. */
	(void)conn_tx_flush(conn);
	used = st->tx_end - st->tx_pos;
	start = st->tx_pos - st->tx_base;
	if (used + max > CONN_TX_SIZE || used > start)
		return false;
	memcpy(conn->tx, conn->tx + start, used);
	conn_order();
	st->tx_base = st->tx_pos;
	return true;
}

void *conn_reply(struct conn *conn, size_t max)
{
	conn->tx_room = 0;
	if (conn->life != CONN_OPEN || max > VFIO_USER_MAX_MSG_SIZE)
		return NULL;
	if (!tx_make_room(conn, max)) {
		conn->stats.stalls++;
		conn->want_room |= !conn->in_batch;
		if (!conn->depth)
			conn_watch(conn);
		return NULL;
	}
	conn->tx_room = max;
	return tx_at(conn, conn->st->tx_end);
}

/* Send what a commit has queued, as far as it goes. */
static int tx_finish(struct conn *conn)
{
	int err = conn_tx_flush(conn);

	if (conn->in_batch)
		return 0; /* an error shows again when the batch is over */
	if (err && err != -EAGAIN)
		conn_end(conn, -ECONNRESET);
	else if (!conn->depth)
		conn_watch(conn);
	return 0;
}

int conn_commit(struct conn *conn, size_t size, const int *fds, size_t n_fds)
{
	struct conn_state *st = conn->st;
	size_t room = conn->tx_room;
	int err;

	conn->tx_room = 0;
	if (!size)
		return 0;
	if (size > room || size < sizeof(struct vfio_user_header) ||
	    tx_message_size(conn, st->tx_end) != size || n_fds > CONN_MAX_FDS)
		return -EINVAL;
	if (n_fds) {
		err = conn_fds_dup(&st->tx_fds, fds, n_fds, st->tx_end);
		if (err)
			return err;
	}
	if (conn->recorder)
		recorder_add(conn->recorder, RECORDING_OUT,
			     tx_at(conn, st->tx_end), size, fds, n_fds);
	conn_order();
	st->tx_end += size;
	conn->stats.tx_messages++;
	if (conn->in_batch && st->tx_end - st->tx_pos < CONN_SEND_CHUNK)
		return 0;
	return tx_finish(conn);
}

/* Send a message at whose head we are straight from where its parts are.
 * Return: bytes taken, perhaps 0. */
static size_t tx_send_direct(struct conn *conn, size_t head, const void *data,
			     size_t len)
{
	struct conn_state *st = conn->st;
	struct iovec iov[2] = {
		{ .iov_base = tx_at(conn, st->tx_end), .iov_len = head },
		{ .iov_base = (void *)data, .iov_len = len },
	};
	ssize_t n;

	/* What is before it goes first; errors show again with the rest. */
	if (conn_tx_flush(conn))
		return 0;
	st->tx_busy = (uint32_t)(head + len);
	conn_order();
	n = fds_send(conn->fd, iov, 2, NULL, 0, MSG_DONTWAIT);
	if (n <= 0)
		return 0;
	conn->stats.tx_calls++;
	conn->stats.tx_bytes += (uint64_t)n;
	return (size_t)n;
}

int conn_commit_data(struct conn *conn, size_t head, const void *data,
		     size_t len)
{
	struct conn_state *st = conn->st;
	uint8_t *start = tx_at(conn, st->tx_end);
	size_t size = head + len, sent = 0;

	if (size < len || size > conn->tx_room)
		return -EINVAL;
	if (len < CONN_MIN_DIRECT || conn->recorder) {
		memcpy(start + head, data, len);
		return conn_commit(conn, size, NULL, 0);
	}
	if (head < sizeof(struct vfio_user_header) ||
	    tx_message_size(conn, st->tx_end) != size)
		return -EINVAL;
	conn->tx_room = 0;
	conn->stats.tx_messages++;
	sent = tx_send_direct(conn, head, data, len);
	/* What was not taken is queued; the bytes before it are never read. */
	if (sent < size) {
		size_t from = sent > head ? sent - head : 0;

		memcpy(start + head + from, (const uint8_t *)data + from,
		       len - from);
		if (sent)
			st->tx_edge = st->tx_end + size;
	}
	conn_order();
	st->tx_end += size;
	st->tx_pos += sent;
	conn_order();
	st->tx_busy = 0;
	if (conn->in_batch)
		return 0;
	return tx_finish(conn);
}
