/* SPDX-License-Identifier: MIT */
/*
 * Shares a physical PCI function: QEMU's edu device, behind QEMU's IOMMU, in a
 * guest. Runs as the parent half of a driver would, without the rest: opens
 * the function by VFIO, pins memory of two instances, has the device move it.
 *
 * Prints a line for each check, and the device addresses whose use has to be
 * stopped by the IOMMU, for the test to find in the kernel's log.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vgpu/vfio.h>

#include "dma/pin.h"
#include "dma/space.h"
#include "state/arena.h"

/* docs/specs/edu.rst of qemu/qemu */
#define EDU_ID	       0x00
#define EDU_LIVENESS   0x04
#define EDU_IRQ_STATUS 0x24
#define EDU_IRQ_RAISE  0x60
#define EDU_IRQ_ACK    0x64
#define EDU_DMA_SRC    0x80
#define EDU_DMA_DST    0x88
#define EDU_DMA_COUNT  0x90
#define EDU_DMA_CMD    0x98
#define EDU_DMA_START  1u
#define EDU_DMA_TO_RAM 2u
#define EDU_DMA_IRQ    4u
#define EDU_BUFFER     0x40000u
#define EDU_MASK       ((1ull << 28) - 1)

#define PAGE  4096u
#define MIB   (1u << 20)
#define SIZE  (16u * MIB)
#define READ  VGPU_DMA_READ
#define WRITE VGPU_DMA_WRITE

static int checks, failed;
static volatile uint32_t *regs;
static int irq;

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

static bool irq_came(int ms)
{
	struct pollfd p = { .fd = irq, .events = POLLIN };
	uint64_t n;

	return poll(&p, 1, ms) == 1 && read(irq, &n, sizeof(n)) == sizeof(n);
}

/* A transfer of a page, to its end */
static bool transfer(uint64_t src, uint64_t dst, uint32_t command)
{
	*(volatile uint64_t *)&regs[EDU_DMA_SRC / 4] = src;
	*(volatile uint64_t *)&regs[EDU_DMA_DST / 4] = dst;
	*(volatile uint64_t *)&regs[EDU_DMA_COUNT / 4] = PAGE;
	*(volatile uint64_t *)&regs[EDU_DMA_CMD / 4] = command | EDU_DMA_START |
						       EDU_DMA_IRQ;
	if (!irq_came(5000))
		return false;
	set_reg(EDU_IRQ_ACK, reg(EDU_IRQ_STATUS));
	return !(reg(EDU_DMA_CMD) & EDU_DMA_START);
}

static bool from_memory(uint64_t addr)
{
	return transfer(addr, EDU_BUFFER, 0);
}

static bool to_memory(uint64_t addr)
{
	return transfer(EDU_BUFFER, addr, EDU_DMA_TO_RAM);
}

/* ------------------------------------------------------------------ */

struct instance {
	struct arena *arena;
	struct dma_space *space;
	uint8_t *client;
};

static int instance_make(struct instance *in, struct vgpu_iommu *iommu,
			 uint8_t fill)
{
	int fd = memfd_create("client", MFD_CLOEXEC);
	int err = arena_new("physical", &in->arena);

	if (!err)
		err = dma_space_new(in->arena, NULL, &in->space);
	if (!err)
		err = dma_space_set_iommu(in->space, iommu);
	if (!err && (fd < 0 || ftruncate(fd, SIZE) < 0))
		err = -errno;
	if (err)
		return err;
	in->client =
		mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (in->client == MAP_FAILED)
		return -errno;
	memset(in->client, fill, SIZE);
	err = dma_space_map(in->space, 0, SIZE, READ | WRITE, fd, 0);
	close(fd);
	return err;
}

static void instance_free(struct instance *in)
{
	dma_space_free(in->space);
	arena_free(in->arena);
	munmap(in->client, SIZE);
}

static uint64_t pin(struct instance *in, uint64_t iova, unsigned prot)
{
	uint64_t addr = 0;
	int err = dma_space_pin(in->space, &iova, 1, prot, &addr);

	if (err)
		printf("pin 0x%llx: %s\n", (unsigned long long)iova,
		       strerror(-err));
	return err ? 0 : addr;
}

static void unpin(struct instance *in, uint64_t iova, unsigned prot)
{
	dma_space_unpin(in->space, &iova, 1, prot);
}

static bool all(const uint8_t *p, uint8_t value)
{
	for (unsigned i = 0; i < PAGE; i++)
		if (p[i] != value)
			return false;
	return true;
}

