/* SPDX-License-Identifier: MIT */
/*
 * A display that shows a piece of its video memory, and nothing more: the
 * "Bochs dispi" adapter (PCI 1234:1111) for which every guest has a driver.
 *
 * BAR 0 is video memory. The guest maps it and draws; nobody is asked.
 * BAR 2 has registers: an EDID, a few VGA ports (vga.c), the dispi registers
 * that set the mode, and the byte order.
 *
 * docs/writing-a-driver.md walks through this file.
 *
 * Sources: the Bochs VBE display API; QEMU's docs/specs/standard-vga.rst (the
 * layout of BAR 2); measured: what Linux 6.1 to 7.2 write there.
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
#define DISPI_SIZE   0x016
#define EXT_OFFSET   0x600
#define EXT_SIZE     0x008
#define MMIO_SIZE    0x1000

/* Dispi registers, 16 bits each */
enum dispi {
	DISPI_ID,
	DISPI_XRES,
	DISPI_YRES,
	DISPI_BPP,
	DISPI_ENABLE,
	DISPI_BANK,
	DISPI_VIRT_WIDTH,
	DISPI_VIRT_HEIGHT,
	DISPI_X_OFFSET,
	DISPI_Y_OFFSET,
	DISPI_MEMORY_64K,
};

#define DISPI_ID_FIRST 0xb0c0
#define DISPI_ID_LAST  0xb0c5

#define ENABLE_ON      0x0001
#define ENABLE_GETCAPS 0x0002 /* XRES, YRES and BPP read as their maxima */
#define ENABLE_BITS    0x00e3 /* with 8-bit DAC, linear frame buffer, no clear */

#define MAX_XRES 16000
#define MAX_YRES 12000
#define MAX_BPP  32

#define ENDIAN_BIG    0xbebebebeu
#define ENDIAN_LITTLE 0x1e1e1e1eu

/* ------------------------------------------------------------------ */
/* What is shown                                                       */
/* ------------------------------------------------------------------ */

static uint32_t stride_of(const struct bochs_state *s)
{
	return s->virt_width * ((s->bpp + 7u) / 8);
}

static uint32_t format_of(const struct bochs_state *s)
{
	bool big = s->big_endian;

	switch (s->bpp) {
	case 8:
		return VGPU_FORMAT_C8;
	case 15:
		return VGPU_FORMAT_XRGB1555 | (big ? VGPU_FORMAT_BIG_ENDIAN : 0);
	case 16:
		return VGPU_FORMAT_RGB565 | (big ? VGPU_FORMAT_BIG_ENDIAN : 0);
	case 24:
		return big ? VGPU_FORMAT_BGR888 : VGPU_FORMAT_RGB888;
	case 32:
		return big ? VGPU_FORMAT_BGRX8888 : VGPU_FORMAT_XRGB8888;
	default:
		return 0;
	}
}

/*
 * The picture starts at any pixel of VRAM and goes on line by line: guests
 * flip between buffers that start in the middle of a line, so an X offset
 * plus the width may well be more than a line. Only the end of VRAM counts,
 * and vgpu_plane_set() looks after that: it switches a plane off that is not
 * wholly in memory of the device.
 */
void bochs_update_plane(struct bochs *b)
{
	const struct bochs_state *s = b->state;
	struct vgpu_plane plane = { .struct_size = sizeof(plane) };

	if ((s->enable & ENABLE_ON) && (s->vga.attr_index & 0x20)) {
		plane.format = format_of(s);
		plane.width = s->xres;
		plane.height = s->yres;
		plane.stride = stride_of(s);
		plane.region = VGPU_REGION_BAR0;
		plane.offset = (uint64_t)s->y_offset * plane.stride +
			       s->x_offset * ((s->bpp + 7u) / 8);
	}
	if (vgpu_plane_set(&b->dev, 0, &plane) < 0)
		vgpu_log(&b->dev, VGPU_LOG_DEBUG,
			 "mode %ux%u, %u bits, at 0x%llx: not shown", s->xres,
			 s->yres, s->bpp, (unsigned long long)plane.offset);
}

/* ------------------------------------------------------------------ */
/* Registers                                                           */
/* ------------------------------------------------------------------ */

static uint16_t virt_height(const struct bochs *b)
{
	uint32_t stride = stride_of(b->state);
	uint64_t lines = stride ? b->vram_size / stride : 0;

	return lines > UINT16_MAX ? UINT16_MAX : (uint16_t)lines;
}

static uint64_t dispi_read(struct vgpu_device *dev, uint64_t offset,
			   unsigned size)
{
	struct bochs *b = to_bochs(dev);
	const struct bochs_state *s = b->state;
	bool caps = s->enable & ENABLE_GETCAPS;

	switch ((enum dispi)(offset / 2)) {
	case DISPI_ID:
		return s->id;
	case DISPI_XRES:
		return caps ? MAX_XRES : s->xres;
	case DISPI_YRES:
		return caps ? MAX_YRES : s->yres;
	case DISPI_BPP:
		return caps ? MAX_BPP : s->bpp;
	case DISPI_ENABLE:
		return s->enable;
	case DISPI_BANK:
		return s->bank;
	case DISPI_VIRT_WIDTH:
		return s->virt_width;
	case DISPI_VIRT_HEIGHT:
		return virt_height(b);
	case DISPI_X_OFFSET:
		return s->x_offset;
	case DISPI_Y_OFFSET:
		return s->y_offset;
	case DISPI_MEMORY_64K:
		return b->vram_size >> 16;
	}
	return UINT64_MAX;
}

