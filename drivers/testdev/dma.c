/* SPDX-License-Identifier: MIT */
/* The test device's DMA engine and doorbells: BAR0 from DMA_BASE on. */
#include <errno.h>
#include <string.h>

#include <vgpu/dma.h>

#include "testdev.h"

/* 32-bit registers, from DMA_BASE */
#define DMA_IOVA_LOW  0x00 /* RW */
#define DMA_IOVA_HIGH 0x04 /* RW */
#define DMA_LENGTH    0x08 /* RW: bytes, at most those of the cells */
#define DMA_START     0x0c /* W: 1: client's memory to cells, 2: the other way;
			      | 4: by the asynchronous way */
#define DMA_STATUS    0x10 /* R: 0 done, DMA_BUSY, or an errno */
#define DMA_RINGS     0x14 /* R: times that a doorbell was rung */

#define DMA_BUSY 0xffffffffu

static void done(struct vgpu_device *dev, int err, void *user)
{
	struct testdev *t = to_testdev(dev);

	(void)user;
	t->state->dma_status = (uint32_t)-err;
	testdev_trigger(t, 0);
}

static void start(struct testdev *t, uint32_t command)
{
	struct testdev_state *s = t->state;
	bool write = (command & 3) == 2;
	int err;

	if (s->dma_status == DMA_BUSY)
		return;
	if (s->dma_length > sizeof(s->cells) || !(command & 3)) {
		s->dma_status = EINVAL;
		return;
	}
	s->dma_status = DMA_BUSY;
	if (command & 4) {
		err = write ? vgpu_dma_write_async(&t->dev, s->dma_iova,
						   s->cells, s->dma_length,
						   done, t) :
			      vgpu_dma_read_async(&t->dev, s->dma_iova,
						  s->cells, s->dma_length,
						  done, t);
		if (err)
			done(&t->dev, err, t);
		return;
	}
	err = write ? vgpu_dma_write(&t->dev, s->dma_iova, s->cells,
				     s->dma_length) :
		      vgpu_dma_read(&t->dev, s->dma_iova, s->cells,
				    s->dma_length);
	done(&t->dev, err, t);
}

static uint64_t dma_read(struct vgpu_device *dev, uint64_t offset,
			 unsigned size)
{
	const struct testdev_state *s = to_testdev(dev)->state;

	(void)size;
	switch (offset) {
	case DMA_IOVA_LOW:
		return s->dma_iova & 0xffffffffu;
	case DMA_IOVA_HIGH:
		return s->dma_iova >> 32;
	case DMA_LENGTH:
		return s->dma_length;
	case DMA_STATUS:
		return s->dma_status;
	case DMA_RINGS:
		return s->rings;
	default:
		return 0;
	}
}

static void dma_write(struct vgpu_device *dev, uint64_t offset, uint64_t value,
		      unsigned size)
{
	struct testdev *t = to_testdev(dev);
	struct testdev_state *s = t->state;

	(void)size;
	switch (offset) {
	case DMA_IOVA_LOW:
		s->dma_iova = (s->dma_iova & ~0xffffffffull) | value;
		break;
	case DMA_IOVA_HIGH:
		s->dma_iova = (s->dma_iova & 0xffffffffull) | value << 32;
		break;
	case DMA_LENGTH:
		s->dma_length = (uint32_t)value;
		break;
	case DMA_START:
		start(t, (uint32_t)value);
		break;
	}
}

static void ring(struct vgpu_device *dev, uint64_t offset, uint64_t value,
		 unsigned size)
{
	(void)offset;
	(void)value;
	(void)size;
	to_testdev(dev)->state->rings++;
}

void testdev_dma_stop(struct testdev *t)
{
	vgpu_dma_cancel(&t->dev, t);
}

const struct vgpu_mmio_ops testdev_dma_ops = {
	.struct_size = sizeof(testdev_dma_ops),
	.min_access = 4,
	.max_access = 4,
	.read = dma_read,
	.write = dma_write,
};

const struct vgpu_mmio_ops testdev_bell_ops = {
	.struct_size = sizeof(testdev_bell_ops),
	.min_access = 4,
	.max_access = 4,
	.write = ring,
};
