/* SPDX-License-Identifier: MIT */
/* What the two files of the test device share. */
#ifndef TESTDEV_H
#define TESTDEV_H

#include <stdint.h>

#include <vgpu/dma.h>
#include <vgpu/driver.h>
#include <vgpu/iommu.h>

/* BAR0: windows of plain bytes, each for other sizes of access */
#define WINDOW_SIZE 0x40
#define WINDOW_8    0x100 /* bytes */
#define WINDOW_16   0x200 /* 16 bits */
#define WINDOW_32   0x300 /* 32 bits; what is smaller is not written */
#define WINDOW_64   0x400 /* 64 bits */
#define WINDOW_ANY  0x500 /* 8 to 64 bits */
#define WINDOW_BULK 0x600 /* in bulk */
#define WINDOW_RO   0x700 /* 32 bits, no write op */
#define WINDOW_WO   0x800 /* 32 bits, no read op */

#define RINGS  0x914 /* bells.c: R, how often they rang */
#define BELL_0 0xa00 /* doorbells, 4 bytes each */
#define BELL_1 0xa04

#define ENGINE_BASE 0xb00 /* engine.c */
#define ENGINE_SIZE 0x2c
/* BAR4: what the engine copies from and to: the area of plain memory */
#define ENGINE_BUFFER	   (128u << 10)
#define ENGINE_BUFFER_SIZE (128u << 10)
#define ENGINE_SEGMENTS	   16
#define ENGINE_PAGES	   16 /* that may be pinned */

enum { W8, W16, W32, W64, WANY, WBULK, WRO, N_WINDOWS };

#define MIX_CELLS 512 /* 64-bit cells of BAR4, over and over again */
#define ROM_SIZE  4096

struct testdev_state {
	uint32_t count, scratch, level, signal_result;
	uint32_t resets, reset_reason;
	uint32_t reads, writes;
	uint8_t windows[N_WINDOWS][WINDOW_SIZE];
	uint64_t cells[MIX_CELLS];
	uint32_t rings;
	uint32_t engine_iova_lo, engine_iova_hi, engine_len, engine_result;
	uint32_t engine_done, engine_unmaps, engine_lost, engine_keep;
	uint32_t reserved;
};

struct testdev {
	struct vgpu_device dev;
	struct testdev_state *state;
	uint8_t rom[ROM_SIZE];

	/* The engine's; gone with the client, so not part of the state */
	struct vgpu_dma_segment segments[ENGINE_SEGMENTS];
	int n_segments;
	struct vgpu_iommu *iommu;
	uint64_t pin_iova[ENGINE_PAGES], pin_addr[ENGINE_PAGES];
	unsigned n_pins;
	unsigned n_async;
	uint64_t unmap_iova, unmap_size; /* the core waits for it; 0: no */
};

static inline struct testdev *to_testdev(struct vgpu_device *dev)
{
	return vgpu_container_of(dev, struct testdev, dev);
}

/* windows.c */
extern const struct vgpu_mmio_ops testdev_w8_ops, testdev_w16_ops,
	testdev_w32_ops, testdev_w64_ops, testdev_wany_ops, testdev_bulk_ops,
	testdev_ro_ops, testdev_wo_ops, testdev_cells_ops;

/* testdev.c: send @vector of what the guest uses */
void testdev_trigger(struct testdev *t, uint32_t vector);

/* bells.c */
extern const struct vgpu_mmio_ops testdev_bell_ops, testdev_rings_ops;

/* engine.c */
extern const struct vgpu_mmio_ops testdev_engine_ops;
int testdev_engine_unmap(struct vgpu_device *dev, uint64_t iova, uint64_t size);
void testdev_engine_lost(struct vgpu_device *dev, uint32_t pages);
void testdev_engine_stop(struct testdev *t);

#endif
