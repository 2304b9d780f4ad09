/* SPDX-License-Identifier: MIT */
/*
 * Host program: compares a screenshot with the test card it should show, pixel
 * by pixel, or draws a card into a PNG.
 *
 *   cardcheck compare FILE.png DRIVER FRAME
 *   cardcheck draw FILE.png WIDTH HEIGHT DRIVER FRAME
 */
#include <png.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "card.h"

#define MAX_SIDE 16384

static uint32_t *draw(const struct card *card)
{
	uint32_t *pixels =
		calloc((size_t)card->width * card->height, sizeof(*pixels));

	if (pixels)
		card_draw(card, pixels);
	return pixels;
}

static int report(const struct card *card, const uint32_t *got,
		  const uint32_t *want)
{
	uint32_t left = card->width, right = 0, top = card->height, bottom = 0,
		 wrong = 0;

	for (uint32_t y = 0; y < card->height; y++)
		for (uint32_t x = 0; x < card->width; x++) {
			size_t i = (size_t)y * card->width + x;

			if ((got[i] & 0xffffff) == want[i])
				continue;
			if (!wrong++)
				printf("first at %u,%u: %06x instead of %06x\n",
				       x, y, got[i] & 0xffffff, want[i]);
			left = x < left ? x : left;
			right = x > right ? x : right;
			top = y < top ? y : top;
			bottom = y > bottom ? y : bottom;
		}
	if (wrong) {
		printf("%ux%u: %u pixels differ, all between %u,%u and %u,%u\n",
		       card->width, card->height, wrong, left, top, right,
		       bottom);
		return 1;
	}
	printf("%ux%u: identical\n", card->width, card->height);
	return 0;
}

static int compare(const char *file, const char *driver, uint32_t frame)
{
	png_image image = { .version = PNG_IMAGE_VERSION };
	uint32_t *got = NULL, *want = NULL;
	int status = 2;

	if (!png_image_begin_read_from_file(&image, file)) {
		fprintf(stderr, "cardcheck: %s: %s\n", file, image.message);
		return 2;
	}
	struct card card = { image.width, image.height, frame, driver };

	if (image.width > MAX_SIDE || image.height > MAX_SIDE) {
		fprintf(stderr, "cardcheck: %s: %ux%u is too large\n", file,
			image.width, image.height);
		goto out;
	}
	/* Bytes B, G, R, A are 0xAARRGGBB on a little-endian machine. */
	image.format = PNG_FORMAT_BGRA;
	got = malloc(PNG_IMAGE_SIZE(image));
	want = draw(&card);
	if (!got || !want ||
	    !png_image_finish_read(&image, NULL, got, 0, NULL)) {
		fprintf(stderr, "cardcheck: %s: %s\n", file,
			image.message[0] ? image.message : "no memory");
		goto out;
	}
	status = report(&card, got, want);
out:
	png_image_free(&image);
	free(got);
	free(want);
	return status;
}

static int draw_file(const char *file, const struct card *card)
{
	png_image image = { .version = PNG_IMAGE_VERSION,
			    .width = card->width,
			    .height = card->height,
			    .format = PNG_FORMAT_BGRA };
	uint32_t *pixels = draw(card);
	int ok;

	if (!pixels)
		return 2;
	for (size_t i = 0; i < (size_t)card->width * card->height; i++)
		pixels[i] |= 0xff000000;
	ok = png_image_write_to_file(&image, file, 0, pixels, 0, NULL);
	if (!ok)
		fprintf(stderr, "cardcheck: %s: %s\n", file, image.message);
	free(pixels);
	return ok ? 0 : 2;
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "compare"))
		return compare(argv[2], argv[3], strtoul(argv[4], NULL, 10));
	if (argc == 7 && !strcmp(argv[1], "draw")) {
		struct card card = { strtoul(argv[3], NULL, 10),
				     strtoul(argv[4], NULL, 10),
				     strtoul(argv[6], NULL, 10), argv[5] };

		if (card.width && card.height && card.width <= MAX_SIDE &&
		    card.height <= MAX_SIDE)
			return draw_file(argv[2], &card);
	}
	fprintf(stderr,
		"usage: cardcheck compare FILE.png DRIVER FRAME\n"
		"       cardcheck draw FILE.png WIDTH HEIGHT DRIVER FRAME\n");
	return 2;
}
