/* SPDX-License-Identifier: MIT */
#include "bochs.h"

#include "../programs/card.h"

#define WIDTH  640
#define HEIGHT 400

static void test_config(void)
{
	struct bochs b;

	bochs_open(&b);
	check_equal("class", pci_read32(&b.pci, PCI_CLASS_REVISION) >> 8,
		    0x038000);
	check_equal("BAR0 is prefetchable memory",
		    pci_read32(&b.pci, PCI_BAR(0)) & 0xf, 0x8);
	check_equal("BAR2 is memory", pci_read32(&b.pci, PCI_BAR(2)) & 0xf, 0);
	check_equal("BAR2's size", pci_bar_size(&b.pci, 2), BOCHS_MMIO_SIZE);
	check_equal("BAR0's size is the memory's",
		    bochs_get(&b, DISPI_MEMORY_64K) * 65536u, b.vram_size);
	check_equal("no ROM", pci_read32(&b.pci, PCI_ROM), 0);
	for (unsigned bar = 3; bar < 6; bar++)
		check_equal("no further BAR", pci_bar_size(&b.pci, bar), 0);

	pci_write32(&b.pci, PCI_VENDOR, 0);
	check_equal("ids are read-only", pci_read32(&b.pci, PCI_VENDOR),
		    (uint32_t)BOCHS_DEVICE << 16 | BOCHS_VENDOR);
	pci_write32(&b.pci, PCI_CLASS_REVISION, 0);
	check_equal("class is read-only",
		    pci_read32(&b.pci, PCI_CLASS_REVISION) >> 8, 0x038000);

	uint16_t command = pci_read16(&b.pci, PCI_COMMAND);

	write32(b.vram, 0xcafef00d);
	pci_write16(&b.pci, PCI_COMMAND, command & ~PCI_COMMAND_MEMORY);
	check_true("without decoding no registers",
		   bochs_get(&b, DISPI_ID) != BOCHS_ID);
	check_true("without decoding no memory", read32(b.vram) != 0xcafef00d);
	pci_write16(&b.pci, PCI_COMMAND, command);
	check_equal("with decoding registers are back", bochs_get(&b, DISPI_ID),
		    BOCHS_ID);
	check_equal("with decoding memory is back", read32(b.vram), 0xcafef00d);
}

static void test_dispi(void)
{
	struct bochs b;
	uint32_t dispi;

	bochs_open(&b);
	dispi = b.mmio + BOCHS_DISPI;
	check_equal("id", bochs_get(&b, DISPI_ID), BOCHS_ID);
	bochs_mode(&b, 800, 600);
	check_equal("width", bochs_get(&b, DISPI_XRES), 800);
	check_equal("height", bochs_get(&b, DISPI_YRES), 600);
	check_equal("depth", bochs_get(&b, DISPI_BPP), 32);
	check_equal("enabled", bochs_get(&b, DISPI_ENABLE) & DISPI_ENABLED,
		    DISPI_ENABLED);

	check_equal("low byte", read8(dispi + 2 * DISPI_XRES), 800 & 0xff);
	check_equal("high byte", read8(dispi + 2 * DISPI_XRES + 1), 800 >> 8);
	check_equal("two registers at once", read32(dispi),
		    800u << 16 | BOCHS_ID);
	check_equal("across two registers", read16(dispi + 1),
		    (800 & 0xff) << 8 | BOCHS_ID >> 8);
	check_equal("across three registers", read32(dispi + 1),
		    600u << 24 | 800u << 8 | BOCHS_ID >> 8);
	/* The mode is fixed while the display is on. */
	bochs_set(&b, DISPI_XRES, 320);
	check_equal("width while it is on", bochs_get(&b, DISPI_XRES), 800);
	bochs_set(&b, DISPI_ENABLE, 0);
	write32(dispi + 2 * DISPI_XRES, 480u << 16 | 640);
	check_equal("the first of two written", bochs_get(&b, DISPI_XRES), 640);
	check_equal("the second of two written", bochs_get(&b, DISPI_YRES),
		    480);

	check_equal("byte order at first", read32(b.mmio + BOCHS_ENDIAN),
		    BOCHS_LITTLE_ENDIAN);
	write32(b.mmio + BOCHS_ENDIAN, BOCHS_BIG_ENDIAN);
	check_equal("byte order changed", read32(b.mmio + BOCHS_ENDIAN),
		    BOCHS_BIG_ENDIAN);
	write32(b.mmio + BOCHS_ENDIAN, 0x12345678);
	check_equal("no other byte order", read32(b.mmio + BOCHS_ENDIAN),
		    BOCHS_BIG_ENDIAN);
	write32(b.mmio + BOCHS_ENDIAN, BOCHS_LITTLE_ENDIAN);
}

