/* SPDX-License-Identifier: MIT */
#include "space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../dma/file.h"
#include "../state/arena.h"
#include "../util/bytes.h"

#define PAGE	  ((uint64_t)VGPU_DMA_PAGE_SIZE)
#define PROT_BITS ((unsigned)(VGPU_DMA_READ | VGPU_DMA_WRITE))
#define MIN_SLOTS 64u

/* What the worker calls memory @id */
struct memory {
	struct vgpu_iommu_memory public;
	uint32_t file;	/* in files */
	uint32_t pages; /* mapped */
};

/* A device address: open addressing by its page, 0 refs: free. A backend may
 * give the same address to the same page twice. */
struct page {
	uint64_t addr;
	uint32_t refs;
	uint32_t holds;
	uint32_t memory;
	uint32_t prot; /* of all refs together */
};

struct parent_space {
	struct vgpu_iommu *iommu;
	struct arena *arena; /* of files; nobody inherits it */
	struct dma_files files;
	struct memory **memories; /* by id; grows */
	uint32_t n_memories;
	struct page *slots;
	size_t n_slots, n_pages; /* slots: a power of two, at most half full */
	uint64_t refs, held;
	uint64_t bytes, limit; /* mapped, and at most */
};

/* ------------------------------------------------------------------ */
/* The table of addresses                                              */
/* ------------------------------------------------------------------ */

static size_t home(const struct parent_space *space, uint64_t addr)
{
	return (size_t)((addr / PAGE * 0x9e3779b97f4a7c15ull) >> 20) &
	       (space->n_slots - 1);
}

/* The address's slot, or the free one where it would be. */
static struct page *slot_of(const struct parent_space *space, uint64_t addr)
{
	size_t i = home(space, addr);

	while (space->slots[i].refs && space->slots[i].addr != addr)
		i = (i + 1) & (space->n_slots - 1);
	return &space->slots[i];
}

static struct page *find(const struct parent_space *space, uint64_t addr)
{
	struct page *p = slot_of(space, addr & ~(PAGE - 1));

	return p->refs ? p : NULL;
}

static int reserve(struct parent_space *space, size_t more)
{
	size_t n = MAX(space->n_slots, (size_t)MIN_SLOTS), old = space->n_slots;
	struct page *slots = space->slots;

	while (n < 2 * (space->n_pages + more))
		n *= 2;
	if (n == old)
		return 0;
	space->slots = calloc(n, sizeof(*slots));
	if (!space->slots) {
		space->slots = slots;
		return -ENOMEM;
	}
	space->n_slots = n;
	for (size_t i = 0; i < old; i++)
		if (slots[i].refs)
			*slot_of(space, slots[i].addr) = slots[i];
	free(slots);
	return 0;
}

/* Those behind move up, so that no search ends early. */
static void remove_page(struct parent_space *space, struct page *p)
{
	size_t mask = space->n_slots - 1, i = (size_t)(p - space->slots);

	for (size_t k = (i + 1) & mask; space->slots[k].refs;
	     k = (k + 1) & mask) {
		size_t h = home(space, space->slots[k].addr);

		if (((k - h) & mask) < ((k - i) & mask))
			continue;
		space->slots[i] = space->slots[k];
		i = k;
	}
	space->slots[i] = (struct page){ 0 };
	space->n_pages--;
}

/* ------------------------------------------------------------------ */
/* Memory                                                              */
/* ------------------------------------------------------------------ */

static int check_memory(const struct parent_space *space,
			const struct wire_memory *m)
{
	if (m->id >= WIRE_MAX_MEMORIES || !m->prot || m->prot & ~PROT_BITS ||
	    !m->size || (m->size | m->offset) & (PAGE - 1) ||
	    m->offset + m->size < m->offset || m->size / PAGE > UINT32_MAX)
		return -EINVAL;
	if (m->id < space->n_memories && space->memories[m->id])
		return -EEXIST;
	return 0;
}

static int make_room(struct parent_space *space, uint32_t id)
{
	uint32_t n = MAX(space->n_memories, 16u);
	struct memory **memories;

	if (id < space->n_memories)
		return 0;
	while (n <= id)
		n *= 2;
	memories = reallocarray(space->memories, n, sizeof(struct memory *));
	if (!memories)
		return -ENOMEM;
	memset(memories + space->n_memories, 0,
	       (n - space->n_memories) * sizeof(struct memory *));
	space->memories = memories;
	space->n_memories = n;
	return 0;
}

