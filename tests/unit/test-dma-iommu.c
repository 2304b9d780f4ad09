/* SPDX-License-Identifier: MIT */
/* Backends for hardware: device addresses, chunks, and several at once. The
 * kernel's part is played by a table here; the real one is in the guest tests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vgpu/iommu.h>
#include <vgpu/vfio.h>

#include "dma/iommu-chunks.h"
#include "dma/pin.h"
#include "dma/space.h"
#include "state/arena.h"

#define PAGE 4096ull
#define MIB  (1ull << 20)
#define GIB  (1ull << 30)
#define R    VGPU_DMA_READ
#define W    VGPU_DMA_WRITE
#define RW   (R | W)

/* ------------------------------------------------------------------ */
/* Addresses                                                           */
/* ------------------------------------------------------------------ */

static void blocks_come_from_the_ranges(void **state)
{
	const struct iova_range ranges[] = {
		{ 0, 5 * MIB },		     /* blocks 2, (4: cut) */
		{ 6 * MIB + 1, 9 * MIB },    /* none: 8 is cut */
		{ 10 * MIB, 14 * MIB - 1 },  /* 10, 12 */
		{ 0 - 3 * MIB, UINT64_MAX }, /* the last one */
	};
	struct iova_space s;
	uint64_t got[8];

	(void)state;
	assert_int_equal(iova_usable(ranges, 4, UINT64_MAX, 2 * MIB), 8 * MIB);
	assert_int_equal(iova_space_init(&s, ranges, 4, UINT64_MAX, 2 * MIB, 8),
			 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(iova_space_get(&s, &got[i]), 0);
	assert_int_equal(got[0], 2 * MIB);
	assert_int_equal(got[1], 10 * MIB);
	assert_int_equal(got[2], 12 * MIB);
	assert_int_equal(got[3], 0 - 2 * MIB);
	assert_int_equal(iova_space_get(&s, &got[4]), -ENOSPC);
	iova_space_put(&s, got[2]);
	iova_space_put(&s, got[0]);
	assert_int_equal(iova_space_get(&s, &got[4]), 0);
	assert_int_equal(got[4], 12 * MIB); /* freed first */
	assert_int_equal(iova_space_get(&s, &got[4]), 0);
	assert_int_equal(got[4], 2 * MIB);
	assert_int_equal(iova_space_get(&s, &got[4]), -ENOSPC);
	iova_space_fini(&s);

	/* The device's mask cuts. */
	assert_int_equal(
		iova_space_init(&s, ranges, 4, 12 * MIB - 1, 2 * MIB, 8), 0);
	assert_int_equal(iova_space_get(&s, &got[0]), 0);
	assert_int_equal(iova_space_get(&s, &got[1]), 0);
	assert_int_equal(got[1], 10 * MIB);
	assert_int_equal(iova_space_get(&s, &got[2]), -ENOSPC);
	iova_space_fini(&s);
	assert_int_equal(iova_space_init(&s, ranges, 4, 2 * MIB, 2 * MIB, 8),
			 -ENOSPC);
	assert_int_equal(iova_space_init(&s, ranges, 0, UINT64_MAX, PAGE, 8),
			 -ENOSPC);
	assert_int_equal(iova_space_init(&s, ranges, 4, UINT64_MAX, 3, 8),
			 -EINVAL);
}

static void freed_blocks_rest(void **state)
{
	const struct iova_range range = { 0, GIB };
	uint64_t a, b;
	struct iova_space s;

	(void)state;
	assert_int_equal(iova_space_init(&s, &range, 1, UINT64_MAX, PAGE, 4096),
			 0);
	assert_int_equal(iova_space_get(&s, &a), 0);
	assert_int_equal(a, PAGE); /* never 0 */
	iova_space_put(&s, a);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(iova_space_get(&s, &b), 0);
		assert_true(b != a);
		iova_space_put(&s, b);
	}
	/* Never more than @max in use, whatever came and went. */
	for (int i = 0; i < 4096; i++)
		assert_int_equal(iova_space_get(&s, &b), 0);
	assert_int_equal(iova_space_get(&s, &b), -ENOSPC);
	iova_space_fini(&s);
}

