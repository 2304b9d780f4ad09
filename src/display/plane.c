/* SPDX-License-Identifier: MIT */
#include "plane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <vgpu/display.h>

#include "../device/device.h"
#include "../device/region.h"
#include "../util/sized.h"
#include "../state/arena.h"
#include "../util/bytes.h"
#include "../util/cleanup.h"
#include "picture.h"
#include "reader.h"
#include "reopen.h"
#include "shm.h"

#define MAX_SIZE 16384u /* pixels or lines of a plane */

/* In the arena: what was announced. The shared file is made from it. */
#define STATE_NAME    "display.planes"
#define STATE_VERSION 1

struct display_state {
	struct vgpu_plane planes[VGPU_MAX_PLANES];
	uint32_t palettes[VGPU_MAX_PLANES][256];
};

struct display {
	struct display_state *state;
	struct shm_writer *shm;
};

/* A guest chooses these numbers: are all the pixels in memory of the device,
 * and in one piece of it? */
static int check_plane(struct vgpu_core *core, const struct vgpu_plane *p,
		       uint32_t *ret_flags)
{
	unsigned bytes = picture_format_bytes(p->format);
	const struct region_area *area;
	uint64_t len;

	if (!bytes || !p->width || p->width > MAX_SIZE || !p->height ||
	    p->height > MAX_SIZE || p->stride < p->width * bytes ||
	    p->region >= VGPU_NUM_BARS)
		return -EINVAL;
	/* Below 2^47: nothing here can wrap. */
	len = (uint64_t)p->stride * (p->height - 1) + p->width * bytes;
	area = region_area_at(&core->regions[p->region], p->offset);
	if (!area ||
	    (area->kind != VGPU_AREA_MAPPED &&
	     area->kind != VGPU_AREA_MEMORY) ||
	    !range_inside(p->offset - area->offset, len, area->size))
		return -EINVAL;
	*ret_flags = area->kind == VGPU_AREA_MEMORY ? VGPU_PLANE_HIDDEN : 0;
	return 0;
}

/* ------------------------------------------------------------------ */
/* Life                                                                */
/* ------------------------------------------------------------------ */

static void display_free(void *data)
{
	struct display *d = data;

	if (!d)
		return;
	shm_writer_free(d->shm);
	free(d);
}

/* Another client comes: nothing of what the last one's guest showed is left. */
static void display_renewed(struct vgpu_core *core, void *data)
{
	struct display *d = data;

	memset(d->state, 0, sizeof(*d->state));
	shm_renew(d->shm);
}

static const struct device_extension extension = {
	.renewed = display_renewed,
	.free = display_free,
};

/* The arena is older than this process: show what was shown. */
static void publish_again(struct vgpu_core *core, struct display *d)
{
	for (unsigned i = 0; i < VGPU_MAX_PLANES; i++) {
		const struct vgpu_plane *p = &d->state->planes[i];
		uint32_t flags;

		if (p->format && !check_plane(core, p, &flags))
			shm_set_plane(d->shm, i, p, flags);
		shm_set_palette(d->shm, i, d->state->palettes[i]);
	}
}

static int display_new(struct vgpu_core *core, struct display **ret_display)
{
	struct display *d = calloc(1, sizeof(*d));
	void *state;
	int err, is_new;

	if (!d)
		return -ENOMEM;
	is_new = err = arena_block(core->arena, STATE_NAME, STATE_VERSION,
				   sizeof(*d->state), &state);
	if (err < 0)
		goto fail;
	d->state = state;
	err = shm_writer_new("vgpu-display", &d->shm);
	if (err)
		goto fail;
	if (!is_new)
		publish_again(core, d);
	*ret_display = d;
	return 0;
fail:
	display_free(d);
	return err;
}

static int display_of(struct vgpu_core *core, struct display **ret_display)
{
	struct display *d = core->display;

	if (!d) {
		int err = display_new(core, &d);

		if (err) {
			log_warning(core->name, "cannot make the display: %s",
				    strerror(-err));
			return err;
		}
		core->display = d;
		core->display_ext = &extension;
	}
	*ret_display = d;
	return 0;
}

/* ------------------------------------------------------------------ */
/* What a driver announces                                             */
/* ------------------------------------------------------------------ */

int vgpu_plane_set_sized(struct vgpu_device *dev, unsigned index,
			 const struct vgpu_plane *plane, size_t size)
{
	struct vgpu_plane p = { 0 };
	struct display *d;
	uint32_t flags = 0;
	int err, bad;

	if (index >= VGPU_MAX_PLANES)
		return -ERANGE;
	err = display_of(dev->core, &d);
	if (err)
		return err;
	bad = sized_copy(&p, sizeof(p), plane, size);
	if (!bad && p.format)
		bad = check_plane(dev->core, &p, &flags);
	if (bad || !p.format)
		memset(&p, 0, sizeof(p));
	d->state->planes[index] = p;
	shm_set_plane(d->shm, index, &p, flags);
	return bad;
}

int vgpu_plane_palette(struct vgpu_device *dev, unsigned index,
		       const uint32_t colours[256])
{
	struct display *d;
	int err;

	if (index >= VGPU_MAX_PLANES)
		return -ERANGE;
	err = display_of(dev->core, &d);
	if (err)
		return err;
	memcpy(d->state->palettes[index], colours,
	       sizeof(d->state->palettes[index]));
	shm_set_palette(d->shm, index, colours);
	return 0;
}

void vgpu_plane_damage(struct vgpu_device *dev, unsigned index,
		       const struct vgpu_rect *rect)
{
	static const struct vgpu_rect all = { 0, 0, MAX_SIZE, MAX_SIZE };
	struct display *d = dev->core->display;

	if (index < VGPU_MAX_PLANES && d)
		shm_damage(d->shm, index, rect ? rect : &all);
}

/* ------------------------------------------------------------------ */
/* For readers                                                         */
/* ------------------------------------------------------------------ */

int display_fd(struct vgpu_core *core, int *ret_fd)
{
	struct display *d = core->display;

	if (!d)
		return -ENODATA;
	*ret_fd = shm_writer_fd(d->shm);
	return 0;
}

static int region_fd(struct vgpu_core *core, unsigned region, bool hidden)
{
	const struct region *r = &core->regions[region];

	if (!r->size)
		return -1;
	return hidden ? r->hidden.fd : r->mapped.fd;
}

int display_region_fd(struct vgpu_core *core, unsigned region, bool hidden,
		      int *ret_fd)
{
	int fd;

	if (region >= VGPU_NUM_BARS)
		return -ENOENT;
	fd = region_fd(core, region, hidden);
	if (fd < 0)
		return -ENOENT;
	fd = reopen_for_reading(fd);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

int display_capture(struct vgpu_core *core, struct display_reader **ret_reader)
{
	struct display_reader *r;
	int fd, err = display_fd(core, &fd);

	if (err)
		return err;
	err = display_reader_new(fd, &r);
	if (err)
		return err;
	for (unsigned i = 0; i < 2 * VGPU_NUM_BARS; i++) {
		bool hidden = i & 1;

		fd = region_fd(core, i / 2, hidden);
		if (fd < 0)
			continue;
		err = display_reader_set_file(r, i / 2, hidden, fd);
		if (err) {
			display_reader_free(r);
			return err;
		}
	}
	*ret_reader = r;
	return 0;
}
