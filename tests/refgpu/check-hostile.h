/* SPDX-License-Identifier: MIT */
/* What the hostile tests share. */
#ifndef REFGPU_CHECK_HOSTILE_H
#define REFGPU_CHECK_HOSTILE_H

#include "check.h"

#define HOSTILE_NS 150000000ull /* of each test that goes on for a while */

uint64_t check_now(void);

/* Whatever it ended with (but a timeout, or the end of the vGPU) was allowed;
 * go on. */
void calm_down(struct vgpu_rg_context *ctx, int err);

/* check-tables.c */
void hostile_outside(struct vgpu_rg_device *dev);
void hostile_loops(struct vgpu_rg_device *dev);
void hostile_fan(struct vgpu_rg_device *dev);
void hostile_by_command(struct vgpu_rg_device *dev);
void hostile_changing(struct vgpu_rg_device *dev);
void hostile_vast(struct vgpu_rg_device *dev);

#endif
