/* SPDX-License-Identifier: MIT */
/* What each register does when it is written. */
#include "pci-guest.h"

#include <errno.h>

#include <linux/pci_regs.h>

static void command_has_the_bits_that_mean_something(void **state)
{
	struct vgpu_pci_desc desc = everything();
	struct guest g;

	(void)state;
	guest_start(&g, &desc);
	wr(&g, PCI_COMMAND, 2, 0xffff);
	assert_int_equal(rd16(&g, PCI_COMMAND), 0x0547);
	assert_int_equal(pci_config_command(g.config), 0x0547);
	assert_int_equal(g.commands, 1);
	assert_int_equal(g.command, 0x0547);
	guest_stop(&g);

	/* no I/O BAR; no interrupt pin either, but the bit is there */
	desc = plain();
	guest_start(&g, &desc);
	wr(&g, PCI_COMMAND, 2, 0xffff);
	assert_int_equal(rd16(&g, PCI_COMMAND), 0x0546);
	guest_stop(&g);

	/* nothing to decode at all; then a ROM */
	memset(desc.bars, 0, sizeof(desc.bars));
	guest_start(&g, &desc);
	wr(&g, PCI_COMMAND, 2, 0xffff);
	assert_int_equal(rd16(&g, PCI_COMMAND), 0x0544);
	guest_stop(&g);
	desc.rom = "rom";
	desc.rom_size = 3;
	guest_start(&g, &desc);
	wr(&g, PCI_COMMAND, 2, 0xffff);
	assert_int_equal(rd16(&g, PCI_COMMAND), 0x0546);
	guest_stop(&g);
}

static void command_op_tells_of_changes_only(void **state)
{
	struct vgpu_pci_desc desc = everything();
	struct guest g;

	(void)state;
	guest_start(&g, &desc);
	wr(&g, PCI_COMMAND, 1, 0x02);
	assert_int_equal(g.commands, 1);
	wr(&g, PCI_COMMAND, 2, 0x0002); /* the same again */
	wr(&g, PCI_COMMAND, 2, 0x0142); /* parity and SERR: nobody cares */
	wr(&g, PCI_STATUS, 2, 0xffff);
	assert_int_equal(g.commands, 1);
	wr(&g, PCI_COMMAND + 1, 1, 0x04);
	assert_int_equal(g.commands, 2);
	assert_int_equal(g.command, 0x0442);
	pci_config_reset(g.config, VGPU_RESET_CLIENT);
	assert_int_equal(g.commands, 2);
	assert_int_equal(pci_config_command(g.config), 0);
	guest_stop(&g);
}

static void status_is_cleared_by_ones(void **state)
{
	struct vgpu_pci_desc desc = everything();
	uint8_t *raw;
	struct guest g;

	(void)state;
	guest_start(&g, &desc);
	assert_int_equal(
		arena_block(g.arena, "pci.config", 1, 4096, (void **)&raw), 0);
	pci_config_set_intx_status(g.config, true);
	assert_int_equal(rd16(&g, PCI_STATUS), 0x0018);
	wr(&g, PCI_STATUS, 2, 0xffff); /* bit 3 follows the line */
	assert_int_equal(rd16(&g, PCI_STATUS), 0x0018);
	pci_config_set_intx_status(g.config, false);
	assert_int_equal(rd16(&g, PCI_STATUS), 0x0010);
	/* Error bits, as a device would set them */
	put_le16(raw + PCI_STATUS, 0xf910);
	wr(&g, PCI_STATUS, 2, 0);
	assert_int_equal(rd16(&g, PCI_STATUS), 0xf910);
	wr(&g, PCI_STATUS + 1, 1, 0x81);
	assert_int_equal(rd16(&g, PCI_STATUS), 0x7810);
	wr(&g, PCI_COMMAND, 4, 0xffff0000);
	assert_int_equal(rd16(&g, PCI_STATUS), 0x0010);
	guest_stop(&g);
}

