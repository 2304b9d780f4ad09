/* SPDX-License-Identifier: MIT */
/* What the module has of each half */
#ifndef RG_HALVES_H
#define RG_HALVES_H

#include <vgpu/parent.h>

int rg_create(const struct vgpu_create_args *args,
	      struct vgpu_device **ret_dev);

extern const struct vgpu_parent_ops rg_parent_ops;

#endif
