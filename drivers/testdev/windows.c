/* SPDX-License-Identifier: MIT */
/*
 * The test device's windows: plain bytes behind ops that take certain sizes
 * only. An access that the core should have split or joined leaves a mark.
 */
#include <string.h>

#include "testdev.h"

#define BROKEN_PROMISE 0xbadbadbadbadbadbull

static uint64_t window_read(struct vgpu_device *dev, unsigned window,
			    uint64_t offset, unsigned size, unsigned min,
			    unsigned max)
{
	struct testdev_state *s = to_testdev(dev)->state;
	uint64_t value = 0;

	if (size < min || size > max || offset % size ||
	    offset > WINDOW_SIZE - size)
		return BROKEN_PROMISE;
	s->reads++;
	memcpy(&value, s->windows[window] + offset, size);
	return value;
}

static void window_write(struct vgpu_device *dev, unsigned window,
			 uint64_t offset, uint64_t value, unsigned size,
			 unsigned min, unsigned max)
{
	struct testdev_state *s = to_testdev(dev)->state;

	if (size < min || size > max || offset % size ||
	    offset > WINDOW_SIZE - size) {
		memset(s->windows[window], 0xbd, WINDOW_SIZE);
		return;
	}
	s->writes++;
	memcpy(s->windows[window] + offset, &value, size);
}

#define WINDOW_OPS(name, window, min, max, op_flags)                           \
	static uint64_t name##_read(struct vgpu_device *dev, void *data,       \
				    uint64_t offset, unsigned size)            \
	{                                                                      \
		return window_read(dev, window, offset, size, min, max);       \
	}                                                                      \
	static void name##_write(struct vgpu_device *dev, void *data,          \
				 uint64_t offset, uint64_t value,              \
				 unsigned size)                                \
	{                                                                      \
		window_write(dev, window, offset, value, size, min, max);      \
	}                                                                      \
	const struct vgpu_mmio_ops testdev_##name##_ops = {                    \
		.flags = op_flags,                                             \
		.min_access = min,                                             \
		.max_access = max,                                             \
		.read = name##_read,                                           \
		.write = name##_write,                                         \
	}

WINDOW_OPS(w8, W8, 1, 1, 0);
WINDOW_OPS(w16, W16, 2, 2, 0);
WINDOW_OPS(w32, W32, 4, 4, VGPU_MMIO_NO_PARTIAL_WRITE);
WINDOW_OPS(w64, W64, 8, 8, 0);
WINDOW_OPS(wany, WANY, 1, 8, 0);

static void bulk_read(struct vgpu_device *dev, void *data, uint64_t offset,
		      void *buf, size_t len)
{
	struct testdev_state *s = to_testdev(dev)->state;

	s->reads++;
	memcpy(buf, s->windows[WBULK] + offset, len);
}

static void bulk_write(struct vgpu_device *dev, void *data, uint64_t offset,
		       const void *buf, size_t len)
{
	struct testdev_state *s = to_testdev(dev)->state;

	s->writes++;
	memcpy(s->windows[WBULK] + offset, buf, len);
}

const struct vgpu_mmio_ops testdev_bulk_ops = {
	.min_access = 1,
	.max_access = 8,
	.read_bulk = bulk_read,
	.write_bulk = bulk_write,
};

static uint64_t ro_read(struct vgpu_device *dev, void *data, uint64_t offset,
			unsigned size)
{
	return 0x600d0000 + window_read(dev, WRO, offset, size, 4, 4);
}

static void wo_write(struct vgpu_device *dev, void *data, uint64_t offset,
		     uint64_t value, unsigned size)
{
	window_write(dev, WRO, offset, value & 0xffff, size, 4, 4);
}

const struct vgpu_mmio_ops testdev_ro_ops = {
	.min_access = 4,
	.max_access = 4,
	.read = ro_read,
};

const struct vgpu_mmio_ops testdev_wo_ops = {
	.flags = VGPU_MMIO_NO_PARTIAL_WRITE,
	.min_access = 4,
	.max_access = 4,
	.write = wo_write,
};

static uint64_t cells_read(struct vgpu_device *dev, void *data, uint64_t offset,
			   unsigned size)
{
	return to_testdev(dev)->state->cells[offset / 8 % MIX_CELLS];
}

static void cells_write(struct vgpu_device *dev, void *data, uint64_t offset,
			uint64_t value, unsigned size)
{
	to_testdev(dev)->state->cells[offset / 8 % MIX_CELLS] = value;
}

const struct vgpu_mmio_ops testdev_cells_ops = {
	.min_access = 8,
	.max_access = 8,
	.read = cells_read,
	.write = cells_write,
};
