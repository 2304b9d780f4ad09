/* SPDX-License-Identifier: MIT */
/* The smallest driver that has a register, a doorbell and memory. With
 * BENCH_HUB it also goes to its parent half and back before it signals. */
#include <errno.h>
#include <stdlib.h>

#include <vgpu/driver.h>
#include <vgpu/iommu.h>
#include <vgpu/parent.h>

#include "bench.h"

struct bench_device {
	struct vgpu_device dev;
	uint32_t scratch;
	unsigned left; /* round trips to the hub */
};

/* ---- the parent half ------------------------------------------------- */

#ifdef BENCH_HUB
static struct vgpu_iommu *iommu;

static int parent_open(const struct vgpu_parent_args *args,
		       struct vgpu_parent **ret_parent)
{
	static struct vgpu_parent parent;
	int err = vgpu_iommu_cpu_new(NULL, &iommu);

	if (!err)
		err = vgpu_parent_init(&parent, args, iommu);
	*ret_parent = &parent;
	return err;
}

static void nothing(struct vgpu_parent *parent)
{
}

static int instance_new(struct vgpu_parent *parent,
			struct vgpu_parent_instance *inst)
{
	return 0;
}

static void instance_gone(struct vgpu_parent *parent,
			  struct vgpu_parent_instance *inst)
{
}

static int message(struct vgpu_parent *parent,
		   struct vgpu_parent_instance *inst, const void *msg,
		   size_t len)
{
	return vgpu_instance_send(inst, msg, len);
}

static int kick(struct vgpu_parent *parent, struct vgpu_parent_instance *inst)
{
	vgpu_instance_kick(inst);
	return 0;
}

static const struct vgpu_parent_ops parent_table = {
	.struct_size = sizeof(parent_table),
	.open = parent_open,
	.stop = nothing,
	.close = nothing,
	.instance_new = instance_new,
	.instance_gone = instance_gone,
	.message = message,
	.kick = kick,
};
#define PARENT_OPS (&parent_table)
#else
#define PARENT_OPS NULL
#endif

/* ---- the device ------------------------------------------------------ */

static void send(struct vgpu_device *dev)
{
	static const char message[64];

	vgpu_parent_send(dev, message, sizeof(message));
}

/* It came back. */
static void on_kick(struct vgpu_device *dev)
{
	struct bench_device *b =
		vgpu_container_of(dev, struct bench_device, dev);

	if (b->left && --b->left)
		vgpu_parent_kick(dev);
	else
		vgpu_irq_signal(dev, VGPU_IRQ_MSI, 0);
}

static void on_message(struct vgpu_device *dev, const void *msg, size_t len)
{
	struct bench_device *b =
		vgpu_container_of(dev, struct bench_device, dev);

	if (b->left && --b->left)
		send(dev);
	else
		vgpu_irq_signal(dev, VGPU_IRQ_MSI, 0);
}

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
	if (offset == DEVICE_KICKS || offset == DEVICE_MESSAGES)
		b->left = HUB_ROUNDS;
	if (offset == DEVICE_KICK || offset == DEVICE_KICKS)
		vgpu_parent_kick(dev);
	else if (offset == DEVICE_MESSAGES)
		send(dev);
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
	.parent_kick = on_kick,
	.parent_message = on_message,
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
	.parent = PARENT_OPS,
};

VGPU_DRIVER_MODULE(driver);
