/* SPDX-License-Identifier: MIT */
#include "card.h"

#include <stdbool.h>
#include <stddef.h>

#include "font.h"

struct rect {
	uint32_t x, y, width, height;
};

struct canvas {
	uint32_t *pixels;
	uint32_t width;
	uint32_t height;
};

#define WHITE  0xffffff
#define BLACK  0x000000
#define GROUND 0x303848
#define GRID   0x586478
#define BORDER 4

static const uint32_t bar_colours[] = {
	0xc0c0c0, 0xc0c000, 0x00c0c0, 0x00c000,
	0xc000c0, 0xc00000, 0x0000c0, 0x101010,
};
#define BARS (sizeof(bar_colours) / sizeof(bar_colours[0]))

static uint32_t *pixel_at(const struct canvas *canvas, uint32_t x, uint32_t y)
{
	return canvas->pixels + (size_t)y * canvas->width + x;
}

static void fill(const struct canvas *canvas, const struct rect *r,
		 uint32_t colour)
{
	for (uint32_t y = 0; y < r->height; y++) {
		uint32_t *p = pixel_at(canvas, r->x, r->y + y);

		for (uint32_t x = 0; x < r->width; x++)
			p[x] = colour;
	}
}

/* Alternating one-pixel frames: an off-by-one at any edge shows. */
static void draw_border(const struct canvas *canvas)
{
	static const uint32_t colours[BORDER] = { WHITE, BLACK, 0xff0000,
						  BLACK };

	for (uint32_t i = 0; i < BORDER; i++) {
		if (canvas->width <= 2 * i || canvas->height <= 2 * i)
			return;

		struct rect r = { i, i, canvas->width - 2 * i, 1 };

		fill(canvas, &r, colours[i]);
		r.y = canvas->height - 1 - i;
		fill(canvas, &r, colours[i]);
		r = (struct rect){ i, i, 1, canvas->height - 2 * i };
		fill(canvas, &r, colours[i]);
		r.x = canvas->width - 1 - i;
		fill(canvas, &r, colours[i]);
	}
}

static void draw_grid(const struct canvas *canvas)
{
	uint32_t cell = canvas->height / 16;

	for (uint32_t y = 0; y < canvas->height; y++) {
		uint32_t *p = pixel_at(canvas, 0, y);
		bool line = (y + cell / 2) % cell == 0;

		for (uint32_t x = 0; x < canvas->width; x++)
			p[x] = line || (x + cell / 2) % cell == 0 ? GRID
								  : GROUND;
	}
}

static void draw_bars(const struct canvas *canvas, const struct rect *r,
		      bool mirrored)
{
	for (uint32_t i = 0; i < BARS; i++) {
		uint32_t left = r->width * i / BARS,
			 right = r->width * (i + 1) / BARS;
		struct rect bar = { r->x + left, r->y, right - left,
				    r->height };

		fill(canvas, &bar, bar_colours[mirrored ? BARS - 1 - i : i]);
	}
}

/* All 256 levels of red, green, blue and grey, one below the other. */
static void draw_gradients(const struct canvas *canvas, const struct rect *r)
{
	static const uint32_t units[] = { 0x010000, 0x000100, 0x000001,
					  0x010101 };

	for (uint32_t y = 0; y < r->height; y++) {
		uint32_t *p = pixel_at(canvas, r->x, r->y + y);
		uint32_t unit = units[y * 4 / r->height];

		for (uint32_t x = 0; x < r->width; x++)
			p[x] = x * 256 / r->width * unit;
	}
}

enum pattern {
	PATTERN_CHECKER,
	PATTERN_COLUMNS,
	PATTERN_ROWS,
	PATTERN_NOISE,
};

/* Bits of position and frame, mixed by multiplications and shifts. */
static uint32_t noise(uint32_t x, uint32_t y, uint32_t frame)
{
	uint32_t v = x * 0x9e3779b1u ^ y * 0x85ebca77u ^ frame * 0xc2b2ae3du;

	v ^= v >> 15;
	v *= 0x2c1b3c6du;
	v ^= v >> 12;
	v *= 0x297a2d39u;
	return (v ^ v >> 15) & WHITE;
}

static void draw_pattern(const struct canvas *canvas, const struct rect *r,
			 enum pattern pattern, uint32_t frame)
{
	for (uint32_t y = r->y; y < r->y + r->height; y++)
		for (uint32_t x = r->x; x < r->x + r->width; x++) {
			uint32_t colour = 0;

			switch (pattern) {
			case PATTERN_CHECKER:
				colour = (x + y) % 2 ? WHITE : BLACK;
				break;
			case PATTERN_COLUMNS:
				colour = x % 2 ? WHITE : BLACK;
				break;
			case PATTERN_ROWS:
				colour = y % 2 ? WHITE : BLACK;
				break;
			case PATTERN_NOISE:
				colour = noise(x, y, frame);
				break;
			}
			*pixel_at(canvas, x, y) = colour;
		}
}

