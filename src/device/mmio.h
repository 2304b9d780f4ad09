/* SPDX-License-Identifier: MIT */
/* Trapped accesses: any size and alignment in, the driver's sizes out. */
#ifndef DEVICE_MMIO_H
#define DEVICE_MMIO_H

#include <stddef.h>
#include <stdint.h>

#include <vgpu/driver.h>

/* @offset and @len are inside the area whose ops these are. */
void mmio_read(struct vgpu_device *dev, const struct vgpu_mmio_ops *ops,
	       uint64_t offset, void *buf, size_t len);
void mmio_write(struct vgpu_device *dev, const struct vgpu_mmio_ops *ops,
		uint64_t offset, const void *buf, size_t len);

#endif
