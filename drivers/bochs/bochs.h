/* SPDX-License-Identifier: MIT */
/* What the two files of the bochs driver share. */
#ifndef BOCHS_H
#define BOCHS_H

#include <stdbool.h>
#include <stdint.h>

#include <vgpu/display.h>
#include <vgpu/driver.h>

/* The VGA registers that a guest uses to blank the screen and to set colours. */
struct bochs_vga_state {
	uint8_t attr_index;  /* bit 5: the screen is on */
	uint8_t attr_data;   /* the next write of 0x3c0 is data, not an index */
	uint8_t misc;        /* miscellaneous output */
	uint8_t status1;     /* input status 1, as read last */
	uint8_t dac_mask;
	uint8_t dac_index;   /* entry that the next access is about */
	uint8_t dac_channel; /* 0..2: red, green, blue */
	uint8_t dac_reading; /* 0x3c7 was written last, not 0x3c8 */
	uint8_t dac[256][3];
};

/* All that the guest can notice. The core hands out the memory. */
struct bochs_state {
	uint16_t id, xres, yres, bpp, enable, bank;
	uint16_t virt_width, x_offset, y_offset;
	uint16_t reserved;
	uint32_t big_endian;
	struct bochs_vga_state vga;
};

struct bochs {
	struct vgpu_device dev;
	struct bochs_state *state;
	uint64_t vram_size;
	uint8_t edid[VGPU_EDID_SIZE];
};

static inline struct bochs *to_bochs(struct vgpu_device *dev)
{
	return vgpu_container_of(dev, struct bochs, dev);
}

/* bochs.c: what is shown may have changed. */
void bochs_update_plane(struct bochs *b);

/* vga.c */
extern const struct vgpu_mmio_ops bochs_vga_ops;
void bochs_vga_reset(struct bochs *b);
/* The colours may have changed. */
void bochs_vga_update_palette(struct bochs *b);

#endif
