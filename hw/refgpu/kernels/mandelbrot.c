/* SPDX-License-Identifier: MIT */
/* Tiles of the Mandelbrot set. */
#include "../commands.h"
#include "../engine.h"
#include "../mmu.h"
#include "../section.h"
#include "kernels.h"

#define TILE REFGPU_MANDEL_TILE

static bool bad(const uint32_t *a)
{
	return a[0] % 4 || a[2] % 4 || a[5] > REFGPU_MANDEL_MAX;
}

static void bounds(const uint32_t *a, uint64_t max[3])
{
	max[0] = kernels_groups(a[3], TILE);
	max[1] = kernels_groups(a[4], TILE);
	max[2] = 1;
}

static uint32_t colour(uint32_t n, uint32_t iterations)
{
	if (n == iterations)
		return 0;
	return (n * 5 & 255) << 16 | (n * 3 & 255) << 8 | (n * 9 & 255);
}

/* Outside of sections, as long as it may take. */
static enum step compute(struct engine *e, const uint32_t *a,
			 const uint32_t g[3], uint32_t rows)
{
	double x0 = command_f64(a + 6), y0 = command_f64(a + 8);
	double dx = command_f64(a + 10), dy = command_f64(a + 12);
	uint32_t *to = e->scratch->pixels;
	enum step r = STEP_DONE;

	section_end(e);
	for (uint32_t j = 0; j < rows && !r; j++) {
		double y = y0 + (double)(g[1] * TILE + j) * dy;

		e->hw->ops->mandelbrot(to, g[0] * TILE, x0, dx, y, a[5]);
		for (uint32_t i = 0; i < TILE; i++, to++)
			*to = colour(*to, a[5]);
		if (engine_cut(e))
			r = STEP_CUT;
	}
	section_begin(e);
	return r;
}

static enum step group(struct engine *e, struct context *c, const uint32_t *a,
		       const uint32_t g[3])
{
	uint32_t x = g[0] * TILE, y = g[1] * TILE;
	uint32_t cols = a[3] - x < TILE ? a[3] - x : TILE;
	uint32_t rows = a[4] - y < TILE ? a[4] - y : TILE;
	enum step r = compute(e, a, g, rows);

	while (!r && c->s.part < rows * TILE) {
		uint32_t j = c->s.part / TILE, i = c->s.part % TILE, n;
		uint64_t at = (uint64_t)(y + j) * a[2] + 4ull * (x + i);
		size_t len = 4ull * (cols - i);
		uint32_t *p;

		if (i >= cols) { /* as a driver may load it */
			c->s.part = (j + 1) * TILE;
			continue;
		}
		p = mmu_ptr(e, mmu_add(command_u64(a), at), PROT_WRITE_, &len);
		if (!p)
			return STEP_FAULT;
		n = (uint32_t)(len / 4);
		for (uint32_t k = 0; k < n; k++)
			p[k] = e->scratch->pixels[c->s.part + k];
		c->s.part = i + n == cols ? (j + 1) * TILE : c->s.part + n;
	}
	return r;
}

const struct kernel kernel_mandelbrot = { 14, bad, bounds, group };
