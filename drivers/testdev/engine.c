/* SPDX-License-Identifier: MIT */
/*
 * The test device's DMA engine: many copies at a time between the client's
 * memory and the plain memory of BAR4; memory that is held, or pinned and
 * reached by device addresses, also against unmaps. BAR0 from ENGINE_BASE on.
 * Vector 0 tells that an asynchronous copy has ended.
 */
#include <errno.h>

#include <vgpu/dma.h>

#include "testdev.h"

/* 32-bit registers, from ENGINE_BASE */
#define ENGINE_IOVA_LO 0x00 /* RW */
#define ENGINE_IOVA_HI 0x04 /* RW */
#define ENGINE_LEN     0x08 /* RW: bytes, at most ENGINE_BUFFER_SIZE */
#define ENGINE_OP      0x0c /* W: enum dma_op; R: copies under way */
#define ENGINE_RESULT  0x10 /* R: errno of the last one that ended, 0: good */
#define ENGINE_DONE    0x14 /* R: how many have ended */
#define ENGINE_HELD    0x18 /* R: segments held */
#define ENGINE_UNMAPS  0x1c /* R: unmaps of held memory */
#define ENGINE_LOST    0x20 /* R: pages that the client truncated */
#define ENGINE_KEEP    0x24 /* RW: 1: let go on OP_PUT only */
#define ENGINE_PINNED  0x28 /* R: pages pinned */

enum dma_op {
	OP_READ = 1, /* client to BAR4 */
	OP_WRITE,    /* BAR4 to client */
	OP_READ_ASYNC,
	OP_WRITE_ASYNC,
	OP_CANCEL,
	OP_GET,		/* hold [IOVA, IOVA + LEN) */
	OP_PUT,		/* let go of it, and of what is pinned */
	OP_PIN,		/* the pages of [IOVA, IOVA + LEN) */
	OP_READ_PINNED, /* LEN bytes of the first of them to BAR4 */
};

static void ended(struct testdev *t, int err)
{
	t->state->engine_result = (uint32_t)-err;
	t->state->engine_done++;
}

static void on_done(struct vgpu_device *dev, int err, void *user)
{
	struct testdev *t = to_testdev(dev);

	t->n_async--;
	ended(t, err);
	testdev_trigger(t, 0);
}

/* Also for a reset; what the core waits for is told apart from it. */
static void put(struct testdev *t)
{
	vgpu_dma_put(&t->dev, t->segments, (unsigned)t->n_segments);
	t->n_segments = 0;
	vgpu_dma_unpin(&t->dev, t->pin_iova, t->n_pins, VGPU_DMA_READ);
	t->n_pins = 0;
	if (t->unmap_size)
		vgpu_dma_unmap_done(&t->dev, t->unmap_iova, t->unmap_size);
	t->unmap_size = 0;
}

static int get(struct testdev *t, uint64_t iova, uint32_t len)
{
	int n;

	if (t->n_segments)
		return -EBUSY;
	n = vgpu_dma_get(&t->dev, iova, len, VGPU_DMA_READ, t->segments,
			 ENGINE_SEGMENTS);
	if (n < 0)
		return n;
	t->n_segments = n;
	return 0;
}

static int pin(struct testdev *t, uint64_t iova, uint32_t len)
{
	unsigned n = len / VGPU_DMA_PAGE_SIZE;
	int err;

	if (t->n_pins)
		return -EBUSY;
	if (n > ENGINE_PAGES)
		return -EINVAL;
	for (unsigned i = 0; i < n; i++)
		t->pin_iova[i] = iova + (uint64_t)i * VGPU_DMA_PAGE_SIZE;
	err = vgpu_dma_pin(&t->dev, t->pin_iova, n, VGPU_DMA_READ, t->pin_addr);
	if (!err)
		t->n_pins = n;
	return err;
}

/* As hardware does: by the address that the pin has given. */
static int read_pinned(struct testdev *t, void *buf, uint32_t len)
{
	if (!t->n_pins)
		return -ENXIO;
	return vgpu_iommu_cpu_read(t->iommu, t->pin_addr[0], buf, len);
}

