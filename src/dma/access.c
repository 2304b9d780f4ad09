/* SPDX-License-Identifier: MIT */
#include "access.h"

#include <errno.h>
#include <string.h>

#include "../util/bytes.h"

/* One piece of a copy: the pointer to @iova and how much lies behind it. In a
 * section. */
static int piece(struct dma_space *space, uint64_t iova, unsigned prot,
		 size_t want, char **ret_ptr, size_t *ret_len)
{
	uint64_t e = dma_table_find(&space->table, iova);
	const struct dma_range *r;
	int err = dma_entry_error(e, prot);

	if (err)
		return err;
	if (want > DMA_SECTION_BYTES)
		want = DMA_SECTION_BYTES;
	if (!dma_entry_covers(space, e, iova, want)) {
		r = dma_space_range(space, e);
		want = (size_t)(r->size - (iova - r->iova));
	}
	if (prot & DMA_PROT_WRITE)
		dma_mark_dirty(space, iova, want);
	*ret_ptr = dma_entry_ptr(e, iova);
	*ret_len = want;
	return 0;
}

void *dma_space_ptr_slow(struct dma_space *space, uint64_t iova, size_t len,
			 unsigned prot)
{
	uint64_t e = dma_table_find(&space->table, iova);

	if (!prot || dma_entry_error(e, prot) ||
	    !dma_entry_covers(space, e, iova, len))
		return NULL;
	if (prot & DMA_PROT_WRITE && len)
		dma_mark_dirty(space, iova, len);
	return dma_entry_ptr(e, iova);
}

/*
 * As memcpy(), for a piece of something long. Asked for all of that, memcpy()
 * would load and store; asked for a piece, it may leave that to one string
 * instruction, which is good at what fits in the caches.
 */
static void copy_long(char *to, const char *from, size_t len)
{
	typedef uint64_t load __attribute__((vector_size(16), aligned(1),
					     may_alias));
	typedef uint64_t store __attribute__((vector_size(16), may_alias));
	size_t head = -(uintptr_t)to & 63;

	memcpy(to, from, head);
	to += head;
	from += head;
	len -= head;
	for (; len >= 64; len -= 64, to += 64, from += 64) {
		const load *in = (const load *)from;
		load a = in[0], b = in[1], c = in[2], d = in[3];
		store *out = (store *)to;

		out[0] = a;
		out[1] = b;
		out[2] = c;
		out[3] = d;
	}
	memcpy(to, from, len);
}

static inline void copy_piece(char *to, const char *from, size_t len,
			      bool is_long)
{
	if (is_long && len >= 64)
		copy_long(to, from, len);
	else
		memcpy(to, from, len);
}

/* The bytes change while they are copied, if the guest wants it so; volatile
 * would not make that better. */
static inline int copy(struct dma_space *space, uint64_t iova, char *buf,
		       size_t len, unsigned prot)
{
	bool is_long = len >= DMA_LONG_COPY;
	char *there;
	size_t n;
	int err;

	if (len && iova + (len - 1) < iova)
		return -EINVAL;
	for (; len; len -= n, iova += n, buf += n) {
		dma_enter();
		err = piece(space, iova, prot, len, &there, &n);
		if (!err && prot == DMA_PROT_READ)
			copy_piece(buf, there, n, is_long);
		else if (!err)
			copy_piece(there, buf, n, is_long);
		dma_leave();
		if (err)
			return err;
	}
	return 0;
}

int dma_space_read(struct dma_space *space, uint64_t iova, void *buf,
		   size_t len)
{
	return copy(space, iova, buf, len, DMA_PROT_READ);
}

int dma_space_write(struct dma_space *space, uint64_t iova, const void *buf,
		    size_t len)
{
	/* Only read from. */
	return copy(space, iova, (char *)buf, len, DMA_PROT_WRITE);
}

static int value_ptr(struct dma_space *space, uint64_t iova, unsigned size,
		     unsigned prot, void **ret_ptr)
{
	uint64_t e;
	int err;

	if (size > 8 || !is_pow2(size) || iova & (size - 1))
		return -EINVAL;
	e = dma_table_find(&space->table, iova);
	err = dma_entry_error(e, prot);
	if (err)
		return err;
	if (prot & DMA_PROT_WRITE)
		dma_mark_dirty(space, iova, size);
	*ret_ptr = dma_entry_ptr(e, iova);
	return 0;
}

int dma_space_load(struct dma_space *space, uint64_t iova, unsigned size,
		   uint64_t *ret_value)
{
	void *p;
	int err;

	dma_enter();
	err = value_ptr(space, iova, size, DMA_PROT_READ, &p);
	if (!err) {
		switch (size) {
		case 1:
			*ret_value =
				__atomic_load_n((uint8_t *)p, __ATOMIC_ACQUIRE);
			break;
		case 2:
			*ret_value = __atomic_load_n((uint16_t *)p,
						     __ATOMIC_ACQUIRE);
			break;
		case 4:
			*ret_value = __atomic_load_n((uint32_t *)p,
						     __ATOMIC_ACQUIRE);
			break;
		default:
			*ret_value = __atomic_load_n((uint64_t *)p,
						     __ATOMIC_ACQUIRE);
		}
	}
	dma_leave();
	return err;
}

int dma_space_store(struct dma_space *space, uint64_t iova, unsigned size,
		    uint64_t value)
{
	void *p;
	int err;

	dma_enter();
	err = value_ptr(space, iova, size, DMA_PROT_WRITE, &p);
	if (!err) {
		switch (size) {
		case 1:
			__atomic_store_n((uint8_t *)p, (uint8_t)value,
					 __ATOMIC_RELEASE);
			break;
		case 2:
			__atomic_store_n((uint16_t *)p, (uint16_t)value,
					 __ATOMIC_RELEASE);
			break;
		case 4:
			__atomic_store_n((uint32_t *)p, (uint32_t)value,
					 __ATOMIC_RELEASE);
			break;
		default:
			__atomic_store_n((uint64_t *)p, value,
					 __ATOMIC_RELEASE);
		}
	}
	dma_leave();
	return err;
}

#define CMPXCHG(type)                                                          \
	do {                                                                   \
		type old = (type)*expected;                                    \
                                                                               \
		same = __atomic_compare_exchange_n(                            \
			(type *)p, &old, (type)desired, false,                 \
			__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);                   \
		if (!same)                                                     \
			*expected = old;                                       \
	} while (0)

int dma_space_cmpxchg(struct dma_space *space, uint64_t iova, unsigned size,
		      uint64_t *expected, uint64_t desired)
{
	bool same = false;
	void *p;
	int err;

	dma_enter();
	err = value_ptr(space, iova, size, DMA_PROT_READ | DMA_PROT_WRITE, &p);
	if (!err) {
		switch (size) {
		case 1:
			CMPXCHG(uint8_t);
			break;
		case 2:
			CMPXCHG(uint16_t);
			break;
		case 4:
			CMPXCHG(uint32_t);
			break;
		default:
			CMPXCHG(uint64_t);
		}
	}
	dma_leave();
	return err ? err : same;
}
