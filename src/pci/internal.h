/* SPDX-License-Identifier: MIT */
/* Shared by the files of src/pci only. */
#ifndef PCI_INTERNAL_H
#define PCI_INTERNAL_H

#include "config.h"

#include "../util/bytes.h"

#define PCI_CAPS_START 0x40u /* first byte behind the standard header */
#define PCI_CAPS_SIZE  (PCI_CONFIG_SIZE - PCI_CAPS_START)
#define PCI_CAP_ALIGN  4u /* capabilities start at dwords */

/**
 * struct pci_bar_reg - one base address register
 * @reg: offset of its (lower) dword, 0: there is none
 * @size: bytes it decodes, a power of two
 * @flags: VGPU_BAR_*
 */
struct pci_bar_reg {
	uint8_t reg;
	uint32_t flags;
	uint64_t size;
};

/* A list of nothing but heads */

/**
 * struct pci_vendor_cap - where one of the driver's capabilities is
 * @at: its offset
 * @len: its bytes, id and next pointer included
 * @has_ops: @ops are the driver's
 */
struct pci_vendor_cap {
	uint8_t at, len;
	bool has_ops;
	struct vgpu_pci_cap_ops ops;
};

/**
 * struct pci_config - the space, and what each bit of it is to the guest
 * @bytes: PCI_CONFIG_EXT_SIZE bytes in the arena; the only state
 * @initial: values at power-on; bits in none of the masks keep them for ever
 * @writable: bits that take what the guest writes
 * @w1c: bits that the guest clears by writing 1
 * @live: bits that the device changes
 * @sticky: bits that keep their value through FLR and D3hot
 * @pm: offset of the capability, 0: it has none; so the other three
 * @bars: the six, and the ROM's
 * @vendor: the driver's capabilities, in the order of the description
 *
 * No bit is in both @writable and @w1c.
 */
struct pci_config {
	uint8_t *bytes;
	uint32_t size;
	uint8_t pm, msi, msix, express;
	struct pci_bar_reg bars[VGPU_NUM_BARS + 1];
	const struct pci_config_ops *ops;
	void *user;
	uint32_t n_vendor;
	struct pci_vendor_cap vendor[PCI_MAX_VENDOR_CAPS];
	uint8_t initial[PCI_CONFIG_EXT_SIZE];
	uint8_t writable[PCI_CONFIG_EXT_SIZE];
	uint8_t w1c[PCI_CONFIG_EXT_SIZE];
	uint8_t live[PCI_CONFIG_EXT_SIZE];
	uint8_t sticky[PCI_CONFIG_EXT_SIZE];
};

/* Fields of @size 1, 2 or 4 bytes, while the space is laid out. */
void pci_put(uint8_t *space, unsigned offset, unsigned size, uint32_t value);
uint32_t pci_get(const uint8_t *space, unsigned offset, unsigned size);
void pci_define(struct pci_config *config, unsigned offset, unsigned size,
		uint32_t value, uint32_t writable);

/* Current values; other threads may store to the same bytes. */
uint32_t pci_load(const struct pci_config *config, unsigned offset,
		  unsigned size);
void pci_store8(struct pci_config *config, unsigned offset, uint8_t value);

/* bars.c */
void pci_bars_layout(struct pci_config *config,
		     const struct vgpu_pci_desc *desc);

/* caps.c */
void pci_caps_layout(struct pci_config *config,
		     const struct vgpu_pci_desc *desc);
/* Bytes of PCI_CAPS_SIZE that the description's capabilities take. */
size_t pci_caps_bytes(const struct vgpu_pci_desc *desc);
/* What the dword at @reg holds after a write of @value over @old: fields that
 * take some values only. */
uint32_t pci_caps_settle(const struct pci_config *config, unsigned reg,
			 uint32_t old, uint32_t value);

/* vendor.c */
void pci_vendor_layout(struct pci_config *config, unsigned at,
		       const struct vgpu_pci_cap *cap);
/* The guest is about to read, or has written, these bytes of the space. */
void pci_vendor_before_read(struct pci_config *config, unsigned offset,
			    size_t len);
void pci_vendor_written(struct pci_config *config, unsigned offset, size_t len);

/* msix.c: bytes of the two structures in the BAR */
uint64_t pci_msix_table_size(unsigned vectors);
uint64_t pci_msix_pba_size(unsigned vectors);

#endif
