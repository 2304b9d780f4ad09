/* SPDX-License-Identifier: MIT */
#include "space.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <vgpu/driver.h>

#include "../state/arena.h"
#include "../util/bytes.h"
#include "../util/cleanup.h"
#include "../util/log.h"
#include "../util/loop.h"
#include "dirty.h"
#include "pin-private.h"
#include "space-private.h"

_Static_assert(DMA_MAX_MAPS <= 1u << DMA_E_RANGE_BITS,
	       "a table's entry has room for a range's number");
_Static_assert(DMA_PROT_READ == DMA_E_READ && DMA_PROT_WRITE == DMA_E_WRITE,
	       "protections go into entries as they are");

static const struct vgpu_field range_fields[] = {
	VGPU_FIELD(struct dma_ranges, used, 1),
};

static bool prot_valid(uint32_t prot)
{
	return prot && !(prot & ~(DMA_PROT_READ | DMA_PROT_WRITE));
}

static int table_enter(struct dma_space *space, uint32_t i,
		       const struct dma_range *r)
{
	uint64_t flags = r->flags & (DMA_PROT_READ | DMA_PROT_WRITE);

	if (!r->file)
		return dma_table_set(&space->table, r->iova, r->size, NULL, i,
				     flags | DMA_E_REMOTE);
	return dma_table_set(&space->table, r->iova, r->size,
			     space->files.files[r->file - 1].base + r->offset,
			     i, flags);
}

static void count(struct dma_space *space, const struct dma_range *r)
{
	space->n_maps++;
	space->n_remote += !r->file;
	space->bytes += r->size;
}

/* After a predecessor: free slots into the list, live ones into the table. */
static int adopt(struct dma_space *space)
{
	struct dma_range *r;
	uint64_t at;
	int err;

	if (space->ranges->used > space->max_maps)
		return -ESTALE;
	for (uint32_t i = space->ranges->used; i-- > 0;) {
		r = &space->ranges->range[i];
		if (!(r->flags & DMA_RANGE_LIVE)) {
			r->iova = space->free;
			space->free = i + 1;
			continue;
		}
		if (!dma_extent_valid(r->iova, r->size) ||
		    dma_table_next(&space->table, r->iova,
				   r->iova + (r->size - 1), &at))
			return -ESTALE;
		if (r->file) {
			if (r->file > space->files.n ||
			    !space->files.files[r->file - 1].base ||
			    !range_inside(
				    r->offset, r->size,
				    space->files.records[r->file - 1].len))
				return -ESTALE;
			space->files.files[r->file - 1].ranges++;
		}
		err = table_enter(space, i, r);
		if (err)
			return err;
		count(space, r);
	}
	return 0;
}

static uint32_t replaced_pages(const struct dma_space *space)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < space->files.n; i++)
		if (space->files.files[i].base)
			n += space->files.files[i].replaced;
	return n;
}

static void detach(struct dma_space *space)
{
	dma_remote_detach(space);
	loop_remove(space->notice);
	loop_remove(space->unmap_timer);
	space->notice = space->unmap_timer = NULL;
}

static void dispose(struct dma_space *space)
{
	detach(space);
	dma_remote_free(space);
	if (space->log)
		dma_space_log_stop(space);
	dma_pins_free(space);
	dma_files_fini(&space->files);
	dma_table_fini(&space->table);
	close_fd(space->notice_fd);
	free(space->local);
	free(space);
}

int dma_space_new(struct arena *arena, const struct dma_limits *limits,
		  struct dma_space **ret_space)
{
	struct dma_limits l = limits ? *limits : (struct dma_limits){ 0 };
	struct dma_space *space = calloc(1, sizeof(*space));
	void *p;
	int err;

	if (!space)
		return -ENOMEM;
	list_init(&space->unmaps);
	space->max_maps = l.max_maps ? MIN(l.max_maps, DMA_MAX_MAPS)
				     : DMA_MAX_MAPS;
	space->notice_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (space->notice_fd < 0) {
		err = -errno;
		goto fail;
	}
	err = -ENOMEM;
	space->local = calloc(space->max_maps, sizeof(*space->local));
	if (!space->local)
		goto fail;
	err = dma_remote_new(space);
	if (err)
		goto fail;
	err = dma_pins_new(space);
	if (err)
		goto fail;
	err = dma_table_init(&space->table, l.max_table_bytes
						    ? l.max_table_bytes
						    : DMA_MAX_TABLE_BYTES);
	if (err)
		goto fail;
	err = dma_files_init(&space->files, arena,
			     l.max_files ? l.max_files : DMA_MAX_FILES,
			     l.allow_any_file, space->notice_fd);
	if (err)
		goto fail;
	err = arena_block(arena, "dma.ranges", DMA_RANGES_VERSION,
			  sizeof(struct dma_ranges) +
				  space->max_maps * sizeof(struct dma_range),
			  &p);
	if (err < 0)
		goto fail;
	space->ranges = p;
	arena_describe(arena, "dma.ranges", range_fields,
		       ARRAY_SIZE(range_fields));
	err = adopt(space);
	if (err)
		goto fail;
	*ret_space = space;
	return 0;
fail:
	dispose(space);
	return err;
}

