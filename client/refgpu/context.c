/* SPDX-License-Identifier: MIT */
/* Contexts: starting and stopping them, and what they see. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

#define DEFAULT_RING (64u << 10)
#define MIN_RING     (4u << 10)
#define MAX_RING     (1u << 20)
/* Page 0 of the address space stays free: a forgotten address is a fault. */
#define VA_START REFGPU_HUGE

/* ------------------------------------------------------------------ */
/* Mappings                                                            */
/* ------------------------------------------------------------------ */

static uint64_t entry_bits(const struct vgpu_rg_buffer *buf, unsigned flags)
{
	return REFGPU_PTE_VALID | (flags & VGPU_RG_READ ? REFGPU_PTE_READ : 0) |
	       (flags & VGPU_RG_WRITE ? REFGPU_PTE_WRITE : 0) |
	       (buf->system ? REFGPU_PTE_SYSTEM : 0);
}

int vgpu_rg_map_at(struct vgpu_rg_context *ctx, uint64_t va,
		   struct vgpu_rg_buffer *buf, uint64_t offset, uint64_t size,
		   unsigned flags)
{
	if ((va | offset | size) & (REFGPU_PAGE - 1) || !size ||
	    !range_inside(va, size, REFGPU_VA_SIZE) ||
	    !range_inside(offset, size, buf->size))
		return -EINVAL;
	return rg_tables_set(&ctx->tables, va, size,
			     (buf->addr + offset) | entry_bits(buf, flags),
			     !(flags & VGPU_RG_SMALL));
}

int vgpu_rg_map(struct vgpu_rg_context *ctx, struct vgpu_rg_buffer *buf,
		unsigned flags, uint64_t *ret_va)
{
	uint64_t va;
	int err = ranges_take(
		&ctx->va, buf->size,
		buf->size >= RG_HUGE_BUFFER ? REFGPU_HUGE : REFGPU_PAGE, &va);

	if (err)
		return err;
	err = vgpu_rg_map_at(ctx, va, buf, 0, buf->size, flags);
	if (err) {
		ranges_give(&ctx->va, va, buf->size);
		return err;
	}
	*ret_va = va;
	return 0;
}

int vgpu_rg_invalidate(struct vgpu_rg_context *ctx, uint64_t va, uint32_t pages)
{
	int err = rg_post64(ctx, REFGPU_CTX_INV_LO, va);

	return err ? err : rg_set(ctx, REFGPU_CTX_INV_PAGES, pages);
}

int vgpu_rg_unmap(struct vgpu_rg_context *ctx, uint64_t va, uint64_t size)
{
	uint64_t pages;

	size = (size + REFGPU_PAGE - 1) & ~(REFGPU_PAGE - 1);
	pages = size / REFGPU_PAGE;
	rg_tables_clear(&ctx->tables, va, size);
	if (va < VGPU_RG_VA_USER)
		ranges_give(&ctx->va, va, size);
	return vgpu_rg_invalidate(ctx, va,
				  pages > UINT32_MAX ? 0 : (uint32_t)pages);
}

uint64_t *vgpu_rg_entry(struct vgpu_rg_context *ctx, uint64_t va)
{
	return va < REFGPU_VA_SIZE ? rg_tables_entry(&ctx->tables, va) : NULL;
}

uint64_t *vgpu_rg_root(struct vgpu_rg_context *ctx)
{
	return ctx->tables.root->entries;
}

/* ------------------------------------------------------------------ */
/* Life                                                                */
/* ------------------------------------------------------------------ */

static int start(struct vgpu_rg_context *ctx)
{
	int err;

	ctx->tail = 0;
	ctx->ctl->tail = ctx->ctl->head = 0;
	ctx->cleared_at = ~0ull;
	err = rg_post64(ctx, REFGPU_CTX_ROOT_LO, ctx->tables.root->pte);
	if (!err)
		err = rg_post64(ctx, REFGPU_CTX_RING_LO,
				ctx->memory_va + REFGPU_PAGE);
	if (!err)
		err = rg_post(ctx, REFGPU_CTX_RING_SIZE, ctx->ring_size);
	if (!err)
		err = rg_post64(ctx, REFGPU_CTX_CTL_LO, ctx->memory_va);
	if (!err)
		err = rg_set(ctx, REFGPU_CTX_CONTROL,
			     REFGPU_CTX_ENABLE |
				     ctx->engine << REFGPU_CTX_ENGINE_SHIFT);
	return err;
}

