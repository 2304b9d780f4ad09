/* SPDX-License-Identifier: MIT */
#ifndef UPLINK_PRIVATE_H
#define UPLINK_PRIVATE_H

#include <pthread.h>
#include <stdbool.h>

#include "../link/wire.h"
#include "uplink.h"

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

struct uplink {
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

#endif
