/* SPDX-License-Identifier: MIT */
/*
 * Structures that cross the driver interface carry the size that the driver
 * was compiled with. An older driver's is shorter: what it does not have is
 * zero. A newer driver's is longer: fine as long as it left the part that we
 * do not know at zero.
 */
#ifndef DEVICE_SIZED_H
#define DEVICE_SIZED_H

#include <stddef.h>
#include <stdint.h>

/**
 * sized_copy() - our version of a driver's structure
 * @dst: filled in, @dst_size bytes
 * @src: the driver's; starts with its uint32_t size
 * @min_size: bytes that the first version of the interface had
 *
 * Return: 0; -EINVAL: shorter than @min_size, or NULL; -E2BIG: it uses fields
 * that we do not know.
 */
int sized_copy(void *dst, size_t dst_size, const void *src, size_t min_size);

#endif