int parent_space_memory(struct parent_space *space,
			const struct wire_memory *wire, int fd)
{
	static uint64_t last_id; /* the parent's loop only */
	struct memory *m;
	uint32_t file;
	int err = check_memory(space, wire);

	if (!err)
		err = make_room(space, wire->id);
	if (err)
		return err;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	err = dma_files_get(&space->files, fd, wire->offset + wire->size,
			    wire->prot & VGPU_DMA_WRITE, &file);
	if (err) {
		free(m);
		return err;
	}
	m->file = file;
	m->public = (struct vgpu_iommu_memory){
		.struct_size = sizeof(m->public),
		.prot = wire->prot,
		.id = ++last_id,
		.base = space->files.files[file].base + wire->offset,
		.size = wire->size,
		.fd = space->files.records[file].fd,
		.offset = wire->offset,
	};
	space->memories[wire->id] = m;
	return 0;
}

static void forget(struct parent_space *space, uint32_t id)
{
	struct memory *m = space->memories[id];

	if (space->iommu->ops->forget)
		space->iommu->ops->forget(space->iommu, &m->public);
	dma_files_put(&space->files, m->file);
	free(m);
	space->memories[id] = NULL;
}

int parent_space_forget(struct parent_space *space, uint32_t id)
{
	if (id >= space->n_memories || !space->memories[id])
		return -ENOENT;
	if (space->memories[id]->pages)
		return -EBUSY;
	forget(space, id);
	return 0;
}

/* ------------------------------------------------------------------ */
/* Pages                                                               */
/* ------------------------------------------------------------------ */

static int check_pages(const struct parent_space *space,
		       const struct wire_page *pages, unsigned n, unsigned prot,
		       struct vgpu_iommu_page *ret_pages)
{
	if (!prot || prot & ~PROT_BITS || n > WIRE_MAX_PAGES)
		return -EINVAL;
	if (space->refs + n > WIRE_MAX_MAPPED)
		return -ENOSPC;
	for (unsigned i = 0; i < n; i++) {
		struct memory *m = pages[i].id < space->n_memories
					   ? space->memories[pages[i].id]
					   : NULL;
		uint64_t offset = pages[i].page * PAGE;

		if (!m)
			return -ENOENT;
		if (!range_inside(offset, PAGE, m->public.size))
			return -EFAULT;
		if (prot & ~m->public.prot)
			return -EACCES;
		ret_pages[i] = (struct vgpu_iommu_page){ &m->public, offset };
	}
	return 0;
}

int64_t parent_space_map(struct parent_space *space,
			 const struct wire_page *pages, unsigned n,
			 unsigned prot, uint64_t *ret_addrs)
{
	struct vgpu_iommu_page list[WIRE_MAX_PAGES];
	uint64_t addrs[WIRE_MAX_PAGES];
	int64_t bytes;
	int err = check_pages(space, pages, n, prot, list);

	if (!err)
		err = reserve(space, n);
	if (err)
		return err;
	if (!n)
		return 0;
	bytes = space->iommu->ops->map(space->iommu, list, n, prot, addrs);
	if (bytes < 0)
		return bytes;
	if (bytes && (uint64_t)bytes + space->bytes > space->limit) {
		space->iommu->ops->unmap(space->iommu, addrs, n);
		return -EDQUOT;
	}
	space->bytes += (uint64_t)bytes;
	for (unsigned i = 0; i < n; i++) {
		struct page *p = slot_of(space, addrs[i]);

		if (!p->refs) {
			*p = (struct page){ .addr = addrs[i],
					    .memory = pages[i].id };
			space->n_pages++;
		}
		p->refs++;
		p->prot |= prot;
		space->memories[pages[i].id]->pages++;
		ret_addrs[i] = addrs[i];
	}
	space->refs += n;
	return bytes;
}

static void drop(struct parent_space *space, struct page *p, uint32_t refs)
{
	space->memories[p->memory]->pages -= refs;
	space->refs -= refs;
	p->refs -= refs;
	if (!p->refs) {
		p->refs = 1; /* a slot that is free would end the search */
		remove_page(space, p);
	}
}

