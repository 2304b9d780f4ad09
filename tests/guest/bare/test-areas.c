/* SPDX-License-Identifier: MIT */
/*
 * Every kind of memory that a device may have, as the guest's processor
 * reaches it: trapped, mapped straight, memory behind messages, holes, I/O
 * ports, a ROM. The devices are drivers/testdev and the example that is built
 * outside the tree.
 */
#include "testdev.h"

/* BAR0: bytes whose driver takes other sizes of access each */
#define WINDOW(n)	  (0x100 * (n))
#define WINDOW_SIZE	  0x40
#define WINDOW_32_ONLY	  3 /* what is smaller is not written */
#define WINDOWS		  6
#define WINDOW_READ_ONLY  0x700
#define WINDOW_WRITE_ONLY 0x800

/* BAR4: one area of each kind */
#define MIX_MAPPED     0x00000
#define MIX_TRAPPED    0x10000
#define MIX_MEMORY     0x20000
#define MIX_MAPPED_TOO 0x40000
#define MIX_HOLE       0x80000
#define MIX_SIZE       0x100000
#define CELLS_SIZE     0x1000 /* the trapped area repeats after as much */

#define IO_SCRATCH 0x00
#define IO_UNUSED  0x10

/* The drivers behind see one size only; the guest uses any. */
static void check_window(uint32_t at, bool small_writes)
{
	write32(at, 0x44332211);
	check_equal("word", read32(at), 0x44332211);
	check_equal("half at 2", read16(at + 2), 0x4433);
	check_equal("half at 1", read16(at + 1), 0x3322);
	check_equal("byte at 3", read8(at + 3), 0x44);
	write32(at + 4, 0x88776655);
	check_equal("word at 3", read32(at + 3), 0x77665544);
	write8(at + 1, 0xaa);
	check_equal("after a byte", read32(at),
		    small_writes ? 0x4433aa11 : 0x44332211);
	write16(at + 6, 0xbbcc);
	check_equal("after a half", read32(at + 4),
		    small_writes ? 0xbbcc6655 : 0x88776655);
	write32(at + WINDOW_SIZE - 4, 0x0badcafe);
	check_equal("last word", read32(at + WINDOW_SIZE - 4), 0x0badcafe);
	check_equal("behind it", read32(at + WINDOW_SIZE), 0xffffffff);
}

static void test_windows(void)
{
	struct testdev dev;

	testdev_open(&dev);
	for (unsigned n = 1; n <= WINDOWS; n++) {
		print("window %u\n", n);
		check_window(dev.registers + WINDOW(n), n != WINDOW_32_ONLY);
	}
	write32(dev.registers + WINDOW_READ_ONLY, 0x12345678);
	check_equal("read-only", read32(dev.registers + WINDOW_READ_ONLY),
		    0x600d0000);
	check_equal("write-only", read32(dev.registers + WINDOW_WRITE_ONLY),
		    0xffffffff);
}

/* Memory keeps each size at each offset, over a page's end, too. */
static void check_memory(uint32_t at)
{
	write32(at, 0x44332211);
	write8(at + 1, 0xaa);
	write16(at + 2, 0xbbcc);
	check_equal("word", read32(at), 0xbbccaa11);
	check_equal("half at 1", read16(at + 1), 0xccaa);
	write32(at + 4094, 0x55667788);
	check_equal("over a page's end", read32(at + 4094), 0x55667788);
	check_equal("its end", read16(at + 4096), 0x5566);
}

