/* SPDX-License-Identifier: MIT */
/*
 * The smallest complete driver: a PCI function with one BAR and two registers.
 *
 *   BAR0 + 0x00  read: the letters "vGPU"
 *   BAR0 + 0x04  write: add to the sum; read: the sum
 *
 * It is built outside vgpud's tree, from the installed headers alone:
 *
 *   make && vgpu-device --driver ./hello.so --type hello --socket-path /tmp/s
 */
#include <vgpu/driver.h>

#define REG_MAGIC 0x00
#define REG_SUM	  0x04
#define REGS_SIZE 0x08

#define MAGIC 0x55504776 /* "vGPU" in memory */

/* What the guest can notice is in memory of the core, described by fields. It
 * is zeroed by a reset. */
struct hello_state {
	uint32_t sum;
};

static const struct vgpu_field hello_fields[] = {
	VGPU_FIELD(struct hello_state, sum, 1),
};

static uint64_t hello_read(struct vgpu_device *dev, void *data, uint64_t offset,
			   unsigned size)
{
	const struct hello_state *state = dev->state;

	return offset == REG_SUM ? state->sum : MAGIC;
}

static void hello_write(struct vgpu_device *dev, void *data, uint64_t offset,
			uint64_t value, unsigned size)
{
	struct hello_state *state = dev->state;

	if (offset == REG_SUM)
		state->sum += (uint32_t)value;
}

static const struct vgpu_mmio_ops hello_regs = { .read = hello_read,
						 .write = hello_write };

static const struct vgpu_area hello_areas[] = {
	{ .size = REGS_SIZE, .ops = &hello_regs },
};

static const struct vgpu_pci_desc hello_pci = {
	.vendor_id = 0x1234,
	.device_id = 0x4831,
	.class_code = 0xff0000,
	.bars[0] = { .size = 4096, VGPU_LIST(areas, hello_areas) },
};

static const struct vgpu_device_ops hello_ops = {
	VGPU_STATE(struct hello_state, 1, hello_fields),
	.pci = &hello_pci,
};

static const struct vgpu_type hello_types[] = {
	{ .name = "hello", .description = "two registers" },
};

static const struct vgpu_driver hello_driver = {
	.name = "hello",
	.version = "1",
	.description = "the smallest complete driver",
	VGPU_LIST(types, hello_types),
	.instance = &hello_ops,
};

VGPU_DRIVER_MODULE(hello_driver);
