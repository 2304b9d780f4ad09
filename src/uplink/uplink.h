/* SPDX-License-Identifier: MIT */
/*
 * The worker's end of the link to a parent, in vgpu-device: messages on the
 * instance's loop, and an IOMMU backend that asks the parent, from any thread.
 */
#ifndef UPLINK_UPLINK_H
#define UPLINK_UPLINK_H

#include <stdint.h>

struct loop;
struct uplink;
struct vgpu_core;
struct vgpu_iommu;

/* Patience with the parent: HELLO, and a map. The client's is 5 s. */
#define UPLINK_PATIENCE_MS 3000

/**
 * struct uplink_config - what to become
 * @path: the parent's socket; NULL: @fd
 * @fd: connected to the parent, by somebody who has introduced this instance;
 *	taken, also on failure. -1: @path
 * @weight: of the engine, 1 to VGPU_WEIGHT_MAX; 0: as the type has it. With
 *	@fd it is not the worker's to say.
 * @cap: percent of it, 0: none; likewise
 */
struct uplink_config {
	struct loop *loop;
	const char *path;
	int fd;
	const uint8_t *uuid;
	const char *type;
	unsigned weight, cap;
};

/**
 * uplink_connect() - become an instance of a parent; blocks shortly
 *
 * Return: 0; -ENODEV: the parent knows no such type; -EBUSY: it has an instance
 * of that UUID; -EACCES: another one was introduced; -EPROTONOSUPPORT: another
 * version; -ETIMEDOUT; connect(2)'s.
 */
int uplink_connect(const struct uplink_config *config,
			  struct uplink **ret_uplink);

/* For device_config */
struct vgpu_iommu *uplink_iommu(struct uplink *uplink);

/**
 * uplink_attach() - the instance is there: give it its messages
 * @gone: the parent has ended, and the driver was told
 */
void uplink_attach(struct uplink *uplink, struct vgpu_core *core,
			  void (*gone)(void *user), void *user);

/* After the instance, whose pins use it. NULL is fine. */
void uplink_free(struct uplink *uplink);

#endif
