/* SPDX-License-Identifier: MIT */
/*
 * From a doorbell to jobs. A context is *pumped*: as far as it gets without
 * waiting for anything. What it waits for - the end of its jobs, room in the
 * ring, its turn - brings it back here.
 */
#ifndef RG_PUMP_H
#define RG_PUMP_H

#include "context.h"

#define RG_PUMP_NS 1000000u /* work for one context in one go */

struct rg_pump {
	struct rg_context *contexts; /* RG_CONTEXTS */
	struct vgpu_timer *turn;     /* there is more to do */
	unsigned first; /* of all that go on: each in its turn */
};

int rg_pump_init(struct rg_pump *pump, struct vgpu_device *dev,
		 struct rg_context *contexts);
void rg_pump_fini(struct rg_pump *pump);

void rg_pump(struct rg_pump *pump, struct rg_context *c);
/* Whoever waits may go on. */
void rg_pump_all(struct rg_pump *pump);
/* The doorbell */
void rg_pump_ring(struct rg_pump *pump, struct rg_context *c);

/* Is anything of what the context knows of not done yet? */
bool rg_pump_busy(const struct rg_context *c);

#endif
