/* SPDX-License-Identifier: MIT */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>

#include <linux/pci_regs.h>

#include "../state/arena.h"

#define BLOCK_NAME    "pci.config"
#define BLOCK_VERSION 1u

static const struct vgpu_field block_fields[] = {
	{ .name = "config",
	  .offset = 0,
	  .size = 1,
	  .count = PCI_CONFIG_SIZE,
	  .since = 1 },
	{ .name = "extended",
	  .offset = PCI_CONFIG_SIZE,
	  .size = 1,
	  .count = PCI_CONFIG_EXT_SIZE - PCI_CONFIG_SIZE,
	  .since = 1 },
};

/* ------------------------------------------------------------------ */
/* Bytes                                                               */
/* ------------------------------------------------------------------ */

/* Interrupt Status is set by the thread that drives the line, and flags are
 * looked at from other threads: every access is a relaxed atomic of a byte,
 * and a guest's write stores only bytes that it can change. */
static uint8_t load8(const struct pci_config *config, unsigned offset)
{
	return __atomic_load_n(&config->bytes[offset], __ATOMIC_RELAXED);
}

void pci_store8(struct pci_config *config, unsigned offset, uint8_t value)
{
	__atomic_store_n(&config->bytes[offset], value, __ATOMIC_RELAXED);
}

uint32_t pci_load(const struct pci_config *config, unsigned offset,
		  unsigned size)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value |= (uint32_t)load8(config, offset + i) << 8 * i;
	return value;
}

uint32_t pci_get(const uint8_t *space, unsigned offset, unsigned size)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value |= (uint32_t)space[offset + i] << 8 * i;
	return value;
}

void pci_put(uint8_t *space, unsigned offset, unsigned size, uint32_t value)
{
	for (unsigned i = 0; i < size; i++)
		space[offset + i] = (uint8_t)(value >> 8 * i);
}

void pci_define(struct pci_config *config, unsigned offset, unsigned size,
		uint32_t value, uint32_t writable)
{
	pci_put(config->initial, offset, size, value);
	pci_put(config->writable, offset, size, writable);
}

/* ------------------------------------------------------------------ */
/* Layout                                                              */
/* ------------------------------------------------------------------ */

/* Decode bits exist for what there is to decode. */
static uint32_t command_bits(const struct vgpu_pci_desc *desc)
{
	uint32_t bits = PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
			PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE;

	for (unsigned i = 0; i < VGPU_NUM_BARS; i++)
		if (desc->bars[i].size)
			bits |= desc->bars[i].flags & VGPU_BAR_IO
					? PCI_COMMAND_IO
					: PCI_COMMAND_MEMORY;
	if (desc->rom_size)
		bits |= PCI_COMMAND_MEMORY;
	return bits;
}

static void layout_header(struct pci_config *config,
			  const struct vgpu_pci_desc *desc)
{
	pci_define(config, PCI_VENDOR_ID, 2, desc->vendor_id, 0);
	pci_define(config, PCI_DEVICE_ID, 2, desc->device_id, 0);
	pci_define(config, PCI_COMMAND, 2, 0, command_bits(desc));
	pci_put(config->w1c, PCI_STATUS, 2,
		PCI_STATUS_PARITY | PCI_STATUS_SIG_TARGET_ABORT |
			PCI_STATUS_REC_TARGET_ABORT |
			PCI_STATUS_REC_MASTER_ABORT |
			PCI_STATUS_SIG_SYSTEM_ERROR |
			PCI_STATUS_DETECTED_PARITY);
	pci_put(config->live, PCI_STATUS, 1, PCI_STATUS_INTERRUPT);
	pci_define(config, PCI_CLASS_REVISION, 4,
		   desc->class_code << 8 | desc->revision, 0);
	pci_define(config, PCI_CACHE_LINE_SIZE, 1, 0, 0xff);
	/* PCIe 7.5.1.1.7: no bus to wait on, so it is 0 for ever. */
	pci_define(config, PCI_LATENCY_TIMER, 1, 0, desc->express ? 0 : 0xff);
	pci_define(config, PCI_HEADER_TYPE, 1, PCI_HEADER_TYPE_NORMAL, 0);
	pci_define(config, PCI_SUBSYSTEM_VENDOR_ID, 2,
		   desc->subsystem_vendor_id, 0);
	pci_define(config, PCI_SUBSYSTEM_ID, 2, desc->subsystem_id, 0);
	pci_define(config, PCI_INTERRUPT_LINE, 1, 0, 0xff);
	pci_define(config, PCI_INTERRUPT_PIN, 1, desc->intx_pin, 0);
}

/* Are these bytes ones that this function can hold? They come from another
 * life of the process, or from a saved state. */
static bool plausible(const struct pci_config *config)
{
	for (unsigned i = 0; i < PCI_CONFIG_EXT_SIZE; i++) {
		uint8_t fixed = (uint8_t) ~(config->writable[i] |
					    config->w1c[i] | config->live[i]);

		if ((config->bytes[i] ^ config->initial[i]) & fixed)
			return false;
	}
	for (unsigned reg = 0; reg < PCI_CONFIG_SIZE; reg += 4) {
		uint32_t value = pci_load(config, reg, 4);

		if (pci_caps_settle(config, reg, 0, value) != value)
			return false;
	}
	return true;
}

/* Find the bytes in the arena, or put the power-on values there. */
static int attach(struct pci_config *config, struct arena *arena)
{
	void *block;
	int ret = arena_block(arena, BLOCK_NAME, BLOCK_VERSION,
			      PCI_CONFIG_EXT_SIZE, &block);
	int err;

	if (ret < 0)
		return ret;
	err = arena_describe(arena, BLOCK_NAME, block_fields,
			     ARRAY_SIZE(block_fields));
	if (err)
		return err;
	config->bytes = block;
	if (ret == 1)
		memcpy(config->bytes, config->initial, PCI_CONFIG_EXT_SIZE);
	else if (!plausible(config))
		return -ESTALE;
	return 0;
}

