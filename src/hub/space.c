/* SPDX-License-Identifier: MIT */
#include "space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../dma/file.h"
#include "../state/arena.h"
#include "../util/bytes.h"
#include "budget.h"
#include "pages.h"

#define PAGE	  ((uint64_t)VGPU_DMA_PAGE_SIZE)
#define PROT_BITS ((unsigned)(VGPU_DMA_READ | VGPU_DMA_WRITE))
#define AHEAD	  8u /* so many pages are fetched before they are used */

/* What the worker calls memory @id */
struct memory {
	struct vgpu_iommu_memory public;
	uint32_t file;	/* in files */
	uint32_t pages; /* mapped */
};

struct hub_space {
	struct vgpu_iommu *iommu;
	struct arena *arena; /* of files; nobody inherits it */
	struct dma_files files;
	struct memory **memories; /* by id; grows */
	uint32_t n_memories;
	struct hub_pages pages;
	uint64_t refs, held;
	uint64_t bytes, limit; /* mapped, and at most */
};

static struct hub_page *find(const struct hub_space *space, uint64_t addr)
{
	return hub_pages_find(&space->pages, addr & ~(PAGE - 1));
}

/* ------------------------------------------------------------------ */
/* Memory                                                              */
/* ------------------------------------------------------------------ */

static int check_memory(const struct hub_space *space,
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

static int make_room(struct hub_space *space, uint32_t id)
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

int hub_space_memory(struct hub_space *space,
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

static void forget(struct hub_space *space, uint32_t id)
{
	struct memory *m = space->memories[id];

	if (space->iommu->ops->forget)
		space->iommu->ops->forget(space->iommu, &m->public);
	dma_files_put(&space->files, m->file);
	free(m);
	space->memories[id] = NULL;
}

int hub_space_forget(struct hub_space *space, uint32_t id)
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

static int check_pages(const struct hub_space *space,
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

int64_t hub_space_map(struct hub_space *space,
			 const struct wire_page *pages, unsigned n,
			 unsigned prot, uint64_t *ret_addrs)
{
	struct vgpu_iommu_page list[WIRE_MAX_PAGES];
	uint64_t addrs[WIRE_MAX_PAGES];
	int64_t bytes;
	int err = check_pages(space, pages, n, prot, list);

	if (!err)
		err = hub_pages_reserve(&space->pages, n);
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
		struct hub_page *p =
			hub_pages_slot(&space->pages, addrs[i]);

		if (i + AHEAD < n)
			hub_pages_prefetch(&space->pages, addrs[i + AHEAD]);
		if (!p->key) {
			*p = (struct hub_page){ .key = addrs[i],
						   .memory = pages[i].id };
			space->pages.n++;
		}
		p->refs++;
		p->key |= prot;
		space->memories[pages[i].id]->pages++;
		ret_addrs[i] = addrs[i];
	}
	space->refs += n;
	return bytes;
}

/* Take one reference after the other, which shows addresses that are named
 * more often than they were mapped. Return: how many could be taken. */
static unsigned take_refs(struct hub_space *space, const uint64_t *addrs,
			  unsigned n, struct hub_page **pages,
			  bool *ret_held)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		struct hub_page *p =
			addrs[i] & (PAGE - 1) ? NULL : find(space, addrs[i]);

		if (i + AHEAD < n)
			hub_pages_prefetch(&space->pages, addrs[i + AHEAD]);
		if (!p || !p->refs)
			break;
		*ret_held |= p->holds;
		p->refs--;
		pages[i] = p;
	}
	return i;
}

/* The references are taken, and the backend has unmapped them. */
static void drop(struct hub_space *space, const uint64_t *addrs, unsigned n,
		 struct hub_page **pages)
{
	for (unsigned i = 0; i < n; i++)
		space->memories[pages[i]->memory]->pages--;
	space->refs -= n;
	for (unsigned i = n; i--;) {
		struct hub_page *p = pages[i];

		/* Removing moves others. */
		if (hub_page_addr(p) != addrs[i] || !p->key)
			p = find(space, addrs[i]);
		if (p && !p->refs)
			hub_pages_remove(&space->pages, p);
	}
}

int64_t hub_space_unmap(struct hub_space *space, const uint64_t *addrs,
			   unsigned n)
{
	struct hub_page *pages[WIRE_MAX_PAGES];
	bool held = false;
	unsigned found;
	uint64_t bytes;

	if (n > WIRE_MAX_PAGES)
		return -EINVAL;
	found = take_refs(space, addrs, n, pages, &held);
	if (found < n || held) {
		bool lost = found < n;

		while (found--)
			pages[found]->refs++;
		return lost ? -EFAULT : -EAGAIN;
	}
	if (!n)
		return 0;
	bytes = space->iommu->ops->unmap(space->iommu, addrs, n);
	space->bytes -= MIN(bytes, space->bytes);
	drop(space, addrs, n, pages);
	return (int64_t)bytes;
}

