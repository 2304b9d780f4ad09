/* SPDX-License-Identifier: MIT */
#ifndef UPLINK_PRIVATE_H
#define UPLINK_PRIVATE_H

#include <stdbool.h>

#include "../link/wire.h"
#include "../util/list.h"
#include "uplink.h"

struct bell;
struct give;
struct link;
struct loop;
struct loop_source;
struct op;

/* A call that has no reply yet */
struct call {
	uint32_t seq;
	uint16_t kind;
	uint32_t id;	  /* MEMORY, FORGET: its number */
	uint32_t at, n;	  /* MAP, UNMAP: pages of the op */
	struct op *op;	  /* that it is part of; NULL: of none (any more) */
	struct give *give;
	struct vgpu_iommu_memory *memory;
};

/* The backend whose pages the hub maps */
struct iommu_remote {
	struct vgpu_iommu iommu;
	struct loop *loop;
	struct link *link;	 /* of calls */
	struct loop_source *end; /* we have given up, and wait for its end */
	struct loop_source *later;
	bool down; /* no more calls are made */
	bool torn; /* the hub has taken everything back */
	struct call calls[WIRE_MAX_CALLS];
	unsigned n_calls, n_maps;
	uint32_t last_seq;
	struct list ops;  /* maps and unmaps, in their order */
	struct list over; /* those that are, until that is told */
	struct list gives;
	uint64_t pages, bytes;	      /* mapped now, and held in place */
	uint32_t *free_ids, *forgets; /* numbers of memory: free, to be forgotten */
	uint32_t n_free, next_id, n_forgets;
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
int iommu_remote_init(struct iommu_remote *remote, struct loop *loop, int fd);
void iommu_remote_fini(struct iommu_remote *remote);

/* The hub has gone, and has taken everything back before. */
void iommu_remote_lost(struct iommu_remote *remote);

/**
 * iommu_remote_give() - have the hub take memory, or take it back from it
 * @fd: or -1; stays the caller's
 * @done: with @dev and @user: 0, or what the hub says; -ENOTCONN; -ECANCELED:
 *	  another one of this id came before the hub has heard of it. NULL:
 *	  nobody wants to know
 *
 * Return: 0: @done will be called; -ENOTCONN; -ENOMEM, -EMFILE.
 */
int iommu_remote_give(struct iommu_remote *remote, const struct wire_give *give,
		      int fd, struct vgpu_device *dev, vgpu_dma_done_fn done,
		      void *user);

#endif
