/* SPDX-License-Identifier: MIT */
/*
 * EDID 1.4 from a preferred mode. Source of section numbers: VESA Enhanced
 * EDID Standard, release A, revision 2.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <vgpu/display.h>

#include "../util/bytes.h"
#include "../util/sized.h"
#include "edid-block.h"

#define MIN_XRES     320
#define MIN_YRES     200
#define MAX_RES	     8192
#define MIN_REFRESH  24
#define MAX_REFRESH  240
#define DEFAULT_DPI  96
#define NAME_MAX_LEN 13

/* A detailed timing descriptor has 12 bits of pixels and 16 of clock. */
static bool fits_descriptor(const struct cvt_timing *t)
{
	return t->xres <= 0xfff && t->yres <= 0xfff && t->vblank <= 0xfff &&
	       t->clock_10khz <= 0xffff;
}

/* Section 3.10.2. @mm: width and height, 0 where unknown. */
static void put_detailed_timing(uint8_t *d, const struct cvt_timing *t,
				const uint32_t mm[2])
{
	put_le16(d, (uint16_t)t->clock_10khz);
	d[2] = t->xres & 0xff;
	d[3] = t->hblank & 0xff;
	d[4] = (uint8_t)(t->xres >> 8 << 4 | t->hblank >> 8);
	d[5] = t->yres & 0xff;
	d[6] = t->vblank & 0xff;
	d[7] = (uint8_t)(t->yres >> 8 << 4 | t->vblank >> 8);
	d[8] = t->hfront & 0xff;
	d[9] = t->hsync & 0xff;
	d[10] = (uint8_t)((t->vfront & 0xf) << 4 | (t->vsync & 0xf));
	d[11] = (uint8_t)(t->hfront >> 8 << 6 | t->hsync >> 8 << 4 |
			  t->vfront >> 4 << 2 | t->vsync >> 4);
	d[12] = mm[0] & 0xff;
	d[13] = mm[1] & 0xff;
	d[14] = (uint8_t)(mm[0] >> 8 << 4 | mm[1] >> 8);
	/* Digital separate sync; reduced blanking: hsync +, vsync -. */
	d[17] = 0x1a;
}

/* Section 3.10.3: a display descriptor with text, ended and padded. */
static void put_text(uint8_t *d, uint8_t tag, const char *text)
{
	size_t len = strlen(text);

	d[3] = tag;
	memset(d + 5, ' ', NAME_MAX_LEN);
	memcpy(d + 5, text, len);
	if (len < NAME_MAX_LEN)
		d[5 + len] = '\n';
}

/* Section 3.10.3.3: what rates the display takes; rounded outwards. */
static void put_range_limits(uint8_t *d, const struct cvt_timing *t,
			     uint32_t refresh)
{
	uint32_t clock_khz = t->clock_10khz * 10;
	uint32_t line_khz = clock_khz / (t->xres + t->hblank) + 1;
	uint32_t clock_10mhz = MAX((t->clock_10khz + 999) / 1000, 20u);
	uint32_t min_line_khz = 30;

	d[3] = 0xfd;
	/* 0x08: the maximum horizontal rate has 255 kHz added. */
	if (line_khz > 255) {
		d[4] = 0x08;
		line_khz = MIN(line_khz - 255, 255u);
	}
	d[5] = (uint8_t)MIN(refresh, 50u);
	d[6] = (uint8_t)MAX(refresh, 75u);
	d[7] = (uint8_t)MIN(min_line_khz, line_khz);
	d[8] = (uint8_t)MAX(line_khz, 80u);
	d[9] = (uint8_t)MIN(clock_10mhz, 255u);
	d[10] = 0x01; /* these limits and no formula */
	d[11] = '\n';
	memset(d + 12, ' ', 6);
}

/* Section 3.8 and 3.9: common modes that are not larger than the preferred
 * one, so that a guest can be asked for a smaller picture. */
static void put_common_modes(uint8_t *e, uint32_t xres, uint32_t yres)
{
	static const struct {
		uint16_t x, y;
		uint8_t byte, bits;
	} established[] = {
		{ 640, 480, 35, 0x20 },
		{ 800, 600, 35, 0x01 },
		{ 1024, 768, 36, 0x08 },
	};
	static const struct {
		uint16_t x, y;
		uint8_t aspect; /* 0: 16:10, 1: 4:3, 2: 5:4, 3: 16:9 */
	} standard[] = {
		{ 1280, 720, 3 },  { 1280, 800, 0 },  { 1280, 1024, 2 },
		{ 1440, 900, 0 },  { 1600, 900, 3 },  { 1600, 1200, 1 },
		{ 1920, 1080, 3 }, { 1920, 1200, 0 },
	};
	uint8_t *s = e + 38;

	for (size_t i = 0; i < ARRAY_SIZE(established); i++)
		if (established[i].x <= xres && established[i].y <= yres)
			e[established[i].byte] |= established[i].bits;
	memset(s, 0x01, 16); /* unused */
	for (size_t i = 0; i < ARRAY_SIZE(standard); i++) {
		if (standard[i].x > xres || standard[i].y > yres)
			continue;
		*s++ = (uint8_t)(standard[i].x / 8 - 31);
		*s++ = (uint8_t)(standard[i].aspect << 6); /* 60 Hz */
	}
}

