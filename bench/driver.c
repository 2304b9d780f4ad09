/* SPDX-License-Identifier: MIT */
/* The smallest driver that has a register, a doorbell and memory. */
#include <errno.h>
#include <stdlib.h>

#include <vgpu/driver.h>

#include "bench.h"

struct bench_device {
	struct vgpu_device dev;
	uint32_t scratch;
};

static uint64_t reg_read(struct vgpu_device *dev, void *data, uint64_t offset,
			 unsigned size)
{
	struct bench_device *b =
		vgpu_container_of(dev, struct bench_device, dev);

	return offset == DEVICE_SCRATCH ? b->scratch : 0;
}

static void reg_write(struct vgpu_device *dev, void *data, uint64_t offset,
		      uint64_t value, unsigned size)
{
	struct bench_device *b =
		vgpu_container_of(dev, struct bench_device, dev);

	if (offset == DEVICE_SCRATCH)
		b->scratch = (uint32_t)value;
	else if (offset == DEVICE_DOORBELL)
		vgpu_irq_signal(dev, VGPU_IRQ_MSI, 0);
}

static const struct vgpu_mmio_ops reg_ops = {
	.struct_size = sizeof(reg_ops),
	.min_access = 4,
	.max_access = 4,
	.read = reg_read,
	.write = reg_write,
};

static void destroy(struct vgpu_device *dev)
{
	vgpu_device_fini(dev);
	free(vgpu_container_of(dev, struct bench_device, dev));
}

static void reset(struct vgpu_device *dev, enum vgpu_reset_reason reason)
{
	vgpu_container_of(dev, struct bench_device, dev)->scratch = 0;
}

static const struct vgpu_device_ops ops = {
	.struct_size = sizeof(ops),
	.destroy = destroy,
	.reset = reset,
};

static int create(const struct vgpu_create_args *args,
		  struct vgpu_device **ret_dev)
{
	const struct vgpu_area memory = {
		.struct_size = sizeof(memory),
		.kind = VGPU_AREA_MAPPED,
		.size = DEVICE_MEMORY,
	};
	const struct vgpu_area regs = {
		.struct_size = sizeof(regs),
		.kind = VGPU_AREA_TRAPPED,
		.size = 4096,
		.ops = &reg_ops,
	};
	const struct vgpu_pci_desc pci = {
		.struct_size = sizeof(pci),
		.vendor_id = 0x1234,
		.device_id = 0xbe9c,
		.class_code = 0xff0000,
		.msi_vectors = 1,
		.bars = {
			[0] = { DEVICE_MEMORY, 0, 1, &memory },
			[2] = { 4096, 0, 1, &regs },
		},
	};
	struct bench_device *b = calloc(1, sizeof(*b));
	int err;

	if (!b)
		return -ENOMEM;
	err = vgpu_device_init(&b->dev, &ops, args, &pci, NULL);
	if (err) {
		free(b);
		return err;
	}
	*ret_dev = &b->dev;
	return 0;
}

static const struct vgpu_type type = {
	.struct_size = sizeof(type),
	.vram_size = DEVICE_MEMORY,
	.name = "bench-device",
	.description = "a register, a doorbell and memory",
};
static const struct vgpu_type *const types[] = { &type };

static const struct vgpu_driver driver = {
	.struct_size = sizeof(driver),
	.abi_version = VGPU_DRIVER_ABI,
	.name = "bench",
	.version = "1",
	.description = "for bench-wire",
	.types = types,
	.n_types = 1,
	.create = create,
};

VGPU_DRIVER_MODULE(driver);
