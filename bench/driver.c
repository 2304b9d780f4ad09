/* SPDX-License-Identifier: MIT */
/* The smallest driver that has a register, a doorbell and memory. With
 * BENCH_HUB it also goes to its parent half and back before it signals. */
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

static int parent_open(struct vgpu_parent *parent, const char *config)
{
	int err = vgpu_iommu_cpu_new(NULL, &iommu);

	return err ? err : vgpu_parent_init(parent, iommu);
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
	.open = parent_open,
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
	.read = reg_read,
	.write = reg_write,
};

static const struct vgpu_area memory[] = {
	{ .kind = VGPU_AREA_MAPPED, .size = DEVICE_MEMORY },
};

static const struct vgpu_area regs[] = {
	VGPU_TRAPPED(0, 4096, &reg_ops, NULL),
};

static const struct vgpu_pci_desc pci = {
	.vendor_id = 0x1234,
	.device_id = 0xbe9c,
	.class_code = 0xff0000,
	.msi_vectors = 1,
	.bars[0] = { .size = DEVICE_MEMORY, VGPU_LIST(areas, memory) },
	.bars[2] = { .size = 4096, VGPU_LIST(areas, regs) },
};

static void reset(struct vgpu_device *dev, enum vgpu_reset_reason reason)
{
	vgpu_container_of(dev, struct bench_device, dev)->scratch = 0;
}

static const struct vgpu_device_ops ops = {
	.size = sizeof(struct bench_device),
	.pci = &pci,
	.reset = reset,
	.parent_kick = on_kick,
	.parent_message = on_message,
};

static const struct vgpu_type types[] = {
	{ .name = "bench-device",
	  .description = "a register, a doorbell and memory",
	  .vram_size = DEVICE_MEMORY },
};

static const struct vgpu_driver driver = {
	.name = "bench",
	.version = "1",
	.description = "for bench-wire",
	VGPU_LIST(types, types),
	.instance = &ops,
	.parent = PARENT_OPS,
};

VGPU_DRIVER_MODULE(driver);
