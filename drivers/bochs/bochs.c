/* SPDX-License-Identifier: MIT */
/*
 * A display that shows a piece of its video memory, and nothing more: the
 * "Bochs dispi" adapter (PCI 1234:1111) for which every guest has a driver.
 *
 * BAR 0 is video memory. The guest maps it and draws; nobody is asked.
 * BAR 2 has registers: an EDID, a few VGA ports (vga.c), the dispi registers
 * that set the mode (dispi.c), and the byte order.
 *
 * docs/writing-a-driver.md walks through this driver.
 *
 * Sources: the Bochs VBE display API; QEMU's docs/specs/standard-vga.rst (the
 * layout of BAR 2); what the drivers of Linux 6.1 to 7.2 write there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bochs.h"

/* BAR 2 */
#define EDID_OFFSET  0x000
#define EDID_SIZE    0x400
#define VGA_OFFSET   0x400
#define VGA_SIZE     0x020
#define DISPI_OFFSET 0x500
#define DISPI_SIZE   (2 * DISPI_COUNT)
#define EXT_OFFSET   0x600
#define EXT_SIZE     0x008
#define MMIO_SIZE    0x1000

#define ENDIAN_BIG    0xbebebebeu
#define ENDIAN_LITTLE 0x1e1e1e1eu

/* ------------------------------------------------------------------ */
/* Registers                                                           */
/* ------------------------------------------------------------------ */

static uint64_t ext_read(struct vgpu_device *dev, void *data, uint64_t offset,
			 unsigned size)
{
	if (offset == 0)
		return EXT_SIZE;
	return to_bochs(dev)->state->big_endian ? ENDIAN_BIG : ENDIAN_LITTLE;
}

static void ext_write(struct vgpu_device *dev, void *data, uint64_t offset,
		      uint64_t value, unsigned size)
{
	struct bochs *b = to_bochs(dev);

	if (offset != 4 || (value != ENDIAN_BIG && value != ENDIAN_LITTLE))
		return;
	b->state->big_endian = value == ENDIAN_BIG;
	bochs_update_plane(b);
}

static void edid_read(struct vgpu_device *dev, void *data, uint64_t offset,
		      void *buf, size_t len)
{
	struct bochs *b = to_bochs(dev);

	memset(buf, 0, len);
	if (offset >= sizeof(b->edid))
		return;
	if (len > sizeof(b->edid) - offset)
		len = sizeof(b->edid) - offset;
	memcpy(buf, b->edid + offset, len);
}

static const struct vgpu_mmio_ops edid_ops = {
	.struct_size = sizeof(edid_ops),
	.min_access = 1,
	.max_access = 8,
	.read_bulk = edid_read,
};

static const struct vgpu_mmio_ops ext_ops = {
	.struct_size = sizeof(ext_ops),
	.min_access = 4,
	.max_access = 4,
	.read = ext_read,
	.write = ext_write,
};

/* ------------------------------------------------------------------ */
/* The device                                                          */
/* ------------------------------------------------------------------ */

static const struct vgpu_field bochs_fields[] = {
	VGPU_FIELD_ARRAY(struct bochs_state, dispi, 1),
	VGPU_FIELD(struct bochs_state, big_endian, 1),
	VGPU_FIELD(struct bochs_state, vga.attr_index, 1),
	VGPU_FIELD(struct bochs_state, vga.attr_data, 1),
	VGPU_FIELD(struct bochs_state, vga.misc, 1),
	VGPU_FIELD(struct bochs_state, vga.status1, 1),
	VGPU_FIELD(struct bochs_state, vga.dac_mask, 1),
	VGPU_FIELD(struct bochs_state, vga.dac_index, 1),
	VGPU_FIELD(struct bochs_state, vga.dac_channel, 1),
	VGPU_FIELD(struct bochs_state, vga.dac_reading, 1),
	VGPU_FIELD_ARRAY(struct bochs_state, vga.dac, 1),
};

static const struct vgpu_state_desc bochs_state_desc = {
	.struct_size = sizeof(bochs_state_desc),
	.version = 1,
	.size = sizeof(struct bochs_state),
	.n_fields = sizeof(bochs_fields) / sizeof(bochs_fields[0]),
	.fields = bochs_fields,
};

static void bochs_reset(struct vgpu_device *dev, enum vgpu_reset_reason reason)
{
	struct bochs *b = to_bochs(dev);

	memset(b->state, 0, sizeof(*b->state));
	bochs_dispi_reset(b);
	bochs_vga_reset(b);
	bochs_update_plane(b);
}

