/* SPDX-License-Identifier: MIT */
#include "kms.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_CARDS	8
#define MAX_OBJECTS	32
#define MAX_MODES	256
#define FLIP_TIMEOUT_MS 5000

static int call(int fd, unsigned long request, void *arg)
{
	int r;

	do
		r = ioctl(fd, request, arg);
	while (r < 0 && (errno == EINTR || errno == EAGAIN));
	return r < 0 ? -errno : 0;
}

void fail(int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("testcard: error: ");
	vprintf(format, args);
	printf(": %s\n", strerror(-error));
	va_end(args);
	exit(1);
}

static void pick_mode(struct kms *kms, uint32_t width, uint32_t height,
		      const struct drm_mode_modeinfo *modes, uint32_t count)
{
	const struct drm_mode_modeinfo *best = NULL;

	for (uint32_t i = 0; i < count; i++) {
		const struct drm_mode_modeinfo *m = &modes[i];

		if (width) {
			if (m->hdisplay == width && m->vdisplay == height)
				best = best ? best : m;
		} else if (!best || (m->type & DRM_MODE_TYPE_PREFERRED &&
				     !(best->type & DRM_MODE_TYPE_PREFERRED))) {
			best = m;
		}
	}
	if (!best)
		fail(-ENOENT, "no mode %ux%u among %u", width, height, count);
	kms->mode = *best;
}

/* The encoder's crtc, or the first that it can use. */
static uint32_t pick_crtc(int fd, uint32_t encoder, const uint32_t *crtcs,
			  uint32_t count)
{
	struct drm_mode_get_encoder e = { .encoder_id = encoder };
	int r = call(fd, DRM_IOCTL_MODE_GETENCODER, &e);

	if (r)
		fail(r, "GETENCODER %u", encoder);
	if (e.crtc_id)
		return e.crtc_id;
	for (uint32_t i = 0; i < count; i++)
		if (e.possible_crtcs & 1u << i)
			return crtcs[i];
	fail(-ENODEV, "encoder %u has no crtc", encoder);
}

static bool find_output(struct kms *kms, uint32_t width, uint32_t height)
{
	static struct drm_mode_modeinfo modes[MAX_MODES];
	uint32_t connectors[MAX_OBJECTS], crtcs[MAX_OBJECTS],
		encoders[MAX_OBJECTS];
	struct drm_mode_card_res res = {
		.connector_id_ptr = (uintptr_t)connectors,
		.count_connectors = MAX_OBJECTS,
		.crtc_id_ptr = (uintptr_t)crtcs,
		.count_crtcs = MAX_OBJECTS,
	};
	int r = call(kms->fd, DRM_IOCTL_MODE_GETRESOURCES, &res);

	if (r)
		return false;
	for (uint32_t i = 0; i < res.count_connectors && i < MAX_OBJECTS; i++) {
		/* Counts of zero make the kernel probe; the next call fetches.
		 */
		struct drm_mode_get_connector c = { .connector_id =
							    connectors[i] };

		r = call(kms->fd, DRM_IOCTL_MODE_GETCONNECTOR, &c);
		if (r || c.connection != 1 || !c.count_modes ||
		    !c.count_encoders)
			continue;
		c = (struct drm_mode_get_connector){
			.connector_id = connectors[i],
			.modes_ptr = (uintptr_t)modes,
			.count_modes = MAX_MODES,
			.encoders_ptr = (uintptr_t)encoders,
			.count_encoders = MAX_OBJECTS,
		};
		r = call(kms->fd, DRM_IOCTL_MODE_GETCONNECTOR, &c);
		if (r || c.count_modes > MAX_MODES ||
		    c.count_encoders > MAX_OBJECTS)
			fail(r ? r : -E2BIG, "GETCONNECTOR %u", connectors[i]);
		pick_mode(kms, width, height, modes, c.count_modes);
		kms->connector = connectors[i];
		kms->crtc = pick_crtc(kms->fd,
				      c.encoder_id ? c.encoder_id : encoders[0],
				      crtcs, res.count_crtcs);
		return true;
	}
	return false;
}

