/* SPDX-License-Identifier: MIT */
/* What firmware and kernels do to find out about a function. */
#include "pci-guest.h"

#include <linux/pci_regs.h>

/* ------------------------------------------------------------------ */
/* Sizing                                                              */
/* ------------------------------------------------------------------ */

struct found {
	uint64_t size;
	uint32_t type;
	bool is_64;
};

/* The lowest address bit that sticks is the size. */
static uint64_t size_of(uint64_t readback, uint64_t address_bits)
{
	uint64_t mask = readback & address_bits;

	return mask & -mask;
}

/* As Linux does it: decoding off, save, all-ones, read, restore; the upper
 * half of a 64-bit BAR in a second round. */
static struct found probe_bar(struct guest *g, unsigned reg)
{
	uint16_t command = rd16(g, PCI_COMMAND);
	struct found found = { 0 };
	uint32_t lo, saved_lo, saved_hi;
	uint64_t both;

	wr(g, PCI_COMMAND, 2, command & ~(PCI_COMMAND_IO | PCI_COMMAND_MEMORY));
	saved_lo = rd32(g, reg);
	wr(g, reg, 4, saved_lo | 0xffffffff);
	lo = rd32(g, reg);
	wr(g, reg, 4, saved_lo);
	if (lo & PCI_BASE_ADDRESS_SPACE_IO) {
		found.type = lo & 3;
		found.size = size_of(lo, 0xfffffffc);
		wr(g, PCI_COMMAND, 2, command);
		return found;
	}
	found.type = lo & 0xf;
	both = lo;
	if ((lo & PCI_BASE_ADDRESS_MEM_TYPE_MASK) ==
	    PCI_BASE_ADDRESS_MEM_TYPE_64) {
		found.is_64 = true;
		saved_hi = rd32(g, reg + 4);
		wr(g, reg + 4, 4, 0xffffffff);
		both |= (uint64_t)rd32(g, reg + 4) << 32;
		wr(g, reg + 4, 4, saved_hi);
	}
	found.size = size_of(both, ~0xfull);
	wr(g, PCI_COMMAND, 2, command);
	assert_int_equal(rd32(g, reg), saved_lo);
	return found;
}

static void a_kernel_finds_the_bars(void **state)
{
	struct vgpu_pci_desc desc = everything();
	struct guest g;
	struct found f;

	(void)state;
	guest_start(&g, &desc);
	f = probe_bar(&g, 0x10);
	assert_int_equal(f.size, 8ull << 30);
	assert_int_equal(f.type, 0xc); /* 64-bit, prefetchable */
	assert_true(f.is_64);
	f = probe_bar(&g, 0x18);
	assert_int_equal(f.size, 64 << 10);
	assert_int_equal(f.type, 0x4);
	f = probe_bar(&g, 0x20);
	assert_int_equal(f.size, 8192);
	assert_int_equal(f.type, 0);
	f = probe_bar(&g, 0x24);
	assert_int_equal(f.size, 32);
	assert_int_equal(f.type, 1);
	/* The ROM: all address bits, then the enable bit stays what it was. */
	wr(&g, 0x30, 4, 0xfffff800);
	assert_int_equal(rd32(&g, 0x30), 0xffffe000); /* 5000 -> 8 KiB */
	wr(&g, 0x30, 4, 0xffffffff);
	assert_int_equal(rd32(&g, 0x30), 0xffffe001);
	wr(&g, 0x30, 4, 0);
	assert_int_equal(rd32(&g, 0x30), 0);
	guest_stop(&g);

	desc = plain();
	guest_start(&g, &desc);
	assert_int_equal(probe_bar(&g, 0x10).size, 16 << 20);
	assert_int_equal(probe_bar(&g, 0x10).type, 0x8);
	assert_int_equal(probe_bar(&g, 0x18).size, 4096);
	for (unsigned reg = 0x14; reg <= 0x24; reg += 4)
		if (reg != 0x18)
			assert_int_equal(probe_bar(&g, reg).size, 0);
	wr(&g, 0x30, 4, 0xffffffff);
	assert_int_equal(rd32(&g, 0x30), 0);
	guest_stop(&g);
}

/* Every legal size of every kind of BAR. */
static void every_size_is_found(void **state)
{
	struct vgpu_pci_desc desc = plain();
	struct guest g;

	(void)state;
	for (unsigned shift = 2; shift <= 38; shift++) {
		uint64_t size = 1ull << shift;

		memset(desc.bars, 0, sizeof(desc.bars));
		if (shift <= 8)
			desc.bars[1] =
				(struct vgpu_bar){ .size = size,
						   .flags = VGPU_BAR_IO };
		if (shift >= 4 && shift <= 31)
			desc.bars[2].size = size;
		if (shift >= 4)
			desc.bars[4] =
				(struct vgpu_bar){ .size = size,
						   .flags = VGPU_BAR_64 };
		guest_start(&g, &desc);
		if (shift <= 8)
			assert_int_equal(probe_bar(&g, 0x14).size, size);
		if (shift >= 4 && shift <= 31)
			assert_int_equal(probe_bar(&g, 0x18).size, size);
		if (shift >= 4)
			assert_int_equal(probe_bar(&g, 0x20).size, size);
		guest_stop(&g);
	}
}

