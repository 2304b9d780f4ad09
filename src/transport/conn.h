/* SPDX-License-Identifier: MIT */
/*
 * A connection: messages in, replies out, over a UNIX stream socket.
 *
 * Receives as much as there is with one call and hands over whole messages in
 * order; replies collect in a buffer and leave together when the batch is
 * done. No allocation per message. Both buffers live in the instance's arena,
 * so that a successor process finds what was received, what was applied and
 * what was not yet sent.
 *
 * Bounds: a reply is only begun when the transmit buffer has room for it; a
 * client that does not read its replies is therefore not read from either.
 *
 * Framing on the way out: QEMU fails on a header that arrives in two pieces.
 * A send starts at a message's start, and one send carries either whole
 * messages up to CONN_SEND_CHUNK bytes (which the kernel takes or leaves as
 * one piece) or one larger message whose header is in the first piece.
 *
 * All calls on the loop's thread.
 */
#ifndef TRANSPORT_CONN_H
#define TRANSPORT_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../util/loop.h"
#include "../vfio-user/proto.h"

struct arena;
struct conn;
struct conn_run;

#define CONN_SEND_CHUNK (32u << 10)
#define CONN_MAX_FDS    VFIO_USER_MAX_MSG_FDS

/**
 * struct conn_message - a whole message as it came
 * @data: header included, in wire order; valid during the callback
 * @size: of @data
 * @fds: file descriptors that came with it. The callback takes one by
 *       replacing it with -1; the connection closes those that are left.
 * @n_fds: number of @fds
 */
struct conn_message {
	struct vfio_user_header header; /* host order */
	uint8_t *data;
	size_t size;
	int *fds;
	size_t n_fds;
};

/**
 * struct conn_ops - who is served
 * @run: (optional) take as many messages from the front as need neither a reply
 *       nor file descriptors, perhaps none: see conn-run.h. What it leaves
 *       comes to message(); so may all, for reasons of the connection's.
 * @message: a message is here. Return 0 when it is done with; -EAGAIN, with
 *           no file descriptor taken, to get it again once replies have left
 *           (conn_reply() returned NULL); any other negative errno ends the
 *           connection by conn_shutdown().
 * @room: (optional) conn_reply() returned NULL outside of message(), where
 *        no -EAGAIN can be returned, and now it is worth trying again
 * @closed: the connection is over: @err is 0 (the peer closed between two
 *          messages), -ECONNRESET (it went in the middle of one, or without
 *          reading what it was sent), what conn_shutdown() was given, or the
 *          errno of the socket. Called once, from the loop; free the
 *          connection there or later.
 */
struct conn_ops {
	void (*run)(struct conn *conn, struct conn_run *run, void *user);
	int (*message)(struct conn *conn, struct conn_message *msg, void *user);
	void (*room)(struct conn *conn, void *user);
	void (*closed)(struct conn *conn, int err, void *user);
};

/**
 * conn_new() - serve a connected socket
 * @fd: owned by the connection from here on, also on failure
 * @arena: where the buffers live
 * @name: of their blocks: "NAME.rx", "NAME.tx", "NAME.state". One connection
 *        at a time has a name in an arena; each begins afresh.
 */
int conn_new(struct loop *loop, int fd, struct arena *arena, const char *name,
	     const struct conn_ops *ops, void *user, struct conn **ret_conn);

/* Close at once and free, without closed(); NULL is fine. Safe in the
 * connection's own callbacks. */
void conn_free(struct conn *conn);

/* Send what is queued, read and drop what the peer still sends until it
 * closes, for at most CONN_DRAIN_MS (a close with unread input makes QEMU
 * abort), then close and call closed(@err). Safe in message(). */
#define CONN_DRAIN_MS 200
void conn_shutdown(struct conn *conn, int err);

/**
 * conn_reply() - room for a message
 * @max: bytes at most, <= VFIO_USER_MAX_MSG_SIZE
 *
 * Return: where to write it, until conn_commit(); NULL: no room now, or the
 * connection is being shut down. In message(): return -EAGAIN; elsewhere:
 * try again in room().
 */
void *conn_reply(struct conn *conn, size_t max);

/**
 * conn_commit() - queue the message that was written to conn_reply()'s room
 * @size: bytes written, the same number that the message's header has; 0:
 *        nothing to send after all
 * @fds: sent with it; duplicated, stay the caller's
 *
 * In message() it leaves with the batch's other replies, elsewhere at once if
 * the socket has room.
 *
 * Return: 0: queued, or the connection is over, which closed() will say;
 * -EINVAL: @size is not the header's or beyond the room, too many @fds;
 * -EAGAIN: file descriptors of earlier messages still wait, as many as may
 * (treat it like no room); other errno of dup().
 */
int conn_commit(struct conn *conn, size_t size, const int *fds, size_t n_fds);

/**
 * conn_commit_data() - queue a message whose end lies elsewhere
 * @head: bytes written to conn_reply()'s room, which is for all of it
 * @data: the bytes that follow; read before this returns, at best by the kernel
 *        straight into the socket
 * @len: how many
 *
 * For large messages: it spares a copy. Return: as conn_commit().
 */
int conn_commit_data(struct conn *conn, size_t head, const void *data,
		     size_t len);

struct recorder;
/* Write every message to @recorder from now on; NULL: no more. It stays the
 * caller's, and must outlive the connection. */
void conn_record(struct conn *conn, struct recorder *recorder);

/**
 * struct conn_stats - counters since the connection began
 */
struct conn_stats {
	uint64_t rx_calls, rx_bytes, rx_messages, rx_fds;
	uint64_t tx_calls, tx_bytes, tx_messages;
	uint64_t stalls; /* times that the transmit buffer was full */
};
void conn_get_stats(const struct conn *conn, struct conn_stats *ret_stats);

/* Has the peer closed its end, whether or not that was read already? */
bool conn_hung_up(const struct conn *conn);

/* Who is at the other end of a socket: SO_PEERCRED */
int conn_peer(int fd, pid_t *ret_pid, uid_t *ret_uid);

#endif
