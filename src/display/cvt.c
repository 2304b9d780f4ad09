/* SPDX-License-Identifier: MIT */
#include "cvt.h"

#include "../util/bytes.h"

/* Table 3-2 of CVT: the width of vsync tells a monitor the aspect ratio. */
static uint32_t vsync_lines(uint32_t x, uint32_t y)
{
	static const struct {
		uint32_t x, y, lines;
	} ratios[] = {
		{ 4, 3, 4 }, { 16, 9, 5 }, { 16, 10, 6 },
		{ 5, 4, 7 }, { 15, 9, 7 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(ratios); i++)
		if (x * ratios[i].y == y * ratios[i].x)
			return ratios[i].lines;
	return 10;
}

/*
 * Section 3.4.3 of CVT. Widths are not rounded to the character cell of 8
 * pixels, which no part of a virtual display has; and the clock has EDID's
 * step of 10 kHz instead of 250 kHz, which comes closer to @refresh.
 */
struct cvt_timing cvt_reduced(uint32_t xres, uint32_t yres, uint32_t refresh)
{
	enum {
		HBLANK = 160,
		HSYNC = 32,
		HFRONT = 48, /* pixels */
		VFRONT = 3,
		MIN_VBACK = 6, /* lines */
		MIN_VBLANK_US = 460,
	};
	struct cvt_timing t = {
		.xres = xres,
		.yres = yres,
		.hfront = HFRONT,
		.hsync = HSYNC,
		.hblank = HBLANK,
		.vfront = VFRONT,
		.vsync = vsync_lines(xres, yres),
	};
	/* What is left of a frame when the blanking has had its time. */
	uint64_t active_us = 1000000 / refresh - MIN_VBLANK_US;
	uint32_t vblank =
		(uint32_t)(MIN_VBLANK_US * (uint64_t)yres / active_us) + 1;

	t.vblank = MAX(vblank, VFRONT + t.vsync + MIN_VBACK);
	t.clock_10khz = (uint32_t)((uint64_t)(xres + HBLANK) *
				   (yres + t.vblank) * refresh / 10000);
	return t;
}
