/* SPDX-License-Identifier: MIT */
/* What the files of the session share: what it is, and what they offer. */
#ifndef SESSION_PRIVATE_H
#define SESSION_PRIVATE_H

#include "../device/client.h"
#include "../device/device.h"
#include "../util/cleanup.h"
#include "../util/list.h"
#include "../vfio-user/decode.h"
#include "../vfio-user/dma-message.h"
#include "session.h"

struct session_server {
	struct vgpu_core *core;
	struct session *session;   /* NULL: nobody is there */
	struct recorder *recorder; /* NULL: none */
	struct session_stats stats;
};

/* In the arena, block "session": what was agreed. */
struct session_state {
	struct vfio_user_caps caps;
	uint32_t client_max_fds; /* fds the client takes in one message */
	uint8_t negotiated;      /* VERSION was answered */
	uint8_t never_errs;      /* quirks.h: it does not look at errors */
	uint8_t told_memory;     /* its memory set-up was looked at */
};

/* Room for any reply but those with data of a region. */
#define SMALL_REPLY_MAX                                                        \
	(sizeof(struct vfio_user_header) +                                     \
	 sizeof(struct vfio_user_region_info) +                                \
	 sizeof(struct vfio_user_sparse_mmap) +                                \
	 REGION_MAX_AREAS * sizeof(struct vfio_user_ioeventfd))

struct session {
	struct client client; /* what the instance sees of it */
	struct session_server *server;
	struct vgpu_core *core;
	struct conn *conn;
	pid_t pid; /* who came, unless */
	uid_t uid;
	int peer_err; /* nobody can say */
	struct session_state *state;
	struct conn *twin; /* for our requests; NULL: they go by @conn */
	struct vfio_user_dma_request asked; /* our request that is out, or */
	uint64_t asked_cookie;
	bool asking;    /* none is */
	bool twin_gone; /* the client closed it: it can't be asked */
	uint16_t next_id;
	struct list held; /* replies to DMA_UNMAP that wait */
	uint8_t scratch[SMALL_REPLY_MAX]; /* for replies that nobody wants */
};

/**
 * struct exchange - one request and the reply to it
 * @buf: room for the reply
 * @room: bytes of it
 * @wanted: whether it will be sent
 * @data: bytes that follow what is in @buf, or NULL
 * @data_len: how many
 * @reply_fds: go with the reply, stay their owners'
 * @n_reply_fds: how many of them
 * @passed_fd: one of them that is closed here once it was sent; -1: none
 */
struct exchange {
	struct vfio_user_request req;
	struct conn_message *msg;
	uint8_t *buf;
	size_t room;
	bool wanted;
	const void *data;
	size_t data_len;
	int reply_fds[REGION_MAX_AREAS];
	size_t n_reply_fds;
	int passed_fd;
};

static inline struct session *to_session(const struct client *client)
{
	return list_entry(client, struct session, client);
}

/* session.c */

/* Serve @fd, which is taken; one that can't be served is told the error. */
int session_new(struct session_server *server, int fd);
/* End at once; NULL is fine. */
void session_free(struct session *s);
/* A reply without payload. */
int reply_empty(struct exchange *x);

/* info.c: what the device has, in the protocol's words */
int do_device_info(struct session *s, struct exchange *x);
int do_region_info(struct session *s, struct exchange *x);
int do_region_io_fds(struct session *s, struct exchange *x);
int do_irq_info(struct session *s, struct exchange *x);
int do_set_irqs(struct session *s, struct exchange *x);

/* feature.c: DMA logging; migration is answered as not supported. */
int do_device_feature(struct session *s, struct exchange *x);
/* Room that the reply to such a request may take. */
size_t session_feature_room(const struct session *s,
			    const struct vfio_user_request *req);

/* dma.c: the client's maps and unmaps */
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

/* remote.c: our own requests, for client memory that came without a file */

/* Make the twin socket; the client's end goes with the reply to VERSION. */
int session_open_twin(struct session *s, struct exchange *x);
/* client_ops.remote */
int session_remote(struct client *client,
		   const struct dma_remote_request *request);
/* A reply came, by whichever socket. */
int session_remote_reply(struct session *s, struct conn_message *msg);
/* The client is gone. */
void session_remote_end(struct session *s);

#endif
