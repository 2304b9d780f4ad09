/* SPDX-License-Identifier: MIT */
/* A vGPU: making it, resetting it, ending it; and what the parent half has to
 * say. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../clock.h"
#include "../halves.h"
#include "instance.h"

/* Nothing of the client's memory is pinned any more, nor will be unpinned
 * later, when it may be another one's. */
static void let_go(struct rg *rg)
{
	rg_contexts_end(rg->contexts, RG_CONTEXTS);
	rg_spaces_let_go(&rg->spaces);
}

static void on_given(struct vgpu_device *dev, int err, void *user)
{
	struct rg *rg = user;

	if (--rg->gives)
		return; /* a later client's is coming */
	if (rg->give_err)
		err = rg->give_err;
	rg->queue.coming = false;
	rg->queue.ready = rg->queue.shared && !err;
	if (err && rg->queue.shared)
		vgpu_log(dev, VGPU_LOG_WARNING,
			 "the parent does not take the video memory (%s): no "
			 "context can be started",
			 strerror(-err));
	for (unsigned i = 0; i < RG_CONTEXTS; i++)
		rg_context_ready(&rg->contexts[i]);
	rg_pump_all(&rg->pump);
}

/* A new client has new memory, and the parent half still has the old one's. */
static void give_memory(struct rg *rg)
{
	rg->gives++;
	rg->queue.ready = false;
	rg->queue.coming = true;
	rg->give_err = vgpu_parent_give_memory(&rg->dev, 0, REFGPU_BAR_VRAM, 0,
					       rg->dev.type->vram_size,
					       on_given, rg);
	if (rg->give_err)
		on_given(&rg->dev, rg->give_err, rg);
}

static void on_pinned(void *user)
{
	struct rg *rg = user;

	rg_pump_all(&rg->pump);
}

static void rg_reset(struct vgpu_device *dev, enum vgpu_reset_reason reason)
{
	struct rg *rg = rg_of(dev);

	if (reason == VGPU_RESET_DMA)
		rg->spaces.n_unmaps = 0; /* the core has answered them */
	if (reason == VGPU_RESET_DMA || reason == VGPU_RESET_NEW_CLIENT)
		let_go(rg);
	rg_regs_reset(rg);
	rg->state->power_on = rg_now();
	if (reason == VGPU_RESET_NEW_CLIENT)
		give_memory(rg);
}

static void rg_client_gone(struct vgpu_device *dev)
{
	let_go(rg_of(dev));
}

static int rg_dma_unmap(struct vgpu_device *dev, uint64_t iova, uint64_t size)
{
	return rg_spaces_unmap(&rg_of(dev)->spaces, iova, size);
}

/* ------------------------------------------------------------------ */
/* The parent half                                                     */
/* ------------------------------------------------------------------ */

/* There is room, jobs are over, interrupts are due: look at everything. */
static void rg_parent_kick(struct vgpu_device *dev)
{
	struct rg *rg = rg_of(dev);

	if (!rg->queue.shared)
		return;
	(void)__atomic_exchange_n(&rg->queue.shared->full, 0, __ATOMIC_ACQ_REL);
	rg_pump_all(&rg->pump);
	rg_spaces_reap(&rg->spaces, false);
}

static void rg_parent_message(struct vgpu_device *dev, const void *msg,
			      size_t len)
{
	struct rg *rg = rg_of(dev);
	struct rg_notice n;

	if (len != sizeof(n))
		return;
	memcpy(&n, msg, sizeof(n));
	if (n.slot >= RG_CONTEXTS)
		return;
	rg_context_notice(&rg->contexts[n.slot], &n);
	rg_pump(&rg->pump, &rg->contexts[n.slot]);
}

static void rg_parent_gone(struct vgpu_device *dev)
{
	struct rg *rg = rg_of(dev);

	vgpu_log(dev, VGPU_LOG_WARNING,
		 "vgpu-parent has ended: the vGPU computes nothing any more");
	for (unsigned i = 0; i < RG_CONTEXTS; i++)
		if (rg->contexts[i].place->open || rg->contexts[i].place->waits)
			rg_context_error(&rg->contexts[i], REFGPU_ERROR_RESET);
	rg->queue.ready = false;
}

/* ------------------------------------------------------------------ */
/* State                                                               */
/* ------------------------------------------------------------------ */

static const struct vgpu_field rg_fields[] = {
	VGPU_FIELD(struct rg_state, irqs, 1),
	VGPU_FIELD(struct rg_state, time_hi, 1),
	VGPU_FIELD(struct rg_state, power_on, 1),
	VGPU_FIELD(struct rg_state, display, 1),
	VGPU_FIELD_ARRAY(struct rg_state, ctx, 1),
	VGPU_FIELD_ARRAY(struct rg_state, place, 1),
};

