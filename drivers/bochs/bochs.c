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
	const struct bochs_state *s = dev->state;

	if (offset == 0)
		return EXT_SIZE;
	return s->big_endian ? ENDIAN_BIG : ENDIAN_LITTLE;
}

static void ext_write(struct vgpu_device *dev, void *data, uint64_t offset,
		      uint64_t value, unsigned size)
{
	struct bochs_state *s = dev->state;

	if (offset != 4 || (value != ENDIAN_BIG && value != ENDIAN_LITTLE))
		return;
	s->big_endian = value == ENDIAN_BIG;
	bochs_update_plane(dev);
}

static const struct vgpu_mmio_ops ext_ops = { .read = ext_read,
					      .write = ext_write };

static void edid_read(struct vgpu_device *dev, void *data, uint64_t offset,
		      void *buf, size_t len)
{
	memcpy(buf, (const uint8_t *)data + offset, len);
}

static const struct vgpu_mmio_ops edid_ops = { .read_bulk = edid_read };

/* ------------------------------------------------------------------ */
/* The device                                                          */
/* ------------------------------------------------------------------ */

struct bochs {
	struct vgpu_device dev;
	uint8_t edid[EDID_SIZE]; /* of the type; zero behind its end */
};

static int bochs_create(struct vgpu_device *dev)
{
	struct bochs *b = vgpu_container_of(dev, struct bochs, dev);
	const struct vgpu_edid_info edid = {
		.vendor = "VGP",
		.name = "vGPU bochs",
		.xres = dev->type->xres,
		.yres = dev->type->yres,
		.refresh = 60,
	};
	const struct vgpu_area vram[] = {
		{ .kind = VGPU_AREA_MAPPED, .size = dev->type->vram_size },
	};
	const struct vgpu_area mmio[] = {
		VGPU_TRAPPED(EDID_OFFSET, EDID_SIZE, &edid_ops, b->edid),
		VGPU_TRAPPED(VGA_OFFSET, VGA_SIZE, &bochs_vga_ops, NULL),
		VGPU_TRAPPED(DISPI_OFFSET, DISPI_SIZE, &bochs_dispi_ops, NULL),
		VGPU_TRAPPED(EXT_OFFSET, EXT_SIZE, &ext_ops, NULL),
	};
	const struct vgpu_pci_desc pci = {
		.vendor_id = 0x1234,
		.device_id = 0x1111,
		.subsystem_vendor_id = 0x1af4,
		.subsystem_id = 0x1100,
		.class_code = 0x038000,
		.revision = 2, /* has the registers at EXT_OFFSET */
		.bars[0] = { .size = dev->type->vram_size,
			     .flags = VGPU_BAR_PREFETCH,
			     VGPU_LIST(areas, vram) },
		.bars[2] = { .size = MMIO_SIZE, VGPU_LIST(areas, mmio) },
	};
	int err = vgpu_edid_build(&edid, b->edid);

	return err < 0 ? err : vgpu_device_init(dev, &pci);
}

/* The screen is on from the start: some guests set a mode and no VGA port. */
static void bochs_reset(struct vgpu_device *dev, enum vgpu_reset_reason reason)
{
	struct bochs_state *s = dev->state;

	*s = (struct bochs_state){
		.dispi[DISPI_ID] = DISPI_ID_LAST,
		.vga = { .attr_index = ATTR_SCREEN_ON, .dac_mask = 0xff },
	};
	bochs_vga_update_palette(dev);
	bochs_update_plane(dev);
}

static const struct vgpu_field bochs_fields[] = {
	VGPU_FIELD_ARRAY(struct bochs_state, dispi, 1),
	VGPU_FIELD(struct bochs_state, big_endian, 1),
	VGPU_FIELD(struct bochs_state, vga.attr_index, 1),
	VGPU_FIELD(struct bochs_state, vga.attr_data, 1),
	VGPU_FIELD(struct bochs_state, vga.misc, 1),
	VGPU_FIELD(struct bochs_state, vga.status1, 1),
	VGPU_FIELD(struct bochs_state, vga.dac_mask, 1),
	VGPU_FIELD(struct bochs_state, vga.dac_reading, 1),
	VGPU_FIELD(struct bochs_state, vga.dac_at, 1),
	VGPU_FIELD_ARRAY(struct bochs_state, vga.dac, 1),
};

static const struct vgpu_device_ops bochs_ops = {
	.size = sizeof(struct bochs),
	VGPU_STATE(struct bochs_state, 1, bochs_fields),
	.create = bochs_create,
	.reset = bochs_reset,
};

/* ------------------------------------------------------------------ */
/* Types and the module                                                */
/* ------------------------------------------------------------------ */

#define TYPE(mib, x, y)                                                        \
	{                                                                      \
		"bochs-" #mib "m",                                             \
			"display, " #mib " MiB of video memory, " #x "x" #y,   \
			.vram_size = (mib##ull) << 20, .xres = (x),            \
			.yres = (y)                                            \
	}

static const struct vgpu_type bochs_types[] = {
	TYPE(16, 1024, 768),   TYPE(32, 1280, 1024),  TYPE(64, 1920, 1080),
	TYPE(128, 2560, 1440), TYPE(256, 3840, 2160),
};

static const struct vgpu_driver bochs_driver = {
	.name = "bochs",
	.version = "1",
	.description = "Bochs dispi display: video memory and a mode",
	VGPU_LIST(types, bochs_types),
	.instance = &bochs_ops,
};

VGPU_DRIVER_MODULE(bochs_driver);
