/* SPDX-License-Identifier: MIT */
/* Trapped accesses: any size and alignment in, the driver's sizes out. */
#ifndef DEVICE_MMIO_H
#define DEVICE_MMIO_H

#include <stddef.h>
#include <stdint.h>

#include <vgpu/driver.h>

#include "../util/bytes.h"

/* @offset and @len are inside the area whose @ops and @data these are. */
void mmio_read(struct vgpu_device *dev, const struct vgpu_mmio_ops *ops,
	       void *data, uint64_t offset, void *buf, size_t len);
/* Anything but one register */
void mmio_write_registers(struct vgpu_device *dev,
			  const struct vgpu_mmio_ops *ops, void *data,
			  uint64_t offset, const void *buf, size_t len);

/* What nearly every access is: exactly one register */
static inline bool mmio_one_register(const struct vgpu_mmio_ops *ops,
				     uint64_t offset, size_t len)
{
	return len >= ops->min_access && len <= ops->max_access &&
	       is_pow2(len) && !(offset & (len - 1));
}

/* As mmio_read() */
static inline void mmio_write(struct vgpu_device *dev,
			      const struct vgpu_mmio_ops *ops, void *data,
			      uint64_t offset, const void *buf, size_t len)
{
	if (!ops->write_bulk && ops->write &&
	    mmio_one_register(ops, offset, len))
		ops->write(dev, data, offset, get_le(buf, (unsigned)len),
			   (unsigned)len);
	else
		mmio_write_registers(dev, ops, data, offset, buf, len);
}

#endif