static bool open_card(struct kms *kms, const char *path, uint32_t width,
		      uint32_t height)
{
	struct drm_version version = { .name = kms->driver,
				       .name_len = sizeof(kms->driver) - 1 };
	struct drm_get_cap dumb = { .capability = DRM_CAP_DUMB_BUFFER };

	kms->fd = open(path, O_RDWR | O_CLOEXEC);
	if (kms->fd < 0)
		return false;
	memset(kms->driver, 0, sizeof(kms->driver));
	if (!call(kms->fd, DRM_IOCTL_VERSION, &version) &&
	    !call(kms->fd, DRM_IOCTL_GET_CAP, &dumb) && dumb.value &&
	    find_output(kms, width, height)) {
		kms->version[0] = version.version_major;
		kms->version[1] = version.version_minor;
		return true;
	}
	close(kms->fd);
	return false;
}

void kms_open(struct kms *kms, const char *path, uint32_t width,
	      uint32_t height)
{
	char any[] = "/dev/dri/card0";

	if (path) {
		if (!open_card(kms, path, width, height))
			fail(-ENODEV, "%s has no display", path);
		return;
	}
	for (int i = 0; i < MAX_CARDS; i++) {
		any[sizeof(any) - 2] = '0' + i;
		if (open_card(kms, any, width, height))
			return;
	}
	fail(-ENODEV, "no card with a display under /dev/dri");
}

void kms_create(const struct kms *kms, struct kms_buffer *buffer)
{
	struct drm_mode_create_dumb create = {
		.width = kms->mode.hdisplay,
		.height = kms->mode.vdisplay,
		.bpp = 32,
	};
	struct drm_mode_fb_cmd fb = { .depth = 24, .bpp = 32 };
	struct drm_mode_map_dumb map = { 0 };
	int r = call(kms->fd, DRM_IOCTL_MODE_CREATE_DUMB, &create);

	if (r)
		fail(r, "CREATE_DUMB %ux%u", create.width, create.height);
	fb.width = create.width;
	fb.height = create.height;
	fb.pitch = create.pitch;
	fb.handle = create.handle;
	r = call(kms->fd, DRM_IOCTL_MODE_ADDFB, &fb);
	if (r)
		fail(r, "ADDFB");
	map.handle = create.handle;
	r = call(kms->fd, DRM_IOCTL_MODE_MAP_DUMB, &map);
	if (r)
		fail(r, "MAP_DUMB");
	buffer->map = mmap(NULL, create.size, PROT_READ | PROT_WRITE,
			   MAP_SHARED, kms->fd, map.offset);
	if (buffer->map == MAP_FAILED)
		fail(-errno, "mmap of %llu bytes",
		     (unsigned long long)create.size);
	buffer->fb = fb.fb_id;
	buffer->pitch = create.pitch;
}

bool kms_dirty(const struct kms *kms, const struct kms_buffer *buffer)
{
	struct drm_mode_fb_dirty_cmd dirty = { .fb_id = buffer->fb };
	int r = call(kms->fd, DRM_IOCTL_MODE_DIRTYFB, &dirty);

	if (r && r != -ENOSYS && r != -EOPNOTSUPP)
		fail(r, "DIRTYFB");
	return !r;
}

void kms_show(const struct kms *kms, const struct kms_buffer *buffer)
{
	uint32_t connector = kms->connector;
	struct drm_mode_crtc crtc = {
		.crtc_id = kms->crtc,
		.fb_id = buffer->fb,
		.set_connectors_ptr = (uintptr_t)&connector,
		.count_connectors = 1,
		.mode = kms->mode,
		.mode_valid = 1,
	};
	int r = call(kms->fd, DRM_IOCTL_MODE_SETCRTC, &crtc);

	if (r)
		fail(r, "SETCRTC %ux%u", kms->mode.hdisplay,
		     kms->mode.vdisplay);
}

void kms_flip(const struct kms *kms, const struct kms_buffer *to)
{
	struct drm_mode_crtc_page_flip request = {
		.crtc_id = kms->crtc,
		.fb_id = to->fb,
		.flags = DRM_MODE_PAGE_FLIP_EVENT,
	};
	struct pollfd p = { .fd = kms->fd, .events = POLLIN };
	char event[128];
	int r = call(kms->fd, DRM_IOCTL_MODE_PAGE_FLIP, &request);

	if (r)
		fail(r, "PAGE_FLIP");
	if (poll(&p, 1, FLIP_TIMEOUT_MS) != 1)
		fail(-ETIMEDOUT, "the page flip's event");
	if (read(kms->fd, event, sizeof(event)) <
	    (ssize_t)sizeof(struct drm_event_vblank))
		fail(-EIO, "the page flip's event");
}
