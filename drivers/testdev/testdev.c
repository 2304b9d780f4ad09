/* SPDX-License-Identifier: MIT */
/*
 * A device for tests: it has one of everything, and does what it is told.
 *
 * PCI 1234:7e57, no real device's. A PCIe endpoint with INTA, 8 MSI vectors,
 * 128 MSI-X vectors, power management, a vendor capability, a ROM, and
 *   BAR0  4 KiB of registers (below)
 *   BAR1  4 KiB: MSI-X table at 0, pending bits at 0x800
 *   BAR3  I/O, 32 bytes: a few of the registers; the upper half is not there
 *   BAR4  64-bit, prefetchable, 1 MiB, one area of each kind (see below)
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "testdev.h"

#define MSI_VECTORS  8
#define MSIX_VECTORS 128

/* BAR0: 32-bit registers. What is not written to here is read-only, what is
 * not read here reads 0. */
#define REG_TRIGGER	0x00 /* W: send this vector of what the guest uses */
#define REG_COUNT	0x04 /* R: how many were sent */
#define REG_SCRATCH	0x08 /* RW: nothing */
#define REG_LEVEL	0x0c /* RW: level of INTA */
#define REG_RESETS	0x10 /* R: resets since this client came */
#define REG_RESET_CAUSE 0x14 /* R: enum vgpu_reset_reason of the last one */
#define REG_IRQ_ENABLED 0x18 /* R: enum vgpu_irq_index that the guest uses */
#define REG_SIGNAL	0x1c /* W: vector << 8 | index; R: errno of that */
#define REG_READS	0x20 /* R: reads of the windows that came to ops */
#define REG_WRITES	0x24 /* R: writes, likewise */
#define REGS_SIZE	0x28

/* BAR3 */
#define IO_SCRATCH 0x00
#define IO_COUNT   0x04
#define IO_TRIGGER 0x08
#define IO_USED	   0x10
#define IO_SIZE	   0x20

/* BAR4 */
#define KIB	       1024ull
#define MIX_MAPPED     (0 * KIB)
#define MIX_TRAPPED    (64 * KIB)
#define MIX_MEMORY     (128 * KIB)
#define MIX_MAPPED_TOO (256 * KIB)
#define MIX_HOLE       (512 * KIB)
#define MIX_SIZE       (1024 * KIB)

/* ------------------------------------------------------------------ */
/* Registers                                                           */
/* ------------------------------------------------------------------ */

static void set_level(struct testdev *t, bool level)
{
	t->state->level = level;
	vgpu_intx_set(&t->dev, level);
}

void testdev_trigger(struct testdev *t, uint32_t vector)
{
	enum vgpu_irq_index index = vgpu_irq_enabled(&t->dev);

	if (index == VGPU_IRQ_INTX)
		set_level(t, true);
	else if (vgpu_irq_signal(&t->dev, index, vector) < 0)
		return;
	t->state->count++;
}

static uint64_t regs_read(struct vgpu_device *dev, void *data, uint64_t offset,
			  unsigned size)
{
	const struct testdev_state *s = to_testdev(dev)->state;

	switch (offset) {
	case REG_COUNT:
		return s->count;
	case REG_SCRATCH:
		return s->scratch;
	case REG_LEVEL:
		return s->level;
	case REG_RESETS:
		return s->resets;
	case REG_RESET_CAUSE:
		return s->reset_reason;
	case REG_IRQ_ENABLED:
		return vgpu_irq_enabled(dev);
	case REG_SIGNAL:
		return s->signal_result;
	case REG_READS:
		return s->reads;
	case REG_WRITES:
		return s->writes;
	default:
		return 0;
	}
}

static void regs_write(struct vgpu_device *dev, void *data, uint64_t offset,
		       uint64_t value, unsigned size)
{
	struct testdev *t = to_testdev(dev);

	switch (offset) {
	case REG_TRIGGER:
		testdev_trigger(t, (uint32_t)value);
		break;
	case REG_SCRATCH:
		t->state->scratch = (uint32_t)value;
		break;
	case REG_LEVEL:
		set_level(t, value & 1);
		break;
	case REG_SIGNAL:
		t->state->signal_result = (uint32_t)-vgpu_irq_signal(
			dev, (enum vgpu_irq_index)(value & 0xff),
			(unsigned)(value >> 8));
		break;
	}
}

static uint64_t io_read(struct vgpu_device *dev, void *data, uint64_t offset,
			unsigned size)
{
	switch (offset) {
	case IO_SCRATCH:
		return regs_read(dev, data, REG_SCRATCH, size);
	case IO_COUNT:
		return regs_read(dev, data, REG_COUNT, size);
	default:
		return 0;
	}
}

static void io_write(struct vgpu_device *dev, void *data, uint64_t offset,
		     uint64_t value, unsigned size)
{
	if (offset == IO_SCRATCH)
		regs_write(dev, data, REG_SCRATCH, value, size);
	else if (offset == IO_TRIGGER)
		regs_write(dev, data, REG_TRIGGER, value, size);
}

