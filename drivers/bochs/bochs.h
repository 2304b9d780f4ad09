/* SPDX-License-Identifier: MIT */
/* What the files of the bochs driver share. */
#ifndef BOCHS_H
#define BOCHS_H

#include <stdbool.h>
#include <stdint.h>

#include <vgpu/display.h>
#include <vgpu/driver.h>

/* The VGA registers that a guest uses to blank the screen and to set colours.
 */
struct bochs_vga_state {
	uint8_t attr_index; /* bit 5: the screen is on */
	uint8_t attr_data;  /* the next write of 0x3c0 is data, not an index */
	uint8_t misc;	    /* miscellaneous output */
	uint8_t status1;    /* input status 1, as read last */
	uint8_t dac_mask;
	uint8_t dac_index;   /* entry that the next access is about */
	uint8_t dac_channel; /* 0..2: red, green, blue */
	uint8_t dac_reading; /* 0x3c7 was written last, not 0x3c8 */
	uint8_t dac[256][3];
};

/* The dispi registers, in the order of their addresses, 16 bits each */
enum bochs_dispi {
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
	DISPI_COUNT,
};

#define DISPI_ON      0x0001 /* in ENABLE */
#define DISPI_GETCAPS 0x0002 /* XRES, YRES and BPP read as their maxima */
#define DISPI_DAC8    0x0020 /* 8 bits a colour channel in the palette, not 6 */
#define DISPI_BITS    0x00e3 /* with linear frame buffer and no clearing */

/* All that the guest can notice. The core hands out the memory. */
struct bochs_state {
	uint16_t dispi[DISPI_COUNT];
	uint16_t big_endian;
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

/* dispi.c */
extern const struct vgpu_mmio_ops bochs_dispi_ops;
void bochs_dispi_reset(struct bochs *b);
/* What is shown may have changed. */
void bochs_update_plane(struct bochs *b);

/* vga.c */
extern const struct vgpu_mmio_ops bochs_vga_ops;
void bochs_vga_reset(struct bochs *b);
bool bochs_vga_screen_on(const struct bochs *b);
/* The colours may have changed. */
void bochs_vga_update_palette(struct bochs *b);

#endif
