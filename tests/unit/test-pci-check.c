/* SPDX-License-Identifier: MIT */
/* Functions that can't exist, each with the sentence that says why. */
#include "pci-guest.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static const struct vgpu_mmio_ops ops = {
	.min_access = 1,
	.max_access = 4,
};

static void refused(const struct vgpu_pci_desc *desc, const char *part)
{
	const char *why = NULL;

	if (pci_config_check(desc, &why) != -EINVAL)
		fail_msg("accepted, but expected: %s", part);
	assert_non_null(why);
	if (!strstr(why, part))
		fail_msg("expected \"%s\", got \"%s\"", part, why);
}

static void accepted(const struct vgpu_pci_desc *desc)
{
	const char *why = "untouched";

	if (pci_config_check(desc, &why))
		fail_msg("refused: %s", why);
	assert_string_equal(why, "untouched");
}

/* ------------------------------------------------------------------ */
/* The header                                                          */
/* ------------------------------------------------------------------ */

static void ids(void **state)
{
	struct vgpu_pci_desc d = plain();

	(void)state;
	accepted(&d);
	d.vendor_id = 0;
	refused(&d, "vendor_id");
	d.vendor_id = 0xffff;
	refused(&d, "vendor_id");
	d = plain();
	d.class_code = 0xffffff;
	accepted(&d);
	d.class_code = 0x1000000;
	refused(&d, "class_code has more than 24 bits");
	d = plain();
	d.intx_pin = 4;
	accepted(&d);
	d.intx_pin = 5;
	refused(&d, "intx_pin");
	d = everything();
	accepted(&d);
	d.pm = false;
	refused(&d, "set pm");
}

static void vectors(void **state)
{
	struct vgpu_pci_desc d = plain();

	(void)state;
	for (unsigned n = 0; n <= 0xffff; n++) {
		d.msi_vectors = (uint16_t)n;
		if (n == 0 || n == 1 || n == 2 || n == 4 || n == 8 || n == 16 ||
		    n == 32)
			accepted(&d);
		else
			refused(&d, "msi_vectors");
	}
	d = everything();
	d.bars[4].size = 1 << 20;
	d.msix_pba_offset = 0x80000;
	d.msix_vectors = 2048;
	accepted(&d);
	d.msix_vectors = 2049;
	refused(&d, "msix_vectors is at most 2048");
}

/* ------------------------------------------------------------------ */
/* BARs                                                                */
/* ------------------------------------------------------------------ */

static void bar_sizes(void **state)
{
	struct vgpu_pci_desc d = plain();
	struct vgpu_bar *bar = &d.bars[3];

	(void)state;
	for (unsigned i = 0; i < VGPU_NUM_BARS; i++) {
		char expected[32];

		d = plain();
		memset(d.bars, 0, sizeof(d.bars));
		d.bars[i].size = 48;
		snprintf(expected, sizeof(expected), "BAR%u has a size that is",
			 i);
		refused(&d, expected);
	}
	d = plain();
	bar->size = 16;
	accepted(&d);
	bar->size = 8;
	refused(&d, "BAR3 is memory: its size is at least 16 bytes");
	bar->size = 1ull << 31;
	accepted(&d);
	bar->size = 1ull << 32;
	refused(&d, "BAR3 is larger than 2 GiB and so needs VGPU_BAR_64");
	bar->flags = VGPU_BAR_64;
	accepted(&d);
	bar->size = 1ull << 38;
	accepted(&d);
	bar->size = 1ull << 39;
	refused(&d, "BAR3 is larger than 256 GiB");
	bar->size = 1ull << 63;
	refused(&d, "BAR3 is larger than 256 GiB");

	bar->size = 4;
	bar->flags = VGPU_BAR_IO;
	accepted(&d);
	bar->size = 256;
	accepted(&d);
	bar->size = 2;
	refused(&d, "BAR3 is I/O space: its size is 4 to 256 bytes");
	bar->size = 512;
	refused(&d, "BAR3 is I/O space: its size is 4 to 256 bytes");

	d = everything();
	d.bars[2].size = 128;
	accepted(&d);
	d.bars[2].size = 64;
	refused(&d, "BAR2 is memory of a PCI Express function");
}

