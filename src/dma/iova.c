/* SPDX-License-Identifier: MIT */
#include "iova.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../util/bytes.h"

/* So many freed blocks wait before one is used again, while there are others.
 */
#define QUARANTINE 64u

/* The whole blocks of @range that the device reaches; false: there is none. */
static bool whole_blocks(const struct iova_range *range, uint64_t mask,
			 uint64_t block, struct iova_range *ret_range)
{
	uint64_t start = MAX(range->start, block), last;

	if (range->start > range->last || start > UINT64_MAX - (block - 1))
		return false;
	start = align_up(start, block);
	last = MIN(range->last, mask);
	/* The last byte of the last whole block; all ones stay as they are. */
	if ((last & (block - 1)) != block - 1) {
		if (last < block)
			return false;
		last = (last & ~(block - 1)) - 1;
	}
	if (start > last)
		return false;
	*ret_range = (struct iova_range){ start, last };
	return true;
}

uint64_t iova_usable(const struct iova_range *ranges, size_t n_ranges,
		     uint64_t mask, uint64_t block)
{
	struct iova_range r;
	uint64_t bytes = 0;

	for (size_t i = 0; i < n_ranges; i++)
		if (whole_blocks(&ranges[i], mask, block, &r))
			bytes += r.last - r.start + 1;
	return bytes;
}

int iova_space_init(struct iova_space *space, const struct iova_range *ranges,
		    size_t n_ranges, uint64_t mask, uint64_t block,
		    uint32_t max)
{
	struct iova_space s = { .max = max };

	if (!is_pow2(block) || !max)
		return -EINVAL;
	s.shift = (unsigned)__builtin_ctzll(block);
	s.ranges = calloc(n_ranges ? n_ranges : 1, sizeof(*s.ranges));
	s.freed = malloc(max * sizeof(*s.freed));
	if (!s.ranges || !s.freed) {
		iova_space_fini(&s);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n_ranges; i++)
		if (whole_blocks(&ranges[i], mask, block,
				 &s.ranges[s.n_ranges]))
			s.n_ranges++;
	if (!s.n_ranges) {
		iova_space_fini(&s);
		return -ENOSPC;
	}
	s.next = s.ranges[0].start;
	*space = s;
	return 0;
}

void iova_space_fini(struct iova_space *space)
{
	free(space->ranges);
	free(space->freed);
	memset(space, 0, sizeof(*space));
}

static bool fresh(struct iova_space *s, uint64_t *ret_iova)
{
	const struct iova_range *r = &s->ranges[s->range];
	uint64_t block = 1ull << s->shift;

	if (s->range == s->n_ranges)
		return false;
	*ret_iova = s->next;
	if (r->last - s->next >= block) /* another one behind it */
		s->next += block;
	else if (++s->range < s->n_ranges)
		s->next = s->ranges[s->range].start;
	return true;
}

int iova_space_get(struct iova_space *space, uint64_t *ret_iova)
{
	if (space->used == space->max)
		return -ENOSPC;
	/* The ring holds @max blocks: fresh ones are only made while those in
	 * use and those in it together are fewer. */
	if ((space->n_freed >= QUARANTINE ||
	     space->used + space->n_freed == space->max ||
	     !fresh(space, ret_iova))) {
		if (!space->n_freed)
			return -ENOSPC;
		*ret_iova = space->freed[space->head];
		space->head = (space->head + 1) % space->max;
		space->n_freed--;
	}
	space->used++;
	return 0;
}

void iova_space_put(struct iova_space *space, uint64_t iova)
{
	space->freed[(space->head + space->n_freed) % space->max] = iova;
	space->n_freed++;
	space->used--;
}
