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
#include <errno.h>
#include <stdlib.h>

#include <vgpu/driver.h>

#define REG_MAGIC 0x00
#define REG_SUM	  0x04
#define REGS_SIZE 0x08

#define MAGIC 0x55504776 /* "vGPU" in memory */

/* What the guest can notice is in memory of the core, described by fields. */
struct hello_state {
	uint32_t sum;
};

struct hello {
	struct vgpu_device dev;
	struct hello_state *state;
};

static struct hello *to_hello(struct vgpu_device *dev)
{
	return vgpu_container_of(dev, struct hello, dev);
}

static uint64_t hello_read(struct vgpu_device *dev, void *data, uint64_t offset,
			   unsigned size)
{
	return offset == REG_SUM ? to_hello(dev)->state->sum : MAGIC;
}

static void hello_write(struct vgpu_device *dev, void *data, uint64_t offset,
			uint64_t value, unsigned size)
{
	if (offset == REG_SUM)
		to_hello(dev)->state->sum += (uint32_t)value;
}

static const struct vgpu_mmio_ops hello_regs = {
	.struct_size = sizeof(hello_regs),
	.min_access = 4,
	.max_access = 4,
	.read = hello_read,
	.write = hello_write,
};

static const struct vgpu_area hello_areas[] = {
	{
		.struct_size = sizeof(struct vgpu_area),
		.kind = VGPU_AREA_TRAPPED,
		.offset = 0,
		.size = REGS_SIZE,
		.ops = &hello_regs,
	},
};

static const struct vgpu_pci_desc hello_pci = {
	.struct_size = sizeof(hello_pci),
	.vendor_id = 0x1234,
	.device_id = 0x4831,
	.class_code = 0xff0000,
	.bars[0] = { .size = 4096, .n_areas = 1, .areas = hello_areas },
};

static const struct vgpu_field hello_fields[] = {
	VGPU_FIELD(struct hello_state, sum, 1),
};

static const struct vgpu_state_desc hello_state_desc = {
	.struct_size = sizeof(hello_state_desc),
	.version = 1,
	.size = sizeof(struct hello_state),
	.n_fields = 1,
	.fields = hello_fields,
};

static void hello_reset(struct vgpu_device *dev, enum vgpu_reset_reason reason)
{
	to_hello(dev)->state->sum = 0;
}

static void hello_destroy(struct vgpu_device *dev)
{
	vgpu_device_fini(dev);
	free(to_hello(dev));
}

static const struct vgpu_device_ops hello_ops = {
	.struct_size = sizeof(hello_ops),
	.destroy = hello_destroy,
	.reset = hello_reset,
};

static int hello_create(const struct vgpu_create_args *args,
			struct vgpu_device **ret_dev)
{
	struct hello *h = calloc(1, sizeof(*h));
	int err;

	if (!h)
		return -ENOMEM;
	err = vgpu_device_init(&h->dev, &hello_ops, args, &hello_pci,
			       &hello_state_desc);
	if (err < 0) {
		free(h);
		return err;
	}
	h->state = vgpu_device_state(&h->dev);
	*ret_dev = &h->dev;
	return 0;
}

static const struct vgpu_type hello_type = {
	.struct_size = sizeof(hello_type),
	.name = "hello",
	.description = "two registers",
};

static const struct vgpu_type *const hello_types[] = { &hello_type };

static const struct vgpu_driver hello_driver = {
	.struct_size = sizeof(hello_driver),
	.abi_version = VGPU_DRIVER_ABI,
	.name = "hello",
	.version = "1",
	.description = "the smallest complete driver",
	.types = hello_types,
	.n_types = 1,
	.create = hello_create,
};

VGPU_DRIVER_MODULE(hello_driver);