/* The lowest number that none has. */
static int take_id(struct vgpu_rg_device *dev, unsigned *ret_id)
{
	for (unsigned id = 0; id < dev->info.contexts; id++) {
		const struct vgpu_rg_context *c = dev->contexts;

		while (c && c->id != id)
			c = c->next;
		if (!c) {
			*ret_id = id;
			return 0;
		}
	}
	return -EBUSY;
}

static int make_memory(struct vgpu_rg_context *ctx, unsigned where)
{
	int err = vgpu_rg_buffer_new(ctx->dev, REFGPU_PAGE + ctx->ring_size,
				     where, &ctx->memory);
	char *p;

	if (err)
		return err;
	p = ctx->memory->ptr;
	ctx->ctl = (void *)p;
	ctx->fence = (void *)(p + RG_FENCE_OFFSET);
	ctx->ring = (void *)(p + REFGPU_PAGE);
	return vgpu_rg_map(ctx, ctx->memory, VGPU_RG_READ | VGPU_RG_WRITE,
			   &ctx->memory_va);
}

int vgpu_rg_context_new(struct vgpu_rg_device *dev,
			const struct vgpu_rg_context_options *options,
			struct vgpu_rg_context **ret_ctx)
{
	static const struct vgpu_rg_context_options defaults;
	const struct vgpu_rg_context_options *o = options ? options : &defaults;
	uint32_t ring = o->ring_size ? o->ring_size : DEFAULT_RING;
	unsigned where = o->system ? VGPU_RG_SYSTEM : VGPU_RG_VRAM;
	struct vgpu_rg_context *ctx;
	unsigned id = 0;
	int err;

	if (ring & (ring - 1) || ring < MIN_RING || ring > MAX_RING ||
	    o->engine >= REFGPU_NUM_ENGINES ||
	    (options && options->struct_size < sizeof(*options)))
		return -EINVAL;
	err = take_id(dev, &id);
	if (err)
		return err;
	ctx = calloc(1, sizeof(*ctx));
	if (!ctx)
		return -ENOMEM;
	ctx->dev = dev;
	ctx->id = id;
	ctx->engine = o->engine;
	ctx->ring_size = ring;
	ctx->next = dev->contexts;
	dev->contexts = ctx;
	err = rg_tables_init(&ctx->tables, dev, where);
	if (!err)
		err = ranges_init(&ctx->va, VA_START,
				  VGPU_RG_VA_USER - VA_START);
	if (!err)
		err = make_memory(ctx, where);
	if (!err)
		err = start(ctx);
	if (err) {
		vgpu_rg_context_free(ctx);
		return err;
	}
	*ret_ctx = ctx;
	return 0;
}

void vgpu_rg_context_free(struct vgpu_rg_context *ctx)
{
	struct vgpu_rg_context **p;

	if (!ctx)
		return;
	/* Its memory goes: if it can't be stopped, the device is gone. */
	rg_set(ctx, REFGPU_CTX_CONTROL, 0);
	for (p = &ctx->dev->contexts; *p != ctx; p = &(*p)->next)
		;
	*p = ctx->next;
	vgpu_rg_buffer_free(ctx->memory);
	if (ctx->tables.dev)
		rg_tables_fini(&ctx->tables);
	ranges_fini(&ctx->va);
	free(ctx);
}

int vgpu_rg_context_restart(struct vgpu_rg_context *ctx)
{
	int err = rg_set(ctx, REFGPU_CTX_CONTROL, 0);

	if (err)
		return err;
	*ctx->fence = ctx->submitted;
	return start(ctx);
}

struct vgpu_rg_device *vgpu_rg_context_device(const struct vgpu_rg_context *ctx)
{
	return ctx->dev;
}

uint32_t *vgpu_rg_ring(struct vgpu_rg_context *ctx, struct refgpu_ctl **ret_ctl)
{
	*ret_ctl = ctx->ctl;
	return ctx->ring;
}

unsigned vgpu_rg_context_id(const struct vgpu_rg_context *ctx)
{
	return ctx->id;
}

int vgpu_rg_context_time(struct vgpu_rg_context *ctx, uint64_t *ret_ns)
{
	uint32_t lo, hi = 0;
	int err = rg_get(ctx, REFGPU_CTX_TIME_LO, &lo);

	if (!err)
		err = rg_get(ctx, REFGPU_CTX_TIME_HI, &hi);
	if (!err)
		*ret_ns = lo | (uint64_t)hi << 32;
	return err;
}
