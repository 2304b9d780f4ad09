/* SPDX-License-Identifier: MIT */
/* A picture: what a plane showed at one moment, as red, green, blue bytes. */
#ifndef DISPLAY_PICTURE_H
#define DISPLAY_PICTURE_H

#include <stddef.h>
#include <stdint.h>

/** PICTURE_MAX_PIXELS - of one picture: 192 MiB of memory */
#define PICTURE_MAX_PIXELS (64u << 20)

/**
 * struct picture - @height lines of @width pixels of 3 bytes, no padding
 * @serial: of the plane that it was read from
 */
struct picture {
	uint32_t width, height;
	uint64_t serial;
	uint8_t *rgb;
};

/* NULL is fine, and one whose rgb is NULL. */
void picture_fini(struct picture *p);

/* Bytes of a pixel of that VGPU_FORMAT_*; 0: not one that we know. */
unsigned picture_format_bytes(uint32_t format);

/**
 * picture_convert_line() - pixels of any format to RGB
 * @format: one that picture_format_bytes() knows
 * @palette: for VGPU_FORMAT_C8
 * @src: @width pixels
 * @rgb: room for @width * 3 bytes
 */
void picture_convert_line(uint32_t format, const uint32_t palette[256],
			  const uint8_t *src, uint32_t width, uint8_t *rgb);

#endif
