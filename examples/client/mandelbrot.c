/* SPDX-License-Identifier: MIT */
/*
 * mandelbrot: draws on the screen of a bochs vGPU, with no VM in sight.
 *
 * It does what a guest's driver does: sets a mode through the registers in
 * BAR2, maps the video memory of BAR0 and writes pixels into it. Look at the
 * result with 'vgpuctl screenshot' while it waits.
 *
 *     ./mandelbrot /run/user/1000/vgpu.sock
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vgpu/client.h>

#define WIDTH  1024
#define HEIGHT 768

/* Bochs "dispi" registers: 16 bits each, from 0x500 of BAR2 */
enum { ID, XRES, YRES, BPP, ENABLE };

static int set(struct vgpu_client *c, unsigned reg, uint16_t value)
{
	return vgpu_client_write(c, 2, 0x500 + 2 * reg, &value, sizeof(value));
}

static int set_mode(struct vgpu_client *c)
{
	int err = vgpu_client_enable(c);

	if (!err)
		err = set(c, ENABLE, 0);
	if (!err)
		err = set(c, XRES, WIDTH);
	if (!err)
		err = set(c, YRES, HEIGHT);
	if (!err)
		err = set(c, BPP, 32);
	if (!err)
		err = set(c, ENABLE, 0x41); /* on, with a linear frame buffer */
	return err;
}

static uint32_t colour(double cx, double cy)
{
	double x = 0, y = 0;
	unsigned n = 0;

	while (n < 255 && x * x + y * y < 4) {
		double t = x * x - y * y + cx;

		y = 2 * x * y + cy;
		x = t;
		n++;
	}
	if (n == 255)
		return 0;
	return (n * 8 & 0xff) << 16 | (n * 5 & 0xff) << 8 | (64 + n * 3 / 4);
}

int main(int argc, char **argv)
{
	struct vgpu_client *c;
	uint32_t *pixels;
	int err;

	if (argc != 2 || argv[1][0] == '-') {
		fprintf(stderr, "Usage: mandelbrot SOCKET\n"
				"Draws on the screen of a bochs vGPU, and "
				"waits for Enter.\n");
		return 2;
	}
	err = vgpu_client_connect(argv[1], NULL, &c);
	if (err) {
		fprintf(stderr, "mandelbrot: %s: %s\n", argv[1],
			strerror(-err));
		return 1;
	}
	err = set_mode(c);
	if (!err)
		err = vgpu_client_map(c, 0, 0, 4ull * WIDTH * HEIGHT,
				      (void **)&pixels);
	if (err) {
		fprintf(stderr, "mandelbrot: %s: not a bochs vGPU? %s\n",
			argv[1], strerror(-err));
		vgpu_client_close(c);
		return 1;
	}
	for (int y = 0; y < HEIGHT; y++)
		for (int x = 0; x < WIDTH; x++)
			pixels[y * WIDTH + x] =
				colour((x - 700) / 350.0, (y - 384) / 350.0);
	printf("drawn: %d x %d; Enter ends\n", WIDTH, HEIGHT);
	fflush(stdout);
	getchar();
	vgpu_client_close(c);
	return 0;
}
