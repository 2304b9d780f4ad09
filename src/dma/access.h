/* SPDX-License-Identifier: MIT */
/*
 * Ways into a space's memory: what <vgpu/dma.h> promises, on struct dma_space.
 * Any thread unless said otherwise; errors as documented there.
 */
#ifndef DMA_ACCESS_H
#define DMA_ACCESS_H

#include <errno.h>

#include <vgpu/dma.h>

#include "dirty.h"
#include "reader.h"
#include "space-private.h"

/* A copy lets unmaps in after so many bytes. */
#define DMA_SECTION_BYTES (256u << 10)
/* From so many bytes on, pieces are copied by copy_long(). */
#define DMA_LONG_COPY (768u << 10)

int dma_space_read(struct dma_space *space, uint64_t iova, void *buf,
		   size_t len);
int dma_space_write(struct dma_space *space, uint64_t iova, const void *buf,
		    size_t len);
int dma_space_load(struct dma_space *space, uint64_t iova, unsigned size,
		   uint64_t *ret_value);
int dma_space_store(struct dma_space *space, uint64_t iova, unsigned size,
		    uint64_t value);
int dma_space_cmpxchg(struct dma_space *space, uint64_t iova, unsigned size,
		      uint64_t *expected, uint64_t desired);

/* hold.c */
int dma_space_get(struct dma_space *space, uint64_t iova, size_t len,
		  unsigned prot, struct vgpu_dma_segment *segments,
		  unsigned max);
void dma_space_put(struct dma_space *space,
		   const struct vgpu_dma_segment *segments, unsigned n);

/* Why an entry does not allow an access with @prot by pointer; 0: it does. */
static inline int dma_entry_error(uint64_t e, unsigned prot)
{
	if (!(e & (DMA_E_READ | DMA_E_WRITE)))
		return -EFAULT;
	if ((e & prot) != prot)
		return -EACCES;
	return e & DMA_E_REMOTE ? -EOPNOTSUPP : 0;
}

/* @len not 0; never wraps. Set all bits above those of the offset: adding
 * carries out if the sum leaves the page. */
static inline bool dma_within_page(uint64_t iova, uint64_t len)
{
	uint64_t sum;

	return !__builtin_add_overflow(iova | ~(DMA_PAGE_SIZE - 1), len - 1,
				       &sum);
}

/* Do [iova, iova + len) lie in the range of @e? Ranges lie in memory in one
 * piece, so that is all it takes; within a page there is nothing to ask. */
static inline bool dma_entry_covers(const struct dma_space *space, uint64_t e,
				    uint64_t iova, uint64_t len)
{
	const struct dma_range *r;

	if (dma_within_page(iova, len))
		return true;
	r = dma_space_range(space, e);
	return len <= r->size && iova - r->iova <= r->size - len;
}

/* dma_space_ptr() where something is out of the ordinary */
void *dma_space_ptr_slow(struct dma_space *space, uint64_t iova, size_t len,
			 unsigned prot);

/* In a section. NULL: not so. What nearly every call needs is here, and
 * nothing of it calls: it can live in registers. @low: dma_space_low(), kept
 * where it is at hand; @space is only looked at where it has to be. */
static inline void *dma_space_ptr_by(const dma_entry *low,
				     struct dma_space *const *space,
				     uint64_t iova, size_t len, unsigned prot)
{
	uint64_t i = iova >> DMA_BLOCK_SHIFT, e, allowed;

	if (__builtin_expect(i >= DMA_WINDOW_TOPS, 0))
		return dma_space_ptr_slow(*space, iova, len, prot);
	e = dma_table_leaf(&low[i], iova);
	allowed = e & (prot | DMA_E_REMOTE);
	if (__builtin_expect(!allowed || allowed != prot ||
				     !dma_within_page(iova, len) ||
				     (prot & DMA_PROT_WRITE &&
				      dma_space_log_active(*space)),
			     0))
		return dma_space_ptr_slow(*space, iova, len, prot);
	return dma_entry_ptr(e, iova);
}

/* Stays as it is while the space lives. */
static inline const dma_entry *dma_space_low(const struct dma_space *space)
{
	return space->table.low;
}

static inline void *dma_space_ptr(struct dma_space *space, uint64_t iova,
				  size_t len, unsigned prot)
{
	return dma_space_ptr_by(dma_space_low(space), &space, iova, len, prot);
}

#endif
