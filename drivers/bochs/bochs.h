/* SPDX-License-Identifier: MIT */
/* What the files of the bochs driver share. */
#ifndef BOCHS_H
#define BOCHS_H

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
	uint8_t dac_reading; /* 0x3c7 was written last, not 0x3c8 */
	uint16_t dac_at;     /* of @dac: what the next access is about */
	uint8_t dac[256 * 3]; /* red, green, blue of each colour */
};

#define ATTR_SCREEN_ON 0x20 /* in attr_index */

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

#define DISPI_ID_LAST 0xb0c5 /* the newest version of the interface */
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

/* dispi.c */
extern const struct vgpu_mmio_ops bochs_dispi_ops;
/* What is shown may have changed. */
void bochs_update_plane(struct vgpu_device *dev);

/* vga.c */
extern const struct vgpu_mmio_ops bochs_vga_ops;
/* The colours may have changed. */
void bochs_vga_update_palette(struct vgpu_device *dev);

#endif
