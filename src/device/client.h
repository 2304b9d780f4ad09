/* SPDX-License-Identifier: MIT */
/*
 * Who uses an instance: its client, one at a time.
 *
 * An instance knows no protocol. It is served to a client, which may be a
 * session that speaks vfio-user with a VMM (src/session/), or a test in the
 * same process. This is what the two have with each other. A client attaches,
 * and then calls what it needs: accesses (region.h), interrupts (irq.h),
 * doorbells (doorbell.h), device_reset(), memory (client_unmap() below, the
 * rest from dma/space.h and dma/dirty.h). What the instance wants of its
 * client goes through struct client_ops.
 *
 * All on the instance's loop.
 */
#ifndef DEVICE_CLIENT_H
#define DEVICE_CLIENT_H

#include <stdint.h>
#include <sys/types.h>

struct client;
struct dma_remote_request;
struct vgpu_core;

/**
 * struct client_ops - what an instance asks of its client; all mandatory
 * @peer: whose process it is. The memory that it has pinned counts for
 * @ret_uid. Return: 0, or why nobody can say.
 * @remote: read or write memory that came without a file: see struct
 *          dma_owner_ops. dma_space_remote_done() answers.
 * @unmapped: an unmap for which client_unmap() has said -EINPROGRESS is over.
 *            @err: 0, or why its memory may still be in use
 * @close: please leave: detach once all is said, in this call or soon after
 *
 * None is called after client_detach() has begun.
 */
struct client_ops {
	int (*peer)(const struct client *client, pid_t *ret_pid,
		    uid_t *ret_uid);
	int (*remote)(struct client *client,
		      const struct dma_remote_request *request);
	void (*unmapped)(struct client *client, void *unmap, int err);
	void (*close)(struct client *client);
};

/* Part of what the client itself keeps. */
struct client {
	const struct client_ops *ops;
};

/**
 * client_attach() - use an instance
 * @client: must stay where it is until client_detach()
 *
 * Memory, registers and state are as new: nothing of another client is left.
 *
 * Return: 0; -EBUSY: there is a client already, which is not disturbed;
 * -ENOMEM, -EMFILE and the like: no fresh memory; an error of @peer.
 */
int client_attach(struct vgpu_core *core, struct client *client);

/* The client leaves, and all that it gave goes with it: its memory, eventfds,
 * doorbells. */
void client_detach(struct vgpu_core *core);

/**
 * client_unmap() - take memory back from the instance
 * @unmap: the client's name for it, given back to client_ops.unmapped()
 *
 * Return: as dma_space_unmap().
 */
int client_unmap(struct vgpu_core *core, uint64_t iova, uint64_t size,
		 void *unmap);
/* The same for all there is; 0 if that is nothing. */
int client_unmap_all(struct vgpu_core *core, void *unmap);

#endif
