/* SPDX-License-Identifier: MIT */
/* Rectangles: row by row, and in a row page by page. */
#include <string.h>

#include "blit.h"
#include "commands.h"
#include "kernels/kernels.h"
#include "mmu.h"

struct rect {
	uint64_t va;	 /* of its first pixel */
	uint32_t stride; /* bytes */
};

/* @s: a surface's three dwords */
static struct rect rect_of(const uint32_t *s, uint32_t xy)
{
	uint64_t offset = (uint64_t)s[2] * (xy >> 16) + 4ull * (xy & 0xffff);

	return (struct rect){ mmu_add(command_u64(s), offset), s[2] };
}

static void *pixels(struct engine *e, const struct rect *r, uint32_t x,
		    uint32_t y, unsigned prot, size_t *len)
{
	return mmu_ptr(e, mmu_add(r->va, (uint64_t)r->stride * y + 4ull * x),
		       prot, len);
}

/* @n pixels from pixel @done of the rectangle on, all in one row and one page
 * of each surface. Return: NULL: a fault. */
static uint32_t *piece(struct engine *e, const struct rect *to,
		       const struct rect *from, uint64_t done, uint32_t width,
		       unsigned prot, const uint32_t **ret_from, size_t *ret_n)
{
	uint32_t x = (uint32_t)(done % width), y = (uint32_t)(done / width);
	size_t len = 4ull * (width - x);

	if (from) {
		*ret_from = pixels(e, from, x, y, PROT_READ_, &len);
		if (!*ret_from)
			return NULL;
	}
	*ret_n = len;
	return pixels(e, to, x, y, prot, ret_n);
}

enum step blit_rect(struct engine *e, struct context *c, const uint32_t *d)
{
	const struct kernel_ops *ops = e->hw->ops;
	uint32_t op = REFGPU_CMD_OP(d[0]);
	bool filled = op == REFGPU_OP_RECT_FILL;
	struct rect to = rect_of(d + 1, d[filled ? 4 : 7]);
	struct rect from = rect_of(d + 4, d[8]); /* unused by RECT_FILL */
	uint32_t wh = d[filled ? 5 : 9], width = wh & 0xffff;
	uint64_t all = (uint64_t)width * (wh >> 16);
	unsigned prot = PROT_WRITE_;

	if (op == REFGPU_OP_RECT_BLEND)
		prot |= PROT_READ_;
	for (size_t budget = CHUNK, n; c->s.done < all; budget -= n) {
		const uint32_t *q = NULL;
		uint32_t *p;

		p = piece(e, &to, filled ? NULL : &from, c->s.done, width, prot,
			  &q, &n);
		if (!p)
			return STEP_FAULT;
		if (filled)
			ops->fill(p, d[6], n / 4);
		else if (op == REFGPU_OP_RECT_COPY)
			memmove(p, q, n);
		else
			ops->blend(p, q, n / 4);
		c->s.done += n / 4;
		/* Short rows cost more than their bytes. */
		n += 64;
		if (n >= budget)
			break;
	}
	return c->s.done < all ? STEP_AGAIN : STEP_DONE;
}
