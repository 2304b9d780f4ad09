/* SPDX-License-Identifier: MIT */
/*
 * Base address registers. A guest finds the size by writing all-ones and
 * reading back which bits stuck (PCI 3.0, 6.2.5.1), so a register is nothing
 * but a mask: the address bits above the size are writable, the type bits
 * below are not. Partial writes need no care of their own.
 */
#include "internal.h"

#include <linux/pci_regs.h>

static uint32_t type_bits(uint32_t flags)
{
	uint32_t bits = PCI_BASE_ADDRESS_SPACE_MEMORY;

	if (flags & VGPU_BAR_IO)
		return PCI_BASE_ADDRESS_SPACE_IO;
	if (flags & VGPU_BAR_64)
		bits |= PCI_BASE_ADDRESS_MEM_TYPE_64;
	if (flags & VGPU_BAR_PREFETCH)
		bits |= PCI_BASE_ADDRESS_MEM_PREFETCH;
	return bits;
}

static void layout_bar(struct pci_config *config, unsigned n,
		       const struct vgpu_bar *bar)
{
	struct pci_bar_reg *reg = &config->bars[n];
	uint64_t mask = ~(bar->size - 1);

	reg->reg = (uint8_t)(PCI_BASE_ADDRESS_0 + 4 * n);
	reg->size = bar->size;
	reg->flags = bar->flags;
	/* Sizes start at 4 (I/O) and 16: the mask leaves the type bits out. */
	pci_define(config, reg->reg, 4, type_bits(bar->flags), (uint32_t)mask);
	if (bar->flags & VGPU_BAR_64)
		pci_define(config, reg->reg + 4u, 4, 0, (uint32_t)(mask >> 32));
}

static void layout_rom(struct pci_config *config, uint64_t size)
{
	struct pci_bar_reg *reg = &config->bars[VGPU_REGION_ROM];

	reg->reg = PCI_ROM_ADDRESS;
	reg->size = size;
	/* PCI 3.0, 6.2.5.2: bit 0 enables the decoder, bits 10-1 are 0. */
	pci_define(config, PCI_ROM_ADDRESS, 4, 0,
		   (uint32_t) ~(size - 1) | PCI_ROM_ADDRESS_ENABLE);
}

void pci_bars_layout(struct pci_config *config,
		     const struct vgpu_pci_desc *desc)
{
	for (unsigned i = 0; i < VGPU_NUM_BARS; i++)
		if (desc->bars[i].size)
			layout_bar(config, i, &desc->bars[i]);
	if (desc->rom_size)
		layout_rom(config, pci_rom_bar_size(desc->rom_size));
}

uint64_t pci_rom_bar_size(uint64_t rom_size)
{
	uint64_t size = PCI_MIN_ROM_BAR;

	if (!rom_size || rom_size > PCI_MAX_ROM_SIZE)
		return 0;
	while (size < rom_size)
		size <<= 1;
	return size;
}

uint64_t pci_config_bar_address(const struct pci_config *config, unsigned bar)
{
	const struct pci_bar_reg *reg;
	uint64_t address;

	if (bar >= ARRAY_SIZE(config->bars) || !config->bars[bar].reg)
		return 0;
	reg = &config->bars[bar];
	address = pci_load(config, reg->reg, 4);
	if (reg->flags & VGPU_BAR_64)
		address |= (uint64_t)pci_load(config, reg->reg + 4u, 4) << 32;
	return address & ~(reg->size - 1);
}
