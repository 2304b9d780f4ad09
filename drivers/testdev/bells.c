/* SPDX-License-Identifier: MIT */
/* The test device's doorbells, and a register that counts how often they rang.
 */
#include "testdev.h"

static void ring(struct vgpu_device *dev, void *data, uint64_t offset,
		 uint64_t value, unsigned size)
{
	to_testdev(dev)->state->rings++;
}

static uint64_t rings_read(struct vgpu_device *dev, void *data, uint64_t offset,
			   unsigned size)
{
	return to_testdev(dev)->state->rings;
}

const struct vgpu_mmio_ops testdev_bell_ops = {
	.min_access = 4,
	.max_access = 4,
	.write = ring,
};

const struct vgpu_mmio_ops testdev_rings_ops = {
	.min_access = 4,
	.max_access = 4,
	.read = rings_read,
};
