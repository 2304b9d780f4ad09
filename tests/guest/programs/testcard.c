/* SPDX-License-Identifier: MIT */
/*
 * Guest program: shows a test card through the kernel's display driver, by the
 * plain KMS calls that every such driver has. Static and without libraries, so
 * that it runs in an initramfs with nothing else.
 *
 *   testcard [--device PATH] [--mode WxH] [--frame N] [--flips N] [--fills N]
 * [--hold]
 *
 * What it did goes to standard output, one line each, all beginning
 * "testcard:". With --hold it keeps the picture until it is killed; without,
 * the kernel takes the screen back when the program ends.
 */
#include <drm.h>
#include <drm_mode.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "card.h"

#define MAX_CARDS	8
#define MAX_OBJECTS	32
#define MAX_MODES	256
#define FLIP_TIMEOUT_MS 5000

struct options {
	const char *device;
	uint32_t width, height; /* 0: the preferred mode */
	uint32_t frame;
	uint32_t flips;
	uint32_t fills;
	bool hold;
};

struct display {
	int fd;
	char driver[32];
	int version[2];
	uint32_t connector;
	uint32_t crtc;
	struct drm_mode_modeinfo mode;
};

struct buffer {
	uint32_t fb;
	uint32_t pitch; /* bytes */
	uint8_t *map;
};

static int call(int fd, unsigned long request, void *arg)
{
	int r;

	do
		r = ioctl(fd, request, arg);
	while (r < 0 && (errno == EINTR || errno == EAGAIN));
	return r < 0 ? -errno : 0;
}