static void bochs_destroy(struct vgpu_device *dev)
{
	vgpu_device_fini(dev);
	free(to_bochs(dev));
}

static const struct vgpu_device_ops bochs_ops = {
	.struct_size = sizeof(bochs_ops),
	.destroy = bochs_destroy,
	.reset = bochs_reset,
};

#define AREA(area_kind, at, len, area_ops)                                     \
	{                                                                      \
		.struct_size = sizeof(struct vgpu_area), .kind = (area_kind),  \
		.offset = (at), .size = (len), .ops = (area_ops)               \
	}

static int bochs_device_init(struct bochs *b,
			     const struct vgpu_create_args *args)
{
	const struct vgpu_area vram[] = {
		AREA(VGPU_AREA_MAPPED, 0, b->vram_size, NULL),
	};
	const struct vgpu_area mmio[] = {
		AREA(VGPU_AREA_TRAPPED, EDID_OFFSET, EDID_SIZE, &edid_ops),
		AREA(VGPU_AREA_TRAPPED, VGA_OFFSET, VGA_SIZE, &bochs_vga_ops),
		AREA(VGPU_AREA_TRAPPED, DISPI_OFFSET, DISPI_SIZE,
		     &bochs_dispi_ops),
		AREA(VGPU_AREA_TRAPPED, EXT_OFFSET, EXT_SIZE, &ext_ops),
	};
	const struct vgpu_pci_desc pci = {
		.struct_size = sizeof(pci),
		.vendor_id = 0x1234,
		.device_id = 0x1111,
		.subsystem_vendor_id = 0x1af4,
		.subsystem_id = 0x1100,
		.class_code = 0x038000,
		.revision = 2, /* has the registers at EXT_OFFSET */
		.bars = {
			[0] = {
				.size = b->vram_size,
				.flags = VGPU_BAR_PREFETCH,
				.n_areas = 1,
				.areas = vram,
			},
			[2] = {
				.size = MMIO_SIZE,
				.n_areas = sizeof(mmio) / sizeof(mmio[0]),
				.areas = mmio,
			},
		},
	};

	return vgpu_device_init(&b->dev, &bochs_ops, args, &pci,
				&bochs_state_desc);
}

static int bochs_create(const struct vgpu_create_args *args,
			struct vgpu_device **ret_dev)
{
	const struct vgpu_type *type = args->type;
	const struct vgpu_edid_info edid = {
		.struct_size = sizeof(edid),
		.vendor = "VGP",
		.name = "vGPU bochs",
		.xres = type->xres,
		.yres = type->yres,
		.refresh = 60,
	};
	struct bochs *b = calloc(1, sizeof(*b));
	int err;

	if (!b)
		return -ENOMEM;
	b->vram_size = type->vram_size;
	err = vgpu_edid_build(&edid, b->edid);
	if (err >= 0)
		err = bochs_device_init(b, args);
	if (err < 0) {
		free(b);
		return err;
	}
	b->state = vgpu_device_state(&b->dev);
	*ret_dev = &b->dev;
	return 0;
}

/* ------------------------------------------------------------------ */
/* Types and the module                                                */
/* ------------------------------------------------------------------ */

#define TYPE(var, mib, x, y)                                                   \
	static const struct vgpu_type var = {                                  \
		.struct_size = sizeof(var),                                    \
		.vram_size = (mib##ull) << 20,                                 \
		.name = "bochs-" #mib "m",                                     \
		.description = "display, " #mib " MiB of video memory, " #x    \
			       "x" #y,                                         \
		.xres = x,                                                     \
		.yres = y,                                                     \
	}

TYPE(bochs_16m, 16, 1024, 768);
TYPE(bochs_32m, 32, 1280, 1024);
TYPE(bochs_64m, 64, 1920, 1080);
TYPE(bochs_128m, 128, 2560, 1440);
TYPE(bochs_256m, 256, 3840, 2160);

static const struct vgpu_type *const bochs_types[] = {
	&bochs_16m, &bochs_32m, &bochs_64m, &bochs_128m, &bochs_256m,
};

static const struct vgpu_driver bochs_driver = {
	.struct_size = sizeof(bochs_driver),
	.abi_version = VGPU_DRIVER_ABI,
	.name = "bochs",
	.version = "1",
	.description = "Bochs dispi display: video memory and a mode",
	.types = bochs_types,
	.n_types = sizeof(bochs_types) / sizeof(bochs_types[0]),
	.create = bochs_create,
};

VGPU_DRIVER_MODULE(bochs_driver);
