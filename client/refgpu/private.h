/* SPDX-License-Identifier: MIT */
/* What the files of libvgpu-refgpu share. */
#ifndef REFGPU_PRIVATE_H
#define REFGPU_PRIVATE_H

#include <vgpu/refgpu-user.h>

#include "ranges.h"
#include "util/bytes.h"

/** RG_POLL_NS - how long a wait looks before it sleeps */
#define RG_POLL_NS 20000u

/** RG_CHUNK - bytes that page tables are taken in */
#define RG_CHUNK (64u << 10)

/** RG_HUGE_BUFFER - buffers from here on are aligned for pages of 2 MiB */
#define RG_HUGE_BUFFER REFGPU_HUGE

struct vgpu_rg_device {
	struct vgpu_rg_bus *bus;
	struct vgpu_rg_info info;
	struct ranges vram;
	struct vgpu_rg_buffer *buffers;
	struct vgpu_rg_context *contexts;
	/* Waits that were interrupted: events cleared before have to be
	 * cleared again. */
	uint64_t interrupts;
};

struct vgpu_rg_buffer {
	struct vgpu_rg_buffer *next;
	struct vgpu_rg_device *dev;
	uint64_t addr, size;
	void *ptr;
	bool system;
};

/* A page table, or the root: its entries, and the tables they name. */
struct rg_table {
	uint64_t *entries;	 /* in the device's sight */
	uint64_t pte;		 /* names it */
	struct rg_table **below; /* by entry; NULL in leaf tables */
};

/* Page tables of a context, and the memory they are made of: chunks that are
 * freed with the context. */
struct rg_tables {
	struct vgpu_rg_device *dev;
	unsigned where; /* VGPU_RG_VRAM or VGPU_RG_SYSTEM */
	struct vgpu_rg_buffer **chunks;
	size_t n_chunks;
	uint64_t used; /* bytes of the last one */
	struct rg_table *root;
};

/* table.c */
int rg_tables_init(struct rg_tables *t, struct vgpu_rg_device *dev,
		   unsigned where);
void rg_tables_fini(struct rg_tables *t);
/* Enter pages: @pte is that of the first one, counted on. @huge: use pages of 2
 * MiB where all is aligned. -EEXIST. */
int rg_tables_set(struct rg_tables *t, uint64_t va, uint64_t size, uint64_t pte,
		  bool huge);
/* Take them away. Pages of 2 MiB go only as a whole. */
void rg_tables_clear(struct rg_tables *t, uint64_t va, uint64_t size);
uint64_t *rg_tables_entry(struct rg_tables *t, uint64_t va);

struct vgpu_rg_context {
	struct vgpu_rg_context *next;
	struct vgpu_rg_device *dev;
	unsigned id, engine;
	struct rg_tables tables;
	struct ranges va; /* below VGPU_RG_VA_USER */

	/* One buffer: a page with the control block and the fence, the ring. */
	struct vgpu_rg_buffer *memory;
	uint64_t memory_va;
	struct refgpu_ctl *ctl;
	uint64_t *fence;
	uint32_t *ring;
	uint32_t ring_size, tail; /* bytes */
	uint64_t submitted;	  /* the last fence */
	uint64_t cleared_at; /* dev->interrupts when EVENT was cleared; ~0: it
			      * may be set */
};

#define RG_FENCE_OFFSET 1024u /* in the control block's page */

/* wait.c: until there are @room bytes in the ring. As vgpu_rg_wait(). */
int rg_wait_room(struct vgpu_rg_context *ctx, uint32_t room);

static inline int rg_get(struct vgpu_rg_context *ctx, uint32_t reg,
			 uint32_t *ret_value)
{
	return ctx->dev->bus->ops->read(ctx->dev->bus, REFGPU_CTX(ctx->id, reg),
					ret_value);
}

static inline int rg_set(struct vgpu_rg_context *ctx, uint32_t reg,
			 uint32_t value)
{
	return ctx->dev->bus->ops->write(ctx->dev->bus,
					 REFGPU_CTX(ctx->id, reg), value);
}

static inline int rg_post(struct vgpu_rg_context *ctx, uint32_t reg,
			  uint32_t value)
{
	return ctx->dev->bus->ops->post(ctx->dev->bus, REFGPU_CTX(ctx->id, reg),
					value);
}

static inline int rg_post64(struct vgpu_rg_context *ctx, uint32_t reg,
			    uint64_t value)
{
	int err = rg_post(ctx, reg, (uint32_t)value);

	return err ? err : rg_post(ctx, reg + 4, (uint32_t)(value >> 32));
}

#endif
