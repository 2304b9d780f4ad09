/* SPDX-License-Identifier: MIT */
#include "iommu-chunks.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "../util/bytes.h"
#include "../util/log.h"

#define PAGE_SIZE 4096ull

/* With few addresses, smaller chunks: so many should fit. */
#define WANT_CHUNKS 2048u

#define NUM_PROTS 4u /* by VGPU_DMA_READ | VGPU_DMA_WRITE */

struct chunk {
	struct chunk *next;  /* in the hash table */
	struct chunk **slot; /* in its memory's table */
	uint64_t block;	     /* of device addresses */
	uint64_t iova, size; /* what of it is mapped */
	uint64_t refs;	     /* pages */
};

/* struct vgpu_iommu_memory.priv: its chunks, by block of memory */
struct chunk_table {
	struct chunk **chunks[NUM_PROTS]; /* made when first needed */
};

struct chunks {
	struct vgpu_iommu iommu;
	struct vgpu_iommu_ops ops;
	struct iommu_chunk_ops kernel;
	void *ctx;
	uint64_t chunk;	      /* bytes of a block */
	pthread_mutex_t lock; /* everything below */
	struct iova_space space;
	struct chunk **hash; /* by block */
	uint32_t hash_mask;
	uint64_t n_pages, n_chunks;
};

static struct chunks *chunks_of(struct vgpu_iommu *iommu)
{
	return vgpu_container_of(iommu, struct chunks, iommu);
}

/* ------------------------------------------------------------------ */
/* Chunks                                                              */
/* ------------------------------------------------------------------ */

static struct chunk **hash_head(struct chunks *c, uint64_t addr)
{
	return &c->hash[(addr >> c->space.shift) & c->hash_mask];
}

/* The chunk that a device address lies in, which was handed out. */
static struct chunk *chunk_at(struct chunks *c, uint64_t addr)
{
	uint64_t block = addr & ~(c->chunk - 1);
	struct chunk *k = *hash_head(c, addr);

	while (k->block != block)
		k = k->next;
	return k;
}

/* Where the memory's table keeps the chunk with this page; NULL: no memory */
static struct chunk **slot_of(struct chunks *c, struct vgpu_iommu_memory *m,
			      uintptr_t page, unsigned prot)
{
	uintptr_t base = (uintptr_t)m->base;
	uint64_t first = base / c->chunk;
	struct chunk_table *t = m->priv;

	if (!t)
		t = m->priv = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	if (!t->chunks[prot])
		t->chunks[prot] =
			calloc((base + m->size - 1) / c->chunk - first + 1,
			       sizeof(struct chunk *));
	return t->chunks[prot] ? &t->chunks[prot][page / c->chunk - first]
			       : NULL;
}

static int chunk_new(struct chunks *c, struct vgpu_iommu_memory *m,
		     uintptr_t page, unsigned prot, struct chunk **slot)
{
	uintptr_t base = (uintptr_t)m->base, start, end;
	struct chunk *k = calloc(1, sizeof(*k));
	int err;

	if (!k)
		return -ENOMEM;
	err = iova_space_get(&c->space, &k->block);
	if (err) {
		free(k);
		return err;
	}
	start = MAX(page & ~(uintptr_t)(c->chunk - 1), base);
	end = MIN((page | (uintptr_t)(c->chunk - 1)) + 1,
		  base + (uintptr_t)m->size);
	k->iova = k->block + (start & (c->chunk - 1));
	k->size = end - start;
	k->slot = slot;
	err = c->kernel.map(c->ctx, k->iova, (void *)start, k->size, prot);
	if (err) {
		iova_space_put(&c->space, k->block);
		free(k);
		return err;
	}
	k->next = *hash_head(c, k->block);
	*hash_head(c, k->block) = k;
	*slot = k;
	c->n_chunks++;
	return 0;
}

static void chunk_free(struct chunks *c, struct chunk *k)
{
	struct chunk **p = hash_head(c, k->block);
	int err = c->kernel.unmap(c->ctx, k->iova, k->size);

	while (*p != k)
		p = &(*p)->next;
	*p = k->next;
	*k->slot = NULL;
	/* What the kernel did not take back is not given to somebody else. */
	if (err)
		log_error(NULL,
			  "%s: cannot unmap %llu bytes at device address "
			  "0x%llx: %s",
			  c->ops.name, (unsigned long long)k->size,
			  (unsigned long long)k->iova, strerror(-err));
	else
		iova_space_put(&c->space, k->block);
	c->n_chunks--;
	free(k);
}

/* ------------------------------------------------------------------ */
/* Pages                                                               */
/* ------------------------------------------------------------------ */

/* Return: bytes that are not held in place any more */
static uint64_t drop_pages(struct chunks *c, const uint64_t *addrs, unsigned n)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < n; i++) {
		struct chunk *k = chunk_at(c, addrs[i]);

		c->n_pages--;
		if (--k->refs)
			continue;
		bytes += k->size;
		chunk_free(c, k);
	}
	return bytes;
}