/* ------------------------------------------------------------------ */
/* The device                                                          */
/* ------------------------------------------------------------------ */

static void fini(struct rg *rg)
{
	rg_spaces_fini(&rg->spaces);
	rg_pump_fini(&rg->pump);
	rg_display_fini(&rg->display);
}

static void rg_destroy(struct vgpu_device *dev)
{
	struct rg *rg = rg_of(dev);

	let_go(rg);
	fini(rg);
}

static int device_init(struct rg *rg)
{
	const uint64_t vram_size = rg->dev.type->vram_size;
	const struct vgpu_area regs[] = {
		VGPU_TRAPPED(0, REFGPU_REGS_SIZE, &rg_reg_ops, NULL),
	};
	const struct vgpu_area vram[] = {
		{ .kind = VGPU_AREA_MAPPED, .size = vram_size },
	};
	struct vgpu_area bells[RG_CONTEXTS];
	const struct vgpu_pci_desc pci = {
		.vendor_id = REFGPU_VENDOR_ID,
		.device_id = REFGPU_DEVICE_ID,
		.subsystem_vendor_id = 0x1af4,
		.subsystem_id = 0x1100,
		.class_code = REFGPU_CLASS,
		.revision = 1,
		.pm = true,
		.express = true,
		.msix_vectors = REFGPU_NUM_VECTORS,
		.msix_bar = REFGPU_BAR_DOORBELL,
		.msix_table_offset = REFGPU_MSIX_TABLE,
		.msix_pba_offset = REFGPU_MSIX_PBA,
		.bars[REFGPU_BAR_REGS] = { .size = REFGPU_REGS_SIZE,
					   VGPU_LIST(areas, regs) },
		.bars[REFGPU_BAR_VRAM] = { .size = vram_size,
					   .flags = VGPU_BAR_64 |
						    VGPU_BAR_PREFETCH,
					   VGPU_LIST(areas, vram) },
		.bars[REFGPU_BAR_DOORBELL] = { .size = REFGPU_DOORBELL_SIZE,
					       VGPU_LIST(areas, bells) },
	};

	for (unsigned i = 0; i < RG_CONTEXTS; i++)
		bells[i] = (struct vgpu_area){ .kind = VGPU_AREA_DOORBELL,
					       .offset = REFGPU_DOORBELL(i),
					       .size = 4,
					       .ops = &rg_doorbell_ops,
					       .data = &rg->contexts[i] };
	return vgpu_device_init(&rg->dev, &pci);
}

static int parts_init(struct rg *rg)
{
	struct vgpu_device *dev = &rg->dev;
	uint64_t vram = dev->type->vram_size;
	int err;

	err = rg_queue_init(&rg->queue, dev);
	if (!err)
		err = rg_spaces_init(
			&rg->spaces, dev, &rg->queue,
			vgpu_device_memory(dev, REFGPU_BAR_VRAM, 0, vram),
			vram);
	rg->spaces.pinned = on_pinned;
	rg->spaces.user = rg;
	if (!err)
		err = rg_unpin_init(&rg->spaces);
	if (!err)
		err = rg_pump_init(&rg->pump, dev, rg->contexts);
	if (!err)
		err = rg_display_init(&rg->display, dev, dev->type,
				      &rg->state->display, &rg->report);
	return err;
}

/* Without a parent there are registers and a screen, and no context starts. */
static int rg_create(struct vgpu_device *dev)
{
	struct rg *rg = rg_of(dev);
	int err = device_init(rg);

	if (err)
		return err;
	rg->state = dev->state;
	rg->report.dev = &rg->dev;
	rg->report.irqs = &rg->state->irqs;
	for (unsigned i = 0; i < RG_CONTEXTS; i++) {
		rg->contexts[i] = (struct rg_context){
			.id = i,
			.regs = &rg->state->ctx[i],
			.place = &rg->state->place[i],
			.report = &rg->report,
			.queue = &rg->queue,
			.space = &rg->spaces.space[i],
		};
		rg_context_init(&rg->contexts[i], &rg->draft);
	}
	err = parts_init(rg);
	if (err)
		fini(rg);
	return err;
}

const struct vgpu_device_ops rg_instance_ops = {
	.size = sizeof(struct rg),
	VGPU_STATE(struct rg_state, 1, rg_fields),
	.create = rg_create,
	.destroy = rg_destroy,
	.reset = rg_reset,
	.client_gone = rg_client_gone,
	.dma_unmap = rg_dma_unmap,
	.parent_message = rg_parent_message,
	.parent_gone = rg_parent_gone,
	.parent_kick = rg_parent_kick,
};
