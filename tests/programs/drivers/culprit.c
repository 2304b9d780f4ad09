/* SPDX-License-Identifier: MIT */
/*
 * A driver that a guest has taken over, so to speak: it tries what its guest
 * writes to BAR0 + 0, and BAR0 + 4 says what came of it (an errno; 0: it
 * worked).
 */
#include <vgpu/driver.h>

#include "deeds.h"

#define REG_TRY	   0x00
#define REG_RESULT 0x04
#define REGS_SIZE  0x08

struct culprit_state {
	uint32_t result;
};

static uint64_t culprit_read(struct vgpu_device *dev, void *data,
			     uint64_t offset, unsigned size)
{
	const struct culprit_state *state = dev->state;

	return offset == REG_RESULT ? state->result : 0;
}

static void culprit_write(struct vgpu_device *dev, void *data, uint64_t offset,
			  uint64_t value, unsigned size)
{
	struct culprit_state *state = dev->state;

	if (offset == REG_TRY)
		state->result = (uint32_t)deed_commit((enum deed)value);
}

static const struct vgpu_mmio_ops culprit_regs = { .read = culprit_read,
						   .write = culprit_write };

static const struct vgpu_area culprit_areas[] = {
	VGPU_TRAPPED(0, REGS_SIZE, &culprit_regs, NULL),
};

static const struct vgpu_pci_desc culprit_pci = {
	.vendor_id = 0x1234,
	.device_id = 0x7e58,
	.class_code = 0xff0000,
	.bars[0] = { .size = 4096, VGPU_LIST(areas, culprit_areas) },
};

static const struct vgpu_field culprit_fields[] = {
	VGPU_FIELD(struct culprit_state, result, 1),
};

static const struct vgpu_device_ops culprit_ops = {
	VGPU_STATE(struct culprit_state, 1, culprit_fields),
	.pci = &culprit_pci,
};

static const struct vgpu_type culprit_types[] = { {
	.name = "culprit",
	.description = "tries what it may not",
} };

static const struct vgpu_driver culprit_driver = {
	.name = "culprit",
	.version = "1",
	.description = "for tests of the sandbox",
	VGPU_LIST(types, culprit_types),
	.instance = &culprit_ops,
};

VGPU_DRIVER_MODULE(culprit_driver);
