/* SPDX-License-Identifier: MIT */
#include "bare.h"

void *bare_find(const struct bare *bare, uint64_t iova)
{
	return bare_walk(bare, iova);
}