static void scratch_registers(void **state)
{
	struct vgpu_pci_desc desc = everything();
	struct guest g;

	(void)state;
	guest_start(&g, &desc);
	wr(&g, 0x0c, 4, 0xffffffff);
	assert_int_equal(rd32(&g, 0x0c), 0x000000ff); /* cache line only */
	wr(&g, 0x3c, 4, 0xffffffff);
	assert_int_equal(rd32(&g, 0x3c), 0x000002ff); /* line, not pin */
	guest_stop(&g);
	desc = plain();
	guest_start(&g, &desc);
	wr(&g, 0x0c, 4, 0xffffffff);
	assert_int_equal(rd32(&g, 0x0c), 0x0000ffff); /* and latency timer */
	guest_stop(&g);
}

/* ------------------------------------------------------------------ */
/* Power and resets                                                    */
/* ------------------------------------------------------------------ */

static void sleeping_and_waking(void **state)
{
	struct vgpu_pci_desc desc = everything();
	unsigned ctrl;
	struct guest g;

	(void)state;
	guest_start(&g, &desc);
	ctrl = pci_config_find_cap(g.config, PCI_CAP_ID_PM) + PCI_PM_CTRL;
	wr(&g, PCI_COMMAND, 2, 0x6);
	wr(&g, 0x20, 4, 0xfeb00000);
	wr(&g, ctrl, 2, 1); /* D1 and D2: there are none */
	assert_int_equal(rd16(&g, ctrl), 0);
	wr(&g, ctrl, 2, 0xffff);
	assert_int_equal(rd16(&g, ctrl), 3); /* and nothing else sticks */
	assert_int_equal(pci_config_power_state(g.config), 3);
	wr(&g, ctrl, 2, 2);
	assert_int_equal(pci_config_power_state(g.config), 3);
	wr(&g, ctrl + 1, 1, 0); /* the other byte: no transition */
	wr(&g, ctrl, 2, 3);
	assert_int_equal(g.resets, 0);
	assert_int_equal(rd16(&g, PCI_COMMAND), 0x6); /* still all there */
	wr(&g, ctrl, 1, 0);
	assert_int_equal(g.resets, 1);
	assert_int_equal(g.reason, VGPU_RESET_PM);
	assert_int_equal(pci_config_power_state(g.config), 0);
	assert_int_equal(rd16(&g, PCI_COMMAND), 0);
	assert_int_equal(rd32(&g, 0x20), 0);
	wr(&g, ctrl, 2, 0);
	assert_int_equal(g.resets, 1);
	guest_stop(&g);

	desc = plain();
	guest_start(&g, &desc);
	wr(&g, 0x44, 4, 3);
	assert_int_equal(pci_config_power_state(g.config), 0);
	guest_stop(&g);
}

static void function_level_reset(void **state)
{
	struct vgpu_pci_desc desc = everything();
	unsigned exp;
	struct guest g;

	(void)state;
	guest_start(&g, &desc);
	exp = pci_config_find_cap(g.config, PCI_CAP_ID_EXP);
	assert_true(rd32(&g, exp + PCI_EXP_DEVCAP) & PCI_EXP_DEVCAP_FLR);
	wr(&g, PCI_COMMAND, 2, 0x407);
	wr(&g, exp + PCI_EXP_LNKCTL, 2, 0xffff);
	wr(&g, exp + PCI_EXP_LNKCTL2, 2, 0xffff);
	wr(&g, exp + PCI_EXP_DEVCTL, 2, 0x7fff);
	assert_int_equal(rd16(&g, exp + PCI_EXP_DEVCTL), 0x781f);
	assert_int_equal(g.resets, 0);

	/* read, modify, write: what everybody does */
	wr(&g, exp + PCI_EXP_DEVCTL, 2,
	   rd16(&g, exp + PCI_EXP_DEVCTL) | PCI_EXP_DEVCTL_BCR_FLR);
	assert_int_equal(g.resets, 1);
	assert_int_equal(g.reason, VGPU_RESET_FLR);
	assert_int_equal(rd16(&g, exp + PCI_EXP_DEVCTL), 0x2810);
	assert_int_equal(rd16(&g, PCI_COMMAND), 0);
	/* the link is not the function's alone */
	assert_int_equal(rd16(&g, exp + PCI_EXP_LNKCTL), 0x00cb);
	assert_int_equal(rd16(&g, exp + PCI_EXP_LNKCTL2), 0x000f);

	/* through the byte that has the bit, and through the one that hasn't */
	wr(&g, exp + PCI_EXP_DEVCTL + 1, 1, 0x80);
	assert_int_equal(g.resets, 2);
	wr(&g, exp + PCI_EXP_DEVCTL, 1, 0x80);
	wr(&g, exp + PCI_EXP_DEVSTA, 2, 0x8000);
	assert_int_equal(g.resets, 2);

	/* a device that resets later: the bit reads as 0 all the same */
	g.resets_at_once = false;
	wr(&g, exp + PCI_EXP_DEVCTL, 2, 0xffff);
	assert_int_equal(g.resets, 3);
	assert_int_equal(rd16(&g, exp + PCI_EXP_DEVCTL), 0x781f);

	/* a reset of the whole device keeps nothing */
	pci_config_reset(g.config, VGPU_RESET_CLIENT);
	assert_int_equal(rd16(&g, exp + PCI_EXP_LNKCTL), 0);
	assert_int_equal(rd16(&g, exp + PCI_EXP_LNKCTL2), 2);
	guest_stop(&g);
}

