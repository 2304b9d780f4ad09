/* SPDX-License-Identifier: MIT */
/*
 * Structures that a driver hands over are as long as they were when it was
 * compiled. What an older driver does not have is zero. A newer driver's is
 * longer: fine as long as it left the part that we do not know at zero.
 */
#ifndef UTIL_SIZED_H
#define UTIL_SIZED_H

#include <stddef.h>

/**
 * sized_copy() - our version of a driver's structure
 * @dst: filled in, @dst_size bytes
 * @src: the driver's, @src_size bytes
 *
 * Return: 0; -EINVAL: NULL; -E2BIG: it uses members that we do not know.
 */
int sized_copy(void *dst, size_t dst_size, const void *src, size_t src_size);

/* Element @i of a driver's array, whose elements are @size bytes long there */
static inline const void *sized_at(const void *array, size_t i, size_t size)
{
	return (const char *)array + i * size;
}

#endif