/* Real mode firmware and old systems size in bytes or words. */
static void sizing_in_pieces(void **state)
{
	struct vgpu_pci_desc desc = everything();
	struct guest g;

	(void)state;
	guest_start(&g, &desc);
	wr(&g, 0x1a, 2, 0xffff); /* upper half of BAR2's low dword only */
	assert_int_equal(rd32(&g, 0x18), 0xffff0004);
	wr(&g, 0x1a, 2, 0);
	for (unsigned i = 0; i < 4; i++)
		wr(&g, 0x20 + i, 1, 0xff);
	assert_int_equal(rd32(&g, 0x20), 0xffffe000);
	for (unsigned i = 0; i < 4; i++)
		wr(&g, 0x20 + i, 1, 0);
	assert_int_equal(rd32(&g, 0x20), 0);
	wr(&g, 0x21, 1, 0xff);
	assert_int_equal(rd32(&g, 0x20), 0xe000);
	/* Both halves of a 64-bit BAR in one access, and one that straddles */
	wr(&g, 0x10, 8, ~0ull);
	assert_int_equal(rd(&g, 0x10, 8), 0xfffffffe0000000cull);
	wr(&g, 0x12, 4, 0);
	assert_int_equal(rd(&g, 0x10, 8), 0xffff00000000000cull);
	guest_stop(&g);
}

static void addresses_are_reported(void **state)
{
	struct vgpu_pci_desc desc = everything();
	struct guest g;

	(void)state;
	guest_start(&g, &desc);
	wr(&g, 0x10, 4, 0x12345678);
	wr(&g, 0x14, 4, 0x0000003f);
	/* 8 GiB: the low half has no address bit at all */
	assert_int_equal(rd(&g, 0x10, 8), 0x0000003e0000000cull);
	assert_int_equal(pci_config_bar_address(g.config, 0), 0x3e00000000ull);
	wr(&g, 0x18, 8, 0xfedcba9876543210ull);
	assert_int_equal(pci_config_bar_address(g.config, 2),
			 0xfedcba9876540000ull);
	wr(&g, 0x20, 4, 0xfebf3fff);
	assert_int_equal(pci_config_bar_address(g.config, 4), 0xfebf2000);
	wr(&g, 0x24, 4, 0xc0ff);
	assert_int_equal(pci_config_bar_address(g.config, 5), 0xc0e0);
	wr(&g, 0x30, 4, 0xfec02001);
	assert_int_equal(pci_config_bar_address(g.config, VGPU_REGION_ROM),
			 0xfec02000);
	/* upper halves, and what is no BAR at all */
	assert_int_equal(pci_config_bar_address(g.config, 1), 0);
	assert_int_equal(pci_config_bar_address(g.config, 3), 0);
	assert_int_equal(pci_config_bar_address(g.config, VGPU_REGION_CONFIG),
			 0);
	assert_int_equal(pci_config_bar_address(g.config, 0xffffffff), 0);
	guest_stop(&g);
}

/* ------------------------------------------------------------------ */
/* Capabilities                                                        */
/* ------------------------------------------------------------------ */

/* As Linux does it, with its limit on the number of steps. */
static unsigned find(struct guest *g, uint8_t id)
{
	unsigned pos = PCI_CAPABILITY_LIST;

	if (!(rd16(g, PCI_STATUS) & PCI_STATUS_CAP_LIST))
		return 0;
	for (unsigned ttl = 48; ttl; ttl--) {
		pos = rd8(g, pos);
		if (pos < 0x40)
			return 0;
		assert_int_equal(pos % 4, 0);
		if (rd8(g, pos) == id)
			return pos;
		pos++;
	}
	fail_msg("the list has no end");
	return 0;
}

static void a_kernel_walks_the_list(void **state)
{
	static const uint8_t ids[] = { 0x01, 0x05, 0x11, 0x10, 0x09, 0x15 };
	struct vgpu_pci_desc desc = everything();
	unsigned pos, before = 0;
	struct guest g;

	(void)state;
	guest_start(&g, &desc);
	for (unsigned i = 0; i < sizeof(ids); i++) {
		pos = find(&g, ids[i]);
		assert_true(pos > before); /* in the order of the list */
		assert_int_equal(pos, pci_config_find_cap(g.config, ids[i]));
		before = pos;
	}
	assert_int_equal(find(&g, 0x12), 0);
	assert_int_equal(pci_config_find_cap(g.config, 0x12), 0);
	pos = find(&g, 0x09);
	for (unsigned i = 0; i < sizeof(vendor_data); i++)
		assert_int_equal(rd8(&g, pos + 2 + i), vendor_data[i]);
	/* Extended space: an empty list. */
	assert_int_equal(pci_config_size(g.config), 4096);
	for (unsigned i = 256; i < 4096; i += 4)
		assert_int_equal(rd32(&g, i), 0);
	guest_stop(&g);

	desc = plain();
	guest_start(&g, &desc);
	assert_int_equal(rd16(&g, PCI_STATUS) & PCI_STATUS_CAP_LIST, 0);
	assert_int_equal(rd8(&g, PCI_CAPABILITY_LIST), 0);
	assert_int_equal(pci_config_find_cap(g.config, 0x01), 0);
	assert_int_equal(pci_config_size(g.config), 256);
	guest_stop(&g);
}

