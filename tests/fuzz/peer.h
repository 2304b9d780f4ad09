/* SPDX-License-Identifier: MIT */
/*
 * The client's end of a conversation, and a witness of it: whatever bytes it
 * sends, it knows which replies are due, in which order, and what may not come.
 */
#ifndef FUZZ_PEER_H
#define FUZZ_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/loop.h"
#include "vfio-user/proto.h"

#define PEER_MAX_DUE 4096
#define PEER_FDS     31 /* with one message, at most */

/* A reply that must come */
struct peer_due {
	uint16_t id, command;
};

/**
 * struct peer - one connection, seen from the client
 * @sock: -1: none
 * @over: the server closed it
 * @broken: sent what can't be framed: the server must close
 * @half: the last bytes are not a whole message
 * @mute: sent only, never read: the server must bear it
 */
struct peer {
	struct loop *loop;
	int sock;
	bool over, broken, half, mute;
	/* what was sent: the message that is being written */
	uint8_t head[sizeof(struct vfio_user_header)];
	size_t have;
	uint64_t skip;
	/* what is due */
	struct peer_due due[PEER_MAX_DUE];
	size_t n_due;
	/* what came */
	uint8_t *in;
	size_t in_len;
	uint64_t replies, errors;
	/* the server's last request, as it came; command 0: none */
	struct vfio_user_header asked;
	uint8_t asked_range[sizeof(struct vfio_user_dma_access)];
};

/* Once; a peer lives as long as the process. */
void peer_init(struct peer *p, struct loop *loop);

/* Take a new socket's end. */
void peer_connect(struct peer *p, int sock);

/* Write @len bytes, serving the server's end meanwhile; @fds go with the first
 * byte and stay the caller's. */
void peer_send(struct peer *p, const void *bytes, size_t len, const int *fds,
	       size_t n_fds);

/* Let the server do all that it can, and take its replies. Checks that every
 * due one has come. */
void peer_settle(struct peer *p);

/* Close and forget. */
void peer_close(struct peer *p);

#endif