/* Section 3.7: where white and the primaries are (sRGB, in 1/1024). */
static void put_chromaticity(uint8_t *e)
{
	static const uint16_t xy[8] = { 655, 338, 307, 614, 154, 61, 320, 337 };

	for (int i = 0; i < 4; i++) {
		e[25] |= (uint8_t)((xy[i] & 3) << (6 - 2 * i));
		e[26] |= (uint8_t)((xy[4 + i] & 3) << (6 - 2 * i));
	}
	for (int i = 0; i < 8; i++)
		e[27 + i] = (uint8_t)(xy[i] >> 2);
}

static void put_ids(uint8_t *e, const struct vgpu_edid_info *info)
{
	static const uint8_t header[8] = { 0, 255, 255, 255, 255, 255, 255, 0 };
	unsigned vendor = 0;

	memcpy(e, header, sizeof(header));
	for (int i = 0; i < 3; i++)
		vendor = vendor << 5 | (unsigned)(info->vendor[i] - 'A' + 1);
	e[8] = (uint8_t)(vendor >> 8); /* the one big-endian field */
	e[9] = vendor & 0xff;
	put_le16(e + 10, EDID_PRODUCT_CODE);
	put_le32(e + 12, info->serial);
	e[16] = 0xff; /* the year is the model's */
	e[17] = EDID_MODEL_YEAR - 1990;
	e[18] = 1;
	e[19] = 4;
	e[20] = 0xa5; /* digital, 8 bits a colour, DisplayPort */
	e[23] = EDID_GAMMA_2_2;
	/* RGB 4:4:4, sRGB, and the first timing is the native one. */
	e[24] = 0x06;
}

static bool info_valid(const struct vgpu_edid_info *info)
{
	size_t len;

	if (!info->name)
		return false;
	for (int i = 0; i < 3; i++)
		if (info->vendor[i] < 'A' || info->vendor[i] > 'Z')
			return false;
	len = strnlen(info->name, NAME_MAX_LEN + 1);
	if (!len || len > NAME_MAX_LEN)
		return false;
	for (size_t i = 0; i < len; i++)
		if (info->name[i] < 0x20 || info->name[i] > 0x7e)
			return false;
	return info->xres >= MIN_XRES && info->xres <= MAX_RES &&
	       info->yres >= MIN_YRES && info->yres <= MAX_RES &&
	       info->refresh >= MIN_REFRESH && info->refresh <= MAX_REFRESH;
}

static int build_edid(const struct vgpu_edid_info *info,
		      uint8_t buf[VGPU_EDID_SIZE])
{
	uint32_t dpi, mm[2];
	struct cvt_timing preferred, base;
	bool extension;

	if (!info_valid(info))
		return -EINVAL;
	memset(buf, 0, VGPU_EDID_SIZE);
	dpi = info->dpi ? info->dpi : DEFAULT_DPI;
	mm[0] = (uint32_t)(info->xres * 254ull / (10ull * dpi));
	mm[1] = (uint32_t)(info->yres * 254ull / (10ull * dpi));
	preferred = cvt_reduced(info->xres, info->yres, info->refresh);

	/* A mode that is too large for the base block goes to an extension;
	 * who can't read that gets one of the same shape that fits. */
	base = preferred;
	extension = !fits_descriptor(&base);
	for (uint32_t div = 2; !fits_descriptor(&base); div *= 2)
		base = cvt_reduced(info->xres / div, info->yres / div,
				   info->refresh);

	put_ids(buf, info);
	/* A size in centimetres has 8 bits: beyond that it is unknown. */
	if (mm[0] >= 2560 || mm[1] >= 2560 || mm[0] < 10 || mm[1] < 10)
		mm[0] = mm[1] = 0;
	buf[21] = (uint8_t)(mm[0] / 10);
	buf[22] = (uint8_t)(mm[1] / 10);
	put_chromaticity(buf);
	put_common_modes(buf, info->xres, info->yres);
	put_detailed_timing(buf + 54, &base, mm);
	put_range_limits(buf + 72, &preferred, info->refresh);
	put_text(buf + 90, 0xfc, info->name);
	buf[108 + 3] = 0x10; /* unused */
	buf[126] = extension;
	edid_put_checksum(buf, EDID_BLOCK_SIZE);
	if (!extension)
		return EDID_BLOCK_SIZE;
	displayid_build(buf + EDID_BLOCK_SIZE, &preferred, mm, info);
	return 2 * EDID_BLOCK_SIZE;
}

int vgpu_edid_build_sized(const struct vgpu_edid_info *info,
			  uint8_t buf[VGPU_EDID_SIZE], size_t size)
{
	struct vgpu_edid_info ours;
	int err = sized_copy(&ours, sizeof(ours), info, size);

	return err ? err : build_edid(&ours, buf);
}
