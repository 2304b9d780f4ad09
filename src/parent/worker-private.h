/* SPDX-License-Identifier: MIT */
#ifndef PARENT_WORKER_PRIVATE_H
#define PARENT_WORKER_PRIVATE_H

#include <pthread.h>
#include <stdbool.h>

#include "wire.h"
#include "worker.h"

struct link;

/* The backend whose pages the parent maps */
struct iommu_remote {
	struct vgpu_iommu iommu;
	pthread_mutex_t lock; /* all below; one call at a time */
	int fd;		      /* for calls; blocking */
	uint32_t seq;
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
	void (*gone)(void *user);
	void *user;
};

/* @fd: for calls; owned from here on, also on failure. */
int iommu_remote_init(struct iommu_remote *remote, int fd);
void iommu_remote_fini(struct iommu_remote *remote);

/* One whole message over a blocking socket; @pass_fd: or -1. */
int wire_send(int fd, uint16_t kind, uint32_t seq, const void *payload,
	      size_t len, int pass_fd);
/**
 * wire_receive() - wait for one whole message
 * @timeout_ms: -1: for ever
 * @ret_fd: what came with it, or -1; NULL: nothing may
 *
 * Return: bytes of payload; -ETIMEDOUT; -ENOTCONN; -EPROTO.
 */
int wire_receive(int fd, int timeout_ms, struct wire_header *ret_header,
		 void *payload, size_t max, int *ret_fd);

#endif
