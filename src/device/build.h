/* SPDX-License-Identifier: MIT */
/* From a driver's description to the parts of an instance. */
#ifndef DEVICE_BUILD_H
#define DEVICE_BUILD_H

#include "device.h"

/* vgpu_device_init()'s work. All or nothing; what is wrong is logged. */
int build(struct vgpu_core *core, const struct vgpu_pci_desc *pci);
void build_undo(struct vgpu_core *core);

#endif