/* All 192 bytes, and one capability of nothing but its head. */
static void a_full_list(void **state)
{
	uint8_t data[190] = { 192 }, small[1] = { 3 };
	struct vgpu_pci_cap cap = { .id = 9, .len = 192, .data = data };
	struct vgpu_pci_cap many[48];
	struct vgpu_pci_desc desc = plain();
	unsigned n = 0;
	struct guest g;

	(void)state;
	desc.n_caps = 1;
	desc.caps = &cap;
	guest_start(&g, &desc);
	assert_int_equal(rd8(&g, 0x40), 9);
	assert_int_equal(rd8(&g, 0x41), 0);
	assert_int_equal(rd8(&g, 0x42), 192);
	guest_stop(&g);

	for (unsigned i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (struct vgpu_pci_cap){ .id = (uint8_t)(0x20 + i),
						 .len = i % 2 ? 2 : 3,
						 .data = i % 2 ? NULL : small };
	desc.n_caps = ARRAY_SIZE(many);
	desc.caps = many;
	guest_start(&g, &desc);
	for (unsigned pos = rd8(&g, 0x34); pos; pos = rd8(&g, pos + 1))
		assert_int_equal(rd8(&g, pos), 0x20 + n++);
	assert_int_equal(n, ARRAY_SIZE(many));
	guest_stop(&g);
}

/* ------------------------------------------------------------------ */
/* The space as a whole                                                */
/* ------------------------------------------------------------------ */

/* By hand from the specifications, so that a change has to be meant. */
static const char everything_hex[] =
	/* 00 */ "3412cdab 00001000 07010203 00000000"
		 /* 10 */ "0c000000 00000000 04000000 00000000"
		 /* 20 */ "00000000 01000000 00000000 f41a0011"
		 /* 30 */ "00000000 40000000 00000000 00020000"
		 /* PM  */ "01480300 00000000"
		 /* MSI */ "05588600 00000000 00000000 00000000"
		 /* MSI-X, 70 vectors */ "11644500 04100000 04180000"
		 /* PCIe, a legacy endpoint since it has I/O space */
		 "10a01200 00800010 10280000 02014000 00000211 00000000"
		 "00000000 00000000 00000000 10000000 00000000 06000000"
		 "02000000 00000000 00000000"
		 /* a0 */ "09a80811 22334455"
		 /* a8 */ "15000800";

static size_t parse_hex(const char *hex, uint8_t *out)
{
	size_t n = 0;

	for (; *hex; hex++) {
		const char *digits = "0123456789abcdef";
		unsigned nibble;

		if (*hex == ' ')
			continue;
		nibble = (unsigned)(strchr(digits, *hex) - digits);
		out[n / 2] = (uint8_t)(out[n / 2] << 4 | nibble);
		n++;
	}
	return n / 2;
}

static void power_on_values(void **state)
{
	uint8_t expected[4096] = { 0 }, bytes[4096];
	struct vgpu_pci_desc desc = everything();
	struct guest g;

	(void)state;
	assert_int_equal(parse_hex(everything_hex, expected), 0xac);
	guest_start(&g, &desc);
	/* as QEMU does when it starts: all of it in one read */
	pci_config_read(g.config, 0, bytes, sizeof(bytes));
	assert_memory_equal(bytes, expected, sizeof(bytes));
	guest_stop(&g);
}

static void an_endpoint_without_io(void **state)
{
	struct vgpu_pci_desc desc = everything();
	struct guest g;

	(void)state;
	memset(&desc.bars[5], 0, sizeof(desc.bars[5]));
	guest_start(&g, &desc);
	assert_int_equal(rd16(&g, find(&g, 0x10) + 2), 0x0002);
	guest_stop(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kernel_finds_the_bars),
		cmocka_unit_test(every_size_is_found),
		cmocka_unit_test(sizing_in_pieces),
		cmocka_unit_test(addresses_are_reported),
		cmocka_unit_test(a_kernel_walks_the_list),
		cmocka_unit_test(a_full_list),
		cmocka_unit_test(power_on_values),
		cmocka_unit_test(an_endpoint_without_io),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
