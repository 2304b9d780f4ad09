/* SPDX-License-Identifier: MIT */
#include "bochs.h"

void bochs_open(struct bochs *b)
{
	pci_find(&b->pci, BOCHS_VENDOR, BOCHS_DEVICE);
	b->vram_size = pci_bar_size(&b->pci, BOCHS_VRAM_BAR);
	b->vram = pci_bar(&b->pci, BOCHS_VRAM_BAR);
	b->mmio = pci_bar(&b->pci, BOCHS_MMIO_BAR);
	pci_enable(&b->pci);
}

uint16_t bochs_get(const struct bochs *b, enum bochs_register r)
{
	return read16(b->mmio + BOCHS_DISPI + 2 * r);
}

void bochs_set(const struct bochs *b, enum bochs_register r, uint16_t v)
{
	write16(b->mmio + BOCHS_DISPI + 2 * r, v);
}

void bochs_mode(const struct bochs *b, uint16_t width, uint16_t height)
{
	bochs_set(b, DISPI_ENABLE, 0);
	bochs_set(b, DISPI_BPP, 32);
	bochs_set(b, DISPI_XRES, width);
	bochs_set(b, DISPI_YRES, height);
	bochs_set(b, DISPI_BANK, 0);
	bochs_set(b, DISPI_VIRT_WIDTH, width);
	bochs_set(b, DISPI_VIRT_HEIGHT, b->vram_size / (width * 4u));
	bochs_set(b, DISPI_X_OFFSET, 0);
	bochs_set(b, DISPI_Y_OFFSET, 0);
	bochs_set(b, DISPI_ENABLE, DISPI_ENABLED | DISPI_LFB);
	/* Reading the status makes the next write choose an attribute. */
	read8(b->mmio + BOCHS_VGA_STATUS);
	write8(b->mmio + BOCHS_VGA_ATTRIBUTE, VGA_SCREEN_ON);
}
