/* SPDX-License-Identifier: MIT */
/* How much of an engine a type gets where nobody has said it. */
#ifndef HUB_WEIGHT_H
#define HUB_WEIGHT_H

#include <stdint.h>

#include <vgpu/parent.h>

#include "../util/bytes.h"

#define HUB_WEIGHT_VRAM (16ull << 20) /* bytes of video memory for a share */

/* Shares, 1 to VGPU_WEIGHT_MAX, of a type whose instances have @vram bytes. */
static inline uint32_t hub_weight_of(uint64_t vram)
{
	uint64_t shares = MAX(vram / HUB_WEIGHT_VRAM, 1ull);

	return (uint32_t)MIN(shares, (uint64_t)VGPU_WEIGHT_MAX);
}

#endif
