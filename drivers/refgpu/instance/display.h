/* SPDX-License-Identifier: MIT */
/*
 * The display pipe. It is this vGPU's own: the parent has nothing to do with
 * it. Vblanks are counted by the clock; a timer runs only where somebody wants
 * to be told of them, or something waits for one.
 */
#ifndef RG_DISPLAY_H
#define RG_DISPLAY_H

#include <vgpu/display.h>

#include "report.h"

/* Registers, each where it is on the bus, from REFGPU_DISP_CONTROL on */
struct rg_display_regs {
	struct rg_mode {
		uint32_t control, format, width, height, stride, reserved;
		uint64_t base;
	} set;
	uint32_t commit, vblanks, refresh, status;
	/* Behind them */
	struct rg_mode live; /* .control is .set's */
	uint64_t last;	     /* vblank, by the clock; 0: there are none */
};

struct rg_display {
	struct vgpu_device *dev;
	struct rg_display_regs *regs;
	struct rg_report *report;
	const struct vgpu_type *type;
	struct vgpu_timer *timer;
	uint8_t edid[VGPU_EDID_SIZE];
};

int rg_display_init(struct rg_display *d, struct vgpu_device *dev,
		    const struct vgpu_type *type, struct rg_display_regs *regs,
		    struct rg_report *report);
void rg_display_fini(struct rg_display *d);

/* Its registers are zero now. */
void rg_display_reset(struct rg_display *d);

/* REFGPU_DISP_... */
uint32_t rg_display_read(struct rg_display *d, uint32_t reg);
void rg_display_write(struct rg_display *d, uint32_t reg, uint32_t value);

/* Vblanks that have been are counted, and have done what they do. */
void rg_display_catch_up(struct rg_display *d);
/* The timer runs if anybody wants it to, by what the registers say now. */
void rg_display_arm(struct rg_display *d);

#endif