static void test_edid(void)
{
	static const uint8_t head[] = {
		0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0
	};
	uint8_t edid[BOCHS_EDID_SIZE], sum = 0;
	bool good = true, wide = true;
	struct bochs b;

	bochs_open(&b);
	for (unsigned i = 0; i < sizeof(edid); i++) {
		edid[i] = read8(b.mmio + i);
		sum += edid[i];
	}
	for (unsigned i = 0; i < sizeof(head); i++)
		good = good && edid[i] == head[i];
	check_true("header", good);
	check_equal("checksum", sum, 0);
	for (unsigned i = 0; i < sizeof(edid); i += 4)
		wide = wide &&
		       read32(b.mmio + i) ==
			       (edid[i] | edid[i + 1] << 8 | edid[i + 2] << 16 |
				(uint32_t)edid[i + 3] << 24);
	check_true("the same in words", wide);
	check_true("first detailed timing", edid[54] || edid[55]);
	/* The host knows what the type prefers. */
	print("preferred: %ux%u\n", edid[56] | (edid[58] & 0xf0u) << 4,
	      edid[59] | (edid[61] & 0xf0u) << 4);
	write32(b.mmio, 0);
	check_equal("read-only", read8(b.mmio + 1), 0xff);
}

static void test_vram(void)
{
	struct bochs b;
	bool good = true;

	bochs_open(&b);
	for (uint32_t at = 0; at < b.vram_size; at += 4096)
		write32(b.vram + at, at ^ 0xa5a5a5a5);
	for (uint32_t at = 0; at < b.vram_size; at += 4096)
		good = good && read32(b.vram + at) == (at ^ 0xa5a5a5a5);
	check_true("every page", good);

	write32(b.vram + 4094, 0x11223344);
	check_equal("across pages", read32(b.vram + 4094), 0x11223344);
	check_equal("its first half", read16(b.vram + 4094), 0x3344);
	check_equal("its second half", read16(b.vram + 4096), 0x1122);
	write8(b.vram + 4095, 0x99);
	check_equal("one byte of it", read32(b.vram + 4094), 0x11229944);
	write32(b.vram + b.vram_size - 4, 0xdeadbeef);
	check_equal("the last word", read32(b.vram + b.vram_size - 4),
		    0xdeadbeef);
}

static void draw(const struct bochs *b, uint32_t row, uint32_t frame)
{
	struct card card = { WIDTH, HEIGHT, frame, "bare" };

	card_draw(&card, (uint32_t *)(b->vram + row * WIDTH * 4));
	print("showing: %ux%u frame %u\n", WIDTH, HEIGHT, frame);
	wait_for_host();
}

static void test_screen(void)
{
	struct bochs b;

	bochs_open(&b);
	bochs_mode(&b, WIDTH, HEIGHT);
	draw(&b, 0, 1);
	/* The next one below, shown by moving the window down. */
	bochs_set(&b, DISPI_Y_OFFSET, HEIGHT);
	draw(&b, HEIGHT, 2);
	check_equal("offset", bochs_get(&b, DISPI_Y_OFFSET), HEIGHT);
}

/* Every size at every offset, aligned or not; what is there must not change. */
static void test_reads(void)
{
	struct bochs b;

	bochs_open(&b);
	bochs_mode(&b, WIDTH, HEIGHT);
	for (uint32_t at = 0; at < BOCHS_MMIO_SIZE; at++) {
		read8(b.mmio + at);
		if (at + 2 <= BOCHS_MMIO_SIZE)
			read16(b.mmio + at);
		if (at + 4 <= BOCHS_MMIO_SIZE)
			read32(b.mmio + at);
	}
	check_equal("id", bochs_get(&b, DISPI_ID), BOCHS_ID);
	check_equal("width", bochs_get(&b, DISPI_XRES), WIDTH);
	check_equal("height", bochs_get(&b, DISPI_YRES), HEIGHT);
	draw(&b, 0, 3);
}

