/* SPDX-License-Identifier: MIT */
/*
 * The test card: a picture whose every pixel follows from its parameters, so
 * that what a guest drew can be computed again elsewhere and compared pixel by
 * pixel. No libc, no floating point, no state: the same code runs in a guest's
 * program, in a guest without an operating system and on the host.
 */
#ifndef CARD_H
#define CARD_H

#include <stdint.h>

/* Smaller pictures get only the border and the noise. */
#define CARD_MIN_WIDTH	320
#define CARD_MIN_HEIGHT 200

/**
 * struct card - what a test card shows
 * @width: pixels in a row, at least 1
 * @height: rows, at least 1
 * @frame: number shown on the card; also seeds its noise, so that two frames
 *         differ in many pixels
 * @driver: name of the driver that shows it (ASCII), shown in capitals
 */
struct card {
	uint32_t width;
	uint32_t height;
	uint32_t frame;
	const char *driver;
};

/**
 * card_draw() - compute a test card
 * @card: what to show
 * @pixels: receives @height rows of @width pixels, 0x00RRGGBB each, without
 *          gaps between the rows
 */
void card_draw(const struct card *card, uint32_t *pixels);

/**
 * card_crc32() - checksum of pixels, as zlib's crc32() has it
 * @crc: 0 at first, then what the call before returned
 * @pixels: the pixels; their bytes count in memory order
 * @count: number of pixels
 */
uint32_t card_crc32(uint32_t crc, const uint32_t *pixels, uint32_t count);

#endif
