/* SPDX-License-Identifier: MIT */
/*
 * The software IOMMU: a table of device pages. Who maps and unmaps takes a
 * lock; engines translate without one, in a reader's section, and an unmap
 * waits for sections.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <vgpu/iommu.h>

#include "../util/bytes.h"
#include "../util/sized.h"
#include "reader.h"

#define PAGE_SHIFT 12u
#define PAGE_BITS  ((1ull << PAGE_SHIFT) - 1)
#define PROT_BITS  (VGPU_DMA_READ | VGPU_DMA_WRITE)

/* So many pages that were unmapped stay unused, that stale addresses fault. */
#define QUARANTINE 4096u

struct iommu_cpu {
	struct vgpu_iommu iommu;
	struct vgpu_iommu_cpu_config config;
	/* A page in use: its pointer and protection. A free one: number of the
	 * next free one << PAGE_SHIFT, no protection. */
	_Atomic uint64_t *table;
	pthread_mutex_t lock; /* the fields below, and who writes @table */
	uint64_t fresh;	      /* pages never used begin here */
	uint64_t head, tail;  /* of the free ones, oldest first; number + 1 */
	uint64_t n_free, n_mapped;
	_Atomic uint64_t faults;
};

static struct iommu_cpu *cpu_of(struct vgpu_iommu *iommu)
{
	return vgpu_container_of(iommu, struct iommu_cpu, iommu);
}

/* There is one. */
static uint64_t page_get(struct iommu_cpu *c)
{
	uint64_t i;

	if (c->fresh < c->config.max_pages && c->n_free <= QUARANTINE)
		return c->fresh++;
	i = c->head - 1;
	c->head = c->table[i] >> PAGE_SHIFT;
	c->n_free--;
	return i;
}

static void page_put(struct iommu_cpu *c, uint64_t i)
{
	if (c->n_free++)
		c->table[c->tail - 1] = (i + 1) << PAGE_SHIFT;
	else
		c->head = i + 1;
	c->tail = i + 1;
}

static int64_t cpu_map(struct vgpu_iommu *iommu,
		       const struct vgpu_iommu_page *pages, unsigned n,
		       unsigned prot, uint64_t *ret_addrs)
{
	struct iommu_cpu *c = cpu_of(iommu);

	pthread_mutex_lock(&c->lock);
	if (c->config.max_pages - c->n_mapped < n) {
		pthread_mutex_unlock(&c->lock);
		return -ENOSPC;
	}
	c->n_mapped += n;
	for (unsigned k = 0; k < n; k++) {
		uint64_t i = page_get(c);

		ret_addrs[k] = c->config.base + (i << PAGE_SHIFT);
		atomic_store_explicit(
			&c->table[i],
			((uintptr_t)pages[k].memory->base + pages[k].offset) |
				(prot & pages[k].memory->prot),
			memory_order_release);
	}
	pthread_mutex_unlock(&c->lock);
	return (int64_t)n << PAGE_SHIFT;
}

static uint64_t cpu_unmap(struct vgpu_iommu *iommu, const uint64_t *addrs,
			  unsigned n)
{
	struct iommu_cpu *c = cpu_of(iommu);

	/* Out of reach, and then free: in between an engine may still be at
	 * it, and the page must not be somebody else's. */
	for (unsigned k = 0; k < n; k++)
		atomic_store_explicit(
			&c->table[(addrs[k] - c->config.base) >> PAGE_SHIFT], 0,
			memory_order_release);
	dma_synchronize();
	pthread_mutex_lock(&c->lock);
	for (unsigned k = 0; k < n; k++)
		page_put(c, (addrs[k] - c->config.base) >> PAGE_SHIFT);
	c->n_mapped -= n;
	pthread_mutex_unlock(&c->lock);
	return (uint64_t)n << PAGE_SHIFT;
}

static void cpu_get_stats(struct vgpu_iommu *iommu,
			  struct vgpu_iommu_stats *ret_stats)
{
	struct iommu_cpu *c = cpu_of(iommu);

	pthread_mutex_lock(&c->lock);
	*ret_stats = (struct vgpu_iommu_stats){
		.mapped_pages = c->n_mapped,
		.mappings = c->n_mapped,
		.max_mappings = c->config.max_pages,
		.faults = c->faults,
	};
	pthread_mutex_unlock(&c->lock);
}

