/* SPDX-License-Identifier: MIT */
/* The test device (drivers/testdev): it interrupts when it is told to. */
#ifndef BARE_TESTDEV_H
#define BARE_TESTDEV_H

#include "bare.h"

#define TESTDEV_VENDOR 0x1234
#define TESTDEV_DEVICE 0x7e57

/* Registers in BAR0, 32 bits each */
#define TESTDEV_VECTOR	0x00 /* W: trigger this vector of what is enabled */
#define TESTDEV_COUNT	0x04 /* R: how many were triggered */
#define TESTDEV_SCRATCH 0x08 /* RW */
#define TESTDEV_LEVEL	0x0c /* W: bit 0 is the level of INTx */

/* In the MSI capability */
#define MSI_CONTROL	   0x02
#define MSI_ADDRESS	   0x04
#define MSI_DATA	   0x08
#define MSI_DATA_64	   0x0c
#define MSI_CONTROL_ENABLE 0x0001
#define MSI_CONTROL_COUNT  0x0070
#define MSI_CONTROL_64	   0x0080

/* In the MSI-X capability */
#define MSIX_CONTROL	      0x02
#define MSIX_TABLE	      0x04
#define MSIX_CONTROL_SIZE     0x07ff
#define MSIX_CONTROL_MASK_ALL 0x4000
#define MSIX_CONTROL_ENABLE   0x8000
#define MSIX_ENTRY_SIZE	      16

struct testdev {
	struct pci_device pci;
	uint32_t registers;
};

static inline void testdev_open(struct testdev *dev)
{
	pci_find(&dev->pci, TESTDEV_VENDOR, TESTDEV_DEVICE);
	dev->registers = pci_bar(&dev->pci, 0);
	pci_enable(&dev->pci);
}

static inline uint32_t testdev_read(const struct testdev *dev, uint32_t offset)
{
	return read32(dev->registers + offset);
}

static inline void testdev_write(const struct testdev *dev, uint32_t offset,
				 uint32_t v)
{
	write32(dev->registers + offset, v);
}

#endif
