/* SPDX-License-Identifier: MIT */
#include "dma-owner.h"

#include <errno.h>

#include "../dma/pin.h"
#include "../dma/access.h"
#include "../dma/space.h"
#include "client.h"

/* A range is going that the driver still uses. */
static int on_unmap(uint64_t iova, uint64_t size, void *user)
{
	struct vgpu_core *core = user;

	/* Without the op the driver lets go in its own time, or too late. */
	if (!core->ops.dma_unmap)
		return 0;
	return core->ops.dma_unmap(core->dev, iova, size);
}

static void on_overdue(void *user)
{
	struct vgpu_core *core = user;

	log_error(core->name, "the driver did not let go of memory that the "
		  "client has unmapped: its context is reset");
	device_reset(core, VGPU_RESET_DMA);
}

static void on_lost(uint32_t pages, void *user)
{
	struct vgpu_core *core = user;

	if (log_allowed(&core->client_log, core->name))
		log_warning(core->name,
			    "the client truncated its memory under the vGPU: "
			    "%u pages read as zero now", pages);
	if (core->ops.dma_lost)
		core->ops.dma_lost(core->dev, pages);
}

static int on_remote(const struct dma_remote_request *request, void *user)
{
	struct vgpu_core *core = user;

	return core->client ? core->client->ops->remote(core->client, request) :
			      -ENOTCONN;
}

static const struct dma_owner_ops owner_ops = {
	.unmap = on_unmap,
	.overdue = on_overdue,
	.lost = on_lost,
	.remote = on_remote,
};

int dma_owner_build(struct vgpu_core *core, bool any_memory)
{
	const struct dma_limits limits = { .allow_any_file = any_memory };
	int err = dma_space_new(core->arena, &limits, &core->dma);

	if (err)
		return err;
	err = dma_space_attach(core->dma, core->loop, &owner_ops, core);
	if (!err && core->iommu)
		err = dma_space_set_iommu(core->dma, core->iommu);
	if (err) {
		dma_space_free(core->dma);
		core->dma = NULL;
		return err;
	}
	core->dma_low = dma_space_low(core->dma);
	return 0;
}