/* ------------------------------------------------------------------ */
/* A kernel                                                            */
/* ------------------------------------------------------------------ */

#define MAX_MAPS 1024

static struct kernel {
	struct {
		uint64_t iova, size;
		char *ptr;
		unsigned prot;
	} maps[MAX_MAPS];
	int n, peak, destroyed;
	int fail_in; /* the n-th map from now on fails */
	uint64_t chunk;
} kernel;

static int kernel_map(void *ctx, uint64_t iova, void *ptr, uint64_t size,
		      unsigned prot)
{
	struct kernel *k = ctx;

	assert_int_equal(iova % PAGE, 0);
	assert_int_equal((uintptr_t)ptr % PAGE, 0);
	assert_true(size && size <= IOMMU_CHUNK_MAX);
	/* The same place in its block, so that large pages can be used */
	assert_int_equal(iova % IOMMU_CHUNK_MAX % k->chunk,
			 (uintptr_t)ptr % k->chunk);
	if (k->fail_in && !--k->fail_in)
		return -ENOMEM;
	for (int i = 0; i < k->n; i++)
		assert_true(iova >= k->maps[i].iova + k->maps[i].size ||
			    iova + size <= k->maps[i].iova);
	assert_true(k->n < MAX_MAPS);
	k->maps[k->n].iova = iova;
	k->maps[k->n].size = size;
	k->maps[k->n].ptr = ptr;
	k->maps[k->n].prot = prot;
	k->n++;
	k->peak = k->n > k->peak ? k->n : k->peak;
	return 0;
}

static int kernel_unmap(void *ctx, uint64_t iova, uint64_t size)
{
	struct kernel *k = ctx;

	for (int i = 0; i < k->n; i++) {
		if (k->maps[i].iova != iova)
			continue;
		assert_int_equal(k->maps[i].size, size);
		k->maps[i] = k->maps[--k->n];
		return 0;
	}
	return -ENOENT;
}

static void kernel_destroy(void *ctx)
{
	((struct kernel *)ctx)->destroyed++;
}

/* What the device would reach */
static char *device(uint64_t addr, unsigned prot)
{
	for (int i = 0; i < kernel.n; i++)
		if (addr >= kernel.maps[i].iova &&
		    addr - kernel.maps[i].iova < kernel.maps[i].size)
			return (kernel.maps[i].prot & prot) == prot
				       ? kernel.maps[i].ptr +
						 (addr - kernel.maps[i].iova)
				       : NULL;
	return NULL;
}

static const struct iommu_chunk_ops kernel_ops = {
	.map = kernel_map,
	.unmap = kernel_unmap,
	.destroy = kernel_destroy,
};

static struct vgpu_iommu *chunks_new(uint64_t chunk, uint64_t mask,
				     uint32_t max)
{
	static const struct iova_range ranges[] = {
		{ 0, 0xfedfffff },
		{ 0xfef00000, (1ull << 48) - 1 },
	};
	const struct iommu_chunks_config config = {
		.name = "test",
		.ops = &kernel_ops,
		.ctx = &kernel,
		.ranges = ranges,
		.n_ranges = 2,
		.mask = mask,
		.max_mappings = max,
		.chunk = chunk,
	};
	struct vgpu_iommu *iommu;

	memset(&kernel, 0, sizeof(kernel));
	kernel.chunk = chunk ? chunk : PAGE;
	assert_int_equal(iommu_chunks_new(&config, &iommu), 0);
	return iommu;
}

/* ------------------------------------------------------------------ */
/* Instances                                                           */
/* ------------------------------------------------------------------ */

struct instance {
	struct arena *arena;
	struct dma_space *space;
	int fd;
	char *client;
};