static void bar_flags(void **state)
{
	struct vgpu_pci_desc d = plain();

	(void)state;
	d.bars[0].flags = 1u << 3;
	refused(&d, "BAR0 has unknown flags");
	d.bars[0] = (struct vgpu_bar){ .size = 16,
				       .flags = VGPU_BAR_IO | VGPU_BAR_64 };
	refused(&d, "BAR0 is I/O space, which is neither");
	d.bars[0].flags = VGPU_BAR_IO | VGPU_BAR_PREFETCH;
	refused(&d, "BAR0 is I/O space, which is neither");
	d = plain();
	d.bars[1].flags = VGPU_BAR_64;
	refused(&d, "BAR1 has flags or areas but no size");
	d = plain();
	d.bars[1].n_areas = 1;
	refused(&d, "BAR1 has flags or areas but no size");
	d = plain();
	d.bars[1] = (struct vgpu_bar){ .size = 4096, .flags = VGPU_BAR_64 };
	refused(&d, "BAR2 is the upper half");
	d = plain();
	d.bars[4].reserved = 1;
	refused(&d, "BAR4 has something in reserved");
	d = plain();
	d.bars[5] = (struct vgpu_bar){ .size = 4096, .flags = VGPU_BAR_64 };
	refused(&d, "BAR5 is the last");
}

/* ------------------------------------------------------------------ */
/* Areas                                                               */
/* ------------------------------------------------------------------ */

struct row {
	struct vgpu_pci_desc desc;
	struct vgpu_area areas[2];
};

/* BAR0 of 16 MiB: memory that is mapped, then registers. */
static void two_areas(struct row *r)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	r->desc = plain();
	r->areas[0] = (struct vgpu_area){ .kind = VGPU_AREA_MAPPED,
					  .offset = page,
					  .size = 4 * page };
	r->areas[1] = (struct vgpu_area){ .kind = VGPU_AREA_TRAPPED,
					  .offset = 5 * page,
					  .size = 8,
					  .ops = &ops };
	r->desc.bars[0].areas = r->areas;
	r->desc.bars[0].n_areas = 2;
}

static void areas(void **state)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct row r;

	(void)state;
	two_areas(&r);
	accepted(&r.desc);
	r.desc.bars[0].areas = NULL;
	refused(&r.desc, "BAR0 has n_areas but no areas");
	two_areas(&r);
	r.desc.bars[0].n_areas = 63;
	refused(&r.desc, "BAR0 has more than 62 areas");
	two_areas(&r);
	r.areas[1].kind = VGPU_AREA_DOORBELL;
	r.areas[1].size = 3;
	refused(&r.desc, "BAR0 has a doorbell that is not");
	two_areas(&r);
	r.areas[1].kind = VGPU_AREA_DOORBELL + 1;
	refused(&r.desc, "BAR0 has an area of unknown kind");
	two_areas(&r);
	r.areas[0].size = 0;
	refused(&r.desc, "BAR0 has an area of size 0");

	two_areas(&r);
	r.areas[1].offset = (16 << 20) - 8;
	accepted(&r.desc);
	r.areas[1].offset = (16 << 20) - 7;
	refused(&r.desc, "BAR0 has an area that reaches beyond its end");
	r.areas[1].offset = 16 << 20;
	refused(&r.desc, "BAR0 has an area that reaches beyond its end");
	r.areas[1].offset = ~0ull - 3; /* wraps */
	refused(&r.desc, "BAR0 has an area that reaches beyond its end");

	two_areas(&r);
	r.areas[0].offset += 8;
	refused(&r.desc, "BAR0 has a mapped area whose offset");
	two_areas(&r);
	r.areas[0].size -= 8;
	refused(&r.desc, "BAR0 has a mapped area whose offset");
	two_areas(&r);
	r.areas[0].ops = &ops;
	refused(&r.desc, "BAR0 has an area with ops that is not trapped");

	two_areas(&r);
	r.areas[1].offset -= 1;
	refused(&r.desc, "BAR0 has areas that overlap");
	r.areas[1].offset = 2 * page; /* inside */
	refused(&r.desc, "BAR0 has areas that overlap");
	r.areas[1].offset = 0;
	r.areas[1].size = page;
	accepted(&r.desc);
	r.areas[1].size = page + 1;
	refused(&r.desc, "BAR0 has areas that overlap");
	r.areas[1].size = 16 << 20; /* around */
	refused(&r.desc, "BAR0 has areas that overlap");

	/* memory that is not mapped may lie anywhere */
	two_areas(&r);
	r.areas[0].kind = VGPU_AREA_MEMORY;
	r.areas[0].offset = 3;
	r.areas[0].size = 5;
	accepted(&r.desc);

	two_areas(&r);
	r.desc.bars[1] = (struct vgpu_bar){ .size = 256,
					    .flags = VGPU_BAR_IO,
					    .n_areas = 1,
					    .areas = r.areas };
	r.areas[0].offset = 0;
	r.areas[0].size = 16;
	r.desc.bars[0].areas = NULL;
	r.desc.bars[0].n_areas = 0;
	refused(&r.desc, "BAR1 is I/O space: it can't be mapped");
	r.areas[0].kind = VGPU_AREA_MEMORY;
	accepted(&r.desc);
}

