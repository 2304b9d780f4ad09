/* SPDX-License-Identifier: MIT */
/*
 * What the monitor says of itself: EDID 1.4. Section numbers are those of
 * VESA's Enhanced EDID Standard, release A, revision 2; timings are CVT's with
 * reduced blanking.
 */
#include <string.h>

#include "display.h"

#define MODEL_YEAR 2026u
#define REFRESH	   60u
#define DPI	   96u
#define FIELD_MAX  4095u  /* pixels or lines in a detailed timing */
#define CLOCK_MAX  65535u /* in 10 kHz */
#define CLOCK_STEP 25u	  /* CVT: a multiple of 0.25 MHz, in 10 kHz */
#define H_BLANK	   160u
#define H_FRONT	   48u
#define H_SYNC	   32u
#define V_FRONT	   3u
#define V_BLANK_US 460u
#define V_BACK_MIN 6u

struct timing {
	unsigned x, y, vblank, vsync, clock; /* clock: 10 kHz */
};

/* CVT names the shape by the length of the vertical pulse. */
static unsigned vsync_of(unsigned x, unsigned y)
{
	if (x * 3 == y * 4)
		return 4;
	if (x * 9 == y * 16)
		return 5;
	if (x * 10 == y * 16)
		return 6;
	if (x * 4 == y * 5 || x * 9 == y * 15)
		return 7;
	return 10;
}

static struct timing reduced(unsigned x, unsigned y)
{
	struct timing t = { .x = x & ~7u, .y = y };
	double line_us = (1e6 / REFRESH - V_BLANK_US) / y;
	unsigned least;

	t.vsync = vsync_of(x, y);
	least = V_FRONT + t.vsync + V_BACK_MIN;
	t.vblank = (unsigned)(V_BLANK_US / line_us) + 1;
	if (t.vblank < least)
		t.vblank = least;
	t.clock = (unsigned)((double)REFRESH * (t.x + H_BLANK) *
			     (y + t.vblank) / 10000);
	t.clock -= t.clock % CLOCK_STEP;
	return t;
}

/* A detailed timing has 12 bits of pixels: a monitor that is larger names a
 * mode of half its size. */
static struct timing timing_of(unsigned x, unsigned y)
{
	struct timing t = reduced(x, y);

	while (t.x > FIELD_MAX || t.y > FIELD_MAX || t.clock > CLOCK_MAX) {
		x /= 2;
		y /= 2;
		t = reduced(x, y);
	}
	return t;
}

/* Section 3.10.2 */
static void put_timing(uint8_t *d, const struct timing *t, unsigned mm_x,
		       unsigned mm_y)
{
	d[0] = (uint8_t)t->clock;
	d[1] = (uint8_t)(t->clock >> 8);
	d[2] = (uint8_t)t->x;
	d[3] = (uint8_t)H_BLANK;
	d[4] = (uint8_t)(t->x >> 8 << 4);
	d[5] = (uint8_t)t->y;
	d[6] = (uint8_t)t->vblank;
	d[7] = (uint8_t)(t->y >> 8 << 4 | t->vblank >> 8);
	d[8] = H_FRONT;
	d[9] = H_SYNC;
	d[10] = (uint8_t)(V_FRONT << 4 | t->vsync);
	d[12] = (uint8_t)mm_x;
	d[13] = (uint8_t)mm_y;
	d[14] = (uint8_t)(mm_x >> 8 << 4 | mm_y >> 8);
	d[17] = 0x1a; /* digital, separate; horizontal +, vertical - */
}

/* Section 3.10.3: text of up to 13 characters */
static void put_text(uint8_t *d, uint8_t tag, const char *text)
{
	size_t n = strlen(text);

	d[3] = tag;
	memset(d + 5, ' ', 13);
	memcpy(d + 5, text, n);
	d[5 + n] = '\n';
}

/* Section 3.10.3.3: no formula, what the timing needs and common ones do */
static void put_limits(uint8_t *d, const struct timing *t)
{
	unsigned khz = t->clock * 10 / (t->x + H_BLANK) + 1;
	unsigned mhz = (t->clock + 999) / 1000;

	d[3] = 0xfd;
	d[4] = khz > 255 ? 0x08 : 0; /* the upper rate is 255 more */
	d[5] = 50;
	d[6] = 75;
	d[7] = 30;
	d[8] = (uint8_t)(khz > 255 ? khz - 255 : khz < 80 ? 80 : khz);
	d[9] = (uint8_t)(mhz < 20 ? 20 : mhz);
	d[10] = 1;
	d[11] = '\n';
	memset(d + 12, ' ', 6);
}

/* Section 3.7: sRGB's primaries and white, in 1/1024 */
static void put_colours(uint8_t *e)
{
	static const unsigned xy[8] = { 655, 338, 307, 614, 154, 61, 320, 337 };

	for (unsigned i = 0; i < 8; i++) {
		e[25 + i / 4] |= (uint8_t)((xy[i] & 3) << (6 - i % 4 * 2));
		e[27 + i] = (uint8_t)(xy[i] >> 2);
	}
}

void edid_build(unsigned xres, unsigned yres, uint8_t e[128])
{
	static const uint8_t magic[8] = { 0, 255, 255, 255, 255, 255, 255, 0 };
	struct timing t = timing_of(xres, yres);
	unsigned mm_x = xres * 254 / (10 * DPI);
	unsigned mm_y = yres * 254 / (10 * DPI), sum = 0;

	/* 12 bits of millimetres, 8 of centimetres; 0: unknown */
	if (mm_x >= 2560 || mm_y >= 2560 || mm_x < 10 || mm_y < 10)
		mm_x = mm_y = 0;
	memset(e, 0, 128);
	memcpy(e, magic, sizeof(magic));
	e[8] = ('R' - '@') << 2 | ('G' - '@') >> 3;
	e[9] = (uint8_t)(('G' - '@') << 5 | ('P' - '@'));
	e[10] = REFGPU_DEVICE_ID & 0xff;
	e[11] = REFGPU_DEVICE_ID >> 8;
	e[16] = 0xff; /* what follows is the model's year */
	e[17] = MODEL_YEAR - 1990;
	e[18] = 1;
	e[19] = 4;
	e[20] = 0xa5; /* digital, 8 bits a colour, DisplayPort */
	e[21] = (uint8_t)(mm_x / 10);
	e[22] = (uint8_t)(mm_y / 10);
	e[23] = 120;  /* gamma 2.2 */
	e[24] = 0x06; /* sRGB; the first timing is the native one */
	put_colours(e);
	memset(e + 38, 1, 16); /* no standard timings */
	put_timing(e + 54, &t, mm_x, mm_y);
	put_limits(e + 72, &t);
	put_text(e + 90, 0xfc, "refgpu");
	e[108 + 3] = 0x10; /* unused */
	for (unsigned i = 0; i < 127; i++)
		sum += e[i];
	e[127] = (uint8_t)(256 - (sum & 255));
}
