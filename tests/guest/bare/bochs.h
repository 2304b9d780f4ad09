/* SPDX-License-Identifier: MIT */
/* The bochs display as its guests know it: BAR0 is memory, BAR2 registers. */
#ifndef BARE_BOCHS_H
#define BARE_BOCHS_H

#include "bare.h"

#define BOCHS_VENDOR 0x1234
#define BOCHS_DEVICE 0x1111

#define BOCHS_VRAM_BAR	    0
#define BOCHS_MMIO_BAR	    2
#define BOCHS_MMIO_SIZE	    0x1000
#define BOCHS_EDID_SIZE	    128
#define BOCHS_DISPI	    0x500
#define BOCHS_VGA_ATTRIBUTE 0x400 /* port 0x3c0 */
#define BOCHS_VGA_STATUS    0x41a /* port 0x3da */
#define BOCHS_ENDIAN	    0x604

#define BOCHS_ID	    0xb0c5
#define BOCHS_LITTLE_ENDIAN 0x1e1e1e1e
#define BOCHS_BIG_ENDIAN    0xbebebebe

/* Registers of 16 bits, side by side from BOCHS_DISPI on. */
enum bochs_register {
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

#define DISPI_ENABLED 0x01
#define DISPI_LFB     0x40
#define VGA_SCREEN_ON 0x20 /* in the attribute index */

struct bochs {
	struct pci_device pci;
	uint32_t vram;
	uint32_t vram_size;
	uint32_t mmio;
};

/** bochs_open() - find it, turn it on */
void bochs_open(struct bochs *b);
uint16_t bochs_get(const struct bochs *b, enum bochs_register r);
void bochs_set(const struct bochs *b, enum bochs_register r, uint16_t v);

/** bochs_mode() - a mode of 32 bits per pixel, shown from the memory's start */
void bochs_mode(const struct bochs *b, uint16_t width, uint16_t height);

#endif
