/* SPDX-License-Identifier: MIT */
/*
 * A channel: NUL-terminated messages over a non-blocking UNIX stream socket,
 * with descriptors beside them. It knows nothing of what the messages say, nor
 * whether it is a server's or a caller's end.
 *
 * Bounds: a message that comes is at most CONTROL_MAX_REQUEST bytes; what is
 * queued to leave counts against the budget that channels share; a peer that
 * takes nothing of it for CONTROL_STALL_NS is cut off.
 *
 * All calls on the loop's thread.
 */
#ifndef CONTROL_CHANNEL_H
#define CONTROL_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "../util/loop.h"

/* Longest message taken from a client, NUL included, bytes. */
#define CONTROL_MAX_REQUEST (64u << 10)

/* Bytes queued for all clients of a server together. */
#define CONTROL_MAX_QUEUED (64u << 20)

/* How long a client may take nothing of what is queued for it. */
#define CONTROL_STALL_NS (10ull * 1000000000ull)

/* File descriptors that travel with one message. */
#define CONTROL_MAX_FDS 16

struct channel;

/* What channels have queued together. */
struct channel_budget {
	size_t queued;
	size_t max;
};

/**
 * struct channel_ops - who is served
 * @message: @len bytes at @text and a NUL behind them, until it returns. May
 *           call channel_pause() and channel_free().
 * @closed: the connection is over: 0 (the peer closed), or a negative errno:
 *          -EMSGSIZE: a message was too long; -ETIMEDOUT: the peer didn't
 *          read; others as the socket gave them. Called once; call
 *          channel_free() there.
 */
struct channel_ops {
	void (*message)(struct channel *ch, char *text, size_t len, void *user);
	void (*closed)(struct channel *ch, int err, void *user);
};

/**
 * channel_new() - serve a connected socket
 * @fd: owned by the channel from here on, also on failure
 */
int channel_new(struct loop *loop, int fd, struct channel_budget *budget,
		const struct channel_ops *ops, void *user,
		struct channel **ret_ch);

/* Closes at once; what is queued is lost. NULL is fine. */
void channel_free(struct channel *ch);

/* Deliver no message until channel_resume(), nor read more than one. */
void channel_pause(struct channel *ch);
/* Goes on in the loop's next round: safe in any callback. */
void channel_resume(struct channel *ch);

/* Let what is queued leave, then closed(@err). No message is delivered any
 * more. */
void channel_shutdown(struct channel *ch, int err);

/**
 * channel_send() - queue a message
 * @text: @len bytes, the NUL included; taken (and freed), also on failure
 * @fds: taken (and closed), also on failure
 *
 * Return: 0; -ENOBUFS: over the budget; -E2BIG: more than CONTROL_MAX_FDS;
 * -ENOMEM. A broken connection is not an error here: closed() tells.
 */
int channel_send(struct channel *ch, char *text, size_t len, const int *fds,
		 size_t n_fds);

/* Bytes that wait in this channel's queue. */
size_t channel_queued(const struct channel *ch);

/**
 * channel_ask() - this is a caller's end
 * @max: longest message taken, bytes, NUL included
 * @max_fds: descriptors that may come, up to CONTROL_MAX_FDS; at 0, and at a
 *           server's end, they are dropped
 *
 * What the peer said before it hung up is read even if it would take nothing
 * any more. Before anything has come.
 */
void channel_ask(struct channel *ch, size_t max, size_t max_fds);

/* In message(): the descriptors that have come; they are the caller's. @fds has
 * room for CONTROL_MAX_FDS. Return: how many. */
size_t channel_take_fds(struct channel *ch, int *fds);

/* SO_PEERCRED */
int channel_peer(const struct channel *ch, struct ucred *ret_cred);

/* Is @gid among the peer's supplementary groups (SO_PEERGROUPS)? False also
 * where that can't be found out. */
bool channel_peer_in_group(const struct channel *ch, gid_t gid);

#endif
