/* SPDX-License-Identifier: MIT */
/*
 * Doorbells as eventfds: a client that has KVM asks for them
 * (GET_REGION_IO_FDS) and lets the kernel write them, so that a ring costs
 * the guest no exit to the VMM and us no message. They are made when they are
 * first asked for, and go with the client.
 */
#ifndef DEVICE_DOORBELL_H
#define DEVICE_DOORBELL_H

#include <stddef.h>

#include "../vfio-user/proto.h"
#include "device.h"

/**
 * doorbells_offer() - the doorbells of a region
 * @index: any region
 * @entries: filled in; room for REGION_MAX_AREAS
 * @fds: filled in, in the order of @entries; stay ours
 * @max: entries at most; what is beyond works by message all the same
 *
 * Return: how many there are; -ENOMEM, -EMFILE.
 */
int doorbells_offer(struct vgpu_core *core, unsigned index,
		    struct vfio_user_ioeventfd *entries, int *fds, size_t max);

/* The client is gone. */
void doorbells_close(struct vgpu_core *core);

#endif
