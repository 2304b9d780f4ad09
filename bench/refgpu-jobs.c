/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "refgpu.h"

#define SGEMM_N	   384u
#define MANDEL	   160u
#define ITERATIONS 500u
#define COPY_BYTES (16ull << 20)
#define HOUR_NS	   3600000000000ull
#define RW	   (VGPU_RG_READ | VGPU_RG_WRITE)

/* More than one job is under way, as in a program that renders; how many, by
 * how long they take. */
#define AHEAD_LONG  16u
#define AHEAD_SHORT 24u
#define LOADS_AHEAD 2u /* of each of many */

static void buffer(struct load *l, unsigned i, uint64_t size, unsigned where,
		   unsigned flags)
{
	must(vgpu_rg_buffer_new(l->dev, size, where, &l->buffers[i]), "buffer");
	must(vgpu_rg_map(l->ctx, l->buffers[i], RW | flags, &l->va[i]), "map");
}

static void build_sgemm(struct load *l)
{
	for (unsigned i = 0; i < 3; i++)
		buffer(l, i, 4 * SGEMM_N * SGEMM_N, VGPU_RG_VRAM, 0);
	vgpu_rg_sgemm(&l->stream, &(struct vgpu_rg_sgemm){ .m = SGEMM_N,
							   .n = SGEMM_N,
							   .k = SGEMM_N,
							   .lda = SGEMM_N,
							   .ldb = SGEMM_N,
							   .ldc = SGEMM_N,
							   .alpha = 1,
							   .a = l->va[0],
							   .b = l->va[1],
							   .c = l->va[2] });
}

static void build_mandelbrot(struct load *l)
{
	buffer(l, 0, 4 * MANDEL * MANDEL, VGPU_RG_VRAM, 0);
	vgpu_rg_mandelbrot(&l->stream, &(struct vgpu_rg_mandelbrot){
					       .va = l->va[0],
					       .stride = 4 * MANDEL,
					       .width = MANDEL,
					       .height = MANDEL,
					       .iterations = ITERATIONS,
					       .x0 = -2,
					       .y0 = -1.25,
					       .dx = 2.5 / MANDEL,
					       .dy = 2.5 / MANDEL });
}

#define WINDOW(i) (VGPU_RG_VA_USER + (uint64_t)(i)*REFGPU_HUGE * 4)

static void build_table(struct load *l)
{
	/* Each job sees other pages than the one before, through one of two
	 * windows: while it runs, the other one is changed for the next. */
	buffer(l, 0, TABLE_PAGES * REFGPU_PAGE, VGPU_RG_SYSTEM, VGPU_RG_SMALL);
	memset(vgpu_rg_buffer_ptr(l->buffers[0]), 1, TABLE_PAGES * REFGPU_PAGE);
	buffer(l, 1, TABLE_ENTRIES * REFGPU_PAGE, VGPU_RG_VRAM, 0);
	for (unsigned i = 0; i < 2; i++)
		must(vgpu_rg_map_at(l->ctx, WINDOW(i), l->buffers[0], 0,
				    TABLE_ENTRIES * REFGPU_PAGE,
				    RW | VGPU_RG_SMALL),
		     "window");
}

static void change_table(struct load *l)
{
	uint64_t base = vgpu_rg_buffer_addr(l->buffers[0]);
	uint64_t window = WINDOW(l->turn % 2);

	for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
		uint64_t *entry =
			vgpu_rg_entry(l->ctx, window + i * REFGPU_PAGE);
		uint64_t page = (l->turn * TABLE_ENTRIES + i) % TABLE_PAGES;

		__atomic_store_n(entry,
				 (*entry & ~REFGPU_PTE_ADDR) |
					 (base + page * REFGPU_PAGE),
				 __ATOMIC_RELEASE);
	}
	vgpu_rg_stream_clear(&l->stream);
	vgpu_rg_inv(&l->stream, window, TABLE_ENTRIES);
	if (l->n)
		vgpu_rg_histogram(&l->stream, TABLE_ENTRIES * REFGPU_PAGE,
				  window, l->va[1]);
	else
		vgpu_rg_copy(&l->stream, l->va[1], window,
			     TABLE_ENTRIES * REFGPU_PAGE);
	l->turn++;
}

