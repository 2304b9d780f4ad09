/* SPDX-License-Identifier: MIT */
/*
 * The pinned pages of a space: a hash table from page and protection to
 * device address. Open addressing; neighbouring pages are neighbours in it,
 * groups of them are scattered with a secret of the space, so that a guest
 * can't choose addresses that collide. Under the owner's lock.
 */
#ifndef DMA_PIN_TABLE_H
#define DMA_PIN_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct dma_pin {
	uint64_t key;	/* page address | protection; 0: free */
	uint64_t addr;	/* the device's */
	uint32_t range; /* holds a reference on it */
	uint32_t refs;
};

struct dma_pin_table {
	struct dma_pin *slots;
	size_t n, size; /* used, and all: a power of two */
	uint64_t secret;
	uint64_t moves; /* how often pins have moved */
};

/* Room for @n more without moving any. -ENOMEM */
int dma_pin_table_reserve(struct dma_pin_table *table, size_t n);
void dma_pin_table_fini(struct dma_pin_table *table);

/* The pin, or the free slot where it belongs. Room must be reserved. */
struct dma_pin *dma_pin_table_slot(const struct dma_pin_table *table,
				   uint64_t key);
/* The pin or NULL */
struct dma_pin *dma_pin_table_find(const struct dma_pin_table *table,
				   uint64_t key);
/* It will be looked for in a moment. */
void dma_pin_table_prefetch(const struct dma_pin_table *table, uint64_t key);
/* Moves others. Of pages that follow each other, the last one first is the
 * fastest: nothing behind it has to be looked at. */
void dma_pin_table_remove(struct dma_pin_table *table, struct dma_pin *pin);

#endif
