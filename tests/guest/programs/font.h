/* SPDX-License-Identifier: MIT */
/* A bitmap font of 5 x 7 dots: what a test card has to say. */
#ifndef FONT_H
#define FONT_H

#include <stdint.h>

#define FONT_WIDTH  5
#define FONT_HEIGHT 7

/**
 * font_glyph() - rows of a character, top to bottom, leftmost dot in bit 4
 * @c: the character; small letters look like capitals, unknown ones like a box
 */
const uint8_t *font_glyph(char c);

#endif
