/* SPDX-License-Identifier: MIT */
#include "bare.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define CONFIG_ENABLE  0x80000000u
#define BUSES	       4
#define SLOTS	       32

#define BAR_IO		0x1
#define BAR_64		0x4
#define BAR_MEMORY_MASK 0xfffffff0u

#define EXPRESS_DEVICE_CAP     0x04
#define EXPRESS_DEVICE_CONTROL 0x08
#define EXPRESS_CAP_FLR	       0x10000000u
#define EXPRESS_CONTROL_FLR    0x8000u
/* The function may take 100 ms; every read of the port takes a microsecond. */
#define FLR_DELAY_READS 100000u
#define DELAY_PORT	0x80

#define MAX_CAPABILITIES 48

uint32_t pci_read32(const struct pci_device *dev, uint8_t offset)
{
	out32(CONFIG_ADDRESS, dev->address | (offset & 0xfc));
	return in32(CONFIG_DATA);
}

uint16_t pci_read16(const struct pci_device *dev, uint8_t offset)
{
	return pci_read32(dev, offset) >> (offset & 2) * 8;
}

uint8_t pci_read8(const struct pci_device *dev, uint8_t offset)
{
	return pci_read32(dev, offset) >> (offset & 3) * 8;
}

void pci_write32(const struct pci_device *dev, uint8_t offset, uint32_t v)
{
	out32(CONFIG_ADDRESS, dev->address | (offset & 0xfc));
	out32(CONFIG_DATA, v);
}

void pci_write16(const struct pci_device *dev, uint8_t offset, uint16_t v)
{
	uint16_t port = CONFIG_DATA + (offset & 2);

	out32(CONFIG_ADDRESS, dev->address | (offset & 0xfc));
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

void pci_find(struct pci_device *dev, uint16_t vendor, uint16_t device)
{
	/* Directly on the root bus, or behind a root port. */
	for (uint32_t n = 0; n < BUSES * SLOTS; n++) {
		dev->address = CONFIG_ENABLE | n << 11;
		if (pci_read32(dev, PCI_VENDOR) ==
		    ((uint32_t)device << 16 | vendor))
			return;
	}
	check_true("the device is on the bus", false);
	finish();
}

uint32_t pci_bar(const struct pci_device *dev, unsigned bar)
{
	uint32_t low = pci_read32(dev, PCI_BAR(bar));

	if (low & BAR_IO || !(low & BAR_MEMORY_MASK) ||
	    (low & BAR_64 && pci_read32(dev, PCI_BAR(bar + 1)))) {
		print("BAR%u is %x\n", bar, low);
		check_true("the BAR is memory below 4 GiB", false);
		finish();
	}
	return low & BAR_MEMORY_MASK;
}

uint32_t pci_bar_size(const struct pci_device *dev, unsigned bar)
{
	uint16_t command = pci_read16(dev, PCI_COMMAND);
	uint32_t old = pci_read32(dev, PCI_BAR(bar)), mask;

	pci_write16(dev, PCI_COMMAND, command & ~PCI_COMMAND_MEMORY);
	pci_write32(dev, PCI_BAR(bar), 0xffffffff);
	mask = pci_read32(dev, PCI_BAR(bar)) & BAR_MEMORY_MASK;
	pci_write32(dev, PCI_BAR(bar), old);
	pci_write16(dev, PCI_COMMAND, command);
	return mask ? ~mask + 1 : 0;
}

uint8_t pci_capability(const struct pci_device *dev, uint8_t id)
{
	uint8_t at = pci_read8(dev, PCI_CAPABILITIES) & 0xfc;

	for (unsigned i = 0; at && i < MAX_CAPABILITIES; i++) {
		if (pci_read8(dev, at) == id)
			return at;
		at = pci_read8(dev, at + 1) & 0xfc;
	}
	return 0;
}

void pci_enable(const struct pci_device *dev)
{
	pci_write16(dev, PCI_COMMAND,
		    pci_read16(dev, PCI_COMMAND) | PCI_COMMAND_MEMORY |
			    PCI_COMMAND_MASTER);
}

bool pci_flr(const struct pci_device *dev)
{
	uint8_t cap = pci_capability(dev, PCI_CAP_EXPRESS);

	if (!cap ||
	    !(pci_read32(dev, cap + EXPRESS_DEVICE_CAP) & EXPRESS_CAP_FLR))
		return false;
	pci_write16(dev, cap + EXPRESS_DEVICE_CONTROL, EXPRESS_CONTROL_FLR);
	for (uint32_t i = 0; i < FLR_DELAY_READS; i++)
		in8(DELAY_PORT);
	return true;
}
