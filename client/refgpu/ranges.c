/* SPDX-License-Identifier: MIT */
#include "ranges.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Room for two more: with what is free at most one piece becomes two, and
 * giving back never needs memory then. */
static int reserve(struct ranges *r)
{
	size_t room = r->room ? 2 * r->room : 16;
	struct range *more;

	if (r->n + 2 <= r->room)
		return 0;
	more = realloc(r->free, room * sizeof(*more));
	if (!more)
		return -ENOMEM;
	r->free = more;
	r->room = room;
	return 0;
}

int ranges_init(struct ranges *r, uint64_t start, uint64_t size)
{
	*r = (struct ranges){ 0 };
	if (reserve(r))
		return -ENOMEM;
	r->free[r->n++] = (struct range){ start, size };
	return 0;
}

void ranges_fini(struct ranges *r)
{
	free(r->free);
	*r = (struct ranges){ 0 };
}

static void remove_at(struct ranges *r, size_t i)
{
	r->n--;
	memmove(&r->free[i], &r->free[i + 1], (r->n - i) * sizeof(*r->free));
}

static void insert_at(struct ranges *r, size_t i, struct range piece)
{
	memmove(&r->free[i + 1], &r->free[i], (r->n - i) * sizeof(*r->free));
	r->free[i] = piece;
	r->n++;
}

int ranges_take(struct ranges *r, uint64_t size, uint64_t align,
		uint64_t *ret_start)
{
	/* Whoever takes will give: its piece may need a place of its own. */
	if (reserve(r))
		return -ENOMEM;
	for (size_t i = 0; i < r->n; i++) {
		struct range *p = &r->free[i];
		uint64_t start = (p->start + align - 1) & ~(align - 1);
		uint64_t skip = start - p->start, behind;

		if (skip > p->size || p->size - skip < size)
			continue;
		behind = p->size - skip - size;
		if (skip)
			p->size = skip;
		else
			remove_at(r, i);
		if (behind)
			insert_at(r, i + (skip != 0),
				  (struct range){ start + size, behind });
		*ret_start = start;
		return 0;
	}
	return -ENOSPC;
}

void ranges_give(struct ranges *r, uint64_t start, uint64_t size)
{
	struct range *before, *after;
	size_t i = 0;

	while (i < r->n && r->free[i].start < start)
		i++;
	before = i ? &r->free[i - 1] : NULL;
	after = i < r->n ? &r->free[i] : NULL;
	if (before && before->start + before->size != start)
		before = NULL;
	if (after && start + size != after->start)
		after = NULL;
	if (before && after) {
		before->size += size + after->size;
		remove_at(r, i);
	} else if (before) {
		before->size += size;
	} else if (after) {
		after->start = start;
		after->size += size;
	} else {
		insert_at(r, i, (struct range){ start, size });
	}
}