static const struct vgpu_mmio_ops regs_ops = {
	.min_access = 4,
	.max_access = 4,
	.read = regs_read,
	.write = regs_write,
};

static const struct vgpu_mmio_ops io_ops = {
	.min_access = 4,
	.max_access = 4,
	.read = io_read,
	.write = io_write,
};

/* ------------------------------------------------------------------ */
/* The device                                                          */
/* ------------------------------------------------------------------ */

static const struct vgpu_field testdev_fields[] = {
	VGPU_FIELD(struct testdev_state, count, 1),
	VGPU_FIELD(struct testdev_state, scratch, 1),
	VGPU_FIELD(struct testdev_state, level, 1),
	VGPU_FIELD(struct testdev_state, signal_result, 1),
	VGPU_FIELD(struct testdev_state, resets, 1),
	VGPU_FIELD(struct testdev_state, reset_reason, 1),
	VGPU_FIELD(struct testdev_state, reads, 1),
	VGPU_FIELD(struct testdev_state, writes, 1),
	VGPU_FIELD_ARRAY(struct testdev_state, windows, 1),
	VGPU_FIELD_ARRAY(struct testdev_state, cells, 1),
	VGPU_FIELD(struct testdev_state, rings, 1),
	VGPU_FIELD(struct testdev_state, engine_iova_lo, 1),
	VGPU_FIELD(struct testdev_state, engine_iova_hi, 1),
	VGPU_FIELD(struct testdev_state, engine_len, 1),
	VGPU_FIELD(struct testdev_state, engine_result, 1),
	VGPU_FIELD(struct testdev_state, engine_done, 1),
	VGPU_FIELD(struct testdev_state, engine_unmaps, 1),
	VGPU_FIELD(struct testdev_state, engine_lost, 1),
	VGPU_FIELD(struct testdev_state, engine_keep, 1),
};

static void testdev_reset(struct vgpu_device *dev,
			  enum vgpu_reset_reason reason)
{
	struct testdev *t = to_testdev(dev);
	uint32_t resets = t->state->resets;

	testdev_engine_stop(t);
	memset(t->state, 0, sizeof(*t->state));
	t->state->resets = reason == VGPU_RESET_NEW_CLIENT ? 0 : resets + 1;
	t->state->reset_reason = reason;
	set_level(t, false);
}

static void testdev_client_gone(struct vgpu_device *dev)
{
	testdev_engine_stop(to_testdev(dev));
}

static void testdev_destroy(struct vgpu_device *dev)
{
	struct testdev *t = to_testdev(dev);

	vgpu_device_fini(dev);
	vgpu_iommu_destroy(t->iommu);
}

#define TRAPPED(at, len, ops) VGPU_TRAPPED(at, len, ops, NULL)
#define AREA(area_kind, at, len)                                               \
	{                                                                      \
		.kind = (area_kind), .offset = (at), .size = (len)             \
	}
#define BELL(at)                                                               \
	{                                                                      \
		.kind = VGPU_AREA_DOORBELL, .offset = (at), .size = 4,         \
		.ops = &testdev_bell_ops                                       \
	}

static const struct vgpu_area bar0_areas[] = {
	TRAPPED(0, REGS_SIZE, &regs_ops),
	TRAPPED(WINDOW_8, WINDOW_SIZE, &testdev_w8_ops),
	TRAPPED(WINDOW_16, WINDOW_SIZE, &testdev_w16_ops),
	TRAPPED(WINDOW_32, WINDOW_SIZE, &testdev_w32_ops),
	TRAPPED(WINDOW_64, WINDOW_SIZE, &testdev_w64_ops),
	TRAPPED(WINDOW_ANY, WINDOW_SIZE, &testdev_wany_ops),
	TRAPPED(WINDOW_BULK, WINDOW_SIZE, &testdev_bulk_ops),
	TRAPPED(WINDOW_RO, WINDOW_SIZE, &testdev_ro_ops),
	TRAPPED(WINDOW_WO, WINDOW_SIZE, &testdev_wo_ops),
	TRAPPED(RINGS, 4, &testdev_rings_ops),
	TRAPPED(ENGINE_BASE, ENGINE_SIZE, &testdev_engine_ops),
	BELL(BELL_0),
	BELL(BELL_1),
};

static const struct vgpu_area bar3_areas[] = {
	TRAPPED(0, IO_USED, &io_ops),
};

static const struct vgpu_area bar4_areas[] = {
	AREA(VGPU_AREA_MAPPED, MIX_MAPPED, MIX_TRAPPED - MIX_MAPPED),
	TRAPPED(MIX_TRAPPED, MIX_MEMORY - MIX_TRAPPED, &testdev_cells_ops),
	AREA(VGPU_AREA_MEMORY, MIX_MEMORY, MIX_MAPPED_TOO - MIX_MEMORY),
	AREA(VGPU_AREA_MAPPED, MIX_MAPPED_TOO, MIX_HOLE - MIX_MAPPED_TOO),
};

