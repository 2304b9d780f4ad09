/* SPDX-License-Identifier: MIT */
/*
 * The display pipe. It is this vGPU's own: the parent has nothing to do with
 * it. Vblanks are counted by the clock; a timer runs only where somebody wants
 * to be told of them, or something waits for one.
 */
#include <string.h>

#include "instance.h"

#define REFRESH_MHZ 60000u
#define VBLANK_NS   (1000000000000ull / REFRESH_MHZ)
#define DISP_ON	    1u
#define SIZE_MAX_PX 8192u

enum { STATUS_OFF = 0, STATUS_ON = 1, STATUS_REFUSED = 2 };

static unsigned bytes_per_pixel(uint32_t format)
{
	switch (format) {
	case VGPU_FORMAT_XRGB8888:
	case VGPU_FORMAT_BGRX8888:
		return 4;
	case VGPU_FORMAT_RGB565:
		return 2;
	default:
		return 0;
	}
}

static bool mode_is_good(const struct rg *rg)
{
	const struct rg_display *d = &rg->state->display;
	unsigned bpp = bytes_per_pixel(d->live_format);
	uint64_t bytes;

	if (!bpp || !d->live_width || d->live_width > SIZE_MAX_PX ||
	    !d->live_height || d->live_height > SIZE_MAX_PX ||
	    d->live_stride % 4 || d->live_base % 4 ||
	    d->live_stride < d->live_width * bpp)
		return false;
	bytes = (uint64_t)d->live_stride * d->live_height;
	return d->live_base <= rg->vram_size &&
	       bytes <= rg->vram_size - d->live_base;
}

static void show(struct rg *rg)
{
	struct rg_display *d = &rg->state->display;
	struct vgpu_plane plane = { .struct_size = sizeof(plane) };

	if (!(d->control & DISP_ON)) {
		d->status = STATUS_OFF;
	} else if (!mode_is_good(rg)) {
		/* Nothing was committed yet: nothing is wrong either. */
		d->status = d->live_format ? STATUS_REFUSED : STATUS_OFF;
	} else {
		plane.format = d->live_format;
		plane.width = d->live_width;
		plane.height = d->live_height;
		plane.stride = d->live_stride;
		plane.region = REFGPU_BAR_VRAM;
		plane.offset = d->live_base;
		d->status = STATUS_ON;
	}
	if (vgpu_plane_set(&rg->dev, 0, &plane))
		d->status = STATUS_REFUSED;
}

/* ------------------------------------------------------------------ */
/* Vblanks                                                             */
/* ------------------------------------------------------------------ */

static bool runs(const struct rg *rg)
{
	return rg->state->display.control & DISP_ON;
}

/* Those that have been since it was looked at last */
static uint64_t elapsed(struct rg *rg)
{
	uint64_t n = (rg_now() - rg->state->vblank_base) / VBLANK_NS;

	rg->state->vblank_base += n * VBLANK_NS;
	return n;
}

static void commit(struct rg *rg)
{
	struct rg_display *d = &rg->state->display;

	d->commit = 0;
	d->live_format = d->format;
	d->live_width = d->width;
	d->live_height = d->height;
	d->live_stride = d->stride;
	d->live_base = d->base;
}

void rg_display_catch_up(struct rg *rg)
{
	struct rg_display *d = &rg->state->display;
	uint64_t n;

	if (!rg->state->vblank_base)
		return;
	n = elapsed(rg);
	if (!n)
		return;
	if (d->commit)
		commit(rg);
	show(rg);
	if (!runs(rg)) {
		rg->state->vblank_base = 0; /* this was the last one */
		return;
	}
	d->vblanks += (uint32_t)n;
	rg_raise(rg, REFGPU_IRQ_VBLANK);
}

void rg_display_arm(struct rg *rg)
{
	const struct rg_display *d = &rg->state->display;
	uint64_t now = rg_now(), next = rg->state->vblank_base + VBLANK_NS;
	bool wanted = rg->state->vblank_base &&
		      (d->commit || !runs(rg) ||
		       rg->state->irq_enable & REFGPU_IRQ_VBLANK);

	vgpu_timer_arm(rg->vblank_timer, !wanted      ? 0
					 : next > now ? next - now
						      : 1);
}

void rg_display_vblank(void *user)
{
	rg_display_catch_up(user);
	rg_display_arm(user);
}

/* ------------------------------------------------------------------ */
/* Registers                                                           */
/* ------------------------------------------------------------------ */

uint32_t rg_display_read(struct rg *rg, uint32_t reg)
{
	struct rg_display *d = &rg->state->display;
	uint32_t v;

	if (reg >= REFGPU_DISP_EDID) {
		memcpy(&v, rg->edid + (reg - REFGPU_DISP_EDID), sizeof(v));
		return v; /* bytes, as they lie there */
	}
	rg_display_catch_up(rg);
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
		return rg->type->xres ? REFRESH_MHZ : 0;
	case REFGPU_DISP_STATUS:
		return d->status;
	default:
		return 0;
	}
}

static void write_control(struct rg *rg, uint32_t value)
{
	struct rg_display *d = &rg->state->display;

	d->control = value & DISP_ON;
	if (runs(rg) && !rg->state->vblank_base)
		rg->state->vblank_base = rg_now();
}

void rg_display_write(struct rg *rg, uint32_t reg, uint32_t value)
{
	struct rg_display *d = &rg->state->display;

	if (!rg->type->xres)
		return;
	rg_display_catch_up(rg);
	switch (reg) {
	case REFGPU_DISP_CONTROL:
		write_control(rg, value);
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
		d->commit = 1;
		break;
	default:
		return;
	}
	rg_display_arm(rg);
}

void rg_display_reset(struct rg *rg)
{
	rg->state->vblank_base = 0;
	show(rg);
	rg_display_arm(rg);
}

int rg_display_init(struct rg *rg)
{
	const struct vgpu_edid_info info = {
		.struct_size = sizeof(info),
		.vendor = "VGP",
		.name = "vGPU refgpu",
		.xres = rg->type->xres,
		.yres = rg->type->yres,
		.refresh = REFRESH_MHZ / 1000,
	};
	int err;

	if (rg->type->xres) {
		err = vgpu_edid_build(&info, rg->edid);
		if (err < 0)
			return err;
	}
	return vgpu_timer_new(&rg->dev, rg_display_vblank, rg,
			      &rg->vblank_timer);
}
