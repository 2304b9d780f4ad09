/* SPDX-License-Identifier: MIT */
/*
 * The instance half: a vGPU that looks like a reference GPU. Its registers are
 * kept here; what its guest wants done is copied, checked, translated and sent
 * to the parent half. docs/mediation.md follows its files; regs.c and
 * instance.c alone know all of a vGPU.
 *
 * All of it runs on the instance's loop.
 */
#ifndef RG_INSTANCE_H
#define RG_INSTANCE_H

#include "display.h"
#include "pump.h"

struct rg_state {
	struct rg_irqs irqs;
	uint32_t time_hi, reserved;
	uint64_t power_on; /* CLOCK_MONOTONIC, ns */
	struct rg_display_regs display;
	struct rg_ctx ctx[RG_CONTEXTS];
	struct rg_place place[RG_CONTEXTS];
};

struct rg {
	struct vgpu_device dev;
	struct rg_state *state; /* of @dev */
	struct rg_queue queue;
	unsigned gives; /* of our video memory, that are under way */
	int give_err;	/* of the last one, at once */
	struct rg_spaces spaces;
	struct rg_report report;
	struct rg_draft draft;
	struct rg_context contexts[RG_CONTEXTS];
	struct rg_pump pump;
	struct rg_display display;
};

static inline struct rg *rg_of(struct vgpu_device *dev)
{
	return vgpu_container_of(dev, struct rg, dev);
}

/* ---- regs.c ---------------------------------------------------------- */

/* An area's data: nothing; the context */
extern const struct vgpu_mmio_ops rg_reg_ops, rg_doorbell_ops;

/* All contexts are off, and all registers as at first. */
void rg_regs_reset(struct rg *rg);

#endif
