/* SPDX-License-Identifier: MIT */
/*
 * Doorbells as eventfds: a client that has KVM asks for them
 * and lets the kernel write them, so that a ring costs
 * the guest no exit to the VMM and us no message. They are made when they are
 * first asked for, and go with the client.
 */
#ifndef DEVICE_DOORBELL_H
#define DEVICE_DOORBELL_H

#include <stddef.h>

#include "device.h"

struct doorbell_fd {
	uint64_t offset, size; /* in the region */
	int fd;		       /* stays ours */
};

/**
 * doorbells_offer() - the doorbells of a region
 * @index: any region
 * @fds: filled in
 * @max: of @fds; what is beyond works by message all the same
 *
 * Return: how many there are; -ENOMEM, -EMFILE.
 */
int doorbells_offer(struct vgpu_core *core, unsigned index,
		    struct doorbell_fd *fds, size_t max);

/* The client is gone. */
void doorbells_close(struct vgpu_core *core);

#endif
