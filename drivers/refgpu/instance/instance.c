/* SPDX-License-Identifier: MIT */
/* A vGPU: making it, resetting it, ending it. And the module. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "instance.h"

/* Nothing of the client's memory is pinned any more, nor will be unpinned
 * later, when it may be another one's. Unpinning waits for the parent if it has
 * to. */
static void let_go(struct rg *rg)
{
	rg_slots_close_all(rg);
	vgpu_shadow_reap(rg->pool, UINT64_MAX, SIZE_MAX);
	for (unsigned i = 0; i < rg->n_unmaps; i++)
		vgpu_dma_unmap_done(&rg->dev, rg->unmaps[i].iova,
				    rg->unmaps[i].size);
	rg->n_unmaps = 0;
}

/* A new client has new memory, and the parent half still has the old one's. */
static void give_memory(struct rg *rg)
{
	int err = vgpu_parent_give_memory(&rg->dev, 0, REFGPU_BAR_VRAM, 0,
					  rg->vram_size);

	rg->has_memory = !err;
	if (err && rg->shared)
		vgpu_log(&rg->dev, VGPU_LOG_WARNING,
			 "the parent does not take the video memory (%s): no "
			 "context can be started",
			 strerror(-err));
}

static void rg_reset(struct vgpu_device *dev, enum vgpu_reset_reason reason)
{
	struct rg *rg = rg_of(dev);

	if (reason == VGPU_RESET_DMA)
		rg->n_unmaps = 0; /* the core has answered them */
	if (reason == VGPU_RESET_DMA || reason == VGPU_RESET_NEW_CLIENT)
		let_go(rg);
	else
		rg_slots_close_all(rg);
	memset(rg->state, 0, sizeof(*rg->state));
	rg->state->power_on = rg_now();
	rg_display_reset(rg);
	if (reason == VGPU_RESET_NEW_CLIENT)
		give_memory(rg);
}

static void rg_client_gone(struct vgpu_device *dev)
{
	let_go(rg_of(dev));
}

static void rg_parent_gone(struct vgpu_device *dev)
{
	struct rg *rg = rg_of(dev);

	vgpu_log(dev, VGPU_LOG_WARNING,
		 "vgpu-parent has ended: the vGPU computes nothing any more");
	for (unsigned i = 0; i < RG_CONTEXTS; i++)
		if (rg->slots[i].st->open)
			rg_slot_error(&rg->slots[i], REFGPU_ERROR_RESET);
	rg->has_memory = false;
}

static void fini(struct rg *rg)
{
	rg_space_fini(rg);
	vgpu_timer_free(rg->pump_timer);
	vgpu_timer_free(rg->vblank_timer);
	vgpu_device_fini(&rg->dev);
	free(rg);
}

static void rg_destroy(struct vgpu_device *dev)
{
	struct rg *rg = rg_of(dev);

	let_go(rg);
	fini(rg);
}

static const struct vgpu_device_ops rg_ops = {
	.struct_size = sizeof(rg_ops),
	.destroy = rg_destroy,
	.reset = rg_reset,
	.client_gone = rg_client_gone,
	.dma_unmap = rg_dma_unmap,
	.parent_message = rg_parent_message,
	.parent_gone = rg_parent_gone,
	.parent_kick = rg_parent_kick,
};

/* ------------------------------------------------------------------ */
/* State                                                               */
/* ------------------------------------------------------------------ */

static const struct vgpu_field rg_fields[] = {
	VGPU_FIELD(struct rg_state, irq_status, 1),
	VGPU_FIELD(struct rg_state, irq_enable, 1),
	VGPU_FIELD(struct rg_state, time_hi, 1),
	VGPU_FIELD(struct rg_state, display.control, 1),
	VGPU_FIELD(struct rg_state, display.format, 1),
	VGPU_FIELD(struct rg_state, display.width, 1),
	VGPU_FIELD(struct rg_state, display.height, 1),
	VGPU_FIELD(struct rg_state, display.stride, 1),
	VGPU_FIELD(struct rg_state, display.commit, 1),
	VGPU_FIELD(struct rg_state, display.vblanks, 1),
	VGPU_FIELD(struct rg_state, display.status, 1),
	VGPU_FIELD(struct rg_state, display.base, 1),
	VGPU_FIELD(struct rg_state, display.live_format, 1),
	VGPU_FIELD(struct rg_state, display.live_width, 1),
	VGPU_FIELD(struct rg_state, display.live_height, 1),
	VGPU_FIELD(struct rg_state, display.live_stride, 1),
	VGPU_FIELD(struct rg_state, display.live_base, 1),
	VGPU_FIELD_ARRAY(struct rg_state, ctx, 1),
	VGPU_FIELD_ARRAY(struct rg_state, place, 1),
	VGPU_FIELD(struct rg_state, power_on, 1),
	VGPU_FIELD(struct rg_state, vblank_base, 1),
};

