/* SPDX-License-Identifier: MIT */
/* The session's part in DMA: the client's maps and unmaps. */
#ifndef SESSION_DMA_H
#define SESSION_DMA_H

#include "private.h"

int do_dma_map(struct session *s, struct exchange *x);
int do_dma_unmap(struct session *s, struct exchange *x);

/* The usual mistakes in setting up a VM's memory, told once per client. */
void session_explain_memory(struct session *s);

/* Send replies to unmaps that were held, as far as there is room. */
void session_send_held(struct session *s);

/* client_ops.unmapped */
void session_unmapped(struct client *client, void *unmap, int err);

/* The client has gone: nobody waits for these replies. */
void session_dma_end(struct session *s);

#endif