void dma_space_free(struct dma_space *space)
{
	uint32_t held;

	if (!space)
		return;
	space->owner = NULL; /* it is going, too: it is not asked any more */
	dma_pins_revoke(space, DMA_EVERY_RANGE);
	dma_pins_abandon(space);
	dma_space_unmap_all(space, NULL, NULL);
	held = dma_unmaps_fini(space);
	if (held)
		log_error(NULL,
			  "%u ranges of client memory were still in use "
			  "when their vGPU went away: its driver did not put "
			  "them back",
			  held);
	dispose(space);
}

static void on_notice(struct loop_source *src, uint32_t events, void *user)
{
	struct dma_space *space = user;
	uint64_t n;

	if (read(space->notice_fd, &n, sizeof(n)) == sizeof(n))
		dma_space_poll(space);
}

static void on_unmap_timer(struct loop_source *src, void *user)
{
	dma_unmaps_check(user);
}

int dma_space_attach(struct dma_space *space, struct loop *loop,
		     const struct dma_owner_ops *ops, void *user)
{
	int err;

	err = loop_add_fd(loop, space->notice_fd, EPOLLIN, on_notice, space,
			  &space->notice);
	if (!err)
		err = loop_add_timer(loop, on_unmap_timer, space,
				     &space->unmap_timer);
	if (!err)
		err = dma_remote_attach(space, loop);
	if (err) {
		detach(space);
		return err;
	}
	space->owner = ops;
	space->owner_user = user;
	return 0;
}

void dma_space_poll(struct dma_space *space)
{
	uint32_t lost = replaced_pages(space);

	if (lost != space->lost_told) {
		space->lost_told = lost;
		if (space->owner && space->owner->lost)
			space->owner->lost(lost, space->owner_user);
	}
	dma_unmaps_poll(space);
	dma_remote_poll(space);
}

static uint32_t range_get(struct dma_space *space)
{
	uint32_t i = space->free;

	if (!i)
		return space->ranges->used++;
	space->free = (uint32_t)space->ranges->range[i - 1].iova;
	return i - 1;
}

static void range_put(struct dma_space *space, uint32_t i)
{
	struct dma_range *r = &space->ranges->range[i];

	__atomic_store_n(&r->flags, 0, __ATOMIC_RELEASE);
	r->iova = space->free;
	space->free = i + 1;
}

int dma_space_map(struct dma_space *space, uint64_t iova, uint64_t size,
		  uint32_t prot, int fd, uint64_t offset)
{
	uint32_t i, file = 0;
	struct dma_range *r;
	uint64_t at;
	int err;

	if (!dma_extent_valid(iova, size) || !prot_valid(prot))
		return -EINVAL;
	if (fd >= 0 && (offset & (DMA_PAGE_SIZE - 1) ||
			!range_inside(offset, size, INT64_MAX)))
		return -EINVAL;
	if (dma_table_next(&space->table, iova, iova + (size - 1), &at)) {
		dma_unmaps_detach(space); /* it may be a departed client's */
		if (dma_table_next(&space->table, iova, iova + (size - 1), &at))
			return -EEXIST;
	}
	if (space->n_maps == space->max_maps ||
	    size > DMA_MAX_BYTES - space->bytes)
		return -ENOSPC;
	if (fd >= 0) {
		err = dma_files_get(&space->files, fd, offset + size,
				    prot & DMA_PROT_WRITE, &file);
		if (err)
			return err;
		file++;
	}
	i = range_get(space);
	r = &space->ranges->range[i];
	r->iova = iova;
	r->size = size;
	r->offset = file ? offset : 0;
	r->file = file;
	__atomic_store_n(&r->flags, prot | DMA_RANGE_LIVE, __ATOMIC_RELEASE);
	err = table_enter(space, i, r);
	if (err) {
		range_put(space, i);
		if (file)
			dma_files_put(&space->files, file - 1);
		return err;
	}
	count(space, r);
	return 0;
}

void dma_range_free(struct dma_space *space, uint32_t i)
{
	struct dma_range *r = &space->ranges->range[i];

	space->n_maps--;
	space->n_remote -= !r->file;
	space->bytes -= r->size;
	if (r->file)
		dma_files_put(&space->files, r->file - 1);
	range_put(space, i);
}

uint32_t dma_space_count(const struct dma_space *space)
{
	return space->n_maps;
}

void dma_space_get_stats(const struct dma_space *space,
			 struct dma_space_stats *ret_stats)
{
	struct dma_space_stats s = {
		.maps = space->n_maps,
		.remote_maps = space->n_remote,
		.bytes = space->bytes,
		.table_bytes = space->table.bytes,
		.replaced_pages = replaced_pages(space),
	};

	for (uint32_t i = 0; i < space->files.n; i++)
		s.files += !!space->files.files[i].base;
	*ret_stats = s;
}

int dma_space_find(const struct dma_space *space, uint64_t iova,
		   struct dma_found *ret_found)
{
	uint64_t e = dma_table_find(&space->table, iova);
	const struct dma_range *r;

	if (!(e & (DMA_E_READ | DMA_E_WRITE)))
		return -ENOENT;
	r = dma_space_range(space, e);
	ret_found->ptr = e & DMA_E_REMOTE ? NULL : dma_entry_ptr(e, iova);
	ret_found->len = r->iova + r->size - iova;
	ret_found->prot = (uint32_t)e & (DMA_PROT_READ | DMA_PROT_WRITE);
	return 0;
}