static void express_registers(void **state)
{
	struct vgpu_pci_desc desc = everything();
	unsigned exp;
	uint8_t *raw;
	struct guest g;

	(void)state;
	guest_start(&g, &desc);
	exp = pci_config_find_cap(g.config, PCI_CAP_ID_EXP);
	assert_int_equal(
		arena_block(g.arena, "pci.config", 1, 4096, (void **)&raw), 0);
	put_le16(raw + exp + PCI_EXP_DEVSTA, 0x000f);
	wr(&g, exp + PCI_EXP_DEVCTL, 4, 0x0005000f);
	assert_int_equal(rd16(&g, exp + PCI_EXP_DEVSTA), 0x000a);
	assert_int_equal(rd16(&g, exp + PCI_EXP_DEVCTL), 0x000f);
	wr(&g, exp + PCI_EXP_DEVCTL2, 2, 0xffff);
	assert_int_equal(rd16(&g, exp + PCI_EXP_DEVCTL2), 0x0010);
	/* capable registers, slot and root: nothing to write */
	for (unsigned i = 0x14; i < 0x24; i += 4) {
		wr(&g, exp + i, 4, 0xffffffff);
		assert_int_equal(rd32(&g, exp + i), 0);
	}
	guest_stop(&g);
}

/* ------------------------------------------------------------------ */
/* Messages                                                            */
/* ------------------------------------------------------------------ */

static void msi_registers(void **state)
{
	struct vgpu_pci_desc desc = everything();
	unsigned msi;
	struct guest g;

	(void)state;
	guest_start(&g, &desc);
	msi = pci_config_find_cap(g.config, PCI_CAP_ID_MSI);
	assert_int_equal(rd16(&g, msi + 2), 0x0086); /* 64-bit, 8 of them */
	assert_false(pci_config_msi_enabled(g.config));
	assert_int_equal(pci_config_msi_count(g.config), 1);
	wr(&g, msi + 2, 2, 0x0021);
	assert_int_equal(rd16(&g, msi + 2), 0x00a7);
	assert_true(pci_config_msi_enabled(g.config));
	assert_int_equal(pci_config_msi_count(g.config), 4);
	/* 16, 32 and the reserved numbers: what there is */
	for (unsigned mme = 4; mme < 8; mme++) {
		wr(&g, msi + 2, 2, mme << 4);
		assert_int_equal(rd16(&g, msi + 2), 0x00b6);
		assert_int_equal(pci_config_msi_count(g.config), 8);
	}
	wr(&g, msi + 4, 8, ~0ull);
	wr(&g, msi + 12, 4, ~0u);
	assert_int_equal(rd32(&g, msi + 4), 0xfffffffc);
	assert_int_equal(rd32(&g, msi + 8), 0xffffffff);
	assert_int_equal(rd32(&g, msi + 12), 0x0000ffff);
	wr(&g, msi, 2, 0xffff); /* id and next pointer */
	assert_int_equal(rd8(&g, msi), PCI_CAP_ID_MSI);
	pci_config_reset(g.config, VGPU_RESET_FLR);
	assert_int_equal(rd16(&g, msi + 2), 0x0086);
	assert_int_equal(rd32(&g, msi + 4), 0);
	guest_stop(&g);

	for (unsigned shift = 0; shift <= 5; shift++) {
		desc.msi_vectors = (uint16_t)(1 << shift);
		guest_start(&g, &desc);
		wr(&g, msi + 2, 2, 0xffff);
		assert_int_equal(rd16(&g, msi + 2),
				 0x81 | shift << 1 | shift << 4);
		assert_int_equal(pci_config_msi_count(g.config), 1 << shift);
		guest_stop(&g);
	}

	desc = plain();
	guest_start(&g, &desc);
	assert_false(pci_config_msi_enabled(g.config));
	assert_int_equal(pci_config_msi_count(g.config), 1);
	guest_stop(&g);
}

