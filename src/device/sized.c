/* SPDX-License-Identifier: MIT */
#include "sized.h"

#include <errno.h>
#include <string.h>

#include "../util/bytes.h"

#define SIZED_MAX 65536u /* nobody's description is longer: it is garbage */

int sized_copy(void *dst, size_t dst_size, const void *src, size_t min_size)
{
	uint32_t size;

	if (!src)
		return -EINVAL;
	memcpy(&size, src, sizeof(size));
	if (size < min_size || size > SIZED_MAX)
		return -EINVAL;
	for (size_t i = dst_size; i < size; i++)
		if (((const uint8_t *)src)[i])
			return -E2BIG;
	memset(dst, 0, dst_size);
	memcpy(dst, src, MIN(dst_size, (size_t)size));
	size = (uint32_t)dst_size;
	memcpy(dst, &size, sizeof(size));
	return 0;
}
