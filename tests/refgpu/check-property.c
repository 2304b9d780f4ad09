/* SPDX-License-Identifier: MIT */
/*
 * Random command streams, on a vGPU and on the model of the hardware with
 * nobody in between: both must end in the same way, and leave the same bytes.
 *
 * What the specification leaves open is left out: copies that overlap, and
 * times.
 */
#include <errno.h>
#include <string.h>

#include "../../bench/direct.h"
#include "check.h"

#define MODEL_VRAM (64ull << 20)
#define SIZE	   (256u << 10) /* of each buffer */
#define BUFFERS	   4u
#define WINDOW_VA  VGPU_RG_VA_USER
#define WINDOW	   32u /* pages that come and go */
#define STREAMS	   12u /* of a seed */
#define HOLE_VA	   (VGPU_RG_VA_USER + (1ull << 35))

/* One side: the vGPU or the model. */
struct side {
	struct vgpu_rg_device *dev;
	struct vgpu_rg_context *ctx;
	struct mem mem[BUFFERS]; /* VRAM, system, read only, batches */
	bool mapped[WINDOW];
	int err;
	struct vgpu_rg_status status;
};

struct pair {
	struct side side[2];
	uint64_t seed;
};

static void side_init(struct side *s, uint64_t seed)
{
	static const unsigned where[BUFFERS] = { VGPU_RG_VRAM, VGPU_RG_SYSTEM,
						 VGPU_RG_VRAM, VGPU_RG_SYSTEM };

	MUST(vgpu_rg_context_new(
		s->dev,
		&(struct vgpu_rg_context_options){
			.struct_size = sizeof(struct vgpu_rg_context_options),
			.ring_size = 8192,
			.system = seed & 1 },
		&s->ctx));
	for (unsigned i = 0; i < BUFFERS; i++) {
		uint64_t state = seed + i;

		s->mem[i] = mem_new(s->ctx, SIZE, where[i],
				    i == 2 ? VGPU_RG_READ : RW);
		for (unsigned k = 0; k < SIZE / 4; k++)
			((uint32_t *)s->mem[i].p)[k] = random32(&state);
	}
}

static void side_fini(struct side *s)
{
	vgpu_rg_context_free(s->ctx);
	for (unsigned i = 0; i < BUFFERS; i++)
		vgpu_rg_buffer_free(s->mem[i].buf);
	memset(s->mapped, 0, sizeof(s->mapped));
}

/* ---- random commands -------------------------------------------------- */

/* An address that both sides have at the same place (they allocate alike). Now
 * and then one where there is nothing, or what may not be written. */
static uint64_t address(struct pair *p, unsigned mem, uint32_t at)
{
	uint32_t dice = below(&p->seed, 500);

	if (dice == 0)
		return HOLE_VA + at;
	if (dice == 1)
		return p->side[0].mem[2].va + at;
	if (dice < 12)
		return WINDOW_VA + at % (WINDOW * 4096);
	return p->side[0].mem[mem].va + at;
}

static uint32_t length(struct pair *p)
{
	static const uint32_t most[] = { 16, 300, 5000, 60000 };

	return below(&p->seed, most[below(&p->seed, 4)]);
}

static void one_move(struct pair *p, struct vgpu_rg_stream *s)
{
	unsigned mem = below(&p->seed, 2);
	uint32_t n = length(p);

	if (below(&p->seed, 2)) {
		vgpu_rg_fill(s, address(p, mem, below(&p->seed, SIZE / 4) * 4),
			     n & ~3u, random32(&p->seed));
		return;
	}
	/* From the other buffer or its other half, so that nothing overlaps */
	vgpu_rg_copy(s, address(p, mem, below(&p->seed, SIZE / 2)),
		     address(p, !mem, SIZE / 2 + below(&p->seed, SIZE / 2)), n);
}

static void one_rect(struct pair *p, struct vgpu_rg_stream *s)
{
	unsigned mem = below(&p->seed, 2), kind = below(&p->seed, 3);
	struct vgpu_rg_surface to = { address(p, mem, 0), 512 };
	struct vgpu_rg_surface from = { address(p, 2, 0), 512 };
	struct vgpu_rg_point at = { (uint16_t)below(&p->seed, 60),
				    (uint16_t)below(&p->seed, 300) };
	struct vgpu_rg_point size = { (uint16_t)below(&p->seed, 68),
				      (uint16_t)below(&p->seed, 250) };

	if (kind == 0)
		vgpu_rg_rect_fill(s, to, at, size, random32(&p->seed));
	else if (kind == 1)
		vgpu_rg_rect_copy(s, to, from, at,
				  (struct vgpu_rg_point){ at.y & 31, at.x },
				  size);
	else
		vgpu_rg_rect_blend(s, to, from, at,
				   (struct vgpu_rg_point){ at.y & 31, at.x },
				   size);
}

