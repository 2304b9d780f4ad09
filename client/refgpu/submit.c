/* SPDX-License-Identifier: MIT */
/*
 * From a stream into the ring. What is longer than the ring goes in pieces of
 * whole commands, since the device must not find half of one.
 */
#include <errno.h>
#include <string.h>

#include "private.h"

/* Fence and interrupt, behind each submission */
#define CLOSING_DWORDS 7u

static void put(struct vgpu_rg_context *ctx, const uint32_t *dwords, size_t n)
{
	size_t at = ctx->tail / 4, size = ctx->ring_size / 4;
	size_t first = MIN(n, size - at);

	if (!n)
		return;
	memcpy(ctx->ring + at, dwords, first * 4);
	memcpy(ctx->ring, dwords + first, (n - first) * 4);
	ctx->tail = (uint32_t)((at + n) % size * 4);
}

static int ring(struct vgpu_rg_context *ctx)
{
	__atomic_store_n(&ctx->ctl->tail, ctx->tail, __ATOMIC_RELEASE);
	return ctx->dev->bus->ops->doorbell(ctx->dev->bus, ctx->id);
}

/* How many of @n dwords are whole commands that fit into @room; at least one
 * command, however long. What is no command is taken as it is. */
static size_t whole(const uint32_t *dwords, size_t n, size_t room)
{
	size_t end = 0;

	while (end < n) {
		size_t len = REFGPU_CMD_LEN(dwords[end]);

		if (!len || len > n - end)
			len = n - end;
		if (end && end + len > room)
			break;
		end += len;
	}
	return end;
}

/* All but the closing commands, in as many pieces as it takes. */
static int put_stream(struct vgpu_rg_context *ctx, const uint32_t *dwords,
		      size_t n)
{
	/* Whoever waits for room is woken by it. */
	static const uint32_t irq[2] = { REFGPU_CMD(REFGPU_OP_IRQ, 2) };
	size_t most = ctx->ring_size / 4 - 1 - CLOSING_DWORDS;
	int err;

	while (n > most) {
		size_t k = whole(dwords, n, most / 2);

		if (k > most)
			return -E2BIG;
		err = rg_wait_room(ctx, (uint32_t)(k + ARRAY_SIZE(irq)) * 4);
		if (err)
			return err;
		put(ctx, dwords, k);
		put(ctx, irq, ARRAY_SIZE(irq));
		err = ring(ctx);
		if (err)
			return err;
		dwords += k;
		n -= k;
	}
	err = rg_wait_room(ctx, (uint32_t)(n + CLOSING_DWORDS) * 4);
	if (!err)
		put(ctx, dwords, n);
	return err;
}

int vgpu_rg_submit(struct vgpu_rg_context *ctx, const struct vgpu_rg_stream *s,
		   uint64_t *ret_fence)
{
	uint64_t va = ctx->memory_va + RG_FENCE_OFFSET;
	uint64_t fence = ctx->submitted + 1;
	const uint32_t closing[CLOSING_DWORDS] = {
		REFGPU_CMD(REFGPU_OP_FENCE, 5),
		(uint32_t)va,
		(uint32_t)(va >> 32),
		(uint32_t)fence,
		(uint32_t)(fence >> 32),
		REFGPU_CMD(REFGPU_OP_IRQ, 2),
		(uint32_t)fence,
	};
	int err = s->err;

	if (!err)
		err = put_stream(ctx, s->dwords, s->n);
	if (err)
		return err;
	put(ctx, closing, CLOSING_DWORDS);
	ctx->submitted = fence;
	err = ring(ctx);
	if (!err && ret_fence)
		*ret_fence = fence;
	return err;
}
