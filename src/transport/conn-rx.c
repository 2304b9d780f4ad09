/* SPDX-License-Identifier: MIT */
/*
 * Bytes to messages.
 *
 * One receive call takes as much as there is; all messages that are complete
 * then are handed over. Whose are the file descriptors? Linux ends a receive
 * call behind the piece (what one send call made) that carried some, so they
 * belong to the message that holds the last byte received, and if that is not
 * complete yet, they wait for the rest of it.
 */
#include "conn-private.h"
#include "recording.h"

#include <errno.h>
#include <string.h>

#include "../util/bytes.h"
#include "../vfio-user/decode.h"

/*
 * Prepare the buffer for the next receive call.
 *
 * Bytes are moved only to where they don't overlap themselves, so that the
 * move counts by one store. That is always possible: a message is moved when
 * it would not fit, thus starts behind the slack of CONN_RX_CHUNK, and at that
 * time at most CONN_RX_CHUNK bytes of it are here, since more than that are
 * only asked for when they are the rest of a message that fits.
 *
 * Return: how much to ask for
 */
static size_t rx_room(struct conn *conn)
{
	struct conn_state *st = conn->st;
	size_t have = st->rx_end - st->rx_pos;
	size_t start = st->rx_pos - st->rx_base;
	size_t need = MAX(conn->rx_need, (size_t)CONN_RX_CHUNK);

	if (!have) {
		st->rx_base = st->rx_end;
	} else if (start + need > CONN_RX_SIZE ||
		   (have <= CONN_RX_TIDY && start >= have)) {
		memmove(conn->rx, conn->rx + start, have);
		conn_order();
		st->rx_base = st->rx_pos;
	}
	need = MAX((size_t)CONN_RX_CHUNK,
		   conn->rx_need > have ? conn->rx_need - have : 0);
	return MIN(need, (size_t)(CONN_RX_SIZE - (st->rx_end - st->rx_base)));
}

/* Hand over one message that is complete. */
static int rx_message(struct conn *conn, struct conn_message *msg)
{
	struct conn_state *st = conn->st;
	uint64_t end = st->rx_pos + msg->size;
	int err;

	msg->n_fds = st->rx_fds.n ? conn_fds_until(&st->rx_fds, end) : 0;
	if (msg->n_fds > CONN_MAX_FDS)
		return -EMSGSIZE;
	msg->fds = st->rx_fds.fd + st->rx_fds.head;
	st->tx_before = st->tx_end;
	conn_order();
	st->rx_begun = end;
	if (conn->recorder && end > conn->recorded) {
		conn->recorded = end; /* not again when it comes again */
		recorder_add(conn->recorder, RECORDING_IN, msg->data, msg->size,
			     msg->fds, msg->n_fds);
	}
	err = conn->ops->message(conn, msg, conn->user);
	if (err == -EAGAIN) {
		st->rx_begun = st->rx_pos;
		return err;
	}
	conn_order();
	st->rx_pos = end;
	if (msg->n_fds)
		conn_fds_drop(&st->rx_fds, msg->n_fds);
	conn->stats.rx_messages++;
	return err;
}

/* Hand over what needs no more than to be done. */
static void rx_run(struct conn *conn)
{
	struct conn_state *st = conn->st;
	struct conn_run *run = &conn->run;

	/* Who gets which file descriptor, and what is recorded, is a matter of
	 * single messages. */
	if (!conn->ops->run || st->rx_fds.n || conn->recorder)
		return;
	*run = (struct conn_run){
		.data = conn->rx + (st->rx_pos - st->rx_base),
		.len = st->rx_end - st->rx_pos,
		.st = st,
	};
	conn->ops->run(conn, run, conn->user);
	conn->stats.rx_messages += run->done;
}

/* All messages that are complete. 0: done; -EAGAIN: stalled. */
static int rx_messages(struct conn *conn)
{
	struct conn_state *st = conn->st;
	struct conn_message msg;
	int err;

	for (;;) {
		size_t have;
		int64_t size;

		rx_run(conn);
		if (conn->life != CONN_OPEN || conn->freed)
			return 0;
		have = st->rx_end - st->rx_pos;
		conn->rx_need = 0;
		msg.data = conn->rx + (st->rx_pos - st->rx_base);
		size = vfio_user_frame(msg.data, have, &msg.header);
		if (size < 0)
			return (int)size;
		if (!size)
			return 0;
		if ((size_t)size > have) {
			conn->rx_need = (size_t)size;
			return 0;
		}
		msg.size = (size_t)size;
		err = rx_message(conn, &msg);
		if (err)
			return err;
	}
	return 0;
}

