/* SPDX-License-Identifier: MIT */
/* The display pipe: registers, and a thread that is the beam. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "display.h"

#define REFRESH_MHZ 60000u
#define PERIOD_NS   (1000000000000ull / REFRESH_MHZ)
#define MIN_XRES    640u /* less has no timing that EDID can say */
#define MIN_YRES    400u
#define MAX_RES	    8192u

/* DRM's */
#define FOURCC(a, b, c, d)                                                     \
	((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 |            \
	 (uint32_t)(d) << 24)

enum { OFF = 0, ON = 1, REFUSED = 2 };

int display_check(unsigned xres, unsigned yres)
{
	if (!xres && !yres)
		return 0;
	return xres < MIN_XRES || xres > MAX_RES || yres < MIN_YRES ||
			       yres > MAX_RES
		       ? -EINVAL
		       : 0;
}

static unsigned bytes_per_pixel(uint32_t format)
{
	switch (format) {
	case FOURCC('X', 'R', '2', '4'):
	case FOURCC('B', 'X', '2', '4'):
		return 4;
	case FOURCC('R', 'G', '1', '6'):
		return 2;
	default:
		return 0;
	}
}

/* A mode whose every line is in VRAM that is there. */
static bool valid(struct refgpu_hw *hw, const struct display *d)
{
	unsigned bpp = bytes_per_pixel(d->format);
	uint64_t bytes;

	if (!bpp || !d->width || d->width > MAX_RES || !d->height ||
	    d->height > MAX_RES || d->stride % 4 || d->base % 4 ||
	    d->stride / bpp < d->width)
		return false;
	bytes = (uint64_t)d->stride * (d->height - 1) + d->width * bpp;
	return refgpu_hw_vram_ptr(hw, d->base, bytes);
}

/* What was written becomes live. */
static void latch(struct refgpu_hw *hw)
{
	struct display *d = &hw->display;

	d->commit = false;
	d->status = valid(hw, d) ? ON : REFUSED;
	d->live = (struct refgpu_hw_scanout){ 0 };
	if (d->status == ON)
		d->live = (struct refgpu_hw_scanout){ d->format, d->width,
						      d->height, d->stride,
						      d->base };
}

static void vblank(struct refgpu_hw *hw)
{
	struct display *d = &hw->display;

	if (!(d->control & 1)) {
		d->on = false;
		d->status = OFF;
		d->live = (struct refgpu_hw_scanout){ 0 };
		return;
	}
	if (d->commit)
		latch(hw);
	d->vblanks++;
	hw_irq(hw, REFGPU_VECTOR_VBLANK);
}

static void sleep_until(struct refgpu_hw *hw, uint64_t end)
{
	struct display *d = &hw->display;
	struct timespec until = {
		.tv_sec = (time_t)(end / 1000000000u),
		.tv_nsec = (long)(end % 1000000000u),
	};

	while (!d->quit && d->on && hw_now() < end)
		pthread_cond_timedwait(&d->wake, &hw->lock, &until);
}

static void *display_main(void *arg)
{
	struct refgpu_hw *hw = arg;
	struct display *d = &hw->display;
	uint64_t next = 0;

	hw_lock(hw);
	while (!d->quit) {
		if (!d->on) {
			next = 0;
			pthread_cond_wait(&d->wake, &hw->lock);
			continue;
		}
		/* Late by more than a period: those are gone. */
		if (next + PERIOD_NS < hw_now())
			next = hw_now();
		next += PERIOD_NS;
		sleep_until(hw, next);
		if (d->on && !d->quit)
			vblank(hw);
		hw_unlock(hw);
		hw_lock(hw);
	}
	hw_unlock(hw);
	return NULL;
}

int display_start(struct refgpu_hw *hw)
{
	struct display *d = &hw->display;
	pthread_condattr_t attr;
	int err;

	if (!hw->config.xres)
		return 0;
	edid_build(hw->config.xres, hw->config.yres, d->edid);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&d->wake, &attr);
	pthread_condattr_destroy(&attr);
	err = -pthread_create(&d->thread, NULL, display_main, hw);
	d->started = !err;
	if (err)
		pthread_cond_destroy(&d->wake);
	return err;
}

void display_stop(struct refgpu_hw *hw)
{
	struct display *d = &hw->display;

	if (!d->started)
		return;
	hw_lock(hw);
	d->quit = true;
	pthread_cond_signal(&d->wake);
	hw_unlock(hw);
	pthread_join(d->thread, NULL);
	pthread_cond_destroy(&d->wake);
}

void display_reset(struct refgpu_hw *hw)
{
	struct display *d = &hw->display;

	if (!d->started)
		return;
	d->control = d->format = d->width = d->height = d->stride = 0;
	d->base = 0;
	d->commit = d->on = false;
	d->vblanks = d->status = 0;
	d->live = (struct refgpu_hw_scanout){ 0 };
	pthread_cond_signal(&d->wake);
}

static void write_control(struct refgpu_hw *hw, uint32_t value)
{
	struct display *d = &hw->display;

	d->control = value & 1;
	if (d->control && !d->on) {
		d->on = true;
		pthread_cond_signal(&d->wake);
	}
}

void display_write(struct refgpu_hw *hw, uint32_t reg, uint32_t value)
{
	struct display *d = &hw->display;

	if (!d->started)
		return;
	switch (reg) {
	case REFGPU_DISP_CONTROL:
		write_control(hw, value);
		break;
	case REFGPU_DISP_FORMAT:
		d->format = value;
		break;
	case REFGPU_DISP_WIDTH:
		d->width = value;
		break;
	case REFGPU_DISP_HEIGHT:
		d->height = value;
		break;
	case REFGPU_DISP_STRIDE:
		d->stride = value;
		break;
	case REFGPU_DISP_BASE_LO:
		d->base = (d->base & ~0xffffffffull) | value;
		break;
	case REFGPU_DISP_BASE_HI:
		d->base = (d->base & 0xffffffffull) | (uint64_t)value << 32;
		break;
	case REFGPU_DISP_COMMIT:
		if (value == 1)
			d->commit = true;
		break;
	}
}

uint32_t display_read(struct refgpu_hw *hw, uint32_t reg)
{
	const struct display *d = &hw->display;
	const uint8_t *p = d->edid;

	if (!d->started)
		return 0;
	if (reg >= REFGPU_DISP_EDID) {
		p += reg - REFGPU_DISP_EDID;
		return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
		       (uint32_t)p[3] << 24;
	}
	switch (reg) {
	case REFGPU_DISP_CONTROL:
		return d->control;
	case REFGPU_DISP_FORMAT:
		return d->format;
	case REFGPU_DISP_WIDTH:
		return d->width;
	case REFGPU_DISP_HEIGHT:
		return d->height;
	case REFGPU_DISP_STRIDE:
		return d->stride;
	case REFGPU_DISP_BASE_LO:
		return (uint32_t)d->base;
	case REFGPU_DISP_BASE_HI:
		return (uint32_t)(d->base >> 32);
	case REFGPU_DISP_COMMIT:
		return d->commit;
	case REFGPU_DISP_VBLANKS:
		return d->vblanks;
	case REFGPU_DISP_REFRESH:
		return REFRESH_MHZ;
	case REFGPU_DISP_STATUS:
		return d->status;
	default:
		return 0;
	}
}

bool refgpu_hw_scanout(struct refgpu_hw *hw, struct refgpu_hw_scanout *ret_mode)
{
	bool on;

	hw_lock(hw);
	on = hw->display.status == ON;
	if (on)
		*ret_mode = hw->display.live;
	hw_unlock(hw);
	return on;
}
