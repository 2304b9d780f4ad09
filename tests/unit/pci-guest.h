/* SPDX-License-Identifier: MIT */
/* A configuration space under test, and accesses as a guest makes them. */
#ifndef TEST_PCI_GUEST_H
#define TEST_PCI_GUEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <vgpu/driver.h>

#include "pci/config.h"
#include "state/arena.h"
#include "util/bytes.h"

/**
 * struct guest - the space, and what its ops were told
 * @cap_answer: what a before_read op stores; NULL: nothing
 * @resets_at_once: the reset op calls pci_config_reset()
 */
struct guest {
	struct arena *arena;
	struct pci_config *config;
	bool resets_at_once;
	unsigned commands, msix_changes, resets;
	uint16_t command;
	bool msix_enabled, msix_masked;
	unsigned cap_reads, cap_writes;
	unsigned cap, cap_offset, cap_len; /* the last one's */
	const uint8_t *cap_answer;
	enum vgpu_reset_reason reason;
};

static inline void guest_command(uint16_t command, void *user)
{
	struct guest *g = user;

	g->commands++;
	g->command = command;
}

static inline void guest_msix(bool enabled, bool masked, void *user)
{
	struct guest *g = user;

	g->msix_changes++;
	g->msix_enabled = enabled;
	g->msix_masked = masked;
}

static inline void guest_cap_read(const struct vgpu_pci_cap_ops *ops,
				  unsigned cap, unsigned offset, unsigned len,
				  void *user)
{
	struct guest *g = user;

	assert_non_null(ops->before_read);
	g->cap_reads++;
	g->cap = cap;
	g->cap_offset = offset;
	g->cap_len = len;
	if (g->cap_answer)
		assert_int_equal(pci_config_cap_store(g->config, cap, offset,
						      g->cap_answer, len),
				 0);
}

static inline void guest_cap_written(const struct vgpu_pci_cap_ops *ops,
				     unsigned cap, unsigned offset,
				     unsigned len, void *user)
{
	struct guest *g = user;

	assert_non_null(ops->written);
	g->cap_writes++;
	g->cap = cap;
	g->cap_offset = offset;
	g->cap_len = len;
}

static inline void guest_reset(enum vgpu_reset_reason reason, void *user)
{
	struct guest *g = user;

	g->resets++;
	g->reason = reason;
	if (g->resets_at_once)
		pci_config_reset(g->config, reason);
}

static const struct pci_config_ops guest_ops = {
	.command = guest_command,
	.msix = guest_msix,
	.cap_read = guest_cap_read,
	.cap_written = guest_cap_written,
	.reset = guest_reset,
};

static inline void guest_start(struct guest *g,
			       const struct vgpu_pci_desc *desc)
{
	const char *why = "";

	memset(g, 0, sizeof(*g));
	g->resets_at_once = true;
	if (pci_config_check(desc, &why) < 0)
		fail_msg("refused: %s", why);
	assert_int_equal(arena_new("test", &g->arena), 0);
	assert_int_equal(
		pci_config_new(g->arena, desc, &guest_ops, g, &g->config), 0);
}

static inline void guest_stop(struct guest *g)
{
	pci_config_free(g->config);
	arena_free(g->arena);
}

static inline uint64_t rd(struct guest *g, uint32_t offset, unsigned size)
{
	uint8_t raw[8] = { 0 };

	pci_config_read(g->config, offset, raw, size);
	return get_le64(raw);
}

static inline void wr(struct guest *g, uint32_t offset, unsigned size,
		      uint64_t value)
{
	uint8_t raw[8];

	put_le64(raw, value);
	pci_config_write(g->config, offset, raw, size);
}

static inline uint8_t rd8(struct guest *g, uint32_t offset)
{
	return (uint8_t)rd(g, offset, 1);
}

static inline uint16_t rd16(struct guest *g, uint32_t offset)
{
	return (uint16_t)rd(g, offset, 2);
}

static inline uint32_t rd32(struct guest *g, uint32_t offset)
{
	return (uint32_t)rd(g, offset, 4);
}

/* xorshift64: the same numbers in every run */
static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* ------------------------------------------------------------------ */
/* Descriptions                                                        */
/* ------------------------------------------------------------------ */

static const uint8_t vendor_data[] = { 8, 0x11, 0x22, 0x33, 0x44, 0x55 };
static const uint8_t vendor_mask[] = { 0, 0x00, 0xff, 0x0f, 0x00, 0x80 };
static const struct vgpu_pci_cap vendor_caps[] = {
	{ .id = 0x09, .len = 8, .data = vendor_data, .writable = vendor_mask },
	{ .id = 0x15, .len = 3, .data = vendor_data },
};

/* PCI Express with everything: a 64-bit prefetchable BAR above 4 GiB, a 64-bit
 * one, a 32-bit one with MSI-X, I/O, a ROM that is no power of two. */
static inline struct vgpu_pci_desc everything(void)
{
	static const uint8_t rom[5000] = { 0x55, 0xaa };

	return (struct vgpu_pci_desc){
		.vendor_id = 0x1234,
		.device_id = 0xabcd,
		.subsystem_vendor_id = 0x1af4,
		.subsystem_id = 0x1100,
		.class_code = 0x030201,
		.revision = 7,
		.intx_pin = 2,
		.pm = true,
		.express = true,
		.msi_vectors = 8,
		.msix_vectors = 70,
		.msix_bar = 4,
		.msix_table_offset = 0x1000,
		.msix_pba_offset = 0x1800,
		.n_caps = ARRAY_SIZE(vendor_caps),
		.caps = vendor_caps,
		.rom = rom,
		.rom_size = sizeof(rom),
		.bars = {
			[0] = { .size = 8ull << 30,
				.flags = VGPU_BAR_64 | VGPU_BAR_PREFETCH },
			[2] = { .size = 64 << 10, .flags = VGPU_BAR_64 },
			[4] = { .size = 8192 },
			[5] = { .size = 32, .flags = VGPU_BAR_IO },
		},
	};
}

/* Conventional PCI, as the smallest driver would have it. */
static inline struct vgpu_pci_desc plain(void)
{
	return (struct vgpu_pci_desc){
		.vendor_id = 0x1234,
		.device_id = 0x1111,
		.class_code = 0x038000,
		.bars = {
			[0] = { .size = 16 << 20, .flags = VGPU_BAR_PREFETCH },
			[2] = { .size = 4096 },
		},
	};
}

#endif