/* Memory is not cleared, with or without the "no clear" bit: the pages of a
 * new client are zero anyway, and Linux may have drawn before it enables. */
static void write_enable(struct bochs_state *s, uint16_t value)
{
	if ((value & ENABLE_ON) && !(s->enable & ENABLE_ON)) {
		s->virt_width = s->xres;
		s->x_offset = 0;
		s->y_offset = 0;
	}
	s->enable = value & ENABLE_BITS;
}

static void dispi_write(struct vgpu_device *dev, uint64_t offset,
			uint64_t value64, unsigned size)
{
	struct bochs *b = to_bochs(dev);
	struct bochs_state *s = b->state;
	uint16_t value = (uint16_t)value64;
	bool on = s->enable & ENABLE_ON;

	switch ((enum dispi)(offset / 2)) {
	case DISPI_ID:
		if (value >= DISPI_ID_FIRST && value <= DISPI_ID_LAST)
			s->id = value;
		return;
	/* The mode is set while the display is off. */
	case DISPI_XRES:
		if (!on && value <= MAX_XRES)
			s->xres = value;
		return;
	case DISPI_YRES:
		if (!on && value <= MAX_YRES)
			s->yres = value;
		return;
	case DISPI_BPP:
		if (!on && (value == 8 || value == 15 || value == 16 ||
			    value == 24 || value == 32))
			s->bpp = value;
		return;
	case DISPI_BANK: /* a window at 0xa0000 that this display has not */
		s->bank = value;
		return;
	case DISPI_VIRT_HEIGHT: /* follows from the width */
	case DISPI_MEMORY_64K:
		return;
	case DISPI_ENABLE:
		write_enable(s, value);
		bochs_vga_update_palette(b);
		break;
	case DISPI_VIRT_WIDTH:
		s->virt_width = value < s->xres ? s->xres : value;
		break;
	case DISPI_X_OFFSET:
		s->x_offset = value;
		break;
	case DISPI_Y_OFFSET:
		s->y_offset = value;
		break;
	}
	bochs_update_plane(b);
}

static uint64_t ext_read(struct vgpu_device *dev, uint64_t offset, unsigned size)
{
	if (offset == 0)
		return EXT_SIZE;
	return to_bochs(dev)->state->big_endian ? ENDIAN_BIG : ENDIAN_LITTLE;
}

static void ext_write(struct vgpu_device *dev, uint64_t offset, uint64_t value,
		      unsigned size)
{
	struct bochs *b = to_bochs(dev);

	if (offset != 4 || (value != ENDIAN_BIG && value != ENDIAN_LITTLE))
		return;
	b->state->big_endian = value == ENDIAN_BIG;
	bochs_update_plane(b);
}

static void edid_read(struct vgpu_device *dev, uint64_t offset, void *buf,
		      size_t len)
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

static const struct vgpu_mmio_ops dispi_ops = {
	.struct_size = sizeof(dispi_ops),
	.min_access = 2,
	.max_access = 2,
	.read = dispi_read,
	.write = dispi_write,
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
	VGPU_FIELD(struct bochs_state, id, 1),
	VGPU_FIELD(struct bochs_state, xres, 1),
	VGPU_FIELD(struct bochs_state, yres, 1),
	VGPU_FIELD(struct bochs_state, bpp, 1),
	VGPU_FIELD(struct bochs_state, enable, 1),
	VGPU_FIELD(struct bochs_state, bank, 1),
	VGPU_FIELD(struct bochs_state, virt_width, 1),
	VGPU_FIELD(struct bochs_state, x_offset, 1),
	VGPU_FIELD(struct bochs_state, y_offset, 1),
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
	b->state->id = DISPI_ID_LAST;
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

#define AREA(area_kind, at, len, area_ops)                        \
	{                                                         \
		.struct_size = sizeof(struct vgpu_area),          \
		.kind = (area_kind), .offset = (at), .size = (len), \
		.ops = (area_ops)                                 \
	}

static int bochs_device_init(struct bochs *b, const struct vgpu_create_args *args)
{
	const struct vgpu_area vram[] = {
		AREA(VGPU_AREA_MAPPED, 0, b->vram_size, NULL),
	};
	const struct vgpu_area mmio[] = {
		AREA(VGPU_AREA_TRAPPED, EDID_OFFSET, EDID_SIZE, &edid_ops),
		AREA(VGPU_AREA_TRAPPED, VGA_OFFSET, VGA_SIZE, &bochs_vga_ops),
		AREA(VGPU_AREA_TRAPPED, DISPI_OFFSET, DISPI_SIZE, &dispi_ops),
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

#define TYPE(var, mib, x, y)                                               \
	static const struct vgpu_type var = {                              \
		.struct_size = sizeof(var),                                \
		.vram_size = (mib##ull) << 20,                             \
		.name = "bochs-" #mib "m",                                 \
		.description = "display, " #mib " MiB of video memory, " #x \
			       "x" #y,                                     \
		.xres = x,                                                 \
		.yres = y,                                                 \
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
