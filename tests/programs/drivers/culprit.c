/* SPDX-License-Identifier: MIT */
/*
 * A driver that a guest has taken over, so to speak: it tries what its guest
 * writes to BAR0 + 0, and BAR0 + 4 says what came of it (an errno; 0: it
 * worked).
 */
#include <errno.h>
#include <stdlib.h>

#include <vgpu/driver.h>

#include "deeds.h"

#define REG_TRY	   0x00
#define REG_RESULT 0x04
#define REGS_SIZE  0x08

struct culprit_state {
	uint32_t result;
};

struct culprit {
	struct vgpu_device dev;
	struct culprit_state *state;
};

static struct culprit *to_culprit(struct vgpu_device *dev)
{
	return vgpu_container_of(dev, struct culprit, dev);
}

static uint64_t culprit_read(struct vgpu_device *dev, void *data,
			     uint64_t offset, unsigned size)
{
	return offset == REG_RESULT ? to_culprit(dev)->state->result : 0;
}

static void culprit_write(struct vgpu_device *dev, void *data, uint64_t offset,
			  uint64_t value, unsigned size)
{
	if (offset != REG_TRY)
		return;
	to_culprit(dev)->state->result = (uint32_t)deed_commit((enum deed)value);
}

static const struct vgpu_mmio_ops culprit_regs = {
	.struct_size = sizeof(culprit_regs),
	.min_access = 4,
	.max_access = 4,
	.read = culprit_read,
	.write = culprit_write,
};

static const struct vgpu_area culprit_areas[] = {
	{
		.struct_size = sizeof(struct vgpu_area),
		.kind = VGPU_AREA_TRAPPED,
		.offset = 0,
		.size = REGS_SIZE,
		.ops = &culprit_regs,
	},
};

static const struct vgpu_pci_desc culprit_pci = {
	.struct_size = sizeof(culprit_pci),
	.vendor_id = 0x1234,
	.device_id = 0x7e58,
	.class_code = 0xff0000,
	.bars[0] = { .size = 4096, .n_areas = 1, .areas = culprit_areas },
};

static const struct vgpu_field culprit_fields[] = {
	VGPU_FIELD(struct culprit_state, result, 1),
};

static const struct vgpu_state_desc culprit_state_desc = {
	.struct_size = sizeof(culprit_state_desc),
	.version = 1,
	.size = sizeof(struct culprit_state),
	.n_fields = 1,
	.fields = culprit_fields,
};

static void culprit_reset(struct vgpu_device *dev,
			  enum vgpu_reset_reason reason)
{
	to_culprit(dev)->state->result = 0;
}

static void culprit_destroy(struct vgpu_device *dev)
{
	vgpu_device_fini(dev);
	free(to_culprit(dev));
}

static const struct vgpu_device_ops culprit_ops = {
	.struct_size = sizeof(culprit_ops),
	.destroy = culprit_destroy,
	.reset = culprit_reset,
};

static int culprit_create(const struct vgpu_create_args *args,
			  struct vgpu_device **ret_dev)
{
	struct culprit *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	err = vgpu_device_init(&c->dev, &culprit_ops, args, &culprit_pci,
			       &culprit_state_desc);
	if (err < 0) {
		free(c);
		return err;
	}
	c->state = vgpu_device_state(&c->dev);
	*ret_dev = &c->dev;
	return 0;
}

static const struct vgpu_type culprit_type = {
	.struct_size = sizeof(culprit_type),
	.name = "culprit",
	.description = "tries what it may not",
};

static const struct vgpu_type *const culprit_types[] = { &culprit_type };

static const struct vgpu_driver culprit_driver = {
	.struct_size = sizeof(culprit_driver),
	.abi_version = VGPU_DRIVER_ABI,
	.name = "culprit",
	.version = "1",
	.description = "for tests of the sandbox",
	.types = culprit_types,
	.n_types = 1,
	.create = culprit_create,
};

VGPU_DRIVER_MODULE(culprit_driver);