static void test_writes(void)
{
	static const uint32_t values[] = { 0, 0xffffffff, 0x80018001 };
	struct bochs b;

	bochs_open(&b);
	for (unsigned v = 0; v < sizeof(values) / sizeof(values[0]); v++)
		for (uint32_t at = 0; at < BOCHS_MMIO_SIZE; at++) {
			write8(b.mmio + at, values[v]);
			if (at + 2 <= BOCHS_MMIO_SIZE)
				write16(b.mmio + at, values[v]);
			if (at + 4 <= BOCHS_MMIO_SIZE)
				write32(b.mmio + at, values[v]);
		}
	check_equal("id", bochs_get(&b, DISPI_ID), BOCHS_ID);
	check_equal("memory", bochs_get(&b, DISPI_MEMORY_64K) * 65536u,
		    b.vram_size);
	/* What is nonsense now is right again after a plain mode set. */
	write32(b.mmio + BOCHS_ENDIAN, BOCHS_LITTLE_ENDIAN);
	bochs_mode(&b, WIDTH, HEIGHT);
	draw(&b, 0, 4);
}

static void test_config_writes(void)
{
	struct bochs b;

	bochs_open(&b);
	for (unsigned at = 0x40; at < 0x100; at += 4) {
		pci_write32(&b.pci, at, 0xffffffff);
		pci_write32(&b.pci, at, 0);
	}
	check_equal("ids", pci_read32(&b.pci, PCI_VENDOR),
		    (uint32_t)BOCHS_DEVICE << 16 | BOCHS_VENDOR);
	check_equal("class", pci_read32(&b.pci, PCI_CLASS_REVISION) >> 8,
		    0x038000);
}

static void check_power_on(const struct bochs *b)
{
	check_equal("id", bochs_get(b, DISPI_ID), BOCHS_ID);
	check_equal("mode is off", bochs_get(b, DISPI_ENABLE), 0);
	check_equal("width", bochs_get(b, DISPI_XRES), 0);
	check_equal("height", bochs_get(b, DISPI_YRES), 0);
	check_equal("offset", bochs_get(b, DISPI_Y_OFFSET), 0);
	check_equal("byte order", read32(b->mmio + BOCHS_ENDIAN),
		    BOCHS_LITTLE_ENDIAN);
}

/* Nothing of an earlier guest is left, neither in registers nor in memory. */
static void test_fresh(void)
{
	struct bochs b;
	uint32_t bits = 0;

	bochs_open(&b);
	check_power_on(&b);
	for (uint32_t at = 0; at < b.vram_size; at += 4)
		bits |= read32(b.vram + at);
	check_equal("memory is zero", bits, 0);
}

#define MARK_OFFSET 8192
#define MARK	    0xcafef00d

/*
 * Runs twice: the host resets the machine in between. Video memory keeps its
 * contents over that, so the second life knows that it is the second.
 */
static void test_reset(void)
{
	struct bochs b;

	bochs_open(&b);
	if (read32(b.vram + MARK_OFFSET) != MARK) {
		bochs_mode(&b, WIDTH, HEIGHT);
		bochs_set(&b, DISPI_Y_OFFSET, 3);
		write32(b.mmio + BOCHS_ENDIAN, BOCHS_BIG_ENDIAN);
		write32(b.vram + MARK_OFFSET, MARK);
		print("reset me\n");
		wait_for_host();
		check_true("the host resets the machine", false);
		return;
	}
	check_power_on(&b);
	bochs_mode(&b, WIDTH, HEIGHT);
	draw(&b, 0, 5);
}

const struct bare_test bochs_tests[] = {
	{ "bochs-config", test_config },
	{ "bochs-dispi", test_dispi },
	{ "bochs-edid", test_edid },
	{ "bochs-vram", test_vram },
	{ "bochs-screen", test_screen },
	{ "bochs-reads", test_reads },
	{ "bochs-writes", test_writes },
	{ "bochs-config-writes", test_config_writes },
	{ "bochs-fresh", test_fresh },
	{ "bochs-reset", test_reset },
	{ NULL, NULL },
};