int pci_config_new(struct arena *arena, const struct vgpu_pci_desc *desc,
		   const struct pci_config_ops *ops, void *user,
		   struct pci_config **ret_config)
{
	struct pci_config *config = calloc(1, sizeof(*config));
	int err;

	if (!config)
		return -ENOMEM;
	config->size = desc->express ? PCI_CONFIG_EXT_SIZE : PCI_CONFIG_SIZE;
	config->ops = ops;
	config->user = user;
	/* Extended space stays 0: an empty list (PCIe 7.6.1). */
	layout_header(config, desc);
	pci_bars_layout(config, desc);
	pci_caps_layout(config, desc);
	err = attach(config, arena);
	if (err) {
		free(config);
		return err;
	}
	*ret_config = config;
	return 0;
}

void pci_config_free(struct pci_config *config)
{
	free(config);
}

/* ------------------------------------------------------------------ */
/* Access                                                              */
/* ------------------------------------------------------------------ */

uint32_t pci_config_size(const struct pci_config *config)
{
	return config->size;
}

void pci_config_read(struct pci_config *config, uint32_t offset, void *buf,
		     size_t len)
{
	uint8_t *p = buf;

	if (!range_inside(offset, len, config->size)) {
		memset(buf, 0xff, len);
		return;
	}
	pci_vendor_before_read(config, offset, len);
	for (size_t i = 0; i < len; i++)
		p[i] = load8(config, (unsigned)(offset + i));
}

/* The register at @reg went from @old to @value because @written was written
 * (0 in bytes that were not). Nothing of @config may be assumed afterwards. */
static void effects(struct pci_config *config, unsigned reg, uint32_t old,
		    uint32_t value, uint32_t written)
{
	const struct pci_config_ops *ops = config->ops;
	const uint32_t watched = PCI_COMMAND_IO | PCI_COMMAND_MEMORY |
				 PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE;

	if (reg == PCI_COMMAND) {
		if ((old ^ value) & watched)
			ops->command((uint16_t)value, config->user);
	} else if (config->msix && reg == config->msix) {
		if ((old ^ value) >> 16)
			ops->msix(pci_config_msix_enabled(config),
				  pci_config_msix_masked(config), config->user);
	} else if (config->pm && reg == config->pm + (unsigned)PCI_PM_CTRL) {
		if ((old & PCI_PM_CTRL_STATE_MASK) == 3 &&
		    (value & PCI_PM_CTRL_STATE_MASK) == 0)
			ops->reset(VGPU_RESET_PM, config->user);
	} else if (config->express &&
		   reg == config->express + (unsigned)PCI_EXP_DEVCTL) {
		if (written & PCI_EXP_DEVCTL_BCR_FLR)
			ops->reset(VGPU_RESET_FLR, config->user);
	}
}

/* One transaction on the bus: a dword, and which of its bytes are enabled. */
static void write_dword(struct pci_config *config, unsigned reg, uint32_t value,
			uint32_t enabled)
{
	uint32_t rw = pci_get(config->writable, reg, 4) & enabled;
	uint32_t w1c = pci_get(config->w1c, reg, 4) & enabled;
	uint32_t old = pci_load(config, reg, 4), new;

	new = (old & ~rw) | (value & rw);
	new &= ~(value & w1c);
	new = pci_caps_settle(config, reg, old, new);
	for (unsigned i = 0; i < 4; i++)
		if ((rw | w1c) >> 8 * i & 0xff)
			pci_store8(config, reg + i, (uint8_t)(new >> 8 * i));
	effects(config, reg, old, new, value & enabled);
}

void pci_config_write(struct pci_config *config, uint32_t offset,
		      const void *buf, size_t len)
{
	const uint8_t *p = buf;

	if (!range_inside(offset, len, config->size))
		return;
	while (len) {
		unsigned lane = offset % 4;
		size_t n = MIN(len, 4 - lane);
		uint8_t value[4] = { 0 }, enabled[4] = { 0 };

		memcpy(value + lane, p, n);
		memset(enabled + lane, 0xff, n);
		write_dword(config, offset - lane, get_le32(value),
			    get_le32(enabled));
		pci_vendor_written(config, offset, n);
		offset += (uint32_t)n;
		p += n;
		len -= n;
	}
}

void pci_config_reset(struct pci_config *config, enum vgpu_reset_reason reason)
{
	bool function_only = reason == VGPU_RESET_FLR ||
			     reason == VGPU_RESET_PM;

	for (unsigned i = 0; i < PCI_CONFIG_EXT_SIZE; i++) {
		uint8_t keep = function_only ? config->sticky[i] : 0;

		pci_store8(config, i,
			   (uint8_t)((config->initial[i] & ~keep) |
				     (load8(config, i) & keep)));
	}
}

/* ------------------------------------------------------------------ */
/* Values of the header                                                */
/* ------------------------------------------------------------------ */

uint16_t pci_config_command(const struct pci_config *config)
{
	return (uint16_t)pci_load(config, PCI_COMMAND, 2);
}

void pci_config_set_intx_status(struct pci_config *config, bool pending)
{
	uint8_t *status = &config->bytes[PCI_STATUS];

	if (pending)
		__atomic_fetch_or(status, PCI_STATUS_INTERRUPT,
				  __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(status, (uint8_t)~PCI_STATUS_INTERRUPT,
				   __ATOMIC_RELAXED);
}