static void area_ops(void **state)
{
	static const uint32_t sizes[][2] = { { 0, 4 },	{ 1, 0 }, { 3, 4 },
					     { 1, 3 },	{ 4, 2 }, { 1, 16 },
					     { 16, 16 } };
	struct vgpu_mmio_ops bad = ops;
	struct row r;

	(void)state;
	two_areas(&r);
	r.areas[1].ops = NULL;
	refused(&r.desc, "BAR0 has a trapped area without ops");
	r.areas[1].ops = &bad;
	accepted(&r.desc);
	bad.flags = 2;
	refused(&r.desc, "BAR0 has an area whose ops have unknown flags");
	bad.flags = VGPU_MMIO_NO_PARTIAL_WRITE;
	accepted(&r.desc);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		bad = ops;
		bad.min_access = sizes[i][0];
		bad.max_access = sizes[i][1];
		refused(&r.desc, "BAR0 has an area whose ops take impossible");
	}
	bad.min_access = bad.max_access = 8;
	accepted(&r.desc);
	bad.min_access = bad.max_access = 0; /* 4 */
	accepted(&r.desc);
}

/* ------------------------------------------------------------------ */
/* MSI-X                                                               */
/* ------------------------------------------------------------------ */

static void msix(void **state)
{
	struct vgpu_area area = { .kind = VGPU_AREA_TRAPPED,
				  .size = 8,
				  .ops = &ops };
	struct vgpu_pci_desc d = everything();

	(void)state;
	d.msix_bar = 6;
	refused(&d, "msix_bar is no BAR");
	d.msix_bar = 0xffffffff;
	refused(&d, "msix_bar is no BAR");
	d.msix_bar = 1; /* the upper half of BAR0 */
	refused(&d, "msix_bar is no BAR");
	d.msix_bar = 5;
	refused(&d, "msix_bar is I/O space");
	d.msix_vectors = 0; /* then nobody looks */
	accepted(&d);

	d = everything();
	d.msix_table_offset = 0x1004;
	refused(&d, "are multiples of 8");
	d = everything();
	d.msix_pba_offset = 0x1801;
	refused(&d, "are multiples of 8");

	/* 70 vectors: 1120 bytes and 16 bytes, in 8192 */
	d = everything();
	d.msix_table_offset = 8192 - 1120;
	accepted(&d);
	d.msix_table_offset += 8;
	refused(&d, "the MSI-X table (16 bytes for each vector) reaches");
	d.msix_table_offset = 0xfffffff8;
	refused(&d, "the MSI-X table (16 bytes for each vector) reaches");
	d = everything();
	d.msix_pba_offset = 8192 - 16;
	accepted(&d);
	d.msix_pba_offset += 8;
	refused(&d, "the MSI-X PBA (8 bytes for each 64 vectors) reaches");

	d = everything();
	d.msix_table_offset = 0;
	d.msix_pba_offset = 1120;
	accepted(&d);
	d.msix_pba_offset = 1112;
	refused(&d, "the MSI-X table and the PBA overlap");
	d.msix_pba_offset = 0;
	d.msix_table_offset = 16;
	accepted(&d);
	d.msix_table_offset = 8;
	refused(&d, "the MSI-X table and the PBA overlap");

	d = everything(); /* table at 0x1000, PBA at 0x1800 */
	d.bars[4].n_areas = 1;
	d.bars[4].areas = &area;
	accepted(&d);
	area.offset = 0x1000 - 8;
	accepted(&d);
	area.offset = 0x1000 - 7;
	refused(&d, "overlaps the MSI-X table or the PBA");
	area.offset = 0x1000 + 1120;
	accepted(&d);
	area.offset = 0x1808;
	refused(&d, "overlaps the MSI-X table or the PBA");
	area.offset = 0x1810;
	accepted(&d);
}

/* ------------------------------------------------------------------ */
/* Capabilities and ROM                                                */
/* ------------------------------------------------------------------ */