static void instance_make(struct instance *in, struct vgpu_iommu *iommu,
			  uint64_t size)
{
	assert_int_equal(arena_new("test", &in->arena), 0);
	assert_int_equal(dma_space_new(in->arena, NULL, &in->space), 0);
	assert_int_equal(dma_space_set_iommu(in->space, iommu), 0);
	in->fd = memfd_create("test", MFD_CLOEXEC);
	assert_int_equal(ftruncate(in->fd, (off_t)size), 0);
	in->client =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, in->fd, 0);
	assert_true(in->client != MAP_FAILED);
}

static void instance_free(struct instance *in, uint64_t size)
{
	dma_space_free(in->space);
	arena_free(in->arena);
	munmap(in->client, size);
	close(in->fd);
}

static uint64_t pinned(struct instance *in)
{
	struct dma_pin_stats s;

	dma_space_pin_stats(in->space, &s);
	return s.bytes;
}

static void chunks_are_shared_by_pages(void **state)
{
	struct vgpu_iommu *iommu = chunks_new(0, UINT64_MAX, 100);
	struct instance in;
	struct vgpu_iommu_stats s;
	uint64_t iova[4], addr[4];

	(void)state;
	instance_make(&in, iommu, 16 * MIB);
	assert_int_equal(dma_space_map(in.space, 0, 16 * MIB, RW, in.fd, 0), 0);
	for (uint64_t i = 0; i < 4; i++)
		iova[i] = 4 * MIB + i * PAGE;
	assert_int_equal(dma_space_pin(in.space, iova, 4, RW, addr), 0);
	/* Four pages lie in one chunk, or in two neighbours. */
	assert_in_range(kernel.n, 1, 2);
	assert_int_equal(pinned(&in), (uint64_t)kernel.n * 2 * MIB);
	for (uint64_t i = 0; i < 4; i++) {
		strcpy(in.client + iova[i], "hello");
		assert_string_equal(device(addr[i], RW), "hello");
	}
	vgpu_iommu_get_stats(iommu, &s);
	assert_int_equal(s.mapped_pages, 4);
	assert_int_equal(s.mappings, kernel.n);
	assert_int_equal(s.max_mappings, 100);
	dma_space_unpin(in.space, iova, 3, RW);
	assert_non_null(device(addr[3], RW));
	dma_space_unpin(in.space, iova + 3, 1, RW);
	assert_null(device(addr[3], R));
	assert_int_equal(kernel.n, 0);
	assert_int_equal(pinned(&in), 0);
	/* What is only read can't be written. */
	assert_int_equal(dma_space_pin(in.space, iova, 1, R, addr), 0);
	assert_non_null(device(addr[0], R));
	assert_null(device(addr[0], W));
	assert_int_equal(dma_space_pin(in.space, iova, 1, RW, addr + 1), 0);
	assert_non_null(device(addr[1], W));
	assert_true(addr[0] != addr[1]);
	instance_free(&in, 16 * MIB);
	assert_int_equal(kernel.n, 0);
	vgpu_iommu_destroy(iommu);
	assert_int_equal(kernel.destroyed, 1);
}

static void chunks_end_where_the_range_ends(void **state)
{
	struct vgpu_iommu *iommu = chunks_new(0, UINT64_MAX, 100);
	struct instance in;
	uint64_t iova, addr;

	(void)state;
	instance_make(&in, iommu, 16 * MIB);
	/* one page in the middle of the file; odd pieces */
	assert_int_equal(dma_space_map(in.space, 0, PAGE, RW, in.fd, 5 * MIB),
			 0);
	assert_int_equal(dma_space_map(in.space, GIB, 5 * PAGE, RW, in.fd,
				       7 * MIB - PAGE),
			 0);
	iova = 0;
	assert_int_equal(dma_space_pin(in.space, &iova, 1, RW, &addr), 0);
	assert_int_equal(kernel.n, 1);
	assert_int_equal(kernel.maps[0].size, PAGE);
	assert_int_equal(pinned(&in), PAGE);
	assert_non_null(device(addr, RW));
	assert_null(device(addr - 1, R));
	assert_null(device(addr + PAGE, R));
	/* All pages of the other: never more than the range */
	for (iova = GIB; iova < GIB + 5 * PAGE; iova += PAGE)
		assert_int_equal(dma_space_pin(in.space, &iova, 1, RW, &addr),
				 0);
	assert_int_equal(pinned(&in), 6 * PAGE);
	instance_free(&in, 16 * MIB);
	assert_int_equal(kernel.n, 0);
	vgpu_iommu_destroy(iommu);
}

