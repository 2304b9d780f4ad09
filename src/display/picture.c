/* SPDX-License-Identifier: MIT */
#include "picture.h"

#include <endian.h>
#include <stdlib.h>

#include <vgpu/display.h>

#include "../util/bytes.h"

void picture_fini(struct picture *p)
{
	if (!p)
		return;
	free(p->rgb);
	p->rgb = NULL;
}

unsigned picture_format_bytes(uint32_t format)
{
	switch (format) {
	case VGPU_FORMAT_C8:
		return 1;
	case VGPU_FORMAT_XRGB1555:
	case VGPU_FORMAT_RGB565:
	case VGPU_FORMAT_XRGB1555 | VGPU_FORMAT_BIG_ENDIAN:
	case VGPU_FORMAT_RGB565 | VGPU_FORMAT_BIG_ENDIAN:
		return 2;
	case VGPU_FORMAT_RGB888:
	case VGPU_FORMAT_BGR888:
		return 3;
	case VGPU_FORMAT_XRGB8888:
	case VGPU_FORMAT_BGRX8888:
		return 4;
	default:
		return 0;
	}
}

/* Full scale stays full scale: the upper bits fill the lower ones. */
static uint8_t widen5(unsigned v)
{
	v &= 0x1f;
	return (uint8_t)(v << 3 | v >> 2);
}

static uint8_t widen6(unsigned v)
{
	v &= 0x3f;
	return (uint8_t)(v << 2 | v >> 4);
}

static void convert_16(uint32_t format, const uint8_t *src, uint32_t width,
		       uint8_t *rgb)
{
	bool swapped = format & VGPU_FORMAT_BIG_ENDIAN;
	bool is_565 = (format & ~VGPU_FORMAT_BIG_ENDIAN) == VGPU_FORMAT_RGB565;

	for (uint32_t x = 0; x < width; x++, src += 2, rgb += 3) {
		unsigned v = get_le16(src);

		if (swapped)
			v = (v >> 8 | v << 8) & 0xffff;
		if (is_565) {
			rgb[0] = widen5(v >> 11);
			rgb[1] = widen6(v >> 5);
		} else {
			rgb[0] = widen5(v >> 10);
			rgb[1] = widen5(v >> 5);
		}
		rgb[2] = widen5(v);
	}
}

/* Formats whose channels are bytes: where red, green and blue are. */
static void convert_bytes(const uint8_t *src, unsigned step, unsigned r,
			  unsigned g, unsigned b, uint32_t width, uint8_t *rgb)
{
	for (uint32_t x = 0; x < width; x++, src += step, rgb += 3) {
		rgb[0] = src[r];
		rgb[1] = src[g];
		rgb[2] = src[b];
	}
}

static void convert_8(const uint32_t palette[256], const uint8_t *src,
		      uint32_t width, uint8_t *rgb)
{
	for (uint32_t x = 0; x < width; x++, rgb += 3) {
		uint32_t colour = palette[src[x]];

		rgb[0] = colour >> 16 & 0xff;
		rgb[1] = colour >> 8 & 0xff;
		rgb[2] = colour & 0xff;
	}
}

void picture_convert_line(uint32_t format, const uint32_t palette[256],
			  const uint8_t *src, uint32_t width, uint8_t *rgb)
{
	switch (format) {
	case VGPU_FORMAT_C8:
		convert_8(palette, src, width, rgb);
		break;
	/* DRM names the channels from the highest bit of a little-endian
	 * word down, so in memory they come in the opposite order. */
	case VGPU_FORMAT_RGB888:
		convert_bytes(src, 3, 2, 1, 0, width, rgb);
		break;
	case VGPU_FORMAT_BGR888:
		convert_bytes(src, 3, 0, 1, 2, width, rgb);
		break;
	case VGPU_FORMAT_XRGB8888:
		convert_bytes(src, 4, 2, 1, 0, width, rgb);
		break;
	case VGPU_FORMAT_BGRX8888:
		convert_bytes(src, 4, 1, 2, 3, width, rgb);
		break;
	default:
		convert_16(format, src, width, rgb);
		break;
	}
}