static void capabilities(void **state)
{
	static const uint8_t cores[] = { 0x01, 0x05, 0x10, 0x11 };
	uint8_t data[190] = { 8 };
	struct vgpu_pci_cap caps[49] = { { .id = 9, .len = 8, .data = data } };
	struct vgpu_pci_desc d = plain();

	(void)state;
	d.n_caps = 1;
	refused(&d, "n_caps is set but caps is NULL");
	d.caps = caps;
	accepted(&d);
	caps[0].id = 0;
	refused(&d, "0x00 or 0xff");
	caps[0].id = 0xff;
	refused(&d, "0x00 or 0xff");
	for (unsigned i = 0; i < sizeof(cores); i++) {
		caps[0].id = cores[i];
		refused(&d, "are the core's capabilities");
	}
	caps[0].id = 0x15;
	for (unsigned len = 0; len < 256; len++) {
		caps[0].len = (uint8_t)len;
		if (len >= 2 && len <= 192)
			accepted(&d);
		else
			refused(&d, "len is 2 to 192 bytes");
	}
	caps[0].len = 3;
	caps[0].data = NULL;
	refused(&d, "longer than 2 bytes has no data");
	caps[0].len = 2;
	accepted(&d);
	caps[0].id = 9;
	refused(&d, "data[0] must be len");
	caps[0].len = 9;
	caps[0].data = data;
	refused(&d, "data[0] must be len");

	for (unsigned i = 0; i < ARRAY_SIZE(caps); i++)
		caps[i] = (struct vgpu_pci_cap){ .id = 0x15, .len = 2 };
	d.n_caps = 48;
	accepted(&d);
	d.n_caps = 49;
	refused(&d, "more capabilities than config space has room");
	d.n_caps = 0xffffffff;
	refused(&d, "more capabilities than config space has room");
	d.n_caps = 48;
	d.pm = true;
	refused(&d, "take more than 192 bytes");
	d.n_caps = 46;
	accepted(&d);

	/* PM 8, MSI 16, MSI-X 12, PCI Express 60: 96 are left */
	d = everything();
	d.n_caps = 1;
	d.caps = caps;
	caps[0].id = 9;
	caps[0].len = 96;
	caps[0].data = data;
	data[0] = 96;
	accepted(&d);
	caps[0].len = data[0] = 97;
	refused(&d, "take more than 192 bytes");
}

static void capability_structures(void **state)
{
	struct vgpu_pci_cap_ops cap_ops = { 0 };
	struct vgpu_pci_cap caps[2] = { 0 };
	struct vgpu_pci_desc d = plain();

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		caps[i].id = 0x15;
		caps[i].len = 2;
	}
	d.n_caps = 2;
	d.caps = caps;
	accepted(&d);
	caps[1].reserved = 1;
	refused(&d, "a capability has something in reserved");
	caps[1].reserved = 0;
	caps[1].ops = &cap_ops;
	accepted(&d);
}

static void rom(void **state)
{
	static const uint8_t image[1];
	struct vgpu_pci_desc d = plain();

	(void)state;
	d.rom = image;
	refused(&d, "rom and rom_size are set both, or neither");
	d.rom = NULL;
	d.rom_size = 1;
	refused(&d, "rom and rom_size are set both, or neither");
	d.rom = image;
	accepted(&d);
	d.rom_size = 16 << 20;
	accepted(&d);
	d.rom_size++;
	refused(&d, "the ROM is larger than 16 MiB");
	d.rom_size = ~0ull;
	refused(&d, "the ROM is larger than 16 MiB");

	assert_int_equal(pci_rom_bar_size(0), 0);
	assert_int_equal(pci_rom_bar_size(1), 2048);
	assert_int_equal(pci_rom_bar_size(2048), 2048);
	assert_int_equal(pci_rom_bar_size(2049), 4096);
	assert_int_equal(pci_rom_bar_size(16 << 20), 16 << 20);
	assert_int_equal(pci_rom_bar_size((16 << 20) + 1), 0);
	assert_int_equal(pci_rom_bar_size(~0ull), 0);
}

/* ------------------------------------------------------------------ */
/* Any description                                                     */
/* ------------------------------------------------------------------ */

#define RANDOM_DESCS 20000

static uint64_t pick(uint64_t *seed, uint64_t n)
{
	return next_random(seed) % n;
}

