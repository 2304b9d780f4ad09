/* SPDX-License-Identifier: MIT */
/* What the files of libvgpu-client share. */
#ifndef CLIENT_PRIVATE_H
#define CLIENT_PRIVATE_H

#include <pthread.h>

#include <vgpu/client.h>

#include "vfio-user/proto.h"

#define CLIENT_MAX_REGIONS     9u
#define CLIENT_TIMEOUT_MS      5000u
#define CLIENT_MAX_XFER	       (1u << 20) /* bytes of data we take and send */
#define CLIENT_MAX_REPLY_FDS   16u

/* A register that can be written by an eventfd. */
struct client_doorbell {
	struct client_doorbell *next;
	uint64_t offset, size;
	int fd;
};

struct client_region {
	bool known;
	uint32_t flags;
	uint64_t size, file_offset;
	int fd; /* -1: none */
	struct vgpu_client_area *areas;
	void **maps; /* by area; NULL: not mapped yet */
	uint32_t n_areas;
	bool asked; /* for doorbells */
	struct client_doorbell *doorbells;
};

/* Memory that the device was shown. */
struct client_memory {
	struct client_memory *next;
	uint64_t iova, size;
	unsigned prot;
	void *ptr;    /* NULL: the caller keeps it to himself (a file) */
	bool owned;   /* ptr was mapped by us */
	bool private; /* the device asks for it by message */
};

struct vgpu_client {
	pthread_mutex_t lock; /* all below */
	int fd;
	uint32_t timeout_ms;
	bool dead;
	uint16_t next_id;
	uint32_t max_xfer; /* what the server takes */
	uint32_t max_fds;
	struct client_region regions[CLIENT_MAX_REGIONS];
	struct client_memory *memory;
	uint8_t *scratch; /* of a message that the server sent us */
};

/**
 * struct client_call - a request and its reply
 * @send: payload in two pieces, the second may be empty
 * @fds: sent with it
 * @posted: no reply is wanted; @recv and so on stay empty
 * @recv: room for the reply's payload, in two pieces as well
 * @recv_size: bytes that came
 * @recv_fds: that came; the caller's to close
 */
struct client_call {
	uint16_t command;
	const void *send[2];
	size_t send_size[2];
	const int *fds;
	size_t n_fds;
	bool posted;
	void *recv[2];
	size_t recv_room[2];
	size_t recv_size;
	int recv_fds[CLIENT_MAX_REPLY_FDS];
	size_t n_recv_fds;
};

/* call.c. Lock held. */
int client_call(struct vgpu_client *c, struct client_call *call);
/* Wait for one message that the server sends by itself, and answer it.
 * Return: 1, 0 (none came), or an error. */
int client_serve_one(struct vgpu_client *c, int timeout_ms);
/* The connection is over. Return: @err. */
int client_fail(struct vgpu_client *c, int err);

/* dma.c. Lock held: the device's memory at [iova, iova + len), or NULL. */
void *client_private_memory(struct vgpu_client *c, uint64_t iova, uint64_t len,
			    unsigned prot);
void client_free_memory(struct vgpu_client *c);

/* region.c. Lock held. */
int client_region_known(struct vgpu_client *c, unsigned index);
void client_free_regions(struct vgpu_client *c);

/* doorbell.c. Lock held. */
void client_free_doorbells(struct client_region *r);

#endif
