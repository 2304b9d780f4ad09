/* SPDX-License-Identifier: MIT */
#include "pages.h"

#include <errno.h>

#include "../util/big.h"
#include "../util/bytes.h"

#define MIN_SLOTS   64u
#define GROUP_SHIFT 5u /* so many bits of page numbers stay neighbours */
/* Tables up to that size are moved at once. From others, so many slots for each
 * page that comes: it is empty long before this one is full. */
#define SMALL_SLOTS 4096u
#define MOVE_SLOTS  8u
#define TOUCH_BYTES ((size_t)2 << 20)
#define GONE	    UINT64_MAX /* key, in the old table: no page's */

/* Addresses are the backend's choice, not a worker's: no secret is needed. */
static size_t home(size_t n_slots, uint64_t addr)
{
	uint64_t page = addr / HUB_PAGE_SIZE;
	uint64_t group = (page >> GROUP_SHIFT) * 0x9e3779b97f4a7c15ull;

	return (size_t)((group >> 32 << GROUP_SHIFT) +
			(page & ((1u << GROUP_SHIFT) - 1))) &
	       (n_slots - 1);
}

/* In one of the tables: the page's slot, or a free one. */
static struct hub_page *lookup(struct hub_page *slots, size_t n_slots,
				  uint64_t addr)
{
	size_t i = home(n_slots, addr);

	while (slots[i].key &&
	       (hub_page_addr(&slots[i]) != addr || slots[i].key == GONE))
		i = (i + 1) & (n_slots - 1);
	return &slots[i];
}

/* In the old table, where others are found past it */
static void leave_behind(struct hub_page *page)
{
	*page = (struct hub_page){ .key = GONE };
}

struct hub_page *hub_pages_slot(struct hub_pages *pages, uint64_t addr)
{
	struct hub_page *p = lookup(pages->slots, pages->n_slots, addr);
	struct hub_page *old;

	if (p->key || !pages->old)
		return p;
	old = lookup(pages->old, pages->n_old, addr);
	if (old->key) {
		*p = *old;
		leave_behind(old);
	}
	return p;
}

struct hub_page *hub_pages_find(const struct hub_pages *pages,
				      uint64_t addr)
{
	struct hub_page *p = lookup(pages->slots, pages->n_slots, addr);

	if (!p->key && pages->old)
		p = lookup(pages->old, pages->n_old, addr);
	return p->key ? p : NULL;
}

void hub_pages_prefetch(const struct hub_pages *pages, uint64_t addr)
{
	__builtin_prefetch(&pages->slots[home(pages->n_slots, addr)], 1);
}

/* The next @n slots of the old table */
static void move(struct hub_pages *pages, size_t n)
{
	for (; n && pages->moved < pages->n_old; n--, pages->moved++) {
		struct hub_page *p = &pages->old[pages->moved];

		if (!p->key || p->key == GONE)
			continue;
		*lookup(pages->slots, pages->n_slots, hub_page_addr(p)) = *p;
		leave_behind(p);
	}
	if (pages->moved < pages->n_old)
		return;
	big_free(pages->old, pages->n_old, sizeof(*pages->old));
	pages->old = NULL;
	pages->n_old = pages->moved = 0;
}

/* A new table's memory comes with its first use, and with zeroes, which takes
 * longer than all else: piece by piece, before it is needed. */
static void prepare(struct hub_pages *pages, size_t more)
{
	size_t n = 2 * pages->n_slots, bytes = n * sizeof(*pages->next);

	if (pages->n_slots <= SMALL_SLOTS || pages->old ||
	    8 * (pages->n + more) < 3 * pages->n_slots)
		return;
	if (!pages->next)
		pages->next = big_calloc(n, sizeof(*pages->next));
	if (!pages->next || pages->touched >= bytes)
		return;
	*((volatile char *)pages->next + pages->touched) = 0;
	pages->touched += TOUCH_BYTES;
}

/* Of @n slots; NULL: no memory */
static struct hub_page *new_table(struct hub_pages *pages, size_t n)
{
	struct hub_page *slots = pages->next;

	pages->next = NULL;
	pages->touched = 0;
	if (slots && n == 2 * pages->n_slots)
		return slots;
	big_free(slots, 2 * pages->n_slots, sizeof(*slots));
	return big_calloc(n, sizeof(*slots));
}

int hub_pages_reserve(struct hub_pages *pages, size_t more)
{
	size_t n = MAX(pages->n_slots, (size_t)MIN_SLOTS);
	struct hub_page *slots;

	if (pages->old)
		move(pages, more * MOVE_SLOTS);
	prepare(pages, more);
	while (n < 2 * (pages->n + more))
		n *= 2;
	if (n == pages->n_slots)
		return 0;
	slots = new_table(pages, n);
	if (!slots)
		return -ENOMEM;
	if (pages->old)
		move(pages, SIZE_MAX);
	pages->old = pages->slots;
	pages->n_old = pages->n_slots;
	pages->slots = slots;
	pages->n_slots = n;
	if (pages->n_old <= SMALL_SLOTS)
		move(pages, SIZE_MAX);
	return 0;
}

void hub_pages_fini(struct hub_pages *pages)
{
	big_free(pages->slots, pages->n_slots, sizeof(*pages->slots));
	big_free(pages->old, pages->n_old, sizeof(*pages->old));
	big_free(pages->next, 2 * pages->n_slots, sizeof(*pages->next));
	*pages = (struct hub_pages){ 0 };
}

/* Those behind move up, so that no search ends early. */
void hub_pages_remove(struct hub_pages *pages, struct hub_page *page)
{
	size_t mask = pages->n_slots - 1, hole;

	pages->n--;
	if (pages->old && page >= pages->old &&
	    page < pages->old + pages->n_old) {
		leave_behind(page);
		return;
	}
	hole = (size_t)(page - pages->slots);
	for (size_t i = (hole + 1) & mask; pages->slots[i].key;
	     i = (i + 1) & mask) {
		size_t want = home(pages->n_slots,
				   hub_page_addr(&pages->slots[i]));

		if (((i - want) & mask) < ((i - hole) & mask))
			continue;
		pages->slots[hole] = pages->slots[i];
		hole = i;
	}
	pages->slots[hole] = (struct hub_page){ 0 };
}