int64_t parent_space_unmap(struct parent_space *space, const uint64_t *addrs,
			   unsigned n)
{
	unsigned found = 0;
	uint64_t bytes;
	bool held = false;

	/* Taking one reference after the other shows addresses that are named
	 * more often than they were mapped. */
	for (; found < n; found++) {
		struct page *p = addrs[found] & (PAGE - 1)
					 ? NULL
					 : find(space, addrs[found]);

		if (!p || p->memory & (1u << 31))
			break;
		held |= p->holds;
		if (p->refs == 1)
			p->memory |= 1u << 31; /* used up */
		else
			p->refs--;
	}
	for (unsigned i = found; i--;) {
		struct page *p = find(space, addrs[i]);

		if (p->memory & (1u << 31))
			p->memory &= ~(1u << 31);
		else
			p->refs++;
	}
	if (found < n)
		return -EFAULT;
	if (held)
		return -EAGAIN;
	if (!n)
		return 0;
	bytes = space->iommu->ops->unmap(space->iommu, addrs, n);
	space->bytes -= MIN(bytes, space->bytes);
	for (unsigned i = 0; i < n; i++)
		drop(space, find(space, addrs[i]), 1);
	return (int64_t)bytes;
}

void parent_space_set_limit(struct parent_space *space, uint64_t bytes)
{
	space->limit = bytes;
}

bool parent_space_owns(const struct parent_space *space, uint64_t addr,
		       uint64_t len, unsigned prot)
{
	uint64_t last = addr + (len - 1);

	if (!len || last < addr || !prot || len / PAGE > WIRE_MAX_MAPPED)
		return false;
	for (uint64_t at = addr & ~(PAGE - 1);; at += PAGE) {
		const struct page *p = find(space, at);

		if (!p || (p->prot & prot) != prot)
			return false;
		if (last - at < PAGE)
			return true;
	}
}

void parent_space_get(struct parent_space *space, uint64_t addr, uint64_t len)
{
	uint64_t first = addr & ~(PAGE - 1), end = addr + (len - 1);

	for (uint64_t at = first; at <= end; at += PAGE, space->held++)
		find(space, at)->holds++;
}

void parent_space_put(struct parent_space *space, uint64_t addr, uint64_t len)
{
	uint64_t first = addr & ~(PAGE - 1), end = addr + (len - 1);

	for (uint64_t at = first; at <= end; at += PAGE) {
		struct page *p = find(space, at);

		if (!p || !p->holds)
			continue; /* the driver's mistake, not a worker's */
		p->holds--;
		space->held--;
	}
}

uint64_t parent_space_held(const struct parent_space *space)
{
	return space->held;
}

uint64_t parent_space_mapped(const struct parent_space *space)
{
	return space->refs;
}

uint64_t parent_space_bytes(const struct parent_space *space)
{
	return space->bytes;
}

/* ------------------------------------------------------------------ */
/* Life                                                                */
/* ------------------------------------------------------------------ */

int parent_space_new(struct vgpu_iommu *iommu, struct parent_space **ret_space)
{
	struct parent_space *space = calloc(1, sizeof(*space));
	int err;

	if (!space)
		return -ENOMEM;
	space->iommu = iommu;
	space->limit = UINT64_MAX;
	err = reserve(space, 0);
	if (!err)
		err = arena_new("vgpu-parent-files", &space->arena);
	if (!err)
		err = dma_files_init(&space->files, space->arena,
				     WIRE_MAX_FILES, false, -1);
	if (err) {
		arena_free(space->arena);
		free(space->slots);
		free(space);
		return err;
	}
	*ret_space = space;
	return 0;
}

void parent_space_free(struct parent_space *space)
{
	if (!space)
		return;
	for (size_t i = 0; i < space->n_slots; i++)
		for (uint32_t k = space->slots[i].refs; k; k--)
			space->iommu->ops->unmap(space->iommu,
						 &space->slots[i].addr, 1);
	for (uint32_t i = 0; i < space->n_memories; i++)
		if (space->memories[i])
			forget(space, i);
	free(space->memories);
	free(space->slots);
	dma_files_fini(&space->files);
	arena_free(space->arena);
	free(space);
}
