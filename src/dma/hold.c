/* SPDX-License-Identifier: MIT */
/* Memory held for longer than a section: references on ranges. */
#include <errno.h>
#include <unistd.h>

#include "../util/bytes.h"
#include "access.h"
#include "hold.h"

void dma_space_notify(struct dma_space *space)
{
	const uint64_t one = 1;
	/* A counter that is full is a notice, too. */
	ssize_t n = write(space->notice_fd, &one, sizeof(one));

	(void)n;
}

void dma_range_drop(struct dma_space *space, uint32_t range, uint32_t n)
{
	uint32_t old = atomic_fetch_sub_explicit(&space->local[range].refs, n,
						 memory_order_acq_rel);

	if (old - n == DMA_REFS_DYING)
		dma_space_notify(space);
}

int dma_space_get(struct dma_space *space, uint64_t iova, size_t len,
		  unsigned prot, struct vgpu_dma_segment *segments,
		  unsigned max)
{
	unsigned n = 0;
	int err = 0;

	if (!len || iova + (len - 1) < iova || !prot ||
	    prot & ~(DMA_PROT_READ | DMA_PROT_WRITE))
		return -EINVAL;
	dma_enter();
	while (len) {
		uint64_t e = dma_table_find(&space->table, iova);
		const struct dma_range *r;
		size_t part;

		err = dma_entry_error(e, prot);
		if (!err && n == max)
			err = -E2BIG;
		if (err)
			break;
		r = dma_space_range(space, e);
		part = (size_t)MIN(r->size - (iova - r->iova), (uint64_t)len);
		/* The range was whole in this section, so an unmap that takes
		 * it now waits for the section and then sees this. */
		atomic_fetch_add_explicit(
			&space->local[dma_entry_range(e)].refs, 1,
			memory_order_relaxed);
		segments[n++] = (struct vgpu_dma_segment){
			.ptr = dma_entry_ptr(e, iova),
			.len = part,
			.range = dma_entry_range(e),
			.prot = prot,
		};
		iova += part;
		len -= part;
	}
	dma_leave();
	if (!err)
		return (int)n;
	dma_space_put(space, segments, n);
	return err;
}

/* The range is still whole: it is held. */
static void mark(struct dma_space *space, const struct vgpu_dma_segment *seg)
{
	const struct dma_range *r = &space->ranges->range[seg->range];
	const char *base =
		(char *)space->files.files[r->file - 1].base + r->offset;

	dma_enter();
	dma_mark_dirty(space, r->iova + (uint64_t)((char *)seg->ptr - base),
		       seg->len);
	dma_leave();
}

void dma_space_put(struct dma_space *space,
		   const struct vgpu_dma_segment *segments, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (segments[i].prot & DMA_PROT_WRITE)
			mark(space, &segments[i]);
		dma_range_drop(space, segments[i].range, 1);
	}
}