/* Hand over what is complete and send the replies together. @hold: not yet,
 * more is expected. */
static void rx_dispatch(struct conn *conn, bool hold)
{
	bool again = false;
	int err;

	for (;;) {
		conn->in_batch = true;
		err = rx_messages(conn);
		conn->in_batch = false;
		if (conn->freed || conn->life != CONN_OPEN || (hold && !err))
			return;
		if (conn_tx_pending(conn)) {
			int tx_err = conn_tx_flush(conn);

			if (tx_err && tx_err != -EAGAIN) {
				conn_end(conn, -ECONNRESET);
				return;
			}
			again = false; /* it had something to wait for */
		}
		if (err != -EAGAIN || conn_tx_pending(conn))
			break;
		/* All replies have left meanwhile. Who can't go on even now
		 * would wait for ever. */
		if (again) {
			err = -EPROTO;
			break;
		}
		again = true;
	}
	conn->stalled = err == -EAGAIN;
	if (err && err != -EAGAIN)
		conn_shutdown(conn, err);
}

void conn_rx_resume(struct conn *conn)
{
	conn->stalled = false;
	rx_dispatch(conn, false);
}

static void rx_ended(struct conn *conn, int err)
{
	struct conn_state *st = conn->st;

	if (st->rx_end != st->rx_pos)
		err = -ECONNRESET; /* in the middle of a message */
	if (err == -ECONNRESET || !conn_tx_pending(conn)) {
		conn_end(conn, err);
		return;
	}
	/* It may have closed only its sending side and still wait for
	 * replies. */
	conn->rx_eof = true;
	conn_shutdown(conn, err);
}

/* One receive call. Return: bytes; 0: nothing to go on with. */
static size_t rx_receive(struct conn *conn, bool *ret_any)
{
	struct conn_state *st = conn->st;
	size_t len = rx_room(conn), n_fds;
	ssize_t n;

	st->rx_busy = (uint32_t)len;
	conn_order();
	n = conn_fds_receive(&st->rx_fds, conn->fd,
			     conn->rx + (st->rx_end - st->rx_base), len,
			     st->rx_end, &n_fds);
	*ret_any = n != -EAGAIN && n != -EINTR;
	conn_order();
	if (n > 0)
		st->rx_end += (uint64_t)n;
	conn_order();
	st->rx_busy = 0;
	if (n > 0) {
		conn->stats.rx_calls++;
		conn->stats.rx_bytes += (uint64_t)n;
		conn->stats.rx_fds += n_fds;
		conn->rx_cut = n_fds;
		return (size_t)n;
	}
	if (n == -EMSGSIZE || n == -EMFILE) /* its descriptors aren't taken */
		conn_shutdown(conn, (int)n);
	else if (*ret_any)
		rx_ended(conn, (int)n);
	return 0;
}

/*
 * What comes with file descriptors comes one message a call, though there may
 * be many. Their replies are to leave together, too; but whoever sends just one
 * is not to wait for another look. So the next look that must be made tells
 * for those after it.
 */
bool conn_rx(struct conn *conn)
{
	struct conn_state *st = conn->st;
	bool did = false, any, after_cut, hold, whole;
	unsigned n = 0;

	do {
		after_cut = conn->rx_cut;
		conn->rx_cut = false;
		if (!rx_receive(conn, &any)) {
			conn->rx_more &= !after_cut;
			if (did && conn->life == CONN_OPEN)
				rx_dispatch(conn, false);
			return did || any;
		}
		did = true;
		conn->rx_more |= after_cut;
		hold = conn->rx_cut && conn->rx_more && ++n < CONN_RX_HOLD;
		/* More of what is known to be incomplete needs no look, unless
		 * replies were held. */
		whole = st->rx_end - st->rx_pos >= conn->rx_need;
		if (whole || (!hold && conn_tx_pending(conn)))
			rx_dispatch(conn, hold);
	} while (hold && conn->life == CONN_OPEN && !conn->freed &&
		 !conn->stalled);
	return true;
}

int conn_rx_drop(struct conn *conn)
{
	/* No control buffer: the kernel drops file descriptors itself. */
	ssize_t n = recv(conn->fd, conn->rx, CONN_RX_SIZE, MSG_DONTWAIT);

	if (n > 0 || (n < 0 && errno == EINTR))
		return 0;
	return n < 0 && errno == EAGAIN ? -EAGAIN : -EPIPE;
}