static void test_mix(void)
{
	struct testdev dev;
	uint32_t mix;

	testdev_open(&dev);
	check_equal("64-bit and prefetchable",
		    pci_read32(&dev.pci, PCI_BAR(4)) & 0xf, 0xc);
	check_equal("size", pci_bar_size(&dev.pci, 4), MIX_SIZE);
	mix = pci_bar(&dev.pci, 4);
	print("mapped\n");
	check_memory(mix + MIX_MAPPED);
	print("memory behind messages\n");
	check_memory(mix + MIX_MEMORY);
	print("mapped, the second area\n");
	check_memory(mix + MIX_MAPPED_TOO);
	check_equal("the first area is another", read32(mix + MIX_MAPPED),
		    0xbbccaa11);

	print("trapped\n");
	write32(mix + MIX_TRAPPED, 0x11111111);
	write32(mix + MIX_TRAPPED + 4, 0x22222222);
	check_equal("low half", read32(mix + MIX_TRAPPED), 0x11111111);
	check_equal("high half", read32(mix + MIX_TRAPPED + CELLS_SIZE + 4),
		    0x22222222);

	print("edges\n");
	write32(mix + MIX_TRAPPED - 4, 0x33333333);
	check_equal("before the trapped area", read32(mix + MIX_TRAPPED - 4),
		    0x33333333);
	check_equal("across the edge", read32(mix + MIX_TRAPPED - 2),
		    0x11113333);
	write32(mix + MIX_HOLE, 0x12345678);
	check_equal("a hole", read32(mix + MIX_HOLE), 0xffffffff);
	check_equal("its end", read32(mix + MIX_SIZE - 4), 0xffffffff);
}

static void test_io(void)
{
	struct testdev dev;
	uint32_t bar;

	testdev_open(&dev);
	pci_write16(&dev.pci, PCI_COMMAND,
		    pci_read16(&dev.pci, PCI_COMMAND) | PCI_COMMAND_IO);
	bar = pci_read32(&dev.pci, PCI_BAR(3));
	check_equal("I/O space", bar & 3, 1);
	bar &= ~3u;
	out32(bar + IO_SCRATCH, 0x87654321);
	check_equal("by port", in32(bar + IO_SCRATCH), 0x87654321);
	check_equal("a byte of it", in8(bar + IO_SCRATCH + 1), 0x43);
	check_equal("the same register in memory",
		    testdev_read(&dev, TESTDEV_SCRATCH), 0x87654321);
	check_equal("nothing there", in32(bar + IO_UNUSED), 0xffffffff);
}

static void test_rom(void)
{
	struct testdev dev;
	uint32_t old, rom, wrong = 0;

	testdev_open(&dev);
	old = pci_read32(&dev.pci, PCI_ROM);
	pci_write32(&dev.pci, PCI_ROM, 0xfffff800);
	check_equal("size", ~(pci_read32(&dev.pci, PCI_ROM) & ~0x7ffu) + 1,
		    4096);
	pci_write32(&dev.pci, PCI_ROM, old | 1);
	rom = old & ~0x7ffu;
	check_equal("signature", read16(rom), 0xaa55);
	for (uint32_t i = 0x40; i < 4096; i++)
		wrong += read8(rom + i) != (uint8_t)(i * 7 + (i >> 8));
	check_equal("its pattern", wrong, 0);
	write32(rom + 0x100, 0);
	check_equal("read-only", read8(rom + 0x101), (uint8_t)(0x101 * 7 + 1));
	pci_write32(&dev.pci, PCI_ROM, old);
}

/* examples/minimal-driver: the letters "vGPU", and a register that adds. */
#define HELLO_DEVICE  0x4831
#define HELLO_LETTERS 0x00
#define HELLO_SUM     0x04
#define HELLO_SIZE    0x08

static void test_hello(void)
{
	struct testdev dev;

	pci_find(&dev.pci, TESTDEV_VENDOR, HELLO_DEVICE);
	dev.registers = pci_bar(&dev.pci, 0);
	pci_enable(&dev.pci);
	check_equal("letters", testdev_read(&dev, HELLO_LETTERS), 0x55504776);
	testdev_write(&dev, HELLO_SUM, 40);
	testdev_write(&dev, HELLO_SUM, 2);
	check_equal("sum", testdev_read(&dev, HELLO_SUM), 42);
	check_equal("nothing behind", testdev_read(&dev, HELLO_SIZE),
		    0xffffffff);
}

const struct bare_test area_tests[] = {
	{ "area-windows", test_windows }, { "area-mix", test_mix },
	{ "area-io", test_io },		  { "area-rom", test_rom },
	{ "hello", test_hello },	  { NULL, NULL },
};
