/* SPDX-License-Identifier: MIT */
/* The session's part in DMA: the client's maps and unmaps. */
#ifndef DEVICE_SESSION_DMA_H
#define DEVICE_SESSION_DMA_H

#include "session-private.h"

int do_dma_map(struct session *s, struct exchange *x);
int do_dma_unmap(struct session *s, struct exchange *x);

/* The usual mistakes in setting up a VM's memory, told once per client. */
void session_explain_memory(struct session *s);

/* Send replies to unmaps that were held, as far as there is room. */
void session_send_held(struct session *s);

/* The client is gone, and its memory with it. */
void session_dma_end(struct session *s);

#endif
