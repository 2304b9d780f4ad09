/* SPDX-License-Identifier: MIT */
/* What the base block of an EDID and its extension have in common. */
#ifndef DISPLAY_EDID_BLOCK_H
#define DISPLAY_EDID_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include <vgpu/display.h>

#include "cvt.h"

#define EDID_BLOCK_SIZE 128

/* EDID counts years from 1990, DisplayID from 2000. */
#define EDID_MODEL_YEAR	  2026
#define EDID_PRODUCT_CODE 0x0001
#define EDID_GAMMA_2_2	  120 /* gamma * 100 - 100 */

/* Make the last of @len bytes such that all of them add up to 0. */
static inline void edid_put_checksum(uint8_t *p, size_t len)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len - 1; i++)
		sum += p[i];
	p[len - 1] = (uint8_t)-sum;
}

/**
 * displayid_build() - an extension block that carries one large mode
 * @block: EDID_BLOCK_SIZE bytes, zeroed
 * @t: the mode
 * @mm: size of the picture, 0: unknown
 * @info: who made it; checked by the caller
 */
void displayid_build(uint8_t *block, const struct cvt_timing *t,
		     const uint32_t mm[2], const struct vgpu_edid_info *info);

#endif
