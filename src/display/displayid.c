/* SPDX-License-Identifier: MIT */
/*
 * The DisplayID extension of an EDID, for modes that do not fit a detailed
 * timing descriptor. Source: VESA DisplayID 1.3.
 */
#include <string.h>

#include "../util/bytes.h"
#include "edid-block.h"

static uint8_t aspect(uint32_t x, uint32_t y)
{
	static const uint8_t ratios[][2] = {
		{ 1, 1 }, { 5, 4 }, { 4, 3 }, { 15, 9 }, { 16, 9 }, { 16, 10 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(ratios); i++)
		if (x * ratios[i][1] == y * ratios[i][0])
			return (uint8_t)i;
	return 8; /* none of these */
}

/* Product identification block: who made it; the same as the base block says.
 */
static size_t put_product(uint8_t *d, const struct vgpu_edid_info *info)
{
	enum { FIXED_BYTES = 12 };
	size_t name_len = strlen(info->name);

	d[0] = 0x00;
	d[2] = (uint8_t)(FIXED_BYTES + name_len);
	memcpy(d + 3, info->vendor, 3);
	put_le16(d + 6, EDID_PRODUCT_CODE);
	put_le32(d + 8, info->serial);
	d[12] = 0xff; /* the year is the model's */
	d[13] = EDID_MODEL_YEAR - 2000;
	d[14] = (uint8_t)name_len;
	memcpy(d + 15, info->name, name_len);
	return 3 + d[2];
}

/* Display parameters block: native size and format. @mm: 0 where unknown. */
static size_t put_params(uint8_t *d, const struct cvt_timing *t,
			 const uint32_t mm[2])
{
	uint32_t longer = MAX(t->xres, t->yres);
	uint32_t shorter = MIN(t->xres, t->yres);

	d[0] = 0x01;
	d[2] = 12;
	put_le16(d + 3, (uint16_t)(mm[0] * 10));
	put_le16(d + 5, (uint16_t)(mm[1] * 10));
	put_le16(d + 7, (uint16_t)t->xres);
	put_le16(d + 9, (uint16_t)t->yres);
	d[12] = EDID_GAMMA_2_2;
	d[13] = (uint8_t)MIN(longer * 100 / shorter - 100, 255u);
	d[14] = 0x77; /* 8 bits a colour */
	return 3 + 12;
}

/* Display interface block: what the link takes: RGB with 8 bits a colour. */
static size_t put_interface(uint8_t *d)
{
	d[0] = 0x0f;
	d[2] = 10;
	d[3] = 0xa1; /* DisplayPort, one link */
	d[5] = 0x02;
	return 3 + 10;
}

/* Type I detailed timing block with one timing, marked as preferred. All its
 * fields count from zero. */
static void put_timing(uint8_t *d, const struct cvt_timing *t)
{
	enum { POSITIVE = 0x8000 };

	d[0] = 0x03;
	d[2] = 20;
	d += 3;
	d[0] = (t->clock_10khz - 1) & 0xff;
	d[1] = (t->clock_10khz - 1) >> 8 & 0xff;
	d[2] = (uint8_t)((t->clock_10khz - 1) >> 16);
	d[3] = 0x80 | aspect(t->xres, t->yres);
	put_le16(d + 4, (uint16_t)(t->xres - 1));
	put_le16(d + 6, (uint16_t)(t->hblank - 1));
	put_le16(d + 8, (uint16_t)((t->hfront - 1) | POSITIVE));
	put_le16(d + 10, (uint16_t)(t->hsync - 1));
	put_le16(d + 12, (uint16_t)(t->yres - 1));
	put_le16(d + 14, (uint16_t)(t->vblank - 1));
	put_le16(d + 16, (uint16_t)(t->vfront - 1));
	put_le16(d + 18, (uint16_t)(t->vsync - 1));
}

/* A section that fills an EDID extension block, with a checksum each. */
void displayid_build(uint8_t *block, const struct cvt_timing *t,
		     const uint32_t mm[2], const struct vgpu_edid_info *info)
{
	enum { SECTION_BYTES = 121, HEADER_BYTES = 4 };
	size_t at = 1 + HEADER_BYTES;

	block[0] = 0x70;
	block[1] = 0x13; /* version 1.3 */
	block[2] = SECTION_BYTES;
	block[3] = 0x03; /* a monitor of its own */
	at += put_product(block + at, info);
	at += put_params(block + at, t, mm);
	at += put_interface(block + at);
	put_timing(block + at, t);
	edid_put_checksum(block + 1, HEADER_BYTES + SECTION_BYTES + 1);
	edid_put_checksum(block, EDID_BLOCK_SIZE);
}
