/* SPDX-License-Identifier: MIT */
/*
 * PCI configuration space of one function: header, capabilities, BARs.
 *
 * Built from the driver's description. The bytes live in the instance's
 * arena; the masks that say what the guest may write are a cache, rebuilt
 * from the description. Sources: PCI Local Bus Specification 3.0 chapter 6,
 * PCI Express Base Specification chapter 7, PCI Power Management 1.2,
 * <linux/pci_regs.h> for names.
 *
 * One thread, the instance's loop, builds, reads, writes and resets. The
 * functions below pci_config_reset() may be called by any thread.
 */
#ifndef PCI_CONFIG_H
#define PCI_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vgpu/driver.h>

struct arena;
struct pci_config;

#define PCI_CONFIG_SIZE	    256u  /* conventional */
#define PCI_CONFIG_EXT_SIZE 4096u /* PCI Express */
#define PCI_MAX_MSIX	    2048u
#define PCI_MIN_ROM_BAR	    2048u /* PCI 3.0, 6.2.5.2 */
#define PCI_MAX_ROM_SIZE    (16ull << 20)
#define PCI_MAX_BAR32	    (1ull << 31)   /* largest that 32 bits can decode */
#define PCI_MAX_BAR	    (256ull << 30) /* largest at all: 256 GiB */
#define PCI_MAX_AREAS	    62u		   /* of one BAR */
#define PCI_MAX_VENDOR_CAPS 48u /* 192 bytes for them, in multiples of 4 */

/**
 * struct pci_config_ops - what a config write leads to
 * @command: memory or I/O decode, bus mastering or Interrupt Disable changed;
 *           @command is the register's new value
 * @msix: MSI-X Enable or Function Mask changed; mandatory with MSI-X only
 * @cap_read: a capability's before_read op is due; mandatory with such ones
 * @cap_written: likewise its written op
 * @reset: the guest asked for a reset (VGPU_RESET_FLR or VGPU_RESET_PM). The
 *         device then calls pci_config_reset() itself, now or later.
 *
 * The others are mandatory. All but @cap_read are called after the write has
 * taken place. They may call everything here except pci_config_free().
 */
struct pci_config_ops {
	void (*command)(uint16_t command, void *user);
	void (*msix)(bool enabled, bool masked, void *user);
	void (*cap_read)(const struct vgpu_pci_cap_ops *ops, unsigned cap,
			 unsigned offset, unsigned len, void *user);
	void (*cap_written)(const struct vgpu_pci_cap_ops *ops, unsigned cap,
			    unsigned offset, unsigned len, void *user);
	void (*reset)(enum vgpu_reset_reason reason, void *user);
};

/**
 * pci_config_check() - can such a function exist?
 * @desc: in our version of the structures
 * @ret_why: on failure, a sentence for the driver's author; static
 *
 * Ids and class, BAR sizes and flags, 64-bit pairs, areas (their ops,
 * alignment, overlap, inside), MSI-X table and PBA (in a memory BAR, no
 * overlap with each other or with areas of the driver, aligned), vectors,
 * capabilities that fit, ROM.
 *
 * Return: 0 or -EINVAL.
 */
int pci_config_check(const struct vgpu_pci_desc *desc, const char **ret_why);

/**
 * pci_config_new() - build the space, or find it in @arena
 * @arena: block "pci.config"; must outlive the space
 * @desc: checked by pci_config_check(); what is needed of it is copied
 * @ops: must outlive the space
 * @user: handed to @ops
 *
 * A new block gets the power-on values. A block that is there keeps what the
 * guest wrote, if it is the space of such a function.
 *
 * Return: 0; -ESTALE: what is in the arena belongs to a function of another
 * shape, or holds what no guest could have written; what arena_block() returns;
 * -ENOMEM.
 */
int pci_config_new(struct arena *arena, const struct vgpu_pci_desc *desc,
		   const struct pci_config_ops *ops, void *user,
		   struct pci_config **ret_config);
/* NULL is fine. The bytes stay in the arena. */
void pci_config_free(struct pci_config *config);

/* PCI_CONFIG_SIZE, or PCI_CONFIG_EXT_SIZE for PCI Express */
uint32_t pci_config_size(const struct pci_config *config);

/**
 * pci_config_read() - copy bytes of the space
 * pci_config_write() - write as the guest does
 * @offset: any
 * @len: any
 *
 * The caller answers for the range; outside the space reads give all-ones and
 * writes do nothing. Bytes that nothing implements are 0. A write takes place
 * as a row of dword transactions with byte enables, in ascending order, each
 * followed by its effects: that is what hardware sees of one.
 */
void pci_config_read(struct pci_config *config, uint32_t offset, void *buf,
		     size_t len);
void pci_config_write(struct pci_config *config, uint32_t offset,
		      const void *buf, size_t len);

/**
 * pci_config_reset() - power-on values
 * @reason: FLR and D3hot keep the bits that the specification calls sticky
 *          and the set-up of the link (PCIe 6.6.2); the others keep nothing
 *
 * BAR contents become 0, as does Interrupt Status: the device lowers its line
 * as well. Calls none of the ops.
 */
void pci_config_reset(struct pci_config *config, enum vgpu_reset_reason reason);

uint16_t pci_config_command(const struct pci_config *config);
/* Status register, bit 3 */
void pci_config_set_intx_status(struct pci_config *config, bool pending);
/* 0 or 3: D0 or D3hot; always D0 without the PM capability */
unsigned pci_config_power_state(const struct pci_config *config);
/* The byte that this is the low two bits of, for who asks at every access: a
 * relaxed atomic, as long as @config lives. */
const uint8_t *pci_config_power_byte(const struct pci_config *config);
bool pci_config_msi_enabled(const struct pci_config *config);
bool pci_config_msix_enabled(const struct pci_config *config);
/* Message Control, Function Mask (PCI 3.0, 6.8.2.3) */
bool pci_config_msix_masked(const struct pci_config *config);
/* Vectors the guest enabled (Multiple Message Enable), 1..32; never more than
 * there are, and 1 without MSI */
unsigned pci_config_msi_count(const struct pci_config *config);
/* Guest's address of a BAR as programmed; 0 if there is no such BAR. The
 * ROM's is VGPU_REGION_ROM. */
uint64_t pci_config_bar_address(const struct pci_config *config, unsigned bar);
/* vgpu_pci_cap_load() and vgpu_pci_cap_store() */
int pci_config_cap_load(const struct pci_config *config, unsigned cap,
			unsigned offset, void *buf, size_t len);
int pci_config_cap_store(struct pci_config *config, unsigned cap,
			 unsigned offset, const void *buf, size_t len);
/* Offset of the first capability @id in the list, 0 if there is none. */
unsigned pci_config_find_cap(const struct pci_config *config, uint8_t id);

/* Bytes that the ROM BAR decodes for an image of @rom_size bytes: a power of
 * two; 0 for no image, or one above PCI_MAX_ROM_SIZE. */
uint64_t pci_rom_bar_size(uint64_t rom_size);

#endif