static void few_addresses_make_small_chunks(void **state)
{
	/* edu's default mask: 28 bits */
	struct vgpu_iommu *iommu = chunks_new(0, (1ull << 28) - 1, 65535);
	struct instance in;
	uint64_t iova = 0, addr;

	(void)state;
	instance_make(&in, iommu, 16 * MIB);
	assert_int_equal(dma_space_map(in.space, 0, 16 * MIB, RW, in.fd, 0), 0);
	assert_int_equal(dma_space_pin(in.space, &iova, 1, RW, &addr), 0);
	assert_true(addr < 1ull << 28);
	assert_in_range(kernel.maps[0].size, PAGE, 128 << 10);
	instance_free(&in, 16 * MIB);
	vgpu_iommu_destroy(iommu);
}

/* A batch is undone whole, wherever it fails. */
static void failures_leave_nothing(void **state)
{
	struct vgpu_iommu *iommu = chunks_new(2 * MIB, UINT64_MAX, 12);
	struct instance in;
	uint64_t iovas[16], addrs[16];
	struct vgpu_iommu_stats s;

	(void)state;
	instance_make(&in, iommu, 64 * MIB);
	assert_int_equal(dma_space_map(in.space, 0, 64 * MIB, RW, in.fd, 0), 0);
	for (uint64_t i = 0; i < 16; i++)
		iovas[i] = (i * 7 % 16) * 4 * MIB + 2 * MIB; /* whole chunks */
	for (int at = 1; at <= 12; at++) {
		kernel.fail_in = at;
		assert_int_equal(dma_space_pin(in.space, iovas, 12, RW, addrs),
				 -ENOMEM);
		assert_int_equal(kernel.n, 0);
		assert_int_equal(pinned(&in), 0);
	}
	kernel.fail_in = 0;
	/* More chunks than there may be */
	assert_int_equal(dma_space_pin(in.space, iovas, 13, RW, addrs),
			 -ENOSPC);
	assert_int_equal(kernel.n, 0);
	assert_int_equal(dma_space_pin(in.space, iovas, 12, RW, addrs), 0);
	assert_int_equal(kernel.n, 12);
	assert_int_equal(pinned(&in), 24 * MIB);
	dma_space_unpin(in.space, iovas, 12, RW);
	assert_int_equal(kernel.n, 0);
	/* The instance's limit counts what is really held. */
	dma_space_set_pin_limit(in.space, 3 * MIB);
	assert_int_equal(dma_space_pin(in.space, iovas, 2, RW, addrs), -ENOSPC);
	assert_int_equal(kernel.n, 0);
	assert_int_equal(dma_space_pin(in.space, iovas, 1, RW, addrs), 0);
	vgpu_iommu_get_stats(iommu, &s);
	assert_int_equal(s.mapped_pages, 1);
	instance_free(&in, 64 * MIB);
	vgpu_iommu_get_stats(iommu, &s);
	assert_int_equal(s.mapped_pages, 0);
	assert_int_equal(s.mappings, 0);
	vgpu_iommu_destroy(iommu);
}

/* Random pins of many instances on one device, whose guest addresses are all
 * the same: nobody reaches another's memory. */
