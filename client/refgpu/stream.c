/* SPDX-License-Identifier: MIT */
/* Commands, put together. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

#define FIRST_ROOM 64u /* dwords */

void vgpu_rg_stream_clear(struct vgpu_rg_stream *s)
{
	s->n = 0;
	s->err = 0;
}

void vgpu_rg_stream_free(struct vgpu_rg_stream *s)
{
	free(s->dwords);
	*s = (struct vgpu_rg_stream){ 0 };
}

void vgpu_rg_raw(struct vgpu_rg_stream *s, const uint32_t *dwords, size_t n)
{
	size_t room = s->room ? s->room : FIRST_ROOM;
	uint32_t *more;

	while (room - s->n < n)
		room *= 2;
	if (room != s->room) {
		more = realloc(s->dwords, room * 4);
		if (!more) {
			s->err = -ENOMEM;
			return;
		}
		s->dwords = more;
		s->room = room;
	}
	if (n)
		memcpy(s->dwords + s->n, dwords, n * 4);
	s->n += n;
}

#define lo(x)	((uint32_t)(x))
#define hi(x)	((uint32_t)((uint64_t)(x) >> 32))
#define both(x) lo(x), hi(x)
#define emit(s, op, ...)                                                       \
	do {                                                                   \
		uint32_t cmd_[] = { 0, ##__VA_ARGS__ };                        \
		cmd_[0] = REFGPU_CMD(op, ARRAY_SIZE(cmd_));                    \
		vgpu_rg_raw(s, cmd_, ARRAY_SIZE(cmd_));                        \
	} while (0)

static uint32_t bits(float f)
{
	uint32_t u;

	memcpy(&u, &f, sizeof(u));
	return u;
}

static uint64_t bits64(double d)
{
	uint64_t u;

	memcpy(&u, &d, sizeof(u));
	return u;
}

void vgpu_rg_nop(struct vgpu_rg_stream *s, unsigned len)
{
	static const uint32_t zero;
	uint32_t head = REFGPU_CMD(REFGPU_OP_NOP, len);

	vgpu_rg_raw(s, &head, 1);
	while (len-- > 1)
		vgpu_rg_raw(s, &zero, 1);
}

void vgpu_rg_batch(struct vgpu_rg_stream *s, uint64_t va, uint32_t dwords)
{
	emit(s, REFGPU_OP_BATCH, both(va), dwords);
}

void vgpu_rg_end(struct vgpu_rg_stream *s)
{
	emit(s, REFGPU_OP_END);
}

void vgpu_rg_fence(struct vgpu_rg_stream *s, uint64_t va, uint64_t value)
{
	emit(s, REFGPU_OP_FENCE, both(va), both(value));
}

void vgpu_rg_sem_wait(struct vgpu_rg_stream *s, uint64_t va, uint64_t value)
{
	emit(s, REFGPU_OP_SEM_WAIT, both(va), both(value));
}

void vgpu_rg_sem_add(struct vgpu_rg_stream *s, uint64_t va, uint64_t value)
{
	emit(s, REFGPU_OP_SEM_ADD, both(va), both(value));
}

void vgpu_rg_irq(struct vgpu_rg_stream *s, uint32_t cookie)
{
	emit(s, REFGPU_OP_IRQ, cookie);
}

void vgpu_rg_timestamp(struct vgpu_rg_stream *s, uint64_t va)
{
	emit(s, REFGPU_OP_TIMESTAMP, both(va));
}

void vgpu_rg_inv(struct vgpu_rg_stream *s, uint64_t va, uint32_t pages)
{
	emit(s, REFGPU_OP_INVALIDATE, both(va), pages);
}

void vgpu_rg_fill(struct vgpu_rg_stream *s, uint64_t va, uint64_t bytes,
		  uint32_t value)
{
	emit(s, REFGPU_OP_FILL, both(va), both(bytes), value);
}

void vgpu_rg_copy(struct vgpu_rg_stream *s, uint64_t to, uint64_t from,
		  uint64_t bytes)
{
	emit(s, REFGPU_OP_COPY, both(to), both(from), both(bytes));
}

/* ------------------------------------------------------------------ */
/* Rectangles                                                          */
/* ------------------------------------------------------------------ */

static uint32_t point(struct vgpu_rg_point p)
{
	return p.x | (uint32_t)p.y << 16;
}

#define surface(f) both((f).va), (f).stride

void vgpu_rg_rect_fill(struct vgpu_rg_stream *s, struct vgpu_rg_surface to,
		       struct vgpu_rg_point at, struct vgpu_rg_point size,
		       uint32_t colour)
{
	emit(s, REFGPU_OP_RECT_FILL, surface(to), point(at), point(size),
	     colour);
}

void vgpu_rg_rect_copy(struct vgpu_rg_stream *s, struct vgpu_rg_surface to,
		       struct vgpu_rg_surface from, struct vgpu_rg_point at,
		       struct vgpu_rg_point from_at, struct vgpu_rg_point size)
{
	emit(s, REFGPU_OP_RECT_COPY, surface(to), surface(from), point(at),
	     point(from_at), point(size));
}

void vgpu_rg_rect_blend(struct vgpu_rg_stream *s, struct vgpu_rg_surface to,
			struct vgpu_rg_surface from, struct vgpu_rg_point at,
			struct vgpu_rg_point from_at, struct vgpu_rg_point size)
{
	emit(s, REFGPU_OP_RECT_BLEND, surface(to), surface(from), point(at),
	     point(from_at), point(size));
}

/* ------------------------------------------------------------------ */
/* Kernels                                                             */
/* ------------------------------------------------------------------ */

void vgpu_rg_dispatch(struct vgpu_rg_stream *s, uint32_t kernel,
		      const uint32_t groups[3], const uint32_t *args,
		      unsigned n_args)
{
	const uint32_t head[5] = { REFGPU_CMD(REFGPU_OP_DISPATCH, 5 + n_args),
				   kernel, groups[0], groups[1], groups[2] };

	vgpu_rg_raw(s, head, ARRAY_SIZE(head));
	vgpu_rg_raw(s, args, n_args);
}

#define dispatch(s, kernel, x, y, ...)                                         \
	do {                                                                   \
		const uint32_t args_[] = { __VA_ARGS__ };                      \
		const uint32_t groups_[3] = { x, y, 1 };                       \
		vgpu_rg_dispatch(s, kernel, groups_, args_,                    \
				 ARRAY_SIZE(args_));                           \
	} while (0)

static uint32_t groups(uint32_t n, uint32_t group)
{
	return n ? (n - 1) / group + 1 : 1;
}

void vgpu_rg_saxpy(struct vgpu_rg_stream *s, uint32_t n, float a, uint64_t x,
		   uint64_t y)
{
	dispatch(s, REFGPU_KERNEL_SAXPY, groups(n, REFGPU_SAXPY_GROUP), 1, n,
		 bits(a), both(x), both(y));
}

void vgpu_rg_sgemm(struct vgpu_rg_stream *s, const struct vgpu_rg_sgemm *j)
{
	dispatch(s, REFGPU_KERNEL_SGEMM, groups(j->n, REFGPU_SGEMM_TILE),
		 groups(j->m, REFGPU_SGEMM_TILE), j->m, j->n, j->k, j->lda,
		 j->ldb, j->ldc, bits(j->alpha), bits(j->beta), both(j->a),
		 both(j->b), both(j->c));
}

void vgpu_rg_mandelbrot(struct vgpu_rg_stream *s,
			const struct vgpu_rg_mandelbrot *j)
{
	dispatch(s, REFGPU_KERNEL_MANDELBROT,
		 groups(j->width, REFGPU_MANDEL_TILE),
		 groups(j->height, REFGPU_MANDEL_TILE), both(j->va), j->stride,
		 j->width, j->height, j->iterations, both(bits64(j->x0)),
		 both(bits64(j->y0)), both(bits64(j->dx)), both(bits64(j->dy)));
}

void vgpu_rg_reduce(struct vgpu_rg_stream *s, uint32_t n, uint64_t x,
		    uint64_t sums)
{
	dispatch(s, REFGPU_KERNEL_REDUCE, groups(n, REFGPU_REDUCE_GROUP), 1, n,
		 0, both(x), both(sums));
}

void vgpu_rg_histogram(struct vgpu_rg_stream *s, uint32_t bytes, uint64_t x,
		       uint64_t bins)
{
	dispatch(s, REFGPU_KERNEL_HISTOGRAM, groups(bytes, REFGPU_HIST_GROUP),
		 1, bytes, 0, both(x), both(bins));
}

void vgpu_rg_spin(struct vgpu_rg_stream *s, uint32_t n, uint64_t ns)
{
	dispatch(s, REFGPU_KERNEL_SPIN, n, 1, both(ns));
}