static void one_kernel(struct pair *p, struct vgpu_rg_stream *s)
{
	uint64_t a = address(p, 0, below(&p->seed, SIZE / 8) * 4);
	uint64_t b = address(p, 1, below(&p->seed, SIZE / 8) * 4);

	switch (below(&p->seed, 4)) {
	case 0:
		vgpu_rg_histogram(s, below(&p->seed, SIZE / 2), a, b);
		break;
	case 1:
		vgpu_rg_reduce(s, below(&p->seed, SIZE / 8), a, b);
		break;
	case 2:
		vgpu_rg_saxpy(s, below(&p->seed, SIZE / 8), 0.5f, a, b);
		break;
	default:
		vgpu_rg_mandelbrot(s,
				   &(struct vgpu_rg_mandelbrot){
					   .va = a,
					   .stride = 512,
					   .width = 100,
					   .height = below(&p->seed, 200) + 1,
					   .iterations = 20,
					   .x0 = -2,
					   .y0 = -1,
					   .dx = 0.03,
					   .dy = 0.02 });
	}
}

static void one_memory_word(struct pair *p, struct vgpu_rg_stream *s)
{
	uint64_t va =
		address(p, below(&p->seed, 2), below(&p->seed, SIZE / 8) * 8);

	switch (below(&p->seed, 4)) {
	case 0:
		vgpu_rg_fence(s, va, random32(&p->seed));
		break;
	case 1:
		vgpu_rg_sem_add(s, va, random32(&p->seed));
		break;
	case 2:
		vgpu_rg_fence(s, va, 5);
		vgpu_rg_sem_wait(s, va, 5);
		break;
	default:
		vgpu_rg_timestamp(s, va & ~15ull);
		vgpu_rg_fill(s, va & ~15ull, 16, 0);
	}
}

static void one_batch(struct pair *p, struct vgpu_rg_stream *s);

/* What can't be: any dwords, or a command with something changed. */
static void one_nonsense(struct pair *p, struct vgpu_rg_stream *s)
{
	struct vgpu_rg_stream t = { 0 };

	one_move(p, &t);
	t.dwords[below(&p->seed, (uint32_t)t.n)] ^= 1u << below(&p->seed, 32);
	vgpu_rg_raw(s, t.dwords, t.n);
	vgpu_rg_stream_free(&t);
}

static void one_command(struct pair *p, struct vgpu_rg_stream *s, bool batch)
{
	uint32_t dice = below(&p->seed, 100);

	if (dice < 40)
		one_move(p, s);
	else if (dice < 55)
		one_rect(p, s);
	else if (dice < 65)
		one_kernel(p, s);
	else if (dice < 85)
		one_memory_word(p, s);
	else if (dice < 88)
		vgpu_rg_nop(s, 1 + below(&p->seed, 20));
	else if (dice < 90)
		vgpu_rg_inv(s, WINDOW_VA, below(&p->seed, 40));
	else if (dice < 92)
		vgpu_rg_irq(s, dice);
	else if (dice < 98 && batch)
		one_batch(p, s);
	else if (dice == 98)
		one_nonsense(p, s);
}

static void one_batch(struct pair *p, struct vgpu_rg_stream *s)
{
	uint32_t at = below(&p->seed, SIZE / 4 - 1024) * 4;
	struct vgpu_rg_stream t = { 0 };

	for (unsigned i = below(&p->seed, 6); i; i--)
		one_command(p, &t, below(&p->seed, 8) == 0);
	if (below(&p->seed, 4) == 0)
		vgpu_rg_end(&t);
	if (t.n > 1024)
		t.n = 1024; /* which cuts a command off, perhaps */
	for (unsigned i = 0; i < 2; i++)
		if (t.n)
			memcpy((char *)p->side[i].mem[3].p + at, t.dwords,
			       t.n * 4);
	vgpu_rg_batch(s, p->side[0].mem[3].va + at, (uint32_t)t.n);
	vgpu_rg_stream_free(&t);
}

/* ---- comparing -------------------------------------------------------- */