static void msix_registers(void **state)
{
	struct vgpu_pci_desc desc = everything();
	unsigned msix;
	struct guest g;

	(void)state;
	guest_start(&g, &desc);
	msix = pci_config_find_cap(g.config, PCI_CAP_ID_MSIX);
	assert_int_equal(rd16(&g, msix + 2), 69);
	assert_int_equal(rd32(&g, msix + 4), 0x1004);
	assert_int_equal(rd32(&g, msix + 8), 0x1804);
	for (unsigned i = 0; i < 12; i++)
		wr(&g, msix + i, 1, i == 3 ? 0x40 : 0xff);
	assert_int_equal(rd16(&g, msix + 2), 0x4000 | 69);
	assert_true(pci_config_msix_masked(g.config));
	assert_false(pci_config_msix_enabled(g.config));
	wr(&g, msix + 2, 2, 0x8000);
	assert_int_equal(rd16(&g, msix + 2), 0x8000 | 69);
	assert_int_equal(g.msix_changes, 2);
	assert_true(g.msix_enabled);
	assert_false(g.msix_masked);
	wr(&g, msix + 2, 2, 0x8000); /* the same again */
	assert_int_equal(g.msix_changes, 2);
	assert_true(pci_config_msix_enabled(g.config));
	assert_false(pci_config_msix_masked(g.config));
	assert_int_equal(rd32(&g, msix + 4), 0x1004);
	assert_int_equal(rd32(&g, msix + 8), 0x1804);
	guest_stop(&g);

	desc.msix_vectors = 2048;
	desc.bars[4].size = 65536;
	desc.msix_pba_offset = 0xf000;
	guest_start(&g, &desc);
	assert_int_equal(rd16(&g, msix + 2), 2047);
	guest_stop(&g);
}

static void vendor_capability(void **state)
{
	struct vgpu_pci_desc desc = everything();
	unsigned at;
	struct guest g;

	(void)state;
	guest_start(&g, &desc);
	at = pci_config_find_cap(g.config, PCI_CAP_ID_VNDR);
	wr(&g, at, 8, 0);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(rd8(&g, at + 2 + i),
				 vendor_data[i] & ~vendor_mask[i]);
	wr(&g, at, 8, ~0ull);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(rd8(&g, at + 2 + i),
				 vendor_data[i] | vendor_mask[i]);
	guest_stop(&g);
}

/* ------------------------------------------------------------------ */
/* Accesses                                                            */
/* ------------------------------------------------------------------ */

