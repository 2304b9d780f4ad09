/* SPDX-License-Identifier: MIT */
#include "bare.h"

/* Aligned as the public call is. */
__attribute__((aligned(64))) void *bare_find(const struct bare *bare,
					     uint64_t iova)
{
	return bare_walk(bare, iova);
}