/* Two clients whose memory has the same addresses, one device */
static void check_two_instances(struct vgpu_vfio *vfio)
{
	struct vgpu_iommu *iommu = vgpu_vfio_iommu(vfio);
	struct instance a, b;
	uint64_t at[2], to[2], old;
	struct vgpu_iommu_stats s;

	if (instance_make(&a, iommu, 0xaa) || instance_make(&b, iommu, 0xbb)) {
		check(false, "make two instances");
		return;
	}
	at[0] = pin(&a, 5 * PAGE, READ);
	at[1] = pin(&b, 5 * PAGE, READ);
	to[0] = pin(&a, 9 * PAGE, WRITE);
	to[1] = pin(&b, 9 * PAGE, WRITE);
	check(at[0] && at[1] && to[0] && to[1], "pin pages of two instances");
	check(at[0] != at[1] && to[0] != to[1],
	      "the same addresses of two clients get different device "
	      "addresses");
	check((at[0] | at[1] | to[0] | to[1]) <= EDU_MASK,
	      "device addresses keep to the DMA mask");
	memset(a.client + 9 * PAGE, 0, PAGE);
	memset(b.client + 9 * PAGE, 0, PAGE);
	check(from_memory(at[0]) && to_memory(to[0]), "transfer for one");
	check(all(a.client + 9 * PAGE, 0xaa), "its bytes arrived");
	check(all(b.client + 9 * PAGE, 0), "the other has seen nothing");
	check(from_memory(at[1]) && to_memory(to[1]), "transfer for the other");
	check(all(b.client + 9 * PAGE, 0xbb), "its bytes arrived, too");
	check(all(a.client + 9 * PAGE, 0xaa), "the first has kept its own");

	/* What the IOMMU has to stop; nothing was stopped so far. */
	printf("faults begin\n");
	/* A page that was not read before: QEMU's IOMMU stops a write to one
	 * that it has cached as readable, but does not report it. */
	old = pin(&a, 13 * PAGE, READ);
	printf("fault write 0x%llx\n", (unsigned long long)old);
	check(to_memory(old), "a write to what is pinned for reading ends");
	check(all(a.client + 13 * PAGE, 0xaa), "and changes nothing");
	check(to_memory(at[0]), "also where it was read before");
	check(all(a.client + 5 * PAGE, 0xaa), "and that changes nothing");
	memset(b.client + 9 * PAGE, 0x11, PAGE);
	old = to[1];
	unpin(&b, 9 * PAGE, WRITE);
	printf("fault write 0x%llx\n", (unsigned long long)old);
	check(to_memory(old), "a write to what was unpinned ends");
	check(all(b.client + 9 * PAGE, 0x11), "and changes nothing");
	printf("fault read 0x%llx\n", 3ull * MIB);
	check(from_memory(3 * MIB), "a read from a guest's address ends");

	vgpu_iommu_get_stats(iommu, &s);
	check(s.mapped_pages == 4 && s.mappings >= 3 && s.max_mappings >= 60000,
	      "the backend's numbers are right");
	instance_free(&a);
	instance_free(&b);
	vgpu_iommu_get_stats(iommu, &s);
	check(!s.mapped_pages && !s.mappings, "nothing stays mapped");
}

static void check_registers(struct vgpu_vfio *vfio)
{
	uint32_t id = 0;
	void *ptr;
	uint64_t size;

	check(vgpu_vfio_read(vfio, VGPU_REGION_CONFIG, 0, &id, 4) == 0 &&
		      id == 0x11e81234,
	      "config space is edu's");
	check(vgpu_vfio_bar(vfio, 0, &ptr, &size) == 0 && size == MIB,
	      "BAR 0 can be mapped");
	regs = ptr;
	check(vgpu_vfio_bar(vfio, 1, &ptr, &size) == -ENOENT, "BAR 1 is none");
	check(vgpu_vfio_bar(vfio, 9, &ptr, &size) == -ENOENT, "BAR 9 is none");
	check(vgpu_vfio_set_bus_master(vfio, true) == 0, "bus mastering");
	check((reg(EDU_ID) & 0xffff) == 0x00ed, "edu says who it is");
	set_reg(EDU_LIVENESS, 0x12345678);
	check(reg(EDU_LIVENESS) == ~0x12345678u, "edu lives");
	check(vgpu_vfio_read(vfio, 0, EDU_LIVENESS, &id, 4) == 0 &&
		      id == ~0x12345678u,
	      "also by system call");
	check(vgpu_vfio_read(vfio, 0, MIB, &id, 4) == -EINVAL,
	      "not beyond its end");
}

static void check_irqs(struct vgpu_vfio *vfio)
{
	irq = eventfd(0, EFD_CLOEXEC);
	check(vgpu_vfio_irqs(vfio, VGPU_IRQ_MSI) == 1, "one MSI vector");
	check(vgpu_vfio_irqs(vfio, VGPU_IRQ_MSIX) == 0, "no MSI-X");
	check(vgpu_vfio_set_irqs(vfio, VGPU_IRQ_MSI, &irq, 1) == 0, "MSI on");
	set_reg(EDU_IRQ_RAISE, 8);
	check(irq_came(5000), "an interrupt arrives");
	check(reg(EDU_IRQ_STATUS) == 8, "and has its status");
	set_reg(EDU_IRQ_ACK, 8);
	check(!irq_came(100), "and is over");
}

int main(int argc, char **argv)
{
	char error[256] = "";
	struct vgpu_vfio_config config = {
		.dma_mask = EDU_MASK,
		.error = error,
		.error_size = sizeof(error),
	};
	struct vgpu_vfio *vfio, *again;
	int err;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2)
		return 2;
	config.name = argv[1];
	err = vgpu_vfio_open(&config, &vfio);
	if (err) {
		printf("cannot open (%s): %s\n", strerror(-err), error);
		return 1;
	}
	printf("opened by %s\n", vgpu_vfio_iommu(vfio)->ops->name);
	check(vgpu_vfio_open(&config, &again) == -EBUSY && strlen(error),
	      "it is opened once");
	check_registers(vfio);
	check_irqs(vfio);
	check_two_instances(vfio);
	check(vgpu_vfio_set_irqs(vfio, VGPU_IRQ_MSI, NULL, 0) == 0, "MSI off");
	vgpu_vfio_close(vfio);
	check(vgpu_vfio_open(&config, &vfio) == 0, "it can be opened again");
	vgpu_vfio_close(vfio);
	printf("end: %d checks, %d failed\n", checks, failed);
	return failed > 0;
}
