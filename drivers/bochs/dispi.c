/* SPDX-License-Identifier: MIT */
/*
 * The dispi registers: a mode, and which part of VRAM is shown in it.
 *
 * Hardware keeps what it is told. The mode's registers take possible values
 * only, and only while the display is off; the others take any, and whether
 * all of it makes sense is found out when something is to be shown.
 */
#include "bochs.h"

#define ID_FIRST 0xb0c0

static const uint16_t maxima[DISPI_COUNT] = {
	[DISPI_XRES] = 16000, [DISPI_YRES] = 12000, [DISPI_BPP] = 32
};

static uint32_t bytes(const struct bochs_state *s, uint32_t pixels)
{
	return pixels * ((s->dispi[DISPI_BPP] + 7u) / 8);
}

/* 0: there is none of so many bits */
static uint32_t format(unsigned bpp, bool big)
{
	uint32_t swapped = big ? VGPU_FORMAT_BIG_ENDIAN : 0;

	switch (bpp) {
	case 8:
		return VGPU_FORMAT_C8;
	case 15:
		return VGPU_FORMAT_XRGB1555 | swapped;
	case 16:
		return VGPU_FORMAT_RGB565 | swapped;
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
void bochs_update_plane(struct vgpu_device *dev)
{
	const struct bochs_state *s = dev->state;
	struct vgpu_plane plane = { 0 };

	if ((s->dispi[DISPI_ENABLE] & DISPI_ON) &&
	    (s->vga.attr_index & ATTR_SCREEN_ON)) {
		plane.format = format(s->dispi[DISPI_BPP], s->big_endian);
		plane.width = s->dispi[DISPI_XRES];
		plane.height = s->dispi[DISPI_YRES];
		plane.stride = bytes(s, s->dispi[DISPI_VIRT_WIDTH]);
		plane.region = VGPU_REGION_BAR0;
		plane.offset = bytes(s, s->dispi[DISPI_X_OFFSET]) +
			       (uint64_t)plane.stride *
				       s->dispi[DISPI_Y_OFFSET];
	}
	if (vgpu_plane_set(dev, 0, &plane) < 0)
		vgpu_log(dev, VGPU_LOG_DEBUG,
			 "%ux%u pixels, %u bytes a line, at 0x%llx: not shown",
			 plane.width, plane.height, plane.stride,
			 (unsigned long long)plane.offset);
}

/* ------------------------------------------------------------------ */
/* Registers                                                           */
/* ------------------------------------------------------------------ */

static uint64_t dispi_read(struct vgpu_device *dev, void *data, uint64_t offset,
			   unsigned size)
{
	const struct bochs_state *s = dev->state;
	uint32_t line = bytes(s, s->dispi[DISPI_VIRT_WIDTH]);
	uint64_t reg = offset / 2, lines;

	if (reg == DISPI_VIRT_HEIGHT) {
		lines = line ? dev->type->vram_size / line : 0;
		return lines > UINT16_MAX ? UINT16_MAX : lines;
	}
	if (reg == DISPI_MEMORY_64K)
		return dev->type->vram_size >> 16;
	if ((s->dispi[DISPI_ENABLE] & DISPI_GETCAPS) && maxima[reg])
		return maxima[reg];
	return s->dispi[reg];
}

/* Would the hardware take this value? The mode is set while it is off. */
static bool acceptable(const uint16_t *regs, uint64_t reg, uint16_t value)
{
	bool on = regs[DISPI_ENABLE] & DISPI_ON;

	switch (reg) {
	case DISPI_ID:
		return value >= ID_FIRST && value <= DISPI_ID_LAST;
	case DISPI_XRES:
	case DISPI_YRES:
		return !on && value <= maxima[reg];
	case DISPI_BPP:
		return !on && format(value, false);
	case DISPI_VIRT_HEIGHT: /* follows from the width */
	case DISPI_MEMORY_64K:
		return false;
	default:
		return true;
	}
}

/* Memory is not cleared, with or without the "no clear" bit: the pages of a
 * new client are zero anyway, and Linux may have drawn before it enables. */
static void dispi_write(struct vgpu_device *dev, void *data, uint64_t offset,
			uint64_t value64, unsigned size)
{
	uint16_t *regs = ((struct bochs_state *)dev->state)->dispi;
	uint16_t value = (uint16_t)value64;
	uint64_t reg = offset / 2;

	if (!acceptable(regs, reg, value))
		return;
	if (reg == DISPI_ENABLE && value & ~regs[reg] & DISPI_ON) {
		regs[DISPI_VIRT_WIDTH] = regs[DISPI_XRES];
		regs[DISPI_X_OFFSET] = regs[DISPI_Y_OFFSET] = 0;
	}
	if (reg == DISPI_ENABLE)
		value &= DISPI_BITS;
	else if (reg == DISPI_VIRT_WIDTH && value < regs[DISPI_XRES])
		value = regs[DISPI_XRES];
	regs[reg] = value;
	if (reg == DISPI_ENABLE)
		bochs_vga_update_palette(dev);
	bochs_update_plane(dev);
}

const struct vgpu_mmio_ops bochs_dispi_ops = {
	.min_access = 2,
	.max_access = 2,
	.read = dispi_read,
	.write = dispi_write,
};