static void cpu_destroy(struct vgpu_iommu *iommu)
{
	struct iommu_cpu *c = cpu_of(iommu);

	munmap(c->table, c->config.max_pages * sizeof(*c->table));
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static const struct vgpu_iommu_ops cpu_ops = {
	.name = "cpu",
	.map = cpu_map,
	.unmap = cpu_unmap,
	.get_stats = cpu_get_stats,
	.destroy = cpu_destroy,
};

int vgpu_iommu_cpu_new_sized(const struct vgpu_iommu_cpu_config *config,
			     struct vgpu_iommu **ret_iommu, size_t size)
{
	struct vgpu_iommu_cpu_config cfg = { 0 };
	struct iommu_cpu *c;
	int err = config ? sized_copy(&cfg, sizeof(cfg), config, size) : 0;

	if (err)
		return err;
	if (!cfg.base)
		cfg.base = VGPU_IOMMU_CPU_BASE;
	if (!cfg.max_pages)
		cfg.max_pages = VGPU_IOMMU_CPU_PAGES;
	if (cfg.base & PAGE_BITS || cfg.max_pages > 1ull << 36 ||
	    cfg.base + (cfg.max_pages << PAGE_SHIFT) < cfg.base)
		return -EINVAL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->table = mmap(NULL, cfg.max_pages * sizeof(*c->table),
			PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (c->table == MAP_FAILED) {
		free(c);
		return -ENOMEM;
	}
	dma_reader_setup();
	pthread_mutex_init(&c->lock, NULL);
	c->config = cfg;
	vgpu_iommu_init(&c->iommu, &cpu_ops);
	*ret_iommu = &c->iommu;
	return 0;
}

/* ------------------------------------------------------------------ */
/* The engine's side                                                   */
/* ------------------------------------------------------------------ */

void vgpu_iommu_cpu_enter(struct vgpu_iommu *iommu)
{
	dma_enter();
}

void vgpu_iommu_cpu_leave(struct vgpu_iommu *iommu)
{
	dma_leave();
}

static void *fault(struct iommu_cpu *c, uint64_t addr, unsigned prot)
{
	atomic_fetch_add_explicit(&c->faults, 1, memory_order_relaxed);
	if (c->config.fault)
		c->config.fault(&c->iommu, addr, prot, c->config.user);
	return NULL;
}

void *vgpu_iommu_cpu_ptr(struct vgpu_iommu *iommu, uint64_t addr, unsigned prot)
{
	struct iommu_cpu *c = cpu_of(iommu);
	uint64_t i = (addr - c->config.base) >> PAGE_SHIFT, e;

	if (__builtin_expect(i >= c->config.max_pages || !prot, 0))
		return fault(c, addr, prot);
	e = atomic_load_explicit(&c->table[i], memory_order_acquire);
	if (__builtin_expect((e & prot) != prot, 0))
		return fault(c, addr, prot);
	return (void *)(uintptr_t)((e & ~PAGE_BITS) | (addr & PAGE_BITS));
}

static int copy(struct vgpu_iommu *iommu, uint64_t addr, char *buf, size_t len,
		unsigned prot)
{
	while (len) {
		size_t n = (size_t)(PAGE_BITS + 1 - (addr & PAGE_BITS));
		char *p;

		n = MIN(n, len);
		dma_enter();
		p = vgpu_iommu_cpu_ptr(iommu, addr, prot);
		if (p && prot == VGPU_DMA_READ)
			memcpy(buf, p, n);
		else if (p)
			memcpy(p, buf, n);
		dma_leave();
		if (!p)
			return -EFAULT;
		addr += n;
		buf += n;
		len -= n;
	}
	return 0;
}

int vgpu_iommu_cpu_read(struct vgpu_iommu *iommu, uint64_t addr, void *buf,
			size_t len)
{
	return copy(iommu, addr, buf, len, VGPU_DMA_READ);
}

int vgpu_iommu_cpu_write(struct vgpu_iommu *iommu, uint64_t addr,
			 const void *buf, size_t len)
{
	return copy(iommu, addr, (char *)buf, len, VGPU_DMA_WRITE);
}