static void any_size_any_offset(void **state)
{
	struct vgpu_pci_desc desc = everything();
	uint8_t all[4096], one[4096], out[16];
	struct guest g;

	(void)state;
	guest_start(&g, &desc);
	pci_config_read(g.config, 0, all, sizeof(all));
	for (unsigned size = 1; size <= 8; size++)
		for (unsigned at = 0; at + size <= 256; at++) {
			memset(one, 0xa5, sizeof(one));
			pci_config_read(g.config, at, one, size);
			assert_memory_equal(one, all + at, size);
			assert_int_equal(one[size], 0xa5);
		}
	/* The same bytes, however they are cut, leave the same space. */
	memset(one, 0x5b, sizeof(one));
	for (unsigned size = 1; size <= 8; size++) {
		pci_config_reset(g.config, VGPU_RESET_CLIENT);
		for (unsigned at = 0; at < 256; at += size)
			pci_config_write(g.config, at, one + at,
					 MIN(size, 256 - at));
		if (size == 1)
			pci_config_read(g.config, 0, all, sizeof(all));
		for (unsigned at = 0; at < 256; at += 16) {
			pci_config_read(g.config, at, out, 16);
			assert_memory_equal(out, all + at, 16);
		}
	}
	/* Outside: the caller answers for it, yet nothing breaks. */
	assert_int_equal(rd(&g, 4096, 4), 0xffffffff);
	assert_int_equal(rd(&g, 4093, 4), 0xffffffff);
	assert_int_equal(rd(&g, 0xfffffffe, 4), 0xffffffff);
	wr(&g, 4096, 8, ~0ull);
	wr(&g, 0xfffffffc, 8, ~0ull);
	wr(&g, 0x10, 0, ~0ull);
	guest_stop(&g);
	desc = plain();
	guest_start(&g, &desc);
	assert_int_equal(rd(&g, 252, 4), 0);
	assert_int_equal(rd(&g, 254, 4), 0xffffffff);
	guest_stop(&g);
}

/* The guest's bits, by hand; FLR is no storage. */
static void rw_mask(uint8_t *mask)
{
	memset(mask, 0, 4096);
	put_le16(mask + 0x04, 0x0547);
	mask[0x0c] = 0xff;
	put_le64(mask + 0x10, 0xfffffffe00000000ull);
	put_le64(mask + 0x18, 0xffffffffffff0000ull);
	put_le32(mask + 0x20, 0xffffe000);
	put_le32(mask + 0x24, 0xffffffe0);
	put_le32(mask + 0x30, 0xffffe001);
	mask[0x3c] = 0xff;
	mask[0x44] = 0x03;
	put_le16(mask + 0x4a, 0x0031); /* 8 vectors: never more than 3 */
	put_le32(mask + 0x4c, 0xfffffffc);
	put_le32(mask + 0x50, 0xffffffff);
	put_le16(mask + 0x54, 0xffff);
	put_le16(mask + 0x5a, 0xc000);
	put_le16(mask + 0x6c, 0x781f);
	put_le16(mask + 0x74, 0x00cb);
	put_le16(mask + 0x8c, 0x0010);
	put_le16(mask + 0x94, 0x000f);
	memcpy(mask + 0xa2, vendor_mask, sizeof(vendor_mask));
}

#define RANDOM_WRITES 200000

static void read_only_bits_never_change(void **state)
{
	uint8_t first[4096], now[4096], mask[4096], seen[4096] = { 0 };
	struct vgpu_pci_desc desc = everything();
	uint64_t seed = 0x9e3779b97f4a7c15ull;
	struct guest g;

	(void)state;
	guest_start(&g, &desc);
	rw_mask(mask);
	pci_config_read(g.config, 0, first, sizeof(first));
	for (unsigned i = 0; i < RANDOM_WRITES; i++) {
		uint64_t r = next_random(&seed);
		uint8_t data[64];
		uint32_t len = 1 + (r & 7), at = (r >> 8) % 256;

		if ((r >> 32 & 63) == 0) /* a long one, anywhere */
			len = 1 + (r >> 40 & 63);
		if ((r >> 48 & 15) == 0)
			at = (r >> 16) % 4096;
		for (unsigned k = 0; k < sizeof(data); k += 8)
			put_le64(data + k, next_random(&seed));
		pci_config_write(g.config, at, data, len);
		if (i % 64)
			continue;
		pci_config_read(g.config, 0, now, sizeof(now));
		for (unsigned k = 0; k < sizeof(now); k++) {
			uint8_t changed = now[k] ^ first[k];

			if (changed & ~mask[k])
				fail_msg("byte %#x became %#x", k, now[k]);
			seen[k] |= changed;
		}
	}
	/* and the others do change, every single one */
	assert_memory_equal(seen, mask, sizeof(mask));
	assert_true(g.resets > 0);
	guest_stop(&g);
}

/* ------------------------------------------------------------------ */
/* State                                                               */
/* ------------------------------------------------------------------ */