/* Pages of the window come, go, and become others. */
static void change_window(struct pair *p)
{
	for (unsigned n = below(&p->seed, 10); n; n--) {
		unsigned page = below(&p->seed, WINDOW);
		unsigned mem = below(&p->seed, 3);
		uint64_t at = below(&p->seed, SIZE / 4096) * 4096ull;
		unsigned flags = mem == 2 ? VGPU_RG_READ : RW;

		for (unsigned i = 0; i < 2; i++) {
			struct side *s = &p->side[i];
			uint64_t va = WINDOW_VA + page * 4096ull;

			if (s->mapped[page])
				MUST(vgpu_rg_unmap(s->ctx, va, 4096));
			else
				MUST(vgpu_rg_map_at(s->ctx, va, s->mem[mem].buf,
						    at, 4096, flags));
			s->mapped[page] = !s->mapped[page];
		}
	}
}

static void run_side(struct side *s, const struct vgpu_rg_stream *stream)
{
	uint64_t fence;

	s->err = vgpu_rg_submit(s->ctx, stream, &fence);
	if (!s->err)
		s->err = vgpu_rg_wait(s->ctx, fence, PATIENCE);
	if (s->err && s->err != -EFAULT && s->err != -EIO)
		FAIL("ended with %d", s->err);
	memset(&s->status, 0, sizeof(s->status));
	MUST(vgpu_rg_context_status(s->ctx, &s->status));
	if (!s->err)
		s->status.state = REFGPU_STATE_IDLE; /* or nearly so */
	if (s->err)
		MUST(vgpu_rg_context_restart(s->ctx));
}

static void compare(struct pair *p, uint64_t seed, unsigned n)
{
	const struct vgpu_rg_status *a = &p->side[0].status;
	const struct vgpu_rg_status *b = &p->side[1].status;

	if (p->side[0].err != p->side[1].err || a->state != b->state ||
	    a->error != b->error || a->fault != b->fault ||
	    a->fault_va != b->fault_va || a->write != b->write ||
	    (a->error && a->head != b->head))
		FAIL("seed %llu, stream %u: the vGPU ends with %d (state %u, "
		     "error %u, fault %u at 0x%llx, head %u), the model with "
		     "%d (state %u, error %u, fault %u at 0x%llx, head %u)",
		     (unsigned long long)seed, n, p->side[0].err, a->state,
		     a->error, a->fault, (unsigned long long)a->fault_va,
		     a->head, p->side[1].err, b->state, b->error, b->fault,
		     (unsigned long long)b->fault_va, b->head);
	for (unsigned m = 0; m < BUFFERS; m++) {
		const uint8_t *x = p->side[0].mem[m].p;
		const uint8_t *y = p->side[1].mem[m].p;

		if (!memcmp(x, y, SIZE))
			continue;
		for (unsigned i = 0; i < SIZE; i++)
			if (x[i] != y[i])
				FAIL("seed %llu, stream %u: buffer %u, byte "
				     "0x%x is 0x%02x on the vGPU, 0x%02x on "
				     "the model",
				     (unsigned long long)seed, n, m, i, x[i],
				     y[i]);
	}
}

/* Return: how many streams met a fault or an error. */
static unsigned one_seed(struct pair *p, uint64_t seed)
{
	unsigned stood = 0;

	p->seed = seed;
	for (unsigned i = 0; i < 2; i++)
		side_init(&p->side[i], seed);
	for (unsigned n = 0; n < STREAMS; n++) {
		struct vgpu_rg_stream s = { 0 };

		change_window(p);
		for (unsigned k = below(&p->seed, 20); k; k--)
			one_command(p, &s, true);
		for (unsigned i = 0; i < 2; i++)
			run_side(&p->side[i], &s);
		compare(p, seed, n);
		stood += p->side[0].err != 0;
		vgpu_rg_stream_free(&s);
	}
	for (unsigned i = 0; i < 2; i++)
		side_fini(&p->side[i]);
	return stood;
}

void property(struct vgpu_rg_device *dev, uint64_t seed, unsigned n)
{
	struct pair p = { .side = { { .dev = dev } } };
	struct vgpu_rg_bus *bus;
	unsigned stood = 0;

	MUST(direct_bus_new(MODEL_VRAM, &bus));
	MUST(vgpu_rg_open(bus, &p.side[1].dev));
	for (unsigned i = 0; i < n; i++)
		stood += one_seed(&p, seed + i);
	vgpu_rg_close(p.side[1].dev);
	/* Streams that are all well, or all broken, would test half of it. */
	n *= STREAMS;
	if (n >= 200 && (stood < n / 20 || stood > n / 2))
		FAIL("%u of %u streams met a fault or an error", stood, n);
	printf("passed: %u streams, %u of them with faults or errors\n", n,
	       stood);
}
