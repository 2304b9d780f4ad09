/* SPDX-License-Identifier: MIT */
/*
 * The in-process client: uses an instance by function calls, as a session uses
 * it for a VMM, but without a socket and without a protocol.
 *
 * The test calls the instance (region_read(), irqs_set(), dma_space_map() and
 * what client.h names); what the instance asks of its client is noted down here.
 */
#ifndef TEST_INPROC_CLIENT_H
#define TEST_INPROC_CLIENT_H

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "device/client.h"
#include "device/device.h"
#include "dma/space.h"

/**
 * struct inproc - a client
 * @core: whose; NULL: not attached
 * @pid, @uid: who it says it is; -errno of peer() instead: @peer_err
 * @remote_err: what it answers to a remote request: 0 takes it
 * @asked: the remote request that was taken last, and its data in @asked_data
 * @n_asked: how many there were
 * @unmapped: the last unmap that came to its end, and how: @unmap_err
 * @n_unmapped: how many did
 * @stays: when asked to close, it does not leave
 * @n_close: how often it was asked to
 */
struct inproc {
	struct client client;
	struct vgpu_core *core;
	pid_t pid;
	uid_t uid;
	int peer_err;
	int remote_err;
	struct dma_remote_request asked;
	uint8_t asked_data[DMA_REMOTE_MAX];
	unsigned n_asked;
	void *unmapped;
	int unmap_err;
	unsigned n_unmapped;
	bool stays;
	unsigned n_close;
};

static inline struct inproc *to_inproc(const struct client *client)
{
	return (struct inproc *)((char *)client -
				 offsetof(struct inproc, client));
}

static inline void inproc_detach(struct inproc *c)
{
	client_detach(c->core);
	c->core = NULL;
}

static inline int inproc_on_peer(const struct client *client, pid_t *ret_pid,
				 uid_t *ret_uid)
{
	const struct inproc *c = to_inproc(client);

	*ret_pid = c->pid;
	*ret_uid = c->uid;
	return c->peer_err;
}

static inline int inproc_on_remote(struct client *client,
				   const struct dma_remote_request *request)
{
	struct inproc *c = to_inproc(client);

	if (c->remote_err)
		return c->remote_err;
	c->asked = *request;
	if (request->data) {
		memcpy(c->asked_data, request->data, request->len);
		c->asked.data = c->asked_data;
	}
	c->n_asked++;
	return 0;
}

static inline void inproc_on_unmapped(struct client *client, void *unmap,
				      int err)
{
	struct inproc *c = to_inproc(client);

	c->unmapped = unmap;
	c->unmap_err = err;
	c->n_unmapped++;
}

static inline void inproc_on_close(struct client *client)
{
	struct inproc *c = to_inproc(client);

	c->n_close++;
	if (!c->stays)
		inproc_detach(c);
}

static const struct client_ops inproc_ops = {
	.peer = inproc_on_peer,
	.remote = inproc_on_remote,
	.unmapped = inproc_on_unmapped,
	.close = inproc_on_close,
};

/* @c is made anew. Return: as client_attach(). */
static inline int inproc_attach(struct inproc *c, struct vgpu_core *core)
{
	int err;

	memset(c, 0, sizeof(*c));
	c->client.ops = &inproc_ops;
	c->pid = getpid();
	c->uid = getuid();
	err = client_attach(core, &c->client);
	if (!err)
		c->core = core;
	return err;
}

#endif