static void one_device_many_instances(void **state)
{
	enum { N = 4, PAGES = 2048 };
	struct vgpu_iommu *iommu = chunks_new(64 << 10, UINT64_MAX, 1000);
	static uint64_t addr[N][PAGES];
	struct instance in[N];
	uint64_t seed = 1;

	(void)state;
	memset(addr, 0, sizeof(addr));
	for (int i = 0; i < N; i++) {
		instance_make(&in[i], iommu, PAGES * PAGE);
		assert_int_equal(dma_space_map(in[i].space, 0, PAGES * PAGE, RW,
					       in[i].fd, 0),
				 0);
		for (uint64_t p = 0; p < PAGES; p++)
			*(uint64_t *)(in[i].client + p * PAGE) =
				(uint64_t)i << 32 | p;
	}
	for (int step = 0; step < 20000; step++) {
		uint64_t p, iova;
		int i;

		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		i = (int)(seed >> 60) % N;
		p = (seed >> 40) % PAGES;
		iova = p * PAGE;
		if (addr[i][p]) {
			assert_int_equal(*(uint64_t *)device(addr[i][p], RW),
					 (uint64_t)i << 32 | p);
			dma_space_unpin(in[i].space, &iova, 1, RW);
			addr[i][p] = 0;
		} else {
			assert_int_equal(dma_space_pin(in[i].space, &iova, 1,
						       RW, &addr[i][p]),
					 0);
			assert_int_equal(*(uint64_t *)device(addr[i][p], RW),
					 (uint64_t)i << 32 | p);
		}
	}
	for (int i = 0; i < N; i++)
		instance_free(&in[i], PAGES * PAGE);
	assert_int_equal(kernel.n, 0);
	assert_true(kernel.peak > 100);
	vgpu_iommu_destroy(iommu);
}

/* A vendor's own: its engine takes what a page's pointer is, but for a bit. */
struct vendor {
	struct vgpu_iommu iommu;
	unsigned mapped, forgotten;
	bool destroyed;
};

#define VENDOR_BIT (1ull << 63)

static int64_t vendor_map(struct vgpu_iommu *iommu,
			  const struct vgpu_iommu_page *pages, unsigned n,
			  unsigned prot, uint64_t *ret_addrs)
{
	struct vendor *v = vgpu_container_of(iommu, struct vendor, iommu);

	for (unsigned i = 0; i < n; i++)
		ret_addrs[i] = VENDOR_BIT |
			       (uintptr_t)((char *)pages[i].memory->base +
					   pages[i].offset);
	v->mapped += n;
	return (int64_t)(n * PAGE);
}

static uint64_t vendor_unmap(struct vgpu_iommu *iommu, const uint64_t *addrs,
			     unsigned n)
{
	struct vendor *v = vgpu_container_of(iommu, struct vendor, iommu);

	for (unsigned i = 0; i < n; i++)
		assert_true(addrs[i] & VENDOR_BIT);
	v->mapped -= n;
	return n * PAGE;
}

static void vendor_forget(struct vgpu_iommu *iommu,
			  struct vgpu_iommu_memory *memory)
{
	vgpu_container_of(iommu, struct vendor, iommu)->forgotten++;
}

static void vendor_get_stats(struct vgpu_iommu *iommu,
			     struct vgpu_iommu_stats *ret_stats)
{
	*ret_stats = (struct vgpu_iommu_stats){
		.mapped_pages =
			vgpu_container_of(iommu, struct vendor, iommu)->mapped,
	};
}

static void vendor_destroy(struct vgpu_iommu *iommu)
{
	vgpu_container_of(iommu, struct vendor, iommu)->destroyed = true;
}

static const struct vgpu_iommu_ops vendor_ops = {
	.name = "vendor",
	.map = vendor_map,
	.unmap = vendor_unmap,
	.forget = vendor_forget,
	.get_stats = vendor_get_stats,
	.destroy = vendor_destroy,
};

/* Two software IOMMUs, one for hardware, and a vendor's own, each for another
 * instance. */
