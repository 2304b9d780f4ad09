/* SPDX-License-Identifier: MIT */
/* What the module has of each half */
#ifndef RG_HALVES_H
#define RG_HALVES_H

#include <vgpu/parent.h>

extern const struct vgpu_device_ops rg_instance_ops;
extern const struct vgpu_parent_ops rg_parent_ops;

#endif
