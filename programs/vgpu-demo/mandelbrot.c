/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "display/png.h"
#include "job.h"

#define DEFAULT_WIDTH 1280u
#define MAX_WIDTH     8192u
#define ITERATIONS    500u
#define BAND	      (2 * REFGPU_MANDEL_TILE) /* lines of a piece */

/* The whole of the set, 16:9 */
#define CENTRE_X -0.65
#define SPAN_X	 3.9

static unsigned width(const struct demo *d)
{
	return d->size;
}

static unsigned height(const struct demo *d)
{
	return d->size * 9 / 16;
}

static struct vgpu_rg_mandelbrot whole(const struct demo *d)
{
	double step = SPAN_X / width(d);

	return (struct vgpu_rg_mandelbrot){
		.va = d->va[0],
		.stride = width(d) * 4,
		.width = width(d),
		.height = height(d),
		.iterations = ITERATIONS,
		.x0 = CENTRE_X - step * (width(d) - 1) / 2,
		.y0 = -step * (height(d) - 1) / 2,
		.dx = step,
		.dy = step,
	};
}

static int set_up(struct demo *d)
{
	d->size = d->options->size ? d->options->size : DEFAULT_WIDTH;
	if (width(d) < 32 || width(d) > MAX_WIDTH) {
		demo_say("--size %u: a picture is 32 to %u pixels wide",
			 d->size, MAX_WIDTH);
		return -EINVAL;
	}
	d->pieces = (height(d) - 1) / BAND + 1;
	return demo_buffer(d, 0, 4ull * width(d) * height(d));
}

static void piece(struct demo *d, unsigned i, struct vgpu_rg_stream *s)
{
	struct vgpu_rg_mandelbrot m = whole(d);
	unsigned first = i * BAND;

	m.va += (uint64_t)m.stride * first;
	m.y0 += m.dy * first;
	m.height = height(d) - first < BAND ? height(d) - first : BAND;
	vgpu_rg_mandelbrot(s, &m);
}

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

/*
 * Rounding may differ where a compiler joins a multiplication and an addition,
 * and points beside the set's border tell such numbers apart. So a few pixels
 * may be others.
 */
#define MAY_DIFFER(pixels) ((pixels) / 500)

static int check(struct demo *d)
{
	const struct vgpu_rg_mandelbrot m = whole(d);
	const uint32_t *p = demo_ptr(d, 0);
	unsigned wrong = 0, n = m.width * m.height;

	for (unsigned j = 0; j < m.height; j++) {
		/* As the pieces begin */
		double y0 = m.y0 + m.dy * (j / BAND * BAND);
		double y = y0 + (j % BAND) * m.dy;

		for (unsigned i = 0; i < m.width; i++)
			wrong += (p[(size_t)j * m.width + i] & 0xffffff) !=
				 colour(m.x0 + i * m.dx, y);
	}
	if (wrong > MAY_DIFFER(n)) {
		demo_say("wrong: %u of %u pixels are not what the CPU computes",
			 wrong, n);
		return -EBADMSG;
	}
	demo_checked(d, "%u of %u pixels are the CPU's", n - wrong, n);
	return 0;
}

static void report(struct demo *d)
{
	double pixels = (double)width(d) * height(d) * d->rounds;

	printf("mandelbrot %u x %u, %u iterations: %.1f Mpixel/s\n", width(d),
	       height(d), ITERATIONS, pixels / (double)d->ns * 1e3);
}

static int picture(struct demo *d)
{
	struct picture p = { .width = width(d), .height = height(d) };
	const uint32_t *from = demo_ptr(d, 0);
	int err = -ENOMEM;

	p.rgb = malloc((size_t)p.width * p.height * 3);
	if (p.rgb) {
		for (size_t i = 0; i < (size_t)p.width * p.height; i++) {
			p.rgb[3 * i] = (uint8_t)(from[i] >> 16);
			p.rgb[3 * i + 1] = (uint8_t)(from[i] >> 8);
			p.rgb[3 * i + 2] = (uint8_t)from[i];
		}
		err = picture_save_png(&p, d->options->output);
	}
	free(p.rgb);
	if (err)
		demo_say("cannot write %s: %s", d->options->output,
			 strerror(-err));
	else
		printf("  picture: %s\n", d->options->output);
	return err;
}

const struct job job_mandelbrot = {
	.name = "mandelbrot",
	.set_up = set_up,
	.piece = piece,
	.check = check,
	.report = report,
	.picture = picture,
};
