/* SPDX-License-Identifier: MIT */
#include "table-leaf.h"

#include <sys/mman.h>

#include "../util/bytes.h"

void *dma_table_reserve(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	/* Sparse: a huge page would be 2 MiB of memory for 8 bytes. */
	madvise(p, size, MADV_NOHUGEPAGE);
	madvise(p, size, MADV_DONTDUMP);
	return p;
}

static struct dma_chunk *chunk_new(void)
{
	char *p = dma_table_reserve(2 * CHUNK_BYTES);
	size_t head;

	if (!p)
		return NULL;
	head = align_up((uintptr_t)p, CHUNK_BYTES) - (uintptr_t)p;
	if (head)
		munmap(p, head);
	munmap(p + head + CHUNK_BYTES, CHUNK_BYTES - head);
	return (struct dma_chunk *)(p + head);
}

dma_entry *dma_leaf_get(struct dma_table *table)
{
	struct dma_chunk *chunk = table->chunks;
	dma_entry *leaf = table->free;

	if (leaf) {
		struct dma_leaf_meta *m = dma_leaf_meta(leaf);

		table->free = m->next;
		if (m->cold)
			table->bytes += TABLE_BYTES;
		else
			table->n_spare--;
		m->cold = false;
		return leaf;
	}
	if (!chunk || chunk->n_fresh == CHUNK_TABLES) {
		chunk = chunk_new();
		if (!chunk)
			return NULL;
		chunk->next = table->chunks;
		table->chunks = chunk;
		table->bytes += CHUNK_HEAD * TABLE_BYTES;
	}
	table->bytes += TABLE_BYTES;
	return (dma_entry *)((char *)chunk +
			     (CHUNK_HEAD + chunk->n_fresh++) * TABLE_BYTES);
}

void dma_leaf_chill(struct dma_table *table, dma_entry *leaf)
{
	madvise(leaf, TABLE_BYTES, MADV_DONTNEED);
	dma_leaf_meta(leaf)->cold = true;
	table->bytes -= TABLE_BYTES;
}

/* An empty table is all zero, and stays so until it is used again. */
void dma_leaf_put(struct dma_table *table, dma_entry *leaf)
{
	if (table->n_spare < SPARE_TABLES)
		table->n_spare++;
	else
		dma_leaf_chill(table, leaf);
	dma_leaf_meta(leaf)->next = table->free;
	table->free = leaf;
}

void dma_table_reap(struct dma_table *table)
{
	while (table->limbo) {
		dma_entry *leaf = table->limbo;

		table->limbo = dma_leaf_meta(leaf)->next;
		dma_leaf_put(table, leaf);
	}
}

uint64_t dma_leaves_cost(const struct dma_table *table, uint32_t n)
{
	uint64_t need;

	if (n <= table->n_spare)
		return 0;
	need = n - table->n_spare;
	if (!table->chunks || table->chunks->n_fresh + need > CHUNK_TABLES)
		need += CHUNK_HEAD;
	return need;
}

void dma_leaves_fini(struct dma_table *table)
{
	while (table->chunks) {
		struct dma_chunk *next = table->chunks->next;

		munmap(table->chunks, CHUNK_BYTES);
		table->chunks = next;
	}
}
