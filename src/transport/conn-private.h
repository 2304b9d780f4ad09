/* SPDX-License-Identifier: MIT */
/*
 * What the files of a connection share: conn.c (life and death), conn-rx.c
 * (bytes to messages), conn-tx.c (messages to bytes), conn-fds.c (file
 * descriptors that travel with them).
 */
#ifndef TRANSPORT_CONN_PRIVATE_H
#define TRANSPORT_CONN_PRIVATE_H

#include <sys/socket.h>

#include "conn.h"
#include "conn-run.h"
#include "conn-state.h"

/* Bytes taken by one receive call unless one message needs more: a whole
 * 64 KiB data message with its head, and the bound on the work that a client
 * can cause before the loop looks at others. */
#define CONN_RX_CHUNK (68u << 10)
/* Unfinished bytes up to here are moved to the buffer's start right away, so
 * that small messages keep using the same few pages. */
#define CONN_RX_TIDY 2048u
/* The slack behind the largest message is what makes moving the head of one
 * to the front free of overlap: see rx_room(). */
#define CONN_RX_SIZE (VFIO_USER_MAX_MSG_SIZE + CONN_RX_CHUNK)
#define CONN_TX_SIZE (VFIO_USER_MAX_MSG_SIZE + CONN_RX_CHUNK)

/* The kernel takes a send as one piece up to half of this, less a little. */
#define CONN_MIN_SNDBUF (4u * CONN_SEND_CHUNK)

/* Replies wait for so many receive calls at most. */
#define CONN_RX_HOLD 64u

/* From how many bytes on a copy costs more than a send of its own. */
#define CONN_MIN_DIRECT 4096u

enum conn_life {
	CONN_OPEN,
	CONN_CLOSING, /* conn_shutdown(): sending the rest, dropping input */
	CONN_OVER,    /* socket closed, closed() due or called */
};

struct conn {
	struct wait_poller poller; /* first: see conn_poll() */
	struct loop *loop;
	struct loop_source *io;
	struct loop_source *timer; /* CONN_DRAIN_MS, and "soon" */
	const struct conn_ops *ops;
	void *user;
	int fd;
	enum conn_life life;
	int end_err;    /* what closed() will be given */
	unsigned depth; /* callbacks of the loop in progress, 0 or 1 */
	bool in_batch;  /* in rx_dispatch(): replies are collected */
	bool freed;     /* conn_free() came in a callback */
	bool stalled;   /* message() said -EAGAIN */
	bool want_room; /* room() is owed */
	bool tx_blocked; /* the socket was full: wait for EPOLLOUT */
	bool rx_eof;
	bool rx_cut;	 /* the last receive ended behind file descriptors, */
	bool rx_more;	 /* and as a rule there is more behind those */
	bool tx_shut;
	bool end_due;    /* closed() must be called when the stack is unwound */
	uint32_t events; /* what epoll watches */

	struct conn_state *st;
	struct conn_run run; /* in progress */
	uint8_t *rx;
	uint8_t *tx;
	size_t rx_need; /* size of the message at rx_pos; 0: not known yet */
	size_t tx_room; /* given out by conn_reply() */
	struct recorder *recorder; /* NULL: nobody listens */
	uint64_t recorded; /* position up to which requests are in it */
	struct conn_stats stats;
};

/* conn.c */
/* The connection is over: close now, closed() when the stack is unwound. */
void conn_end(struct conn *conn, int err);
/* Let epoll watch for what we wait for now. */
void conn_watch(struct conn *conn);

/* conn-rx.c */
/* One receive call and all messages that are complete then. True if anything
 * came. */
bool conn_rx(struct conn *conn);
/* Go on with messages that are here after a stall. */
void conn_rx_resume(struct conn *conn);
/* Read and drop. 0: there may be more; -EAGAIN: not now; -EPIPE: never. */
int conn_rx_drop(struct conn *conn);

/* conn-tx.c */
static inline bool conn_tx_pending(const struct conn *conn)
{
	return conn->st->tx_end != conn->st->tx_pos;
}
/* Send what the socket takes. 0: all of it; -EAGAIN: not all; otherwise the
 * peer is gone. */
int conn_tx_flush(struct conn *conn);

/* conn-fds.c */
/* fds_receive() from @sock, whose first byte has position @pos; @ret_n: how
 * many descriptors came with it. */
ssize_t conn_fds_receive(struct conn_fds *fds, int sock, void *buf, size_t len,
			 uint64_t pos, size_t *ret_n);
/* How many of the first ones are at or before @pos */
size_t conn_fds_until(const struct conn_fds *fds, uint64_t pos);
/* Close the first @n and forget them. */
void conn_fds_drop(struct conn_fds *fds, size_t n);
/* Append duplicates. -EAGAIN: no room. */
int conn_fds_dup(struct conn_fds *fds, const int *src, size_t n, uint64_t pos);

#endif