__attribute__((noreturn, format(printf, 2, 3))) static void
fail(int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("testcard: error: ");
	vprintf(format, args);
	printf(": %s\n", strerror(-error));
	va_end(args);
	exit(1);
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void pick_mode(struct display *display, const struct options *options,
		      const struct drm_mode_modeinfo *modes, uint32_t count)
{
	const struct drm_mode_modeinfo *best = NULL;

	for (uint32_t i = 0; i < count; i++) {
		const struct drm_mode_modeinfo *m = &modes[i];

		if (options->width) {
			if (m->hdisplay == options->width &&
			    m->vdisplay == options->height)
				best = best ? best : m;
		} else if (!best || (m->type & DRM_MODE_TYPE_PREFERRED &&
				     !(best->type & DRM_MODE_TYPE_PREFERRED))) {
			best = m;
		}
	}
	if (!best)
		fail(-ENOENT, "no mode %ux%u among %u", options->width,
		     options->height, count);
	display->mode = *best;
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

static bool find_output(struct display *display, const struct options *options)
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
	int r = call(display->fd, DRM_IOCTL_MODE_GETRESOURCES, &res);

	if (r)
		return false;
	for (uint32_t i = 0; i < res.count_connectors && i < MAX_OBJECTS; i++) {
		/* Counts of zero make the kernel probe; the second call
		 * fetches. */
		struct drm_mode_get_connector c = { .connector_id =
							    connectors[i] };

		r = call(display->fd, DRM_IOCTL_MODE_GETCONNECTOR, &c);
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
		r = call(display->fd, DRM_IOCTL_MODE_GETCONNECTOR, &c);
		if (r || c.count_modes > MAX_MODES ||
		    c.count_encoders > MAX_OBJECTS)
			fail(r ? r : -E2BIG, "GETCONNECTOR %u", connectors[i]);
		pick_mode(display, options, modes, c.count_modes);
		display->connector = connectors[i];
		display->crtc = pick_crtc(
			display->fd, c.encoder_id ? c.encoder_id : encoders[0],
			crtcs, res.count_crtcs);
		return true;
	}
	return false;
}

static bool open_card(struct display *display, const struct options *options,
		      const char *path)
{
	struct drm_version version = {
		.name = display->driver, .name_len = sizeof(display->driver) - 1
	};
	struct drm_get_cap dumb = { .capability = DRM_CAP_DUMB_BUFFER };

	display->fd = open(path, O_RDWR | O_CLOEXEC);
	if (display->fd < 0)
		return false;
	memset(display->driver, 0, sizeof(display->driver));
	if (!call(display->fd, DRM_IOCTL_VERSION, &version) &&
	    !call(display->fd, DRM_IOCTL_GET_CAP, &dumb) && dumb.value &&
	    find_output(display, options)) {
		display->version[0] = version.version_major;
		display->version[1] = version.version_minor;
		return true;
	}
	close(display->fd);
	return false;
}

static void open_display(struct display *display, const struct options *options)
{
	char path[] = "/dev/dri/card0";

	if (options->device) {
		if (!open_card(display, options, options->device))
			fail(-ENODEV, "%s has no display", options->device);
		return;
	}
	for (int i = 0; i < MAX_CARDS; i++) {
		path[sizeof(path) - 2] = '0' + i;
		if (open_card(display, options, path))
			return;
	}
	fail(-ENODEV, "no card with a display under /dev/dri");
}

static void create_buffer(const struct display *display, struct buffer *buffer)
{
	struct drm_mode_create_dumb create = {
		.width = display->mode.hdisplay,
		.height = display->mode.vdisplay,
		.bpp = 32,
	};
	struct drm_mode_fb_cmd fb = { .depth = 24, .bpp = 32 };
	struct drm_mode_map_dumb map = { 0 };
	int r = call(display->fd, DRM_IOCTL_MODE_CREATE_DUMB, &create);

	if (r)
		fail(r, "CREATE_DUMB %ux%u", create.width, create.height);
	fb.width = create.width;
	fb.height = create.height;
	fb.pitch = create.pitch;
	fb.handle = create.handle;
	r = call(display->fd, DRM_IOCTL_MODE_ADDFB, &fb);
	if (r)
		fail(r, "ADDFB");
	map.handle = create.handle;
	r = call(display->fd, DRM_IOCTL_MODE_MAP_DUMB, &map);
	if (r)
		fail(r, "MAP_DUMB");
	buffer->map = mmap(NULL, create.size, PROT_READ | PROT_WRITE,
			   MAP_SHARED, display->fd, map.offset);
	if (buffer->map == MAP_FAILED)
		fail(-errno, "mmap of %llu bytes",
		     (unsigned long long)create.size);
	buffer->fb = fb.fb_id;
	buffer->pitch = create.pitch;
}

static void copy_in(const struct buffer *buffer, const struct card *card,
		    const uint32_t *pixels)
{
	for (uint32_t y = 0; y < card->height; y++)
		memcpy(buffer->map + (size_t)y * buffer->pitch,
		       pixels + (size_t)y * card->width,
		       card->width * sizeof(*pixels));
}

/* Checksum of what the buffer really holds now. */
static uint32_t read_back(const struct buffer *buffer, const struct card *card)
{
	uint32_t crc = 0;

	for (uint32_t y = 0; y < card->height; y++)
		crc = card_crc32(crc,
				 (const uint32_t *)(buffer->map +
						    (size_t)y * buffer->pitch),
				 card->width);
	return crc;
}

/* Drivers that copy need to be told; those that scan out of the buffer have no
 * such call. */
static bool mark_dirty(const struct display *display,
		       const struct buffer *buffer)
{
	struct drm_mode_fb_dirty_cmd dirty = { .fb_id = buffer->fb };
	int r = call(display->fd, DRM_IOCTL_MODE_DIRTYFB, &dirty);

	if (r && r != -ENOSYS && r != -EOPNOTSUPP)
		fail(r, "DIRTYFB");
	return !r;
}

static void flip(const struct display *display, const struct buffer *to)
{
	struct drm_mode_crtc_page_flip request = {
		.crtc_id = display->crtc,
		.fb_id = to->fb,
		.flags = DRM_MODE_PAGE_FLIP_EVENT,
	};
	struct pollfd p = { .fd = display->fd, .events = POLLIN };
	char event[128];
	int r = call(display->fd, DRM_IOCTL_MODE_PAGE_FLIP, &request);

	if (r)
		fail(r, "PAGE_FLIP");
	if (poll(&p, 1, FLIP_TIMEOUT_MS) != 1)
		fail(-ETIMEDOUT, "the page flip's event");
	if (read(display->fd, event, sizeof(event)) <
	    (ssize_t)sizeof(struct drm_event_vblank))
		fail(-EIO, "the page flip's event");
}

static void show(const struct display *display, const struct options *options)
{
	struct card card = { display->mode.hdisplay, display->mode.vdisplay,
			     options->frame, display->driver };
	uint32_t *pixels =
		calloc((size_t)card.width * card.height, sizeof(*pixels));
	uint32_t shown = 0, connector = display->connector;
	struct buffer buffers[2];
	struct drm_mode_crtc crtc = {
		.crtc_id = display->crtc,
		.set_connectors_ptr = (uintptr_t)&connector,
		.count_connectors = 1,
		.mode = display->mode,
		.mode_valid = 1,
	};
	uint64_t start;
	bool dirty;
	int r;

	if (!pixels)
		fail(-ENOMEM, "memory for a picture");
	create_buffer(display, &buffers[0]);
	if (options->flips)
		create_buffer(display, &buffers[1]);
	card_draw(&card, pixels);
	copy_in(&buffers[0], &card, pixels);

	crtc.fb_id = buffers[0].fb;
	r = call(display->fd, DRM_IOCTL_MODE_SETCRTC, &crtc);
	if (r)
		fail(r, "SETCRTC %ux%u", card.width, card.height);

	start = now_us();
	for (uint32_t i = 0; i < options->fills; i++)
		copy_in(&buffers[0], &card, pixels);
	if (options->fills)
		printf("testcard: %u fills in %llu us\n", options->fills,
		       (unsigned long long)(now_us() - start));

	/* Each flip shows the next frame, drawn while it is not on the screen.
	 */
	start = now_us();
	for (uint32_t i = 0; i < options->flips; i++) {
		shown = !shown;
		card.frame++;
		card_draw(&card, pixels);
		copy_in(&buffers[shown], &card, pixels);
		flip(display, &buffers[shown]);
	}
	if (options->flips)
		printf("testcard: %u flips in %llu us\n", options->flips,
		       (unsigned long long)(now_us() - start));

	dirty = mark_dirty(display, &buffers[shown]);
	printf("testcard: showing driver=%s version=%d.%d mode=%ux%u frame=%u "
	       "dirtyfb=%s "
	       "drawn=%08x buffer=%08x\n",
	       display->driver, display->version[0], display->version[1],
	       card.width, card.height, card.frame, dirty ? "yes" : "no",
	       card_crc32(0, pixels, card.width * card.height),
	       read_back(&buffers[shown], &card));
	free(pixels);
}

static uint32_t number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (!*text || *end || n > UINT32_MAX)
		fail(-EINVAL, "'%s' is no number", text);
	return n;
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "mode", required_argument, NULL, 'm' },
		{ "frame", required_argument, NULL, 'f' },
		{ "flips", required_argument, NULL, 'p' },
		{ "fills", required_argument, NULL, 'n' },
		{ "hold", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct options options = { .frame = 1 };
	struct display display;
	int c;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		switch (c) {
		case 'd':
			options.device = optarg;
			break;
		case 'm':
			if (sscanf(optarg, "%ux%u", &options.width,
				   &options.height) != 2)
				fail(-EINVAL, "mode '%s'", optarg);
			break;
		case 'f':
			options.frame = number(optarg);
			break;
		case 'p':
			options.flips = number(optarg);
			break;
		case 'n':
			options.fills = number(optarg);
			break;
		case 'h':
			options.hold = true;
			break;
		default:
			return 2;
		}
	open_display(&display, &options);
	show(&display, &options);
	while (options.hold)
		pause();
	return 0;
}