static void draw_patterns(const struct canvas *canvas, const struct rect *r,
			  uint32_t frame)
{
	for (uint32_t i = 0; i <= PATTERN_NOISE; i++) {
		uint32_t left = r->width * i / 4,
			 right = r->width * (i + 1) / 4;
		struct rect part = { r->x + left, r->y, right - left,
				     r->height };

		draw_pattern(canvas, &part, i, frame);
	}
}

static uint32_t text_width(const char *text, uint32_t scale)
{
	uint32_t n = 0;

	while (text[n])
		n++;
	return n ? (n * (FONT_WIDTH + 1) - 1) * scale : 0;
}

/* Centred in @r, smaller where that is too narrow; cut where nothing else
 * helps. */
static void draw_text(const struct canvas *canvas, const struct rect *r,
		      uint32_t y, uint32_t scale, const char *text)
{
	while (scale > 1 && text_width(text, scale) > r->width)
		scale--;

	uint32_t width = text_width(text, scale);
	uint32_t x = r->x + (width < r->width ? (r->width - width) / 2 : 0);

	for (; *text && x + FONT_WIDTH * scale <= r->x + r->width; text++) {
		const uint8_t *rows = font_glyph(*text);

		for (uint32_t i = 0; i < FONT_WIDTH * FONT_HEIGHT; i++) {
			uint32_t column = i % FONT_WIDTH, row = i / FONT_WIDTH;
			struct rect dot = { x + column * scale, y + row * scale,
					    scale, scale };

			if (rows[row] & 0x10 >> column)
				fill(canvas, &dot, WHITE);
		}
		x += (FONT_WIDTH + 1) * scale;
	}
}

/* Appends to a line of text, cutting what doesn't fit. */
static char *put(char *to, const char *end, const char *text)
{
	while (*text && to < end)
		*to++ = *text++;
	*to = '\0';
	return to;
}

static char *put_number(char *to, const char *end, uint32_t n)
{
	char digits[11], *d = digits + sizeof(digits) - 1;

	*d = '\0';
	do
		*--d = '0' + n % 10;
	while (n /= 10);
	return put(to, end, d);
}

static void draw_texts(const struct canvas *canvas, const struct rect *r,
		       const struct card *card)
{
	char line[80], *to = line;
	const char *end = line + sizeof(line) - 1;
	uint32_t scale = r->height / 27;

	fill(canvas, r, BLACK);
	draw_text(canvas, r, r->y + scale * 2, scale * 2, "vgpud");

	to = put(to, end, card->driver);
	to = put(to, end, "  ");
	to = put_number(to, end, card->width);
	to = put(to, end, "x");
	to = put_number(to, end, card->height);
	to = put(to, end, "  frame ");
	put_number(to, end, card->frame);
	draw_text(canvas, r, r->y + scale * 18, scale, line);
}

void card_draw(const struct card *card, uint32_t *pixels)
{
	struct canvas canvas = { pixels, card->width, card->height };
	uint32_t unit = card->height / 16;
	struct rect r = { card->width / 10, 0,
			  card->width - card->width / 10 * 2, 0 };

	if (card->width < CARD_MIN_WIDTH || card->height < CARD_MIN_HEIGHT) {
		r = (struct rect){ 0, 0, card->width, card->height };
		draw_pattern(&canvas, &r, PATTERN_NOISE, card->frame);
		draw_border(&canvas);
		return;
	}

	draw_grid(&canvas);
	r.y = unit;
	r.height = unit * 5;
	draw_bars(&canvas, &r, false);
	r.y += r.height;
	r.height = unit;
	draw_bars(&canvas, &r, true);
	r.y += r.height;
	r.height = unit * 3;
	draw_texts(&canvas, &r, card);
	r.y += r.height;
	draw_gradients(&canvas, &r);
	r.y += r.height;
	r.height = unit * 2;
	draw_patterns(&canvas, &r, card->frame);
	draw_border(&canvas);
}

uint32_t card_crc32(uint32_t crc, const uint32_t *pixels, uint32_t count)
{
	const uint8_t *bytes = (const uint8_t *)pixels;

	crc = ~crc;
	for (size_t i = 0; i < (size_t)count * 4; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}