static void start(struct testdev *t, uint32_t op)
{
	struct testdev_state *s = t->state;
	uint64_t iova = (uint64_t)s->engine_iova_hi << 32 | s->engine_iova_lo;
	uint32_t len = s->engine_len;
	void *buf = vgpu_device_memory(&t->dev, VGPU_REGION_BAR4, ENGINE_BUFFER,
				       ENGINE_BUFFER_SIZE);
	int err = 0;

	if (len > ENGINE_BUFFER_SIZE) {
		ended(t, -EINVAL);
		return;
	}
	switch (op) {
	case OP_READ:
		err = vgpu_dma_read(&t->dev, iova, buf, len);
		break;
	case OP_WRITE:
		err = vgpu_dma_write(&t->dev, iova, buf, len);
		break;
	case OP_READ_ASYNC:
	case OP_WRITE_ASYNC:
		if (op == OP_READ_ASYNC)
			err = vgpu_dma_read_async(&t->dev, iova, buf, len,
						  on_done, t->segments);
		else
			err = vgpu_dma_write_async(&t->dev, iova, buf, len,
						   on_done, t->segments);
		if (!err) {
			t->n_async++;
			return; /* on_done() */
		}
		break;
	case OP_CANCEL:
		vgpu_dma_cancel(&t->dev, t->segments);
		return;
	case OP_GET:
		err = get(t, iova, len);
		break;
	case OP_PUT:
		put(t);
		break;
	case OP_PIN:
		err = pin(t, iova, len);
		break;
	case OP_READ_PINNED:
		err = read_pinned(t, buf, len);
		break;
	default:
		err = -EINVAL;
		break;
	}
	ended(t, err);
}

static uint64_t engine_read(struct vgpu_device *dev, void *data,
			    uint64_t offset, unsigned size)
{
	const struct testdev *t = to_testdev(dev);
	const struct testdev_state *s = t->state;

	switch (offset) {
	case ENGINE_IOVA_LO:
		return s->engine_iova_lo;
	case ENGINE_IOVA_HI:
		return s->engine_iova_hi;
	case ENGINE_LEN:
		return s->engine_len;
	case ENGINE_OP:
		return t->n_async;
	case ENGINE_RESULT:
		return s->engine_result;
	case ENGINE_DONE:
		return s->engine_done;
	case ENGINE_HELD:
		return (uint64_t)t->n_segments;
	case ENGINE_UNMAPS:
		return s->engine_unmaps;
	case ENGINE_LOST:
		return s->engine_lost;
	case ENGINE_KEEP:
		return s->engine_keep;
	case ENGINE_PINNED:
		return t->n_pins;
	default:
		return 0;
	}
}

static void engine_write(struct vgpu_device *dev, void *data, uint64_t offset,
			 uint64_t value, unsigned size)
{
	struct testdev *t = to_testdev(dev);

	switch (offset) {
	case ENGINE_IOVA_LO:
		t->state->engine_iova_lo = (uint32_t)value;
		break;
	case ENGINE_IOVA_HI:
		t->state->engine_iova_hi = (uint32_t)value;
		break;
	case ENGINE_LEN:
		t->state->engine_len = (uint32_t)value;
		break;
	case ENGINE_OP:
		start(t, (uint32_t)value);
		break;
	case ENGINE_KEEP:
		t->state->engine_keep = value & 1;
		break;
	}
}

const struct vgpu_mmio_ops testdev_engine_ops = {
	.min_access = 4,
	.max_access = 4,
	.read = engine_read,
	.write = engine_write,
};

int testdev_engine_unmap(struct vgpu_device *dev, uint64_t iova, uint64_t size)
{
	struct testdev *t = to_testdev(dev);

	t->state->engine_unmaps++;
	if (t->state->engine_keep) {
		t->unmap_iova = iova;
		t->unmap_size = size;
		return -EINPROGRESS;
	}
	put(t);
	return 0;
}

void testdev_engine_lost(struct vgpu_device *dev, uint32_t pages)
{
	to_testdev(dev)->state->engine_lost += pages;
}

void testdev_engine_stop(struct testdev *t)
{
	vgpu_dma_cancel(&t->dev, t->segments);
	put(t);
}