void load_init(struct load *l, struct vgpu_rg_device *dev, enum kind kind,
	       unsigned n)
{
	*l = (struct load){
		.dev = dev, .kind = kind, .n = n, .ahead = AHEAD_LONG
	};
	must(vgpu_rg_context_new(dev, NULL, &l->ctx), "context");
	switch (kind) {
	case JOB_SGEMM:
		build_sgemm(l);
		break;
	case JOB_MANDELBROT:
		build_mandelbrot(l);
		break;
	case JOB_COPY:
		buffer(l, 0, COPY_BYTES, VGPU_RG_VRAM, 0);
		buffer(l, 1, COPY_BYTES, VGPU_RG_VRAM, 0);
		vgpu_rg_copy(&l->stream, l->va[0], l->va[1], COPY_BYTES);
		break;
	case JOB_SHORT:
		l->ahead = AHEAD_SHORT;
		buffer(l, 0, 4ull * n, VGPU_RG_VRAM, 0);
		buffer(l, 1, 4ull * n, VGPU_RG_VRAM, 0);
		vgpu_rg_saxpy(&l->stream, n, 1, l->va[0], l->va[1]);
		break;
	case JOB_TABLE:
		l->ahead = 2; /* windows */
		build_table(l);
		break;
	case JOB_EMPTY:
		l->ahead = 1;
		break;
	case JOB_SPIN:
		vgpu_rg_spin(&l->stream, 1, HOUR_NS);
		break;
	}
	must(l->stream.err, "stream");
}

void load_fini(struct load *l)
{
	vgpu_rg_context_free(l->ctx);
	for (unsigned i = 0; i < 3; i++)
		vgpu_rg_buffer_free(l->buffers[i]);
	vgpu_rg_stream_free(&l->stream);
}

static void submit(struct load *l, uint64_t i)
{
	if (l->kind == JOB_TABLE)
		change_table(l);
	must(vgpu_rg_submit(l->ctx, &l->stream, &l->fences[i % l->ahead]),
	     "submit");
}

static void finish(struct load *l, uint64_t i)
{
	int err =
		vgpu_rg_wait(l->ctx, l->fences[i % l->ahead], VGPU_RG_FOR_EVER);
	char why[200];

	if (!err)
		return;
	vgpu_rg_context_explain(l->ctx, why, sizeof(why));
	must(err, why);
}

/* A user that another thread watches. */
struct runner {
	struct load *load;
	pthread_t thread;
	uint64_t done;	 /* jobs */
	uint64_t engine; /* ns, each time that it was asked for */
	unsigned asked, answered;
	bool stop;
};

static void answer(struct runner *r)
{
	unsigned asked = __atomic_load_n(&r->asked, __ATOMIC_ACQUIRE);

	if (asked == r->answered)
		return;
	must(vgpu_rg_context_time(r->load->ctx, &r->engine), "time");
	__atomic_store_n(&r->answered, asked, __ATOMIC_RELEASE);
}

/* For @ns, or with a runner until it is stopped. Return: how long it took. */
static uint64_t run(struct load *l, uint64_t ns, struct runner *r,
		    uint64_t *done)
{
	uint64_t begin = now_ns(), out = 0, in = 0;

	for (;;) {
		bool more = r ? !__atomic_load_n(&r->stop, __ATOMIC_RELAXED)
			      : now_ns() - begin < ns;

		if (more)
			submit(l, out++);
		else if (in == out)
			return now_ns() - begin;
		if (!more || out - in == l->ahead) {
			finish(l, in++);
			__atomic_store_n(done, in, __ATOMIC_RELAXED);
		}
		if (r)
			answer(r);
	}
}

double load_rate(struct load *l, uint64_t ns)
{
	uint64_t done = 0, took = run(l, ns, NULL, &done);

	return (double)done * 1e9 / (double)took;
}

double loads_rate(struct load *l, unsigned n, uint64_t ns)
{
	uint64_t begin = now_ns(), out = 0, in = 0;

	for (;;) {
		bool more = now_ns() - begin < ns;

		if (more) {
			submit(&l[out % n], out / n);
			out++;
		} else if (in == out) {
			return (double)in * 1e9 / (double)(now_ns() - begin);
		}
		if (!more || out - in == (uint64_t)n * LOADS_AHEAD) {
			finish(&l[in % n], in / n);
			in++;
		}
	}
}

static void *runner_main(void *arg)
{
	struct runner *r = arg;

	run(r->load, 0, r, &r->done);
	return NULL;
}

struct runner *runner_start(struct load *l)
{
	struct runner *r = calloc(1, sizeof(*r));

	if (!r)
		exit(1);
	r->load = l;
	if (pthread_create(&r->thread, NULL, runner_main, r))
		exit(1);
	return r;
}

uint64_t runner_done(const struct runner *r)
{
	return __atomic_load_n(&r->done, __ATOMIC_RELAXED);
}

uint64_t runner_engine(struct runner *r)
{
	unsigned n = __atomic_add_fetch(&r->asked, 1, __ATOMIC_RELEASE);

	while (__atomic_load_n(&r->answered, __ATOMIC_ACQUIRE) != n)
		usleep(500);
	return r->engine;
}

void runner_stop(struct runner *r)
{
	__atomic_store_n(&r->stop, true, __ATOMIC_RELAXED);
	pthread_join(r->thread, NULL);
	free(r);
}
