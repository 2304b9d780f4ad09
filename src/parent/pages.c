/* SPDX-License-Identifier: MIT */
#include "pages.h"

#include <errno.h>

#include "../util/big.h"
#include "../util/bytes.h"

#define MIN_SLOTS   64u
#define GROUP_SHIFT 5u /* so many bits of page numbers stay neighbours */

/* Addresses are the backend's choice, not a worker's: no secret is needed. */
static size_t home(const struct parent_pages *pages, uint64_t addr)
{
	uint64_t page = addr / PARENT_PAGE_SIZE;
	uint64_t group = (page >> GROUP_SHIFT) * 0x9e3779b97f4a7c15ull;

	return (size_t)((group >> 32 << GROUP_SHIFT) +
			(page & ((1u << GROUP_SHIFT) - 1))) &
	       (pages->n_slots - 1);
}

struct parent_page *parent_pages_slot(const struct parent_pages *pages,
				      uint64_t addr)
{
	size_t i = home(pages, addr);

	while (pages->slots[i].key &&
	       parent_page_addr(&pages->slots[i]) != addr)
		i = (i + 1) & (pages->n_slots - 1);
	return &pages->slots[i];
}

struct parent_page *parent_pages_find(const struct parent_pages *pages,
				      uint64_t addr)
{
	struct parent_page *p = parent_pages_slot(pages, addr);

	return p->key ? p : NULL;
}

void parent_pages_prefetch(const struct parent_pages *pages, uint64_t addr)
{
	__builtin_prefetch(&pages->slots[home(pages, addr)], 1);
}

int parent_pages_reserve(struct parent_pages *pages, size_t more)
{
	size_t n = MAX(pages->n_slots, (size_t)MIN_SLOTS);
	struct parent_pages old = *pages;

	while (n < 2 * (pages->n + more))
		n *= 2;
	if (n == old.n_slots)
		return 0;
	pages->slots = big_calloc(n, sizeof(*pages->slots));
	if (!pages->slots) {
		pages->slots = old.slots;
		return -ENOMEM;
	}
	pages->n_slots = n;
	for (size_t i = 0; i < old.n_slots; i++)
		if (old.slots[i].key)
			*parent_pages_slot(pages,
					   parent_page_addr(&old.slots[i])) =
				old.slots[i];
	big_free(old.slots, old.n_slots, sizeof(*old.slots));
	return 0;
}

void parent_pages_fini(struct parent_pages *pages)
{
	big_free(pages->slots, pages->n_slots, sizeof(*pages->slots));
	*pages = (struct parent_pages){ 0 };
}

/* Those behind move up, so that no search ends early. */
void parent_pages_remove(struct parent_pages *pages, struct parent_page *page)
{
	size_t mask = pages->n_slots - 1, hole = (size_t)(page - pages->slots);

	for (size_t i = (hole + 1) & mask; pages->slots[i].key;
	     i = (i + 1) & mask) {
		size_t want = home(pages, parent_page_addr(&pages->slots[i]));

		if (((i - want) & mask) < ((i - hole) & mask))
			continue;
		pages->slots[hole] = pages->slots[i];
		hole = i;
	}
	pages->slots[hole] = (struct parent_page){ 0 };
	pages->n--;
}
