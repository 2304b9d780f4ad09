/* SPDX-License-Identifier: MIT */
#include "pin-table.h"

#include <errno.h>
#include <sys/random.h>

#include "../util/big.h"
#include "table.h"

#define MIN_SIZE    64u
#define GROUP_SHIFT 4u /* so many bits of page numbers stay neighbours */

static size_t home(const struct dma_pin_table *table, uint64_t key)
{
	uint64_t page = key >> DMA_PAGE_SHIFT;
	uint64_t group = (page >> GROUP_SHIFT) * table->secret;

	/* The product's high bits depend on all of the page's. */
	return (size_t)((group >> 32 << GROUP_SHIFT) +
			(page & ((1u << GROUP_SHIFT) - 1)) + (key & 3)) &
	       (table->size - 1);
}

struct dma_pin *dma_pin_table_slot(const struct dma_pin_table *table,
				   uint64_t key)
{
	size_t i = home(table, key);

	while (table->slots[i].key && table->slots[i].key != key)
		i = (i + 1) & (table->size - 1);
	return &table->slots[i];
}

struct dma_pin *dma_pin_table_find(const struct dma_pin_table *table,
				   uint64_t key)
{
	struct dma_pin *pin;

	if (!table->size)
		return NULL;
	pin = dma_pin_table_slot(table, key);
	return pin->key ? pin : NULL;
}

void dma_pin_table_prefetch(const struct dma_pin_table *table, uint64_t key)
{
	__builtin_prefetch(&table->slots[home(table, key)], 1);
}

static int grow(struct dma_pin_table *table, size_t size)
{
	struct dma_pin_table old = *table;
	struct dma_pin *slots = big_calloc(size, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	if (!table->secret && getrandom(&table->secret, sizeof(table->secret),
					0) != sizeof(table->secret)) {
		big_free(slots, size, sizeof(*slots));
		return -EIO;
	}
	table->secret |= 1;
	table->moves++;
	table->slots = slots;
	table->size = size;
	for (size_t i = 0; i < old.size; i++)
		if (old.slots[i].key)
			*dma_pin_table_slot(table, old.slots[i].key) =
				old.slots[i];
	big_free(old.slots, old.size, sizeof(*old.slots));
	return 0;
}

int dma_pin_table_reserve(struct dma_pin_table *table, size_t n)
{
	size_t size = table->size ? table->size : MIN_SIZE;

	if (n > SIZE_MAX / 4 - table->n)
		return -ENOMEM;
	while ((table->n + n) * 2 > size) /* half full at most */
		size *= 2;
	return size == table->size ? 0 : grow(table, size);
}

void dma_pin_table_remove(struct dma_pin_table *table, struct dma_pin *pin)
{
	size_t mask = table->size - 1, hole = (size_t)(pin - table->slots);

	/* Those behind the hole that it separates from their home move up. */
	for (size_t i = (hole + 1) & mask; table->slots[i].key;
	     i = (i + 1) & mask) {
		size_t want = home(table, table->slots[i].key);

		if (((i - want) & mask) < ((i - hole) & mask))
			continue;
		table->slots[hole] = table->slots[i];
		hole = i;
	}
	table->slots[hole] = (struct dma_pin){ 0 };
	table->n--;
	table->moves++;
}

void dma_pin_table_fini(struct dma_pin_table *table)
{
	big_free(table->slots, table->size, sizeof(*table->slots));
	*table = (struct dma_pin_table){ 0 };
}
