/* SPDX-License-Identifier: MIT */
/*
 * The worker's end of the link to a parent, in vgpu-device: messages on the
 * instance's loop, and an IOMMU backend that asks the parent, from any thread.
 */
#ifndef PARENT_WORKER_H
#define PARENT_WORKER_H

#include <stdint.h>

struct loop;
struct parent_worker;
struct vgpu_core;
struct vgpu_iommu;

/* Patience with the parent: HELLO, and a map. The client's is 5 s. */
#define WORKER_PATIENCE_MS 3000

/**
 * parent_worker_connect() - become an instance of a parent; blocks shortly
 * @path: the parent's socket
 * @type: of the instance
 *
 * Return: 0; -ENODEV: the parent knows no such type; -EBUSY: it has an instance
 * of that UUID; -EPROTONOSUPPORT: another version; -ETIMEDOUT; connect(2)'s.
 */
int parent_worker_connect(struct loop *loop, const char *path,
			  const uint8_t uuid[16], const char *type,
			  struct parent_worker **ret_worker);

/* For device_config */
struct vgpu_iommu *parent_worker_iommu(struct parent_worker *worker);

/**
 * parent_worker_attach() - the instance is there: give it its messages
 * @gone: the parent has ended, and the driver was told
 */
void parent_worker_attach(struct parent_worker *worker, struct vgpu_core *core,
			  void (*gone)(void *user), void *user);

/* After the instance, whose pins use it. NULL is fine. */
void parent_worker_free(struct parent_worker *worker);

#endif
