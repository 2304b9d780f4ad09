/* SPDX-License-Identifier: MIT */
/*
 * The VGA ports 0x3c0-0x3df, of which the display has two functions: the bit
 * of the attribute controller that blanks the screen, and the palette (DAC)
 * for 8 bits a pixel. There is no text mode and no other VGA mode behind
 * them: the other ports read as all-ones.
 *
 * Source: the IBM VGA's ports, as public hardware manuals describe them.
 */
#include <string.h>

#include "bochs.h"

/* From 0x3c0 */
#define PORT_ATTR	0x00
#define PORT_MISC	0x02 /* reads as input status 0 */
#define PORT_DAC_MASK	0x06
#define PORT_DAC_RINDEX 0x07 /* reads as the DAC's state */
#define PORT_DAC_WINDEX 0x08
#define PORT_DAC_DATA	0x09
#define PORT_MISC_READ	0x0c
#define PORT_STATUS1	0x1a

#define ATTR_INDEX_BITS 0x3f
#define ATTR_SCREEN_ON	0x20

#define STATUS1_DISPLAY_OFF 0x01
#define STATUS1_VRETRACE    0x08

/* The colours as they are set: with 6 bits a channel, or with 8. */
void bochs_vga_update_palette(struct bochs *b)
{
	const struct bochs_vga_state *v = &b->state->vga;
	bool wide = b->state->dispi[DISPI_ENABLE] & DISPI_DAC8;
	uint32_t colours[256];

	for (unsigned i = 0; i < 256; i++) {
		const uint8_t *c = v->dac[i & v->dac_mask];

		colours[i] = 0;
		for (int channel = 0; channel < 3; channel++) {
			unsigned x = c[channel];

			if (!wide) /* 0..63 to 0..255 */
				x = (x & 0x3f) << 2 | (x & 0x3f) >> 4;
			colours[i] = colours[i] << 8 | x;
		}
	}
	vgpu_plane_palette(&b->dev, 0, colours);
}

static void dac_next(struct bochs_vga_state *v)
{
	if (++v->dac_channel < 3)
		return;
	v->dac_channel = 0;
	v->dac_index++; /* 255 is followed by 0 */
}

static uint64_t vga_read(struct vgpu_device *dev, void *data, uint64_t offset,
			 unsigned size)
{
	struct bochs_vga_state *v = &to_bochs(dev)->state->vga;
	uint8_t value;

	switch (offset) {
	case PORT_ATTR:
		return v->attr_index;
	case PORT_MISC:
		return 0;
	case PORT_DAC_MASK:
		return v->dac_mask;
	case PORT_DAC_RINDEX:
		return v->dac_reading ? 3 : 0;
	case PORT_DAC_WINDEX:
		return v->dac_index;
	case PORT_DAC_DATA:
		value = v->dac[v->dac_index][v->dac_channel];
		dac_next(v);
		return value;
	case PORT_MISC_READ:
		return v->misc;
	case PORT_STATUS1:
		/* Who waits for an edge of the retrace gets one. */
		v->status1 ^= STATUS1_DISPLAY_OFF | STATUS1_VRETRACE;
		v->attr_data = 0;
		return v->status1;
	default:
		return UINT64_MAX;
	}
}

static void write_attr(struct bochs *b, uint8_t value)
{
	struct bochs_vga_state *v = &b->state->vga;

	/* Index and data take turns; data has no meaning here. */
	if (!v->attr_data) {
		v->attr_index = value & ATTR_INDEX_BITS;
		bochs_update_plane(b);
	}
	v->attr_data = !v->attr_data;
}

static void write_dac(struct bochs *b, uint8_t value)
{
	struct bochs_vga_state *v = &b->state->vga;

	v->dac[v->dac_index][v->dac_channel] = value;
	dac_next(v);
	if (v->dac_channel == 0) /* a colour is complete */
		bochs_vga_update_palette(b);
}

static void vga_write(struct vgpu_device *dev, void *data, uint64_t offset,
		      uint64_t value64, unsigned size)
{
	struct bochs *b = to_bochs(dev);
	struct bochs_vga_state *v = &b->state->vga;
	uint8_t value = (uint8_t)value64;

	switch (offset) {
	case PORT_ATTR:
		write_attr(b, value);
		break;
	case PORT_MISC:
		v->misc = value;
		break;
	case PORT_DAC_MASK:
		v->dac_mask = value;
		bochs_vga_update_palette(b);
		break;
	case PORT_DAC_RINDEX:
	case PORT_DAC_WINDEX:
		v->dac_index = value;
		v->dac_channel = 0;
		v->dac_reading = offset == PORT_DAC_RINDEX;
		break;
	case PORT_DAC_DATA:
		write_dac(b, value);
		break;
	}
}

/* A word written to an index port writes the data port as well: the core
 * splits it into bytes, the lower one first. */
const struct vgpu_mmio_ops bochs_vga_ops = {
	.struct_size = sizeof(bochs_vga_ops),
	.min_access = 1,
	.max_access = 1,
	.read = vga_read,
	.write = vga_write,
};

bool bochs_vga_screen_on(const struct bochs *b)
{
	return b->state->vga.attr_index & ATTR_SCREEN_ON;
}

/* The screen is on from the start: some guests set a mode and no VGA port. */
void bochs_vga_reset(struct bochs *b)
{
	struct bochs_vga_state *v = &b->state->vga;

	memset(v, 0, sizeof(*v));
	v->attr_index = ATTR_SCREEN_ON;
	v->dac_mask = 0xff;
	bochs_vga_update_palette(b);
}
