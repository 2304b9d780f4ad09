/* SPDX-License-Identifier: MIT */
/* The session's part in DMA: the client's maps, and requests to the client. */
#ifndef DEVICE_SESSION_DMA_H
#define DEVICE_SESSION_DMA_H

#include "session-private.h"

int do_dma_map(struct session *s, struct exchange *x);
int do_dma_unmap(struct session *s, struct exchange *x);

/* A reply to one of our requests came. */
int session_reply_received(struct session *s, struct conn_message *msg);

/* The usual mistakes in setting up a VM's memory, told once per client. */
void session_explain_memory(struct session *s);

/* The connection has room again: replies that waited for it. */
void session_dma_room(struct conn *conn, void *user);

/* The client is gone, and its memory with it. */
void session_dma_end(struct session *s);

#endif
