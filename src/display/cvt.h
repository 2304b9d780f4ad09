/* SPDX-License-Identifier: MIT */
/* Video timings, as VESA CVT 1.2 computes them for digital displays. */
#ifndef DISPLAY_CVT_H
#define DISPLAY_CVT_H

#include <stdint.h>

/* A mode: pixels and lines; front porch, sync and the whole of the blanking */
struct cvt_timing {
	uint32_t xres, yres;
	uint32_t clock_10khz;
	uint32_t hfront, hsync, hblank;
	uint32_t vfront, vsync, vblank;
};

/**
 * cvt_reduced() - the timing of a mode with reduced blanking
 * @xres: pixels, <= 16384
 * @yres: lines, <= 16384
 * @refresh: Hz, 1..1000
 */
struct cvt_timing cvt_reduced(uint32_t xres, uint32_t yres, uint32_t refresh);

#endif
