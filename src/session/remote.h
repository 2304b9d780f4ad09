/* SPDX-License-Identifier: MIT */
/*
 * The session's own requests: DMA_READ and DMA_WRITE, for client memory that
 * came without a file. One is out at a time (a client may be slow, and QEMU
 * serves them on its main loop), and none is ever waited for.
 *
 * They go by the twin socket if the client wanted one ("twin_socket" in the
 * specification's VERSION), else by the connection itself.
 */
#ifndef SESSION_REMOTE_H
#define SESSION_REMOTE_H

#include "../dma/space.h"
#include "private.h"

/* Make the twin socket; the client's end goes with the reply to VERSION. */
int session_open_twin(struct session *s, struct exchange *x);

/* client_ops.remote */
int session_remote(struct client *client,
		   const struct dma_remote_request *request);

/* A reply came, by whichever socket. */
int session_remote_reply(struct session *s, struct conn_message *msg);

/* There is room to send again. */
void session_remote_room(struct session *s);

/* The client is gone. */
void session_remote_end(struct session *s);

#endif
