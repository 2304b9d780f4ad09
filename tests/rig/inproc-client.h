/* SPDX-License-Identifier: MIT */
/*
 * The in-process client: uses an instance by function calls, as a session uses
 * it for a VMM, but without a socket and without a protocol.
 *
 * The test calls the instance (region_read(), irqs_set(), dma_space_map() and
 * what client.h names); what the instance asks of its client is noted down
 * here.
 */
#ifndef RIG_INPROC_CLIENT_H
#define RIG_INPROC_CLIENT_H

#include <stdbool.h>

#include <vgpu/driver.h>

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

/* Nobody yet: this process, who agrees to all. */
void inproc_init(struct inproc *c);

/* Return: as client_attach(). */
int inproc_attach(struct inproc *c, struct vgpu_core *core);
void inproc_detach(struct inproc *c);

/* Route a vector to a duplicate of @fd; -1: to nobody. Return: as irqs_set().
 */
int inproc_route(struct inproc *c, enum vgpu_irq_index index, unsigned vector,
		 int fd);

#endif