static int take_page(struct chunks *c, const struct vgpu_iommu_page *page,
		     unsigned prot, uint64_t *ret_addr, int64_t *bytes)
{
	uintptr_t ptr = (uintptr_t)page->memory->base + page->offset;
	struct chunk **slot = slot_of(c, page->memory, ptr, prot);
	int err;

	if (!slot)
		return -ENOMEM;
	if (!*slot) {
		err = chunk_new(c, page->memory, ptr, prot, slot);
		if (err)
			return err;
		*bytes += (int64_t)(*slot)->size;
	}
	(*slot)->refs++;
	c->n_pages++;
	*ret_addr = (*slot)->block + (ptr & (c->chunk - 1));
	return 0;
}

static int64_t chunks_map(struct vgpu_iommu *iommu,
			  const struct vgpu_iommu_page *pages, unsigned n,
			  unsigned prot, uint64_t *ret_addrs)
{
	struct chunks *c = chunks_of(iommu);
	int64_t bytes = 0;
	int err = 0;

	pthread_mutex_lock(&c->lock);
	for (unsigned i = 0; i < n && !err; i++) {
		err = take_page(c, &pages[i], prot % NUM_PROTS, &ret_addrs[i],
				&bytes);
		if (err)
			drop_pages(c, ret_addrs, i);
	}
	pthread_mutex_unlock(&c->lock);
	return err ? err : bytes;
}

static uint64_t chunks_unmap(struct vgpu_iommu *iommu, const uint64_t *addrs,
			     unsigned n)
{
	struct chunks *c = chunks_of(iommu);
	uint64_t bytes;

	pthread_mutex_lock(&c->lock);
	bytes = drop_pages(c, addrs, n);
	pthread_mutex_unlock(&c->lock);
	return bytes;
}

static void chunks_forget(struct vgpu_iommu *iommu,
			  struct vgpu_iommu_memory *memory)
{
	struct chunk_table *t = memory->priv;

	if (!t)
		return;
	for (unsigned i = 0; i < NUM_PROTS; i++)
		free(t->chunks[i]);
	free(t);
	memory->priv = NULL;
}

static void chunks_get_stats(struct vgpu_iommu *iommu,
			     struct vgpu_iommu_stats *ret_stats)
{
	struct chunks *c = chunks_of(iommu);

	pthread_mutex_lock(&c->lock);
	*ret_stats = (struct vgpu_iommu_stats){
		.mapped_pages = c->n_pages,
		.mappings = c->n_chunks,
		.max_mappings = c->space.max,
	};
	pthread_mutex_unlock(&c->lock);
}

static void chunks_destroy(struct vgpu_iommu *iommu)
{
	struct chunks *c = chunks_of(iommu);

	if (c->kernel.destroy)
		c->kernel.destroy(c->ctx);
	iova_space_fini(&c->space);
	free(c->hash);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* The largest chunks of which WANT_CHUNKS fit */
static uint64_t chunk_size(const struct iommu_chunks_config *config)
{
	uint64_t size = IOMMU_CHUNK_MAX;

	while (size > PAGE_SIZE && iova_usable(config->ranges, config->n_ranges,
					       config->mask, size) /
						   size <
					   WANT_CHUNKS)
		size /= 2;
	return size;
}

int iommu_chunks_new(const struct iommu_chunks_config *config,
		     struct vgpu_iommu **ret_iommu)
{
	struct chunks *c;
	int err;

	if (config->chunk &&
	    (!is_pow2(config->chunk) || config->chunk < PAGE_SIZE ||
	     config->chunk > IOMMU_CHUNK_MAX))
		return -EINVAL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->chunk = config->chunk ? config->chunk : chunk_size(config);
	err = iova_space_init(&c->space, config->ranges, config->n_ranges,
			      config->mask, c->chunk, config->max_mappings);
	if (err)
		goto fail;
	c->hash_mask = 1;
	while (c->hash_mask < config->max_mappings)
		c->hash_mask *= 2;
	c->hash = calloc(c->hash_mask, sizeof(*c->hash));
	c->hash_mask--;
	err = -ENOMEM;
	if (!c->hash)
		goto fail;
	pthread_mutex_init(&c->lock, NULL);
	c->kernel = *config->ops;
	c->ctx = config->ctx;
	c->ops = (struct vgpu_iommu_ops){
		.name = config->name,
		.map = chunks_map,
		.unmap = chunks_unmap,
		.forget = chunks_forget,
		.get_stats = chunks_get_stats,
		.destroy = chunks_destroy,
	};
	vgpu_iommu_init(&c->iommu, &c->ops);
	*ret_iommu = &c->iommu;
	return 0;
fail:
	iova_space_fini(&c->space);
	free(c);
	return err;
}