/* The capability's own registers, from its start */
#define CAP_WRITES 12 /* counts writes to any of it */
#define CAP_MIRROR 13 /* complement of CAP_RW, made when it is read */
#define CAP_RW	   14 /* two writable bytes */

static void cap_before_read(struct vgpu_device *dev, unsigned cap,
			    unsigned offset, unsigned len)
{
	uint8_t byte;

	vgpu_pci_cap_load(dev, cap, CAP_RW, &byte, 1);
	byte = (uint8_t)~byte;
	vgpu_pci_cap_store(dev, cap, CAP_MIRROR, &byte, 1);
}

static void cap_written(struct vgpu_device *dev, unsigned cap, unsigned offset,
			unsigned len)
{
	uint8_t count;

	vgpu_pci_cap_load(dev, cap, CAP_WRITES, &count, 1);
	count++;
	vgpu_pci_cap_store(dev, cap, CAP_WRITES, &count, 1);
}

static const struct vgpu_pci_cap_ops cap_ops = {
	.before_read = cap_before_read,
	.written = cap_written,
};

/* PCI 3.0, 6.2.3: the first byte is the length; the last two are writable. */
static const uint8_t vendor_data[] = { 16,  'v', 'g', 'p', 'u', '-', 't',
				       'e', 's', 't', 0,   0,	0,   0 };
static const uint8_t vendor_writable[sizeof(vendor_data)] = {
	[12] = 0xff, [13] = 0x0f
};
static const struct vgpu_pci_cap caps[] = {
	{
		.id = 0x09,
		.len = sizeof(vendor_data) + 2,
		.data = vendor_data,
		.writable = vendor_writable,
		.ops = &cap_ops,
	},
};

/* An image that no x86 firmware runs, with a pattern behind the headers. */
static void build_rom(uint8_t *rom)
{
	/* Ids, length, class, length of the image, Open Firmware, the last */
	static const char pcir[] = "PCIR\x34\x12\x57\x7e\0\0\x18\0"
				   "\0\0\xff\0\x08\0\0\0\x01\x80\0";

	for (unsigned i = 0; i < ROM_SIZE; i++)
		rom[i] = (uint8_t)(i * 7 + (i >> 8));
	rom[0] = 0x55;
	rom[1] = 0xaa;
	rom[0x18] = 0x20; /* where PCIR is */
	rom[0x19] = 0;
	memcpy(rom + 0x20, pcir, sizeof(pcir)); /* 24 bytes with its NUL */
}

static int testdev_init(struct testdev *t)
{
	const struct vgpu_pci_desc pci = {
		.vendor_id = 0x1234,
		.device_id = 0x7e57,
		.subsystem_vendor_id = 0x1234,
		.subsystem_id = 0x0001,
		.class_code = 0x00ff00, /* none of the known classes */
		.revision = 1,
		.intx_pin = 1,
		.pm = true,
		.express = true,
		.msi_vectors = MSI_VECTORS,
		.msix_vectors = MSIX_VECTORS,
		.msix_bar = 1,
		.msix_table_offset = 0,
		.msix_pba_offset = 0x800,
		VGPU_LIST(caps, caps),
		.rom = t->rom,
		.rom_size = ROM_SIZE,
		.bars[0] = { .size = 4096, VGPU_LIST(areas, bar0_areas) },
		.bars[1] = { .size = 4096 },
		.bars[3] = { .size = IO_SIZE,
			     .flags = VGPU_BAR_IO,
			     VGPU_LIST(areas, bar3_areas) },
		.bars[4] = { .size = MIX_SIZE,
			     .flags = VGPU_BAR_64 | VGPU_BAR_PREFETCH,
			     VGPU_LIST(areas, bar4_areas) },
	};

	return vgpu_device_init(&t->dev, &pci);
}

static int testdev_create(struct vgpu_device *dev)
{
	struct testdev *t = to_testdev(dev);
	int err;

	build_rom(t->rom);
	err = vgpu_iommu_cpu_new(NULL, &t->iommu);
	if (err)
		return err;
	err = testdev_init(t);
	if (!err)
		err = vgpu_dma_set_iommu(dev, t->iommu);
	if (err)
		testdev_destroy(dev);
	t->state = dev->state;
	return err;
}

static const struct vgpu_device_ops testdev_ops = {
	.size = sizeof(struct testdev),
	VGPU_STATE(struct testdev_state, 1, testdev_fields),
	.create = testdev_create,
	.destroy = testdev_destroy,
	.reset = testdev_reset,
	.client_gone = testdev_client_gone,
	.dma_unmap = testdev_engine_unmap,
	.dma_lost = testdev_engine_lost,
};

static const struct vgpu_type testdev_types[] = {
	{ .name = "testdev",
	  .description = "one of everything, for tests; not for use",
	  .vram_size = MIX_SIZE },
};

static const struct vgpu_driver testdev_driver = {
	.name = "testdev",
	.version = "1",
	.description = "device for the tests of vgpud itself",
	VGPU_LIST(types, testdev_types),
	.instance = &testdev_ops,
};

VGPU_DRIVER_MODULE(testdev_driver);