void hub_space_set_limit(struct hub_space *space, uint64_t bytes)
{
	space->limit = bytes;
}

static int take_share(void *user, uint64_t bytes)
{
	return hub_share_take(user, bytes);
}

static void give_share(void *user, uint64_t bytes)
{
	hub_share_give(user, bytes);
}

void hub_space_set_share(struct hub_space *space,
			    struct hub_share *share)
{
	space->files.budget =
		(struct dma_files_budget){ take_share, give_share, share };
}

bool hub_space_owns(const struct hub_space *space, uint64_t addr,
		       uint64_t len, unsigned prot)
{
	uint64_t last = addr + (len - 1);

	if (!len || last < addr || !prot || len / PAGE > WIRE_MAX_MAPPED)
		return false;
	for (uint64_t at = addr & ~(PAGE - 1);; at += PAGE) {
		const struct hub_page *p = find(space, at);

		if (!p || (hub_page_prot(p) & prot) != prot)
			return false;
		if (last - at < PAGE)
			return true;
	}
}

void hub_space_get(struct hub_space *space, uint64_t addr, uint64_t len)
{
	uint64_t first = addr & ~(PAGE - 1), end = addr + (len - 1);

	for (uint64_t at = first; at <= end; at += PAGE, space->held++)
		find(space, at)->holds++;
}

void hub_space_put(struct hub_space *space, uint64_t addr, uint64_t len)
{
	uint64_t first = addr & ~(PAGE - 1), end = addr + (len - 1);

	for (uint64_t at = first; at <= end; at += PAGE) {
		struct hub_page *p = find(space, at);

		if (!p || !p->holds)
			continue; /* the driver's mistake, not a worker's */
		p->holds--;
		space->held--;
	}
}

bool hub_space_is_held(const struct hub_space *space, uint64_t addr)
{
	const struct hub_page *p = find(space, addr);

	return p && p->holds;
}

uint64_t hub_space_held(const struct hub_space *space)
{
	return space->held;
}

uint64_t hub_space_mapped(const struct hub_space *space)
{
	return space->refs;
}

uint64_t hub_space_bytes(const struct hub_space *space)
{
	return space->bytes;
}

/* ------------------------------------------------------------------ */
/* Life                                                                */
/* ------------------------------------------------------------------ */

int hub_space_new(struct vgpu_iommu *iommu, struct hub_space **ret_space)
{
	struct hub_space *space = calloc(1, sizeof(*space));
	int err;

	if (!space)
		return -ENOMEM;
	space->iommu = iommu;
	space->limit = UINT64_MAX;
	err = hub_pages_reserve(&space->pages, 0);
	if (!err)
		err = arena_new("vgpu-parent-files", &space->arena);
	if (!err)
		err = dma_files_init(&space->files, space->arena,
				     WIRE_MAX_FILES, false, -1);
	if (err) {
		arena_free(space->arena);
		hub_pages_fini(&space->pages);
		free(space);
		return err;
	}
	*ret_space = space;
	return 0;
}

/* Whatever the worker left: may be many, so not one by one. */
static void unmap_table(struct vgpu_iommu *iommu,
			const struct hub_page *slots, size_t n_slots)
{
	uint64_t addrs[WIRE_MAX_PAGES];
	unsigned n = 0;

	for (size_t i = 0; i < n_slots; i++) {
		const struct hub_page *p = &slots[i];

		for (uint32_t k = p->refs; k; k--) {
			addrs[n++] = hub_page_addr(p);
			if (n < WIRE_MAX_PAGES)
				continue;
			iommu->ops->unmap(iommu, addrs, n);
			n = 0;
		}
	}
	if (n)
		iommu->ops->unmap(iommu, addrs, n);
}

static void unmap_all(struct hub_space *space)
{
	const struct hub_pages *pages = &space->pages;

	unmap_table(space->iommu, pages->slots, pages->n_slots);
	unmap_table(space->iommu, pages->old, pages->n_old);
}

void hub_space_free(struct hub_space *space)
{
	if (!space)
		return;
	unmap_all(space);
	for (uint32_t i = 0; i < space->n_memories; i++)
		if (space->memories[i])
			forget(space, i);
	free(space->memories);
	hub_pages_fini(&space->pages);
	dma_files_fini(&space->files);
	arena_free(space->arena);
	free(space);
}
