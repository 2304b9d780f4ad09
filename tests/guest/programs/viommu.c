/* SPDX-License-Identifier: MIT */
/*
 * A guest whose virtual IOMMU stands before the vGPU: the VMM then maps and
 * unmaps for the server what this program maps and unmaps for the device.
 *
 * The device is the test device (drivers/testdev), given to this program by
 * the guest's own vfio-pci. Prints a line for each check.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <vgpu/vfio.h>

#include "dma/pin.h"
#include "dma/space.h"
#include "state/arena.h"

/* drivers/testdev/engine.c */
#define ENGINE_IOVA_LO 0xb00
#define ENGINE_IOVA_HI 0xb04
#define ENGINE_LEN     0xb08
#define ENGINE_OP      0xb0c
#define ENGINE_RESULT  0xb10
#define ENGINE_HELD    0xb18
#define ENGINE_UNMAPS  0xb1c
#define ENGINE_KEEP    0xb24
#define OP_READ	       1u
#define OP_WRITE       2u
#define OP_GET	       6u
#define ENGINE_BUFFER  (128u << 10) /* in BAR4 */

#define PAGE  4096u
#define SIZE  (64ull << 20)
#define RW    (VGPU_DMA_READ | VGPU_DMA_WRITE)
#define PAGES 600u

static int checks, failed;
static volatile uint32_t *regs;
static struct vgpu_vfio *vfio;
static struct arena *arena;
static struct dma_space *space;
static uint8_t *memory;

static void check(bool ok, const char *what)
{
	checks++;
	failed += !ok;
	printf("%s: %s\n", ok ? "ok" : "FAILED", what);
}

static uint32_t reg(unsigned offset)
{
	return regs[offset / 4];
}

static void set_reg(unsigned offset, uint32_t value)
{
	regs[offset / 4] = value;
}

/* The engine's errno */
static int engine(uint32_t op, uint64_t addr, uint32_t len)
{
	set_reg(ENGINE_IOVA_LO, (uint32_t)addr);
	set_reg(ENGINE_IOVA_HI, (uint32_t)(addr >> 32));
	set_reg(ENGINE_LEN, len);
	set_reg(ENGINE_OP, op);
	return (int)reg(ENGINE_RESULT);
}

static uint64_t engine_word(void)
{
	uint64_t v = 0;

	vgpu_vfio_read(vfio, VGPU_REGION_BAR4, ENGINE_BUFFER, &v, 8);
	return v;
}

static uint64_t pin(uint64_t iova)
{
	uint64_t addr = 0;
	int err = dma_space_pin(space, &iova, 1, RW, &addr);

	if (err)
		printf("pin: %s\n", strerror(-err));
	return addr;
}

static void unpin(uint64_t iova)
{
	dma_space_unpin(space, &iova, 1, RW);
}

static bool set_up(const char *name, uint64_t chunk)
{
	char error[256] = "";
	const struct vgpu_vfio_config config = {
		.name = name,
		.chunk = chunk,
		.error = error,
		.error_size = sizeof(error),
	};
	int fd = memfd_create("memory", MFD_CLOEXEC);
	uint64_t size;
	void *bar;

	if (vgpu_vfio_open(&config, &vfio)) {
		printf("FAILED: %s\n", error);
		return false;
	}
	if (fd < 0 || ftruncate(fd, (off_t)SIZE) < 0 ||
	    vgpu_vfio_bar(vfio, 0, &bar, &size) ||
	    vgpu_vfio_set_bus_master(vfio, true) ||
	    arena_new("viommu", &arena) || dma_space_new(arena, NULL, &space) ||
	    dma_space_set_iommu(space, vgpu_vfio_iommu(vfio)) ||
	    dma_space_map(space, 0, SIZE, RW, fd, 0)) {
		printf("FAILED: set up\n");
		return false;
	}
	regs = bar;
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return memory != MAP_FAILED;
}

static void tear_down(void)
{
	munmap(memory, SIZE);
	dma_space_free(space);
	arena_free(arena);
	vgpu_vfio_close(vfio);
}

static void check_copies(void)
{
	uint64_t addr = pin(5 * PAGE), v = 0x1122334455667788;

	memcpy(memory + 5 * PAGE, &v, 8);
	check(engine(OP_READ, addr, 8) == 0 && engine_word() == v,
	      "the device reads what is mapped");
	v = ~v;
	check(vgpu_vfio_write(vfio, VGPU_REGION_BAR4, ENGINE_BUFFER, &v, 8) ==
			      0 &&
		      engine(OP_WRITE, addr + 64, 8) == 0 &&
		      !memcmp(memory + 5 * PAGE + 64, &v, 8),
	      "and writes to it");
	unpin(5 * PAGE);
	check(engine(OP_READ, addr, 8) == EFAULT,
	      "what is unmapped is out of its reach");
}

/* Many maps of a page each */
static void check_many(void)
{
	static uint64_t iovas[PAGES], addrs[PAGES];
	unsigned good = 0, gone = 0;

	for (uint64_t i = 0; i < PAGES; i++) {
		iovas[i] = i * 37 % (SIZE / PAGE) * PAGE;
		memcpy(memory + iovas[i], &iovas[i], 8);
	}
	check(dma_space_pin(space, iovas, PAGES, RW, addrs) == 0,
	      "hundreds of pages at once");
	for (unsigned i = 0; i < PAGES; i++)
		good += engine(OP_READ, addrs[i], 8) == 0 &&
			engine_word() == iovas[i];
	check(good == PAGES, "each is where it should be");
	dma_space_unpin(space, iovas, PAGES, RW);
	for (unsigned i = 0; i < PAGES; i++)
		gone += engine(OP_READ, addrs[i], 8) == EFAULT;
	check(gone == PAGES, "and none is left");
}

/* The device holds what is unmapped: the unmap waits for it. */
static void check_held(void)
{
	struct timespec start, end;
	uint64_t addr = pin(7 * PAGE);

	check(engine(OP_GET, addr, PAGE) == 0 && reg(ENGINE_HELD) == 1,
	      "the device holds a page");
	unpin(7 * PAGE);
	check(reg(ENGINE_HELD) == 0 && reg(ENGINE_UNMAPS) == 1,
	      "and lets go of it when it is unmapped");

	addr = pin(8 * PAGE);
	set_reg(ENGINE_KEEP, 1);
	check(engine(OP_GET, addr, PAGE) == 0, "it holds another one");
	clock_gettime(CLOCK_MONOTONIC, &start);
	unpin(8 * PAGE);
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("waited %ld s for a device that does not let go\n",
	       (long)(end.tv_sec - start.tv_sec));
	check(reg(ENGINE_HELD) == 0, "that one was reset");
	check(engine(OP_READ, addr, 8) == EFAULT, "the page is gone");
	addr = pin(9 * PAGE);
	check(engine(OP_READ, addr, 8) == 0, "and the device works again");
	unpin(9 * PAGE);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2)
		return 2;
	if (!set_up(argv[1], PAGE))
		return 1;
	check_copies();
	check_many();
	check_held();
	tear_down();
	if (!set_up(argv[1], 2u << 20))
		return 1;
	check_copies();
	tear_down();
	printf("end: %d checks, %d failed\n", checks, failed);
	return failed > 0;
}