static void backends_at_once(void **state)
{
	enum { CPU, CPU_TOO, HARDWARE, VENDOR, N };
	const struct vgpu_iommu_cpu_config second = {
		.base = 1ull << 40,
	};
	struct vendor vendor = { .iommu = { &vendor_ops, sizeof(vendor_ops) } };
	struct vgpu_iommu *iommus[N];
	struct vgpu_iommu_stats stats;
	struct instance in[N];
	uint64_t iova = 5 * PAGE, addr[N], v;

	(void)state;
	assert_int_equal(vgpu_iommu_cpu_new(NULL, &iommus[CPU]), 0);
	assert_int_equal(vgpu_iommu_cpu_new(&second, &iommus[CPU_TOO]), 0);
	iommus[HARDWARE] = chunks_new(0, UINT64_MAX, 10);
	iommus[VENDOR] = &vendor.iommu;
	for (int i = 0; i < N; i++) {
		instance_make(&in[i], iommus[i], MIB);
		assert_int_equal(
			dma_space_map(in[i].space, 0, MIB, RW, in[i].fd, 0), 0);
		*(uint64_t *)(in[i].client + iova) = 100 + (uint64_t)i;
		assert_int_equal(
			dma_space_pin(in[i].space, &iova, 1, RW, &addr[i]), 0);
	}
	/* What one has given is no address of another. */
	for (int i = CPU; i <= CPU_TOO; i++)
		for (int k = 0; k < N; k++) {
			int err =
				vgpu_iommu_cpu_read(iommus[i], addr[k], &v, 8);

			assert_int_equal(err, i == k ? 0 : -EFAULT);
			if (!err)
				assert_int_equal(v, 100 + (uint64_t)i);
		}
	assert_int_equal(*(uint64_t *)device(addr[HARDWARE], R), 102);
	for (int k = 0; k < N; k++)
		if (k != HARDWARE)
			assert_null(device(addr[k], R));
	assert_int_equal(*(uint64_t *)(uintptr_t)(addr[VENDOR] & ~VENDOR_BIT),
			 103);
	for (int i = 0; i < N; i++) {
		vgpu_iommu_get_stats(iommus[i], &stats);
		assert_int_equal(stats.mapped_pages, 1);
	}
	for (int i = 0; i < N; i++)
		instance_free(&in[i], MIB);
	assert_int_equal(vendor.mapped, 0);
	assert_int_equal(vendor.forgotten, 1);
	for (int i = 0; i < N; i++)
		vgpu_iommu_destroy(iommus[i]);
	assert_true(vendor.destroyed);
}

/* ------------------------------------------------------------------ */
/* Functions that are not there                                        */
/* ------------------------------------------------------------------ */

static void what_can_not_be_opened(void **state)
{
	char error[256] = "";
	struct vgpu_vfio_config config = {
		.name = "ffff:ff:1f.7",
		.error = error,
		.error_size = sizeof(error),
	};
	struct vgpu_vfio *vfio = NULL;

	(void)state;
	assert_int_equal(vgpu_vfio_open(&config, &vfio), -ENODEV);
	assert_non_null(strstr(error, "ffff:ff:1f.7"));
	config.name = "../../../class/net/lo";
	assert_int_equal(vgpu_vfio_open(&config, &vfio), -ENODEV);
	config.error = NULL;
	assert_int_equal(vgpu_vfio_open(&config, &vfio), -ENODEV);
	config.name = NULL;
	assert_int_equal(vgpu_vfio_open(&config, &vfio), -EINVAL);
	assert_null(vfio);
	vgpu_vfio_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_come_from_the_ranges),
		cmocka_unit_test(freed_blocks_rest),
		cmocka_unit_test(chunks_are_shared_by_pages),
		cmocka_unit_test(chunks_end_where_the_range_ends),
		cmocka_unit_test(few_addresses_make_small_chunks),
		cmocka_unit_test(failures_leave_nothing),
		cmocka_unit_test(one_device_many_instances),
		cmocka_unit_test(backends_at_once),
		cmocka_unit_test(what_can_not_be_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
