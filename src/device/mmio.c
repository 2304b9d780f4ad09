/* SPDX-License-Identifier: MIT */
#include "mmio.h"

#include <string.h>

#include "../util/bytes.h"

/* The largest naturally aligned access at @offset that fits in @len and @max. */
static unsigned natural(uint64_t offset, size_t len, unsigned max)
{
	unsigned size = max;

	while (size > len || offset % size)
		size /= 2;
	return size;
}

/* A register of the smallest width that the driver takes. */
static uint64_t read_register(struct vgpu_device *dev,
			      const struct vgpu_mmio_ops *ops, void *data,
			      uint64_t offset, unsigned size)
{
	return ops->read ? ops->read(dev, data, offset, size) : UINT64_MAX;
}

void mmio_read(struct vgpu_device *dev, const struct vgpu_mmio_ops *ops,
	       void *data, uint64_t offset, void *buf, size_t len)
{
	uint8_t *out = buf;

	if (ops->read_bulk) {
		ops->read_bulk(dev, data, offset, buf, len);
		return;
	}
	if (mmio_one_register(ops, offset, len)) {
		put_le(buf,
		       read_register(dev, ops, data, offset, (unsigned)len),
		       (unsigned)len);
		return;
	}
	while (len) {
		unsigned size = natural(offset, len, ops->max_access);
		uint64_t value;

		if (size < ops->min_access) {
			/* Part of a register: cut it out. */
			unsigned skip = (unsigned)(offset % ops->min_access);

			value = read_register(dev, ops, data, offset - skip,
					      ops->min_access) >>
				(8 * skip);
			size = (unsigned)MIN(len,
					     (size_t)(ops->min_access - skip));
			value = htole64(value);
			memcpy(out, &value, size);
		} else {
			put_le(out, read_register(dev, ops, data, offset, size),
			       size);
		}
		out += size;
		offset += size;
		len -= size;
	}
}

/* A write of some bytes of a register: read it, replace them, write it. */
static void write_partial(struct vgpu_device *dev,
			  const struct vgpu_mmio_ops *ops, void *data,
			  uint64_t offset, const uint8_t *in, unsigned size)
{
	unsigned skip = (unsigned)(offset % ops->min_access);
	uint64_t value;

	if (ops->flags & VGPU_MMIO_NO_PARTIAL_WRITE)
		return;
	value = htole64(
		read_register(dev, ops, data, offset - skip, ops->min_access));
	memcpy((uint8_t *)&value + skip, in, size);
	ops->write(dev, data, offset - skip, le64toh(value), ops->min_access);
}

void mmio_write_registers(struct vgpu_device *dev,
			  const struct vgpu_mmio_ops *ops, void *data,
			  uint64_t offset, const void *buf, size_t len)
{
	const uint8_t *in = buf;

	if (ops->write_bulk) {
		ops->write_bulk(dev, data, offset, buf, len);
		return;
	}
	if (!ops->write)
		return;
	while (len) {
		unsigned size = natural(offset, len, ops->max_access);

		if (size < ops->min_access) {
			unsigned skip = (unsigned)(offset % ops->min_access);

			size = (unsigned)MIN(len,
					     (size_t)(ops->min_access - skip));
			write_partial(dev, ops, data, offset, in, size);
		} else {
			ops->write(dev, data, offset, get_le(in, size), size);
		}
		in += size;
		offset += size;
		len -= size;
	}
}
