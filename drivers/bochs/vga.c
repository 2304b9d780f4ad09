/* SPDX-License-Identifier: MIT */
/*
 * The VGA ports 0x3c0-0x3df, of which the display has two functions: the bit
 * of the attribute controller that blanks the screen, and the palette (DAC)
 * for 8 bits a pixel. There is no text mode and no other VGA mode behind
 * them: the other ports read as all-ones.
 *
 * Source: the IBM VGA's ports, as public hardware manuals describe them.
 */
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

#define ATTR_INDEX_BITS	    0x3f
#define STATUS1_DISPLAY_OFF 0x01
#define STATUS1_VRETRACE    0x08

/* The colours as they are set: with 6 bits a channel, or with 8. */
void bochs_vga_update_palette(struct vgpu_device *dev)
{
	const struct bochs_state *s = dev->state;
	bool wide = s->dispi[DISPI_ENABLE] & DISPI_DAC8;
	uint32_t colours[256] = { 0 };

	for (unsigned i = 0; i < 3 * 256; i++) {
		uint32_t x = s->vga.dac[3 * (i / 3 & s->vga.dac_mask) + i % 3];

		if (!wide) /* 0..63 to 0..255 */
			x = (x & 0x3f) << 2 | (x & 0x3f) >> 4;
		colours[i / 3] = colours[i / 3] << 8 | x;
	}
	vgpu_plane_palette(dev, 0, colours);
}

/* The channel that the next access of the DAC's data is about */
static uint8_t *dac_next(struct bochs_vga_state *v)
{
	uint8_t *channel = &v->dac[v->dac_at];

	v->dac_at = (v->dac_at + 1u) % sizeof(v->dac);
	return channel;
}

static uint64_t vga_read(struct vgpu_device *dev, void *data, uint64_t offset,
			 unsigned size)
{
	struct bochs_vga_state *v = &((struct bochs_state *)dev->state)->vga;

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
		return v->dac_at / 3;
	case PORT_DAC_DATA:
		return *dac_next(v);
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

static void vga_write(struct vgpu_device *dev, void *data, uint64_t offset,
		      uint64_t value, unsigned size)
{
	struct bochs_vga_state *v = &((struct bochs_state *)dev->state)->vga;

	switch (offset) {
	case PORT_ATTR: /* index and data take turns; data means nothing here */
		if (!v->attr_data)
			v->attr_index = value & ATTR_INDEX_BITS;
		v->attr_data = !v->attr_data;
		bochs_update_plane(dev);
		break;
	case PORT_MISC:
		v->misc = (uint8_t)value;
		break;
	case PORT_DAC_MASK:
		v->dac_mask = (uint8_t)value;
		bochs_vga_update_palette(dev);
		break;
	case PORT_DAC_RINDEX:
	case PORT_DAC_WINDEX:
		v->dac_at = (uint16_t)(3 * value);
		v->dac_reading = offset == PORT_DAC_RINDEX;
		break;
	case PORT_DAC_DATA:
		*dac_next(v) = (uint8_t)value;
		if (v->dac_at % 3 == 0) /* a colour is complete */
			bochs_vga_update_palette(dev);
		break;
	}
}

/* A word written to an index port writes the data port as well: the core
 * splits it into bytes, the lower one first. */
const struct vgpu_mmio_ops bochs_vga_ops = {
	.min_access = 1,
	.max_access = 1,
	.read = vga_read,
	.write = vga_write,
};
