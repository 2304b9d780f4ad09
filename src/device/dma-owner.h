/* SPDX-License-Identifier: MIT */
/* What an instance's DMA space asks of the instance: see dma_owner_ops. */
#ifndef DEVICE_DMA_OWNER_H
#define DEVICE_DMA_OWNER_H

#include "device.h"

/* Make core->dma and attach it. On failure core->dma is NULL. */
int dma_owner_build(struct vgpu_core *core, bool any_memory);

#endif
