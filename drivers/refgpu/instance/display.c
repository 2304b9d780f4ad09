/* SPDX-License-Identifier: MIT */
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
	const struct rg_mode *m = &d->regs->live;
	unsigned bpp = bytes_per_pixel(m->format);
	uint64_t bytes;

	if (!bpp || !m->width || m->width > SIZE_MAX_PX || !m->height ||
	    m->height > SIZE_MAX_PX || m->stride % 4 || m->base % 4 ||
	    m->stride < m->width * bpp)
		return false;
	bytes = (uint64_t)m->stride * m->height;
	return m->base <= d->type->vram_size &&
	       bytes <= d->type->vram_size - m->base;
}

static void show(struct rg_display *d)
{
	struct rg_display_regs *r = d->regs;
	struct vgpu_plane plane = { 0 };

	if (!(r->set.control & DISP_ON)) {
		r->status = STATUS_OFF;
	} else if (!mode_is_good(d)) {
		/* Nothing was committed yet: nothing is wrong either. */
		r->status = r->live.format ? STATUS_REFUSED : STATUS_OFF;
	} else {
		plane.format = r->live.format;
		plane.width = r->live.width;
		plane.height = r->live.height;
		plane.stride = r->live.stride;
		plane.region = REFGPU_BAR_VRAM;
		plane.offset = r->live.base;
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
	return d->regs->set.control & DISP_ON;
}

void rg_display_catch_up(struct rg_display *d)
{
	struct rg_display_regs *r = d->regs;
	uint64_t n = r->last ? (rg_now() - r->last) / VBLANK_NS : 0;

	if (!n)
		return;
	if (r->commit)
		r->live = r->set;
	r->commit = 0;
	show(d);
	if (!runs(d)) {
		r->last = 0; /* this was the last one */
		return;
	}
	r->last += n * VBLANK_NS;
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
	if (reg >= REFGPU_DISP_EDID)
		return rg_reg_load(d->edid, reg - REFGPU_DISP_EDID);
	rg_display_catch_up(d);
	reg -= REFGPU_DISP_CONTROL;
	return reg < offsetof(struct rg_display_regs, live)
		       ? rg_reg_load(d->regs, reg)
		       : 0;
}

void rg_display_write(struct rg_display *d, uint32_t reg, uint32_t value)
{
	struct rg_display_regs *r = d->regs;

	if (!d->type->xres)
		return;
	rg_display_catch_up(d);
	switch (reg) {
	case REFGPU_DISP_CONTROL:
		r->set.control = value & DISP_ON;
		if (runs(d) && !r->last)
			r->last = rg_now();
		break;
	case REFGPU_DISP_FORMAT:
	case REFGPU_DISP_WIDTH:
	case REFGPU_DISP_HEIGHT:
	case REFGPU_DISP_STRIDE:
	case REFGPU_DISP_BASE_LO:
	case REFGPU_DISP_BASE_HI:
		rg_reg_store(r, reg - REFGPU_DISP_CONTROL, value);
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
	d->regs->refresh = d->type->xres ? REFRESH_MHZ : 0;
	show(d);
	rg_display_arm(d);
}

int rg_display_init(struct rg_display *d, struct vgpu_device *dev,
		    const struct vgpu_type *type, struct rg_display_regs *regs,
		    struct rg_report *report)
{
	const struct vgpu_edid_info info = {
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