static struct vgpu_pci_desc random_desc(uint64_t *seed,
					struct vgpu_pci_cap *caps,
					size_t n_caps, const uint8_t *data)
{
	static const uint16_t msi[] = { 0, 0, 1, 2, 4, 8, 16, 32, 3 };
	struct vgpu_pci_desc d = plain();

	d.express = d.pm = pick(seed, 2);
	d.pm |= pick(seed, 8) == 0;
	d.intx_pin = (uint8_t)pick(seed, 5);
	d.msi_vectors = msi[pick(seed, ARRAY_SIZE(msi))];
	d.msix_vectors = pick(seed, 2) ? (uint16_t)pick(seed, 256) : 0;
	d.msix_bar = (uint32_t)pick(seed, 7);
	d.msix_table_offset = (uint32_t)pick(seed, 4) * 0x1000;
	d.msix_pba_offset = (uint32_t)pick(seed, 4) * 0x1000;
	d.rom = data;
	d.rom_size = pick(seed, 2) ? 1 + pick(seed, 100000) : 0;
	if (!d.rom_size)
		d.rom = NULL;
	memset(d.bars, 0, sizeof(d.bars));
	for (unsigned i = 0; i < VGPU_NUM_BARS; i++) {
		struct vgpu_bar *bar = &d.bars[i];

		if (pick(seed, 2))
			continue;
		bar->size = 1ull << (4 + pick(seed, 34));
		if (pick(seed, 6) == 0)
			*bar = (struct vgpu_bar){ .size = 4u << pick(seed, 7),
						  .flags = VGPU_BAR_IO };
		else if (bar->size > 1u << 31 || pick(seed, 3) == 0)
			bar->flags = VGPU_BAR_64;
		if ((bar->flags & VGPU_BAR_64) && pick(seed, 8))
			i++;
	}
	d.caps = caps;
	d.n_caps = (uint32_t)pick(seed, n_caps + 1);
	for (uint32_t i = 0; i < d.n_caps; i++)
		caps[i] = (struct vgpu_pci_cap){
			.id = (uint8_t)(0x12 + pick(seed, 4)),
			.len = (uint8_t)(2 + pick(seed, 40)),
			.data = data,
			.writable = pick(seed, 2) ? data : NULL,
		};
	return d;
}

static void sizes_and_lists_hold(struct guest *g, const struct vgpu_pci_desc *d,
				 uint64_t *seed)
{
	bool seen[256] = { false };
	unsigned n = 0;

	for (unsigned i = 0; i < 200; i++)
		wr(g, (uint32_t)pick(seed, pci_config_size(g->config) - 8),
		   1 + (unsigned)pick(seed, 8), next_random(seed));
	for (unsigned at = rd8(g, 0x34); at; at = rd8(g, at + 1)) {
		assert_true(at >= 0x40 && at % 4 == 0 && !seen[at]);
		seen[at] = true;
		n++;
	}
	assert_int_equal(n, d->n_caps + d->pm + d->express + !!d->msi_vectors +
				    !!d->msix_vectors);
	assert_int_equal(!!(rd8(g, 6) & 0x10), n > 0);
	for (unsigned i = 0; i < VGPU_NUM_BARS; i++) {
		const struct vgpu_bar *bar = &d->bars[i];
		bool wide = bar->flags & VGPU_BAR_64;
		uint64_t bits;

		if (!bar->size)
			continue;
		wr(g, 0x10 + 4 * i, wide ? 8 : 4, ~0ull);
		bits = rd(g, 0x10 + 4 * i, wide ? 8 : 4);
		bits &= bar->flags & VGPU_BAR_IO ? ~3ull : ~15ull;
		assert_int_equal(bits & -bits, bar->size);
	}
}

static void any_description(void **state)
{
	uint64_t seed = 88172645463325252ull;
	struct vgpu_pci_cap caps[6];
	uint8_t data[190];
	unsigned good = 0;

	(void)state;
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)next_random(&seed);
	for (unsigned i = 0; i < RANDOM_DESCS; i++) {
		struct vgpu_pci_desc d =
			random_desc(&seed, caps, ARRAY_SIZE(caps), data);
		const char *why = NULL;
		struct guest g;

		if (pci_config_check(&d, &why)) {
			assert_non_null(why);
			continue;
		}
		good++;
		if (good > RANDOM_DESCS / 20)
			continue; /* an arena each: enough of them */
		guest_start(&g, &d);
		sizes_and_lists_hold(&g, &d, &seed);
		guest_stop(&g);
	}
	assert_true(good > RANDOM_DESCS / 20);
	assert_true(good < RANDOM_DESCS - RANDOM_DESCS / 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids),
		cmocka_unit_test(vectors),
		cmocka_unit_test(bar_sizes),
		cmocka_unit_test(bar_flags),
		cmocka_unit_test(areas),
		cmocka_unit_test(area_ops),
		cmocka_unit_test(msix),
		cmocka_unit_test(capabilities),
		cmocka_unit_test(capability_structures),
		cmocka_unit_test(rom),
		cmocka_unit_test(any_description),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
