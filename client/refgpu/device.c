/* SPDX-License-Identifier: MIT */
/* The device and its memory. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

/* ------------------------------------------------------------------ */
/* Opening                                                             */
/* ------------------------------------------------------------------ */

static int identify(struct vgpu_rg_device *dev)
{
	struct vgpu_rg_bus *bus = dev->bus;
	static const uint32_t regs[] = {
		REFGPU_ID,	 REFGPU_VERSION_REG,  REFGPU_CAPS,
		REFGPU_CONTEXTS, REFGPU_VRAM_SIZE_LO, REFGPU_VRAM_SIZE_HI
	};
	uint32_t v[ARRAY_SIZE(regs)] = { 0 };
	int err;

	for (size_t i = 0; i < ARRAY_SIZE(regs); i++) {
		err = bus->ops->read(bus, regs[i], &v[i]);
		if (err)
			return err;
	}
	if (v[0] != REFGPU_ID_VALUE || v[1] >> 16 != REFGPU_VERSION >> 16)
		return -ENODEV;
	dev->info = (struct vgpu_rg_info){
		.version = v[1],
		.caps = v[2],
		.contexts = MIN(v[3], REFGPU_MAX_CONTEXTS),
		.vram_size = v[4] | (uint64_t)v[5] << 32,
		.system = bus->ops->alloc,
	};
	dev->info.vram_size = MIN(dev->info.vram_size, bus->vram_size);
	return 0;
}

int vgpu_rg_open(struct vgpu_rg_bus *bus, struct vgpu_rg_device **ret_dev)
{
	struct vgpu_rg_device *dev = calloc(1, sizeof(*dev));
	int err;

	if (!dev) {
		bus->ops->close(bus);
		return -ENOMEM;
	}
	dev->bus = bus;
	err = identify(dev);
	if (!err)
		err = bus->ops->write(bus, REFGPU_RESET, 1);
	if (!err)
		err = bus->ops->write(bus, REFGPU_IRQ_ENABLE, REFGPU_IRQ_EVENT);
	if (!err)
		err = ranges_init(&dev->vram, 0, dev->info.vram_size);
	if (err) {
		vgpu_rg_close(dev);
		return err;
	}
	*ret_dev = dev;
	return 0;
}

void vgpu_rg_close(struct vgpu_rg_device *dev)
{
	if (!dev)
		return;
	while (dev->contexts)
		vgpu_rg_context_free(dev->contexts);
	while (dev->buffers)
		vgpu_rg_buffer_free(dev->buffers);
	ranges_fini(&dev->vram);
	dev->bus->ops->close(dev->bus);
	free(dev);
}

struct vgpu_rg_info vgpu_rg_info(const struct vgpu_rg_device *dev)
{
	return dev->info;
}

void *vgpu_rg_vram(const struct vgpu_rg_device *dev)
{
	return dev->bus->vram;
}

struct vgpu_rg_bus *vgpu_rg_bus(const struct vgpu_rg_device *dev)
{
	return dev->bus;
}

int vgpu_rg_read(struct vgpu_rg_device *dev, uint32_t reg, uint32_t *ret_value)
{
	return dev->bus->ops->read(dev->bus, reg, ret_value);
}

int vgpu_rg_write(struct vgpu_rg_device *dev, uint32_t reg, uint32_t value)
{
	return dev->bus->ops->write(dev->bus, reg, value);
}

/* ------------------------------------------------------------------ */
/* Buffers                                                             */
/* ------------------------------------------------------------------ */

static int take_memory(struct vgpu_rg_device *dev, struct vgpu_rg_buffer *buf,
		       uint64_t align)
{
	const struct vgpu_rg_bus *bus = dev->bus;
	int err;

	if (buf->system)
		return bus->ops->alloc
			       ? bus->ops->alloc(dev->bus, buf->size, align,
						 &buf->addr, &buf->ptr)
			       : -ENOTSUP;
	err = ranges_take(&dev->vram, buf->size, align, &buf->addr);
	if (err)
		return err;
	buf->ptr = (char *)bus->vram + buf->addr;
	memset(buf->ptr, 0, buf->size); /* somebody may have had it before */
	return 0;
}

int vgpu_rg_buffer_new(struct vgpu_rg_device *dev, uint64_t size,
		       unsigned where, struct vgpu_rg_buffer **ret_buf)
{
	struct vgpu_rg_buffer *buf;
	int err;

	if (!size || size > REFGPU_VA_SIZE ||
	    (where != VGPU_RG_VRAM && where != VGPU_RG_SYSTEM))
		return -EINVAL;
	buf = calloc(1, sizeof(*buf));
	if (!buf)
		return -ENOMEM;
	buf->dev = dev;
	buf->system = where == VGPU_RG_SYSTEM;
	buf->size = (size + REFGPU_PAGE - 1) & ~(REFGPU_PAGE - 1);
	err = take_memory(dev, buf,
			  buf->size >= RG_HUGE_BUFFER ? REFGPU_HUGE
						      : 2 * REFGPU_PAGE);
	if (err) {
		free(buf);
		return err;
	}
	buf->next = dev->buffers;
	dev->buffers = buf;
	*ret_buf = buf;
	return 0;
}

void vgpu_rg_buffer_free(struct vgpu_rg_buffer *buf)
{
	struct vgpu_rg_buffer **p;

	if (!buf)
		return;
	for (p = &buf->dev->buffers; *p != buf; p = &(*p)->next)
		;
	*p = buf->next;
	if (buf->system)
		buf->dev->bus->ops->free(buf->dev->bus, buf->addr, buf->size,
					 buf->ptr);
	else
		ranges_give(&buf->dev->vram, buf->addr, buf->size);
	free(buf);
}

void *vgpu_rg_buffer_ptr(const struct vgpu_rg_buffer *buf)
{
	return buf->ptr;
}

uint64_t vgpu_rg_buffer_size(const struct vgpu_rg_buffer *buf)
{
	return buf->size;
}

uint64_t vgpu_rg_buffer_addr(const struct vgpu_rg_buffer *buf)
{
	return buf->addr;
}
