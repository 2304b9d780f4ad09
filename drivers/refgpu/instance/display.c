/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "../clock.h"
#include "display.h"

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

static bool mode_is_good(const struct rg_display *d)
{
	const struct rg_display_regs *r = d->regs;
	unsigned bpp = bytes_per_pixel(r->live_format);
	uint64_t bytes;

	if (!bpp || !r->live_width || r->live_width > SIZE_MAX_PX ||
	    !r->live_height || r->live_height > SIZE_MAX_PX ||
	    r->live_stride % 4 || r->live_base % 4 ||
	    r->live_stride < r->live_width * bpp)
		return false;
	bytes = (uint64_t)r->live_stride * r->live_height;
	return r->live_base <= d->type->vram_size &&
	       bytes <= d->type->vram_size - r->live_base;
}

static void show(struct rg_display *d)
{
	struct rg_display_regs *r = d->regs;
	struct vgpu_plane plane = { .struct_size = sizeof(plane) };

	if (!(r->control & DISP_ON)) {
		r->status = STATUS_OFF;
	} else if (!mode_is_good(d)) {
		/* Nothing was committed yet: nothing is wrong either. */
		r->status = r->live_format ? STATUS_REFUSED : STATUS_OFF;
	} else {
		plane.format = r->live_format;
		plane.width = r->live_width;
		plane.height = r->live_height;
		plane.stride = r->live_stride;
		plane.region = REFGPU_BAR_VRAM;
		plane.offset = r->live_base;
		r->status = STATUS_ON;
	}
	if (vgpu_plane_set(d->dev, 0, &plane))
		r->status = STATUS_REFUSED;
}

/* ------------------------------------------------------------------ */
/* Vblanks                                                             */
/* ------------------------------------------------------------------ */

static bool runs(const struct rg_display *d)
{
	return d->regs->control & DISP_ON;
}

/* Those that have been since it was looked at last */
static uint64_t elapsed(struct rg_display *d)
{
	uint64_t n = (rg_now() - d->regs->last) / VBLANK_NS;

	d->regs->last += n * VBLANK_NS;
	return n;
}

static void commit(struct rg_display *d)
{
	struct rg_display_regs *r = d->regs;

	r->commit = 0;
	r->live_format = r->format;
	r->live_width = r->width;
	r->live_height = r->height;
	r->live_stride = r->stride;
	r->live_base = r->base;
}

void rg_display_catch_up(struct rg_display *d)
{
	struct rg_display_regs *r = d->regs;
	uint64_t n;

	if (!d->regs->last)
		return;
	n = elapsed(d);
	if (!n)
		return;
	if (r->commit)
		commit(d);
	show(d);
	if (!runs(d)) {
		d->regs->last = 0; /* this was the last one */
		return;
	}
	r->vblanks += (uint32_t)n;
	rg_report_irq(d->report, REFGPU_IRQ_VBLANK);
}

void rg_display_arm(struct rg_display *d)
{
	const struct rg_display_regs *r = d->regs;
	uint64_t now = rg_now(), next = d->regs->last + VBLANK_NS;
	bool wanted = d->regs->last &&
		      (r->commit || !runs(d) ||
		       d->report->irqs->enable & REFGPU_IRQ_VBLANK);

	vgpu_timer_arm(d->timer, !wanted ? 0 : next > now ? next - now : 1);
}

static void on_vblank(void *user)
{
	rg_display_catch_up(user);
	rg_display_arm(user);
}

/* ------------------------------------------------------------------ */
/* Registers                                                           */
/* ------------------------------------------------------------------ */

uint32_t rg_display_read(struct rg_display *d, uint32_t reg)
{
	struct rg_display_regs *r = d->regs;
	uint32_t v;

	if (reg >= REFGPU_DISP_EDID) {
		memcpy(&v, d->edid + (reg - REFGPU_DISP_EDID), sizeof(v));
		return v; /* bytes, as they lie there */
	}
	rg_display_catch_up(d);
	switch (reg) {
	case REFGPU_DISP_CONTROL:
		return r->control;
	case REFGPU_DISP_FORMAT:
		return r->format;
	case REFGPU_DISP_WIDTH:
		return r->width;
	case REFGPU_DISP_HEIGHT:
		return r->height;
	case REFGPU_DISP_STRIDE:
		return r->stride;
	case REFGPU_DISP_BASE_LO:
		return (uint32_t)r->base;
	case REFGPU_DISP_BASE_HI:
		return (uint32_t)(r->base >> 32);
	case REFGPU_DISP_COMMIT:
		return r->commit;
	case REFGPU_DISP_VBLANKS:
		return r->vblanks;
	case REFGPU_DISP_REFRESH:
		return d->type->xres ? REFRESH_MHZ : 0;
	case REFGPU_DISP_STATUS:
		return r->status;
	default:
		return 0;
	}
}

static void write_control(struct rg_display *d, uint32_t value)
{
	struct rg_display_regs *r = d->regs;

	r->control = value & DISP_ON;
	if (runs(d) && !d->regs->last)
		d->regs->last = rg_now();
}

void rg_display_write(struct rg_display *d, uint32_t reg, uint32_t value)
{
	struct rg_display_regs *r = d->regs;

	if (!d->type->xres)
		return;
	rg_display_catch_up(d);
	switch (reg) {
	case REFGPU_DISP_CONTROL:
		write_control(d, value);
		break;
	case REFGPU_DISP_FORMAT:
		r->format = value;
		break;
	case REFGPU_DISP_WIDTH:
		r->width = value;
		break;
	case REFGPU_DISP_HEIGHT:
		r->height = value;
		break;
	case REFGPU_DISP_STRIDE:
		r->stride = value;
		break;
	case REFGPU_DISP_BASE_LO:
		r->base = (r->base & ~0xffffffffull) | value;
		break;
	case REFGPU_DISP_BASE_HI:
		r->base = (r->base & 0xffffffffull) | (uint64_t)value << 32;
		break;
	case REFGPU_DISP_COMMIT:
		r->commit = 1;
		break;
	default:
		return;
	}
	rg_display_arm(d);
}

void rg_display_reset(struct rg_display *d)
{
	d->regs->last = 0;
	show(d);
	rg_display_arm(d);
}

int rg_display_init(struct rg_display *d, struct vgpu_device *dev,
		    const struct vgpu_type *type, struct rg_display_regs *regs,
		    struct rg_report *report)
{
	const struct vgpu_edid_info info = {
		.struct_size = sizeof(info),
		.vendor = "VGP",
		.name = "vGPU refgpu",
		.xres = type->xres,
		.yres = type->yres,
		.refresh = REFRESH_MHZ / 1000,
	};
	int err;

	d->dev = dev;
	d->type = type;
	d->regs = regs;
	d->report = report;
	if (type->xres) {
		err = vgpu_edid_build(&info, d->edid);
		if (err < 0)
			return err;
	}
	return vgpu_timer_new(dev, on_vblank, d, &d->timer);
}

void rg_display_fini(struct rg_display *d)
{
	vgpu_timer_free(d->timer);
}