static void another_life_finds_the_values(void **state)
{
	struct vgpu_pci_desc desc = everything(), other;
	uint8_t before[4096], after[4096], *raw;
	struct pci_config *config;
	struct arena *arena;
	struct guest g;

	(void)state;
	guest_start(&g, &desc);
	wr(&g, PCI_COMMAND, 2, 0x406);
	wr(&g, 0x10, 8, 0x3800000000ull);
	wr(&g, 0x5a, 2, 0x8000);
	wr(&g, 0x44, 2, 3);
	pci_config_set_intx_status(g.config, true);
	pci_config_read(g.config, 0, before, sizeof(before));
	pci_config_free(g.config);
	g.config = NULL;

	assert_int_equal(arena_open(arena_fd(g.arena), &arena), 0);
	assert_int_equal(pci_config_new(arena, &desc, &guest_ops, &g, &config),
			 0);
	pci_config_read(config, 0, after, sizeof(after));
	assert_memory_equal(before, after, sizeof(after));
	assert_true(pci_config_msix_enabled(config));
	assert_int_equal(pci_config_power_state(config), 3);
	assert_int_equal(pci_config_bar_address(config, 0), 0x3800000000ull);
	pci_config_free(config);

	/* a driver that looks different now */
	config = NULL;
	other = desc;
	other.revision++;
	assert_int_equal(pci_config_new(arena, &other, &guest_ops, &g, &config),
			 -ESTALE);
	other = desc;
	other.bars[4].size <<= 1; /* nothing the guest wrote contradicts it */
	assert_int_equal(pci_config_new(arena, &other, &guest_ops, &g, &config),
			 0);
	pci_config_free(config);
	other = desc;
	other.msi_vectors = 0; /* capabilities moved */
	config = NULL;
	assert_int_equal(pci_config_new(arena, &other, &guest_ops, &g, &config),
			 -ESTALE);

	/* bytes that no guest could have written */
	assert_int_equal(
		arena_block(arena, "pci.config", 1, 4096, (void **)&raw), 0);
	raw[0x44] = 1; /* D1 */
	assert_int_equal(pci_config_new(arena, &desc, &guest_ops, &g, &config),
			 -ESTALE);
	raw[0x44] = 0;
	raw[0x4a] = 0xd6; /* 32 of 8 vectors */
	assert_int_equal(pci_config_new(arena, &desc, &guest_ops, &g, &config),
			 -ESTALE);
	raw[0x4a] = 0x86;
	raw[0x800] = 1;
	assert_int_equal(pci_config_new(arena, &desc, &guest_ops, &g, &config),
			 -ESTALE);
	raw[0x800] = 0;
	assert_null(config); /* untouched all along */
	assert_int_equal(pci_config_new(arena, &desc, &guest_ops, &g, &config),
			 0);
	pci_config_free(config);
	arena_free(arena);
	guest_stop(&g);
	pci_config_free(NULL);
}

static void count_fields(const char *name, uint32_t version, const void *ptr,
			 size_t size, const struct vgpu_field *fields,
			 size_t n_fields, void *user)
{
	size_t *described = user;

	(void)version;
	(void)ptr;
	assert_string_equal(name, "pci.config");
	for (size_t i = 0; i < n_fields; i++)
		*described += (size_t)fields[i].size * fields[i].count;
	assert_int_equal(*described, size);
}

static void every_byte_is_described(void **state)
{
	struct vgpu_pci_desc desc = plain();
	size_t described = 0;
	struct guest g;

	(void)state;
	guest_start(&g, &desc);
	arena_visit(g.arena, count_fields, &described);
	assert_int_equal(described, 4096);
	guest_stop(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_has_the_bits_that_mean_something),
		cmocka_unit_test(command_op_tells_of_changes_only),
		cmocka_unit_test(status_is_cleared_by_ones),
		cmocka_unit_test(scratch_registers),
		cmocka_unit_test(sleeping_and_waking),
		cmocka_unit_test(function_level_reset),
		cmocka_unit_test(express_registers),
		cmocka_unit_test(msi_registers),
		cmocka_unit_test(msix_registers),
		cmocka_unit_test(vendor_capability),
		cmocka_unit_test(any_size_any_offset),
		cmocka_unit_test(read_only_bits_never_change),
		cmocka_unit_test(another_life_finds_the_values),
		cmocka_unit_test(every_byte_is_described),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
