/* SPDX-License-Identifier: MIT */
/*
 * A driver that hands over a bit of everything, to be compiled against
 * headers of other times. Registers read as their area's number, from 1 on;
 * a write to the last one shows a plane.
 */
#include <errno.h>
#include <string.h>

#include <vgpu/display.h>
#include <vgpu/driver.h>
#include <vgpu/sched.h>

/* What the newer headers have and the core does not: left at 0, or used. */
#ifdef USE_LATER
#define LATER .later = USE_LATER,
#else
#define LATER
#endif

struct state {
	uint32_t writes, caps;
};

static const struct vgpu_field fields[] = {
	VGPU_FIELD(struct state, writes, 1),
	VGPU_FIELD(struct state, caps, 1),
};

static uint64_t read(struct vgpu_device *dev, void *data, uint64_t offset,
		     unsigned size)
{
	const struct state *s = dev->state;

	return s->caps << 16 | s->writes << 8 | *(const uint8_t *)data;
}

static void write(struct vgpu_device *dev, void *data, uint64_t offset,
		  uint64_t value, unsigned size)
{
	const struct vgpu_plane plane = { .format = VGPU_FORMAT_XRGB8888,
					  .width = dev->type->xres,
					  .height = 1,
					  .stride = 4096,
					  .region = VGPU_REGION_BAR2 };

	((struct state *)dev->state)->writes++;
	vgpu_plane_set(dev, 0, &plane);
}

static const struct vgpu_mmio_ops ops = { .read = read, .write = write };

static void written(struct vgpu_device *dev, unsigned cap, unsigned offset,
		    unsigned len)
{
	((struct state *)dev->state)->caps += cap;
}

static const struct vgpu_pci_cap_ops cap_ops = { .written = written };

static const uint8_t cap_data[] = { 4, 0 };
static const struct vgpu_pci_cap caps[] = {
	{ .id = 9, .len = 4, .data = cap_data },
	{ .id = 9, .len = 4, .data = cap_data, .ops = &cap_ops },
};

static uint8_t numbers[] = { 1, 2, 3 };
static const struct vgpu_area regs[] = {
	{ .size = 4, .ops = &ops, .data = &numbers[0] },
	{ .offset = 8, .size = 4, .ops = &ops, .data = &numbers[1] },
	{ .offset = 16, .size = 4, .ops = &ops, .data = &numbers[2], LATER },
};
static const struct vgpu_area memory[] = {
	{ .kind = VGPU_AREA_MAPPED, .size = 65536 },
};
static const struct vgpu_pci_desc pci = {
	.vendor_id = 0x1234,
	.device_id = 1,
	.class_code = 0x038000,
	VGPU_LIST(caps, caps),
	.bars[0] = { .size = 64, VGPU_LIST(areas, regs) },
	.bars[2] = { .size = 65536, VGPU_LIST(areas, memory) },
};

static int create(struct vgpu_device *dev)
{
	const struct vgpu_edid_info info = { .vendor = "VGP",
					     .name = "abi",
					     .xres = dev->type->xres,
					     .yres = 768,
					     .refresh = 60 };
	uint8_t edid[VGPU_EDID_SIZE];
	int err = vgpu_edid_build(&info, edid);

	return err < 0 ? err : 0;
}

static const struct vgpu_device_ops instance = {
	VGPU_STATE(struct state, 1, fields),
	.pci = &pci,
	.create = create,
};

static const struct vgpu_type types[] = {
	{ .name = "abi-a", .description = "a type", .xres = 800 },
	{ .name = "abi-b", .description = "another", .xres = 1024 },
};

static const struct vgpu_driver driver = {
	.name = "abi",
	.version = "1",
	.description = "a driver of another time",
	VGPU_LIST(types, types),
	.instance = &instance,
};

VGPU_DRIVER_MODULE(driver);
