/* SPDX-License-Identifier: MIT */
#include "sized.h"

#include <errno.h>
#include <string.h>

#include "bytes.h"

int sized_copy(void *dst, size_t dst_size, const void *src, size_t src_size)
{
	const char *p = src;

	if (!src)
		return -EINVAL;
	for (size_t i = dst_size; i < src_size; i++)
		if (p[i])
			return -E2BIG;
	memset(dst, 0, dst_size);
	memcpy(dst, src, MIN(dst_size, src_size));
	return 0;
}
