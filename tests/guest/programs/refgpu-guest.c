/* SPDX-License-Identifier: MIT */
/*
 * A driver of the reference GPU in a guest, as a program: it maps the BARs
 * through sysfs, computes, compares with what the guest's own CPU computes,
 * and shows a picture on the vGPU's screen until it is killed.
 *
 *     refgpu-guest             compute and check
 *     refgpu-guest show SEED   and show a picture; says "showing ..."
 *     refgpu-guest work SECONDS  a line each 0.1 s: ns, ns of engine, jobs
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <vgpu/refgpu-user.h>

#define RW	   (VGPU_RG_READ | VGPU_RG_WRITE)
#define PATIENCE   60000000000ull
#define VECTOR	   50000u
#define WIDTH	   640u
#define HEIGHT	   480u
#define ITERATIONS 64u
#define SPRITE	   64u
#define AHEAD	    8u /* jobs under way, of work */
#define XRGB	   0x34325258u /* XR24 */

static struct vgpu_rg_device *dev;
static struct vgpu_rg_context *ctx;

static void fail(const char *what, int err)
{
	char why[200] = "";

	if (ctx)
		vgpu_rg_context_explain(ctx, why, sizeof(why));
	printf("refgpu-guest: error: %s: %s %s\n", what, strerror(-err), why);
	exit(1);
}

static void must(int err, const char *what)
{
	if (err)
		fail(what, err);
}

static void *buffer(uint64_t size, struct vgpu_rg_buffer **ret_buf,
		    uint64_t *ret_va)
{
	must(vgpu_rg_buffer_new(dev, size, VGPU_RG_VRAM, ret_buf), "buffer");
	must(vgpu_rg_map(ctx, *ret_buf, RW, ret_va), "map");
	return vgpu_rg_buffer_ptr(*ret_buf);
}

static void run(struct vgpu_rg_stream *s, const char *what)
{
	uint64_t fence;

	must(vgpu_rg_submit(ctx, s, &fence), what);
	must(vgpu_rg_wait(ctx, fence, PATIENCE), what);
	vgpu_rg_stream_free(s);
}

static void check_saxpy(void)
{
	struct vgpu_rg_stream s = { 0 };
	struct vgpu_rg_buffer *b[2];
	uint64_t va[2];
	float *x = buffer(VECTOR * 4, &b[0], &va[0]);
	float *y = buffer(VECTOR * 4, &b[1], &va[1]);

	for (unsigned i = 0; i < VECTOR; i++) {
		x[i] = (float)(i % 37);
		y[i] = (float)(i % 11);
	}
	vgpu_rg_saxpy(&s, VECTOR, 0.5f, va[0], va[1]);
	run(&s, "saxpy");
	for (unsigned i = 0; i < VECTOR; i++)
		if (y[i] != (float)(i % 11) + 0.5f * (float)(i % 37))
			fail("saxpy: not what the CPU computes", -EBADMSG);
	printf("refgpu-guest: saxpy of %u elements is right\n", VECTOR);
}

/* Numbers with few bits: no step of the first ones is rounded differently by
 * anybody, and far from the set's border nothing else matters. */
static uint32_t colour(double cx, double cy)
{
	double x = 0, y = 0;
	uint32_t n = 0;

	while (n < ITERATIONS && x * x + y * y <= 4) {
		double t = x * x - y * y + cx;

		y = 2 * x * y + cy;
		x = t;
		n++;
	}
	return n == ITERATIONS ? 0
			       : (n * 5 & 255) << 16 | (n * 3 & 255) << 8 |
					 (n * 9 & 255);
}

static struct vgpu_rg_buffer *draw_mandelbrot(uint64_t *ret_va)
{
	const struct vgpu_rg_mandelbrot m = { .stride = WIDTH * 4,
					      .width = WIDTH,
					      .height = HEIGHT,
					      .iterations = ITERATIONS,
					      .x0 = -2.5,
					      .y0 = -1.875,
					      .dx = 1 / 128.,
					      .dy = 1 / 128. };
	struct vgpu_rg_mandelbrot job = m;
	struct vgpu_rg_stream s = { 0 };
	struct vgpu_rg_buffer *b;
	uint32_t *p = buffer(WIDTH * HEIGHT * 4, &b, ret_va);
	unsigned wrong = 0;

	job.va = *ret_va;
	vgpu_rg_mandelbrot(&s, &job);
	run(&s, "mandelbrot");
	for (unsigned j = 0; j < HEIGHT; j++)
		for (unsigned i = 0; i < WIDTH; i++)
			wrong += (p[j * WIDTH + i] & 0xffffff) !=
				 colour(m.x0 + i * m.dx, m.y0 + j * m.dy);
	if (wrong > WIDTH * HEIGHT / 500)
		fail("mandelbrot: not what the CPU computes", -EBADMSG);
	printf("refgpu-guest: mandelbrot of %u x %u is right (%u pixels "
	       "differ)\n",
	       WIDTH, HEIGHT, wrong);
	return b;
}

/* On top: rectangles whose places and colours follow from the seed; the host
 * computes the same (tests/guest/test_refgpu.py). */
