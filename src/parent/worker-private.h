/* SPDX-License-Identifier: MIT */
#ifndef PARENT_WORKER_PRIVATE_H
#define PARENT_WORKER_PRIVATE_H

#include <pthread.h>
#include <stdbool.h>

#include "fds.h"
#include "wire.h"
#include "worker.h"

struct bell;
struct link;

/* The backend whose pages the parent maps */
struct iommu_remote {
	struct vgpu_iommu iommu;
	pthread_mutex_t lock; /* all below; one call at a time */
	int fd;		      /* for calls; blocking */
	uint32_t asked, answered; /* calls */
	bool down;	       /* no more calls are made */
	bool torn;	       /* the parent has taken everything back */
	uint64_t pages, bytes; /* mapped now, and held in place */
	uint32_t *free_ids;
	uint32_t n_free, next_id;
};

struct parent_worker {
	struct link *link;
	struct iommu_remote remote;
	struct vgpu_core *core;
	struct bell *bell;
	void *shared; /* with the parent half; NULL: nothing */
	size_t shared_size;
	void (*gone)(void *user);
	void *user;
};

/* @fd: for calls; owned from here on, also on failure. */
int iommu_remote_init(struct iommu_remote *remote, int fd);
void iommu_remote_fini(struct iommu_remote *remote);

/* Any thread. @fd: or -1. Return: 0, what the parent says, -ENOTCONN. */
int iommu_remote_give(struct iommu_remote *remote, const struct wire_give *give,
		      int fd);

/* One whole message over a blocking socket; @fds: go with it, or NULL. */
int wire_send(int fd, uint16_t kind, uint32_t seq, const void *payload,
	      size_t len, const struct wire_fds *fds);
/**
 * wire_receive() - wait for one whole message
 * @timeout_ms: -1: for ever
 * @ret_fds: what came with it; NULL: nothing may
 *
 * Return: bytes of payload; -ETIMEDOUT; -ENOTCONN; -EPROTO.
 */
int wire_receive(int fd, int timeout_ms, struct wire_header *ret_header,
		 void *payload, size_t max, struct wire_fds *ret_fds);

#endif