static const struct vgpu_state_desc rg_state_desc = {
	.struct_size = sizeof(rg_state_desc),
	.version = 1,
	.size = sizeof(struct rg_state),
	.n_fields = sizeof(rg_fields) / sizeof(rg_fields[0]),
	.fields = rg_fields,
};

/* ------------------------------------------------------------------ */
/* The device                                                          */
/* ------------------------------------------------------------------ */

#define AREA(area_kind, at, len, area_ops)                                     \
	{                                                                      \
		.struct_size = sizeof(struct vgpu_area), .kind = (area_kind),  \
		.offset = (at), .size = (len), .ops = (area_ops)               \
	}

static int device_init(struct rg *rg, const struct vgpu_create_args *args)
{
	const struct vgpu_area regs[] = {
		AREA(VGPU_AREA_TRAPPED, 0, REFGPU_REGS_SIZE, &rg_reg_ops),
	};
	const struct vgpu_area vram[] = {
		AREA(VGPU_AREA_MAPPED, 0, rg->vram_size, NULL),
	};
	struct vgpu_area bells[RG_CONTEXTS];
	const struct vgpu_pci_desc pci = {
		.struct_size = sizeof(pci),
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
		.bars = {
			[REFGPU_BAR_REGS] = {
				.size = REFGPU_REGS_SIZE,
				.n_areas = 1,
				.areas = regs,
			},
			[REFGPU_BAR_VRAM] = {
				.size = rg->vram_size,
				.flags = VGPU_BAR_64 | VGPU_BAR_PREFETCH,
				.n_areas = 1,
				.areas = vram,
			},
			[REFGPU_BAR_DOORBELL] = {
				.size = REFGPU_DOORBELL_SIZE,
				.n_areas = RG_CONTEXTS,
				.areas = bells,
			},
		},
	};

	for (unsigned i = 0; i < RG_CONTEXTS; i++)
		bells[i] = (struct vgpu_area)AREA(VGPU_AREA_DOORBELL,
						  REFGPU_DOORBELL(i), 4,
						  &rg_doorbell_ops[i]);
	return vgpu_device_init(&rg->dev, &rg_ops, args, &pci, &rg_state_desc);
}

/* Without a parent there are registers and a screen, and no context starts. */
static int find_parent(struct rg *rg)
{
	size_t size = 0;

	rg->shared = vgpu_parent_shared(&rg->dev, &size);
	if (rg->shared && size < sizeof(*rg->shared)) {
		vgpu_log(&rg->dev, VGPU_LOG_ERROR,
			 "vgpu-parent runs another version of this driver: "
			 "restart it");
		return -EPROTO;
	}
	if (rg->shared)
		rg->tail = rg->told =
			__atomic_load_n(&rg->shared->tail, __ATOMIC_RELAXED);
	return 0;
}

static int rg_create(const struct vgpu_create_args *args,
		     struct vgpu_device **ret_dev)
{
	struct rg *rg = calloc(1, sizeof(*rg));
	int err;

	if (!rg)
		return -ENOMEM;
	rg->type = args->type;
	rg->vram_size = args->type->vram_size;
	for (unsigned i = 0; i < RG_CONTEXTS; i++) {
		rg->slots[i].rg = rg;
		rg->slots[i].id = i;
	}
	err = device_init(rg, args);
	if (err) {
		free(rg);
		return err;
	}
	rg->state = vgpu_device_state(&rg->dev);
	for (unsigned i = 0; i < RG_CONTEXTS; i++)
		rg->slots[i].st = &rg->state->place[i];
	rg->vram =
		vgpu_device_memory(&rg->dev, REFGPU_BAR_VRAM, 0, rg->vram_size);
	err = find_parent(rg);
	if (!err)
		err = rg_space_init(rg);
	if (!err)
		err = vgpu_timer_new(&rg->dev, rg_pump_all, rg,
				     &rg->pump_timer);
	if (!err)
		err = rg_display_init(rg);
	if (err) {
		fini(rg);
		return err;
	}
	*ret_dev = &rg->dev;
	return 0;
}

static const struct vgpu_driver rg_driver = {
	.struct_size = sizeof(rg_driver),
	.abi_version = VGPU_DRIVER_ABI,
	.name = "refgpu",
	.version = "1",
	.description = "shares the reference GPU between vGPUs",
	.types = rg_types,
	.n_types = RG_N_TYPES,
	.create = rg_create,
	.parent = &rg_parent_ops,
};

VGPU_DRIVER_MODULE(rg_driver);
