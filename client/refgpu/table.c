/* SPDX-License-Identifier: MIT */
/*
 * Page tables: three levels, in memory that the device sees, and a copy of the
 * tree in the program's own, since VRAM is slow to read where it is real.
 */
#include <errno.h>
#include <stdlib.h>

#include "private.h"

#define ENTRY_BYTES 8u

static int grow(struct rg_tables *t)
{
	struct vgpu_rg_buffer **more, *chunk;
	int err;

	more = realloc(t->chunks, (t->n_chunks + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	t->chunks = more;
	err = vgpu_rg_buffer_new(t->dev, RG_CHUNK, t->where, &chunk);
	if (err)
		return err;
	t->chunks[t->n_chunks++] = chunk;
	t->used = 0;
	return 0;
}

/* @entries: REFGPU_ENTRIES, or REFGPU_ROOT_ENTRIES, which is aligned to its
 * size since it is taken first. */
static int table_new(struct rg_tables *t, unsigned entries, bool leaf,
		     struct rg_table **ret_table)
{
	uint64_t bytes = entries * ENTRY_BYTES;
	const struct vgpu_rg_buffer *chunk;
	struct rg_table *table;
	int err;

	if (!t->n_chunks || t->used + bytes > RG_CHUNK) {
		err = grow(t);
		if (err)
			return err;
	}
	table = calloc(1, sizeof(*table));
	if (table && !leaf) {
		table->below = calloc(entries, sizeof(struct rg_table *));
		if (!table->below) {
			free(table);
			table = NULL;
		}
	}
	if (!table)
		return -ENOMEM;
	chunk = t->chunks[t->n_chunks - 1];
	table->entries = (void *)((char *)chunk->ptr + t->used);
	table->pte = (chunk->addr + t->used) | REFGPU_PTE_VALID |
		     (chunk->system ? REFGPU_PTE_SYSTEM : 0);
	t->used += bytes;
	*ret_table = table;
	return 0;
}

int rg_tables_init(struct rg_tables *t, struct vgpu_rg_device *dev,
		   unsigned where)
{
	*t = (struct rg_tables){ .dev = dev, .where = where };
	return table_new(t, REFGPU_ROOT_ENTRIES, false, &t->root);
}

static void free_tree(struct rg_table *table, unsigned entries)
{
	if (!table)
		return;
	if (table->below)
		for (unsigned i = 0; i < entries; i++)
			free_tree(table->below[i], REFGPU_ENTRIES);
	free(table->below);
	free(table);
}

void rg_tables_fini(struct rg_tables *t)
{
	free_tree(t->root, REFGPU_ROOT_ENTRIES);
	for (size_t i = 0; i < t->n_chunks; i++)
		vgpu_rg_buffer_free(t->chunks[i]);
	free(t->chunks);
	*t = (struct rg_tables){ 0 };
}

/* The device may be reading the table: an entry is stored at once. */
static void store(uint64_t *entry, uint64_t pte)
{
	__atomic_store_n(entry, pte, __ATOMIC_RELEASE);
}

static unsigned root_index(uint64_t va)
{
	return (unsigned)(va >> REFGPU_ROOT_SHIFT);
}

static unsigned mid_index(uint64_t va)
{
	return va >> REFGPU_MID_SHIFT & (REFGPU_ENTRIES - 1);
}

static unsigned leaf_index(uint64_t va)
{
	return va >> REFGPU_LEAF_SHIFT & (REFGPU_ENTRIES - 1);
}

/* The table that entry @i of @table names; made if there is none. */
static int below(struct rg_tables *t, struct rg_table *table, unsigned i,
		 bool leaf, struct rg_table **ret_below)
{
	int err;

	if (!table->below[i]) {
		if (table->entries[i]) /* a page of 2 MiB */
			return -EEXIST;
		err = table_new(t, REFGPU_ENTRIES, leaf, &table->below[i]);
		if (err)
			return err;
		store(&table->entries[i], table->below[i]->pte);
	}
	*ret_below = table->below[i];
	return 0;
}

static bool fits_huge(uint64_t va, uint64_t size, uint64_t pte)
{
	return !((va | (pte & REFGPU_PTE_ADDR)) & (REFGPU_HUGE - 1)) &&
	       size >= REFGPU_HUGE;
}

int rg_tables_set(struct rg_tables *t, uint64_t va, uint64_t size, uint64_t pte,
		  bool huge)
{
	uint64_t start = va;
	int err = 0;

	while (size) {
		struct rg_table *mid = NULL, *leaf = NULL;
		uint64_t step = REFGPU_PAGE;
		uint64_t *entry;

		err = below(t, t->root, root_index(va), false, &mid);
		if (err)
			break;
		if (huge && fits_huge(va, size, pte) &&
		    !mid->below[mid_index(va)]) {
			step = REFGPU_HUGE;
			entry = &mid->entries[mid_index(va)];
		} else {
			err = below(t, mid, mid_index(va), true, &leaf);
			if (err)
				break;
			entry = &leaf->entries[leaf_index(va)];
		}
		if (*entry) {
			err = -EEXIST;
			break;
		}
		store(entry, pte | (step == REFGPU_HUGE ? REFGPU_PTE_HUGE : 0));
		va += step;
		pte += step;
		size -= step;
	}
	if (err)
		rg_tables_clear(t, start, va - start);
	return err;
}

uint64_t *rg_tables_entry(struct rg_tables *t, uint64_t va)
{
	struct rg_table *mid = t->root->below[root_index(va)];
	struct rg_table *leaf = mid ? mid->below[mid_index(va)] : NULL;

	return leaf ? &leaf->entries[leaf_index(va)] : NULL;
}

void rg_tables_clear(struct rg_tables *t, uint64_t va, uint64_t size)
{
	uint64_t end = va + size;

	while (va < end) {
		struct rg_table *mid = t->root->below[root_index(va)];
		uint64_t *entry = rg_tables_entry(t, va);

		if (entry) {
			store(entry, 0);
			va += REFGPU_PAGE;
			continue;
		}
		if (mid)
			store(&mid->entries[mid_index(va)], 0);
		va = (va | (REFGPU_HUGE - 1)) + 1;
	}
}
