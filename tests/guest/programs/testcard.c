/* SPDX-License-Identifier: MIT */
/*
 * Guest program: shows a test card through the kernel's display driver. Static,
 * so that it runs in an initramfs with nothing else.
 *
 *   testcard [--device PATH] [--mode WxH] [--frame N] [--flips N] [--fills N]
 *            [--hold]
 *
 * It says what it did on standard output, in lines that begin "testcard:".
 * With --hold it keeps the picture until it is killed, and SIGUSR1 makes it
 * draw the next frame in place; without, the kernel takes the screen back.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "card.h"
#include "kms.h"

struct options {
	const char *device;
	uint32_t width, height; /* 0: the preferred mode */
	uint32_t frame;
	uint32_t flips;
	uint32_t fills; /* how often each frame is copied in */
	bool hold;
};

struct screen {
	struct kms kms;
	struct kms_buffer buffers[2];
	struct kms_buffer *shown;
	struct card card;
	uint32_t *pixels;
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Computes the card aside, so that video memory sees plain copies only. */
static void fill(struct screen *s, struct kms_buffer *buffer, uint32_t times)
{
	uint32_t row = s->card.width * sizeof(*s->pixels);

	card_draw(&s->card, s->pixels);
	for (uint32_t i = 0; i < times; i++)
		for (uint32_t y = 0; y < s->card.height; y++)
			memcpy(buffer->map + (size_t)y * buffer->pitch,
			       s->pixels + (size_t)y * s->card.width, row);
}

/* Checksum of what the buffer really holds now. */
static uint32_t read_back(const struct screen *s)
{
	uint32_t crc = 0;

	for (uint32_t y = 0; y < s->card.height; y++) {
		const void *row = s->shown->map + (size_t)y * s->shown->pitch;

		crc = card_crc32(crc, row, s->card.width);
	}
	return crc;
}

static void report(const struct screen *s, bool dirty)
{
	uint32_t count = s->card.width * s->card.height;

	printf("testcard: showing driver=%s version=%d.%d mode=%ux%u frame=%u "
	       "dirtyfb=%s drawn=%08x buffer=%08x\n",
	       s->kms.driver, s->kms.version[0], s->kms.version[1],
	       s->card.width, s->card.height, s->card.frame,
	       dirty ? "yes" : "no", card_crc32(0, s->pixels, count),
	       read_back(s));
}

static void start(struct screen *s, const struct options *options)
{
	kms_open(&s->kms, options->device, options->width, options->height);
	s->card = (struct card){ s->kms.mode.hdisplay, s->kms.mode.vdisplay,
				 options->frame, s->kms.driver };
	s->pixels = calloc((size_t)s->card.width * s->card.height,
			   sizeof(*s->pixels));
	if (!s->pixels)
		fail(-ENOMEM, "memory for a picture");
	s->shown = &s->buffers[0];
	kms_create(&s->kms, &s->buffers[0]);
	if (options->flips)
		kms_create(&s->kms, &s->buffers[1]);
	fill(s, s->shown, 1);
	kms_show(&s->kms, s->shown);
}

/* Each flip shows the next frame, drawn while it is not on the screen. */
static void flip(struct screen *s, uint32_t flips)
{
	uint64_t begin = now_us();

	for (uint32_t i = 0; i < flips; i++) {
		struct kms_buffer *next = s->shown == s->buffers
						  ? &s->buffers[1]
						  : &s->buffers[0];

		s->card.frame++;
		fill(s, next, 1);
		kms_flip(&s->kms, next);
		s->shown = next;
	}
	if (flips)
		printf("testcard: %u flips in %llu us\n", flips,
		       (unsigned long long)(now_us() - begin));
}

static uint32_t number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (!*text || *end || n > UINT32_MAX)
		fail(-EINVAL, "'%s' is no number", text);
	return n;
}

static void parse(int argc, char **argv, struct options *o)
{
	static const struct option known[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "mode", required_argument, NULL, 'm' },
		{ "frame", required_argument, NULL, 'f' },
		{ "flips", required_argument, NULL, 'p' },
		{ "fills", required_argument, NULL, 'n' },
		{ "hold", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1)
		switch (c) {
		case 'd':
			o->device = optarg;
			break;
		case 'm':
			if (sscanf(optarg, "%ux%u", &o->width, &o->height) != 2)
				fail(-EINVAL, "mode '%s'", optarg);
			break;
		case 'f':
			o->frame = number(optarg);
			break;
		case 'p':
			o->flips = number(optarg);
			break;
		case 'n':
			o->fills = number(optarg);
			break;
		case 'h':
			o->hold = true;
			break;
		default:
			fail(-EINVAL, "option");
		}
}

int main(int argc, char **argv)
{
	struct options options = { .frame = 1, .fills = 1 };
	struct screen screen = { 0 };
	sigset_t redraw;
	int signal;

	setvbuf(stdout, NULL, _IOLBF, 0);
	parse(argc, argv, &options);
	sigemptyset(&redraw);
	sigaddset(&redraw, SIGUSR1);
	sigprocmask(SIG_BLOCK, &redraw, NULL);

	start(&screen, &options);
	flip(&screen, options.flips);
	report(&screen, kms_dirty(&screen.kms, screen.shown));
	while (options.hold && !sigwait(&redraw, &signal)) {
		screen.card.frame++;
		fill(&screen, screen.shown, options.fills);
		report(&screen, kms_dirty(&screen.kms, screen.shown));
	}
	return 0;
}