static void draw_rectangles(uint64_t va, uint32_t seed)
{
	const struct vgpu_rg_surface screen = { va, WIDTH * 4 };
	struct vgpu_rg_stream s = { 0 };

	for (unsigned i = 0; i < 16; i++) {
		struct vgpu_rg_point at = { (uint16_t)(i * 40),
					    (uint16_t)(i * 26) };

		seed = seed * 1664525 + 1013904223;
		vgpu_rg_rect_fill(&s, screen, at,
				  (struct vgpu_rg_point){ 30, 20 },
				  seed & 0xffffff);
	}
	vgpu_rg_rect_copy(&s, screen, screen, (struct vgpu_rg_point){ 500, 10 },
			  (struct vgpu_rg_point){ 0, 0 },
			  (struct vgpu_rg_point){ SPRITE, SPRITE });
	run(&s, "rectangles");
}

static void set(uint32_t reg, uint32_t value)
{
	must(vgpu_rg_write(dev, reg, value), "register");
}

static uint32_t get(uint32_t reg)
{
	uint32_t v = 0;

	must(vgpu_rg_read(dev, reg, &v), "register");
	return v;
}

static void show(struct vgpu_rg_buffer *b)
{
	uint64_t base = vgpu_rg_buffer_addr(b);
	uint32_t vblanks;

	set(REFGPU_DISP_CONTROL, 1);
	set(REFGPU_DISP_FORMAT, XRGB);
	set(REFGPU_DISP_WIDTH, WIDTH);
	set(REFGPU_DISP_HEIGHT, HEIGHT);
	set(REFGPU_DISP_STRIDE, WIDTH * 4);
	set(REFGPU_DISP_BASE_LO, (uint32_t)base);
	set(REFGPU_DISP_BASE_HI, (uint32_t)(base >> 32));
	set(REFGPU_DISP_COMMIT, 1);
	for (unsigned i = 0; get(REFGPU_DISP_COMMIT); i++) {
		if (i == 1000)
			fail("display: no vblank comes", -ETIMEDOUT);
		usleep(2000);
	}
	if (get(REFGPU_DISP_STATUS) != 1)
		fail("display: the mode was refused", -EINVAL);
	vblanks = get(REFGPU_DISP_VBLANKS);
	usleep(100000);
	if (get(REFGPU_DISP_VBLANKS) == vblanks)
		fail("display: vblanks are not counted", -EPROTO);
}

/* Pixels as the guest's CPU sees them, for the host to compare. */
static uint32_t checksum(const uint32_t *p, unsigned n)
{
	uint32_t h = 2166136261u;

	for (unsigned i = 0; i < n; i++)
		h = (h ^ (p[i] & 0xffffff)) * 16777619u;
	return h;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Keep the engine busy: a piece of the picture, again and again. */
static void work(double seconds)
{
	uint64_t begin = now_ns(), next = begin, va, fences[AHEAD] = { 0 };
	struct vgpu_rg_stream s = { 0 };
	struct vgpu_rg_buffer *b;
	uint64_t jobs = 0;

	buffer(WIDTH * 64 * 4, &b, &va);
	vgpu_rg_mandelbrot(&s,
			   &(struct vgpu_rg_mandelbrot){ .va = va,
							 .stride = WIDTH * 4,
							 .width = WIDTH,
							 .height = 64,
							 .iterations = 1000,
							 .x0 = -2,
							 .y0 = -0.2,
							 .dx = 3. / WIDTH,
							 .dy = 0.4 / 64 });
	while ((double)(now_ns() - begin) < seconds * 1e9) {
		must(vgpu_rg_wait(ctx, fences[jobs % AHEAD], PATIENCE), "work");
		must(vgpu_rg_submit(ctx, &s, &fences[jobs++ % AHEAD]), "work");
		if (now_ns() >= next) {
			uint64_t engine;

			must(vgpu_rg_context_time(ctx, &engine), "time");
			printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
			       now_ns() - begin, engine, jobs);
			next += 100000000;
		}
	}
	vgpu_rg_stream_free(&s);
}

int main(int argc, char **argv)
{
	struct vgpu_rg_buffer *picture;
	struct vgpu_rg_bus *bus;
	uint64_t va;

	setvbuf(stdout, NULL, _IOLBF, 0);
	must(vgpu_rg_bus_sysfs(NULL, &bus), "no reference GPU in sysfs");
	must(vgpu_rg_open(bus, &dev), "open");
	must(vgpu_rg_context_new(dev, NULL, &ctx), "context");
	if (argc > 2 && !strcmp(argv[1], "work")) {
		work(strtod(argv[2], NULL));
		vgpu_rg_close(dev);
		return 0;
	}
	check_saxpy();
	picture = draw_mandelbrot(&va);
	if (argc > 2 && !strcmp(argv[1], "show")) {
		draw_rectangles(va, (uint32_t)strtoul(argv[2], NULL, 10));
		show(picture);
		printf("refgpu-guest: showing mode=%ux%u checksum=%08x\n",
		       WIDTH, HEIGHT,
		       checksum(vgpu_rg_buffer_ptr(picture), WIDTH * HEIGHT));
		pause();
	}
	vgpu_rg_close(dev);
	printf("refgpu-guest: passed\n");
	return 0;
}
