/* SPDX-License-Identifier: MIT */
/* The public functions of <vgpu/dma.h>, on the instance's DMA space. */
#include <errno.h>
#include <stdlib.h>

#include <vgpu/iommu.h>

#include "../dma/access.h"
#include "../dma/pin.h"
#include "../dma/reader.h"
#include "../dma/remote.h"
#include "../dma/space.h"
#include "device.h"

static struct dma_space *space_of(const struct vgpu_device *dev)
{
	return dev->core->dma;
}

int vgpu_dma_read(struct vgpu_device *dev, uint64_t iova, void *buf, size_t len)
{
	return dma_space_read(space_of(dev), iova, buf, len);
}

int vgpu_dma_write(struct vgpu_device *dev, uint64_t iova, const void *buf,
		   size_t len)
{
	return dma_space_write(space_of(dev), iova, buf, len);
}

int vgpu_dma_load(struct vgpu_device *dev, uint64_t iova, unsigned size,
		  uint64_t *ret_value)
{
	return dma_space_load(space_of(dev), iova, size, ret_value);
}

int vgpu_dma_store(struct vgpu_device *dev, uint64_t iova, unsigned size,
		   uint64_t value)
{
	return dma_space_store(space_of(dev), iova, size, value);
}

int vgpu_dma_cmpxchg(struct vgpu_device *dev, uint64_t iova, unsigned size,
		     uint64_t *expected, uint64_t desired)
{
	return dma_space_cmpxchg(space_of(dev), iova, size, expected, desired);
}

void vgpu_dma_enter(struct vgpu_device *dev)
{
	/* Sections are the thread's, whatever it reads. */
	dma_enter();
}

void vgpu_dma_leave(struct vgpu_device *dev)
{
	dma_leave();
}

/* In as few cache lines as it fits in: that is a seventh of its cost. */
__attribute__((aligned(64))) void *
vgpu_dma_ptr(struct vgpu_device *dev, uint64_t iova, size_t len, unsigned prot)
{
	return dma_space_ptr_by(dev->core->dma_low, &dev->core->dma, iova, len,
				prot);
}

int vgpu_dma_get(struct vgpu_device *dev, uint64_t iova, size_t len,
		 unsigned prot, struct vgpu_dma_segment *segments, unsigned max)
{
	return dma_space_get(space_of(dev), iova, len, prot, segments, max);
}

void vgpu_dma_put(struct vgpu_device *dev,
		  const struct vgpu_dma_segment *segments, unsigned n)
{
	dma_space_put(space_of(dev), segments, n);
}

void vgpu_dma_unmap_done(struct vgpu_device *dev, uint64_t iova, uint64_t size)
{
	dma_space_unmap_done(space_of(dev), iova, size);
}

int vgpu_dma_pin(struct vgpu_device *dev, const uint64_t *iovas, unsigned n,
		 unsigned prot, uint64_t *ret_addrs)
{
	return dma_space_pin(space_of(dev), iovas, n, prot, ret_addrs);
}

void vgpu_dma_unpin(struct vgpu_device *dev, const uint64_t *iovas, unsigned n,
		    unsigned prot)
{
	dma_space_unpin(space_of(dev), iovas, n, prot);
}

int vgpu_dma_set_iommu(struct vgpu_device *dev, struct vgpu_iommu *iommu)
{
	return dma_space_set_iommu(space_of(dev), iommu);
}

/* ------------------------------------------------------------------ */
/* Asynchronous copies, and pins                                       */
/* ------------------------------------------------------------------ */

/* A copy or a pin that was asked for: whom to tell */
struct asked {
	struct vgpu_device *dev;
	vgpu_dma_done_fn done;
	void *user;
};

static int asked_new(struct vgpu_device *dev, vgpu_dma_done_fn done, void *user,
		     struct asked **ret_asked)
{
	struct asked *asked;

	if (!done)
		return -EINVAL;
	asked = malloc(sizeof(*asked));
	if (!asked)
		return -ENOMEM;
	*asked = (struct asked){ dev, done, user };
	*ret_asked = asked;
	return 0;
}

static void on_done(int err, void *user)
{
	struct asked asked = *(struct asked *)user;

	free(user);
	asked.done(asked.dev, err, asked.user);
}

static int copy_async(struct vgpu_device *dev, bool write, uint64_t iova,
		      void *buf, size_t len, vgpu_dma_done_fn done, void *user)
{
	struct asked *asked;
	int err = asked_new(dev, done, user, &asked);

	if (err)
		return err;
	err = dma_space_copy(space_of(dev), write, iova, buf, len, on_done,
			     asked);
	if (err)
		free(asked);
	return err;
}

int vgpu_dma_read_async(struct vgpu_device *dev, uint64_t iova, void *buf,
			size_t len, vgpu_dma_done_fn done, void *user)
{
	return copy_async(dev, false, iova, buf, len, done, user);
}

int vgpu_dma_write_async(struct vgpu_device *dev, uint64_t iova,
			 const void *buf, size_t len, vgpu_dma_done_fn done,
			 void *user)
{
	/* Only read from, with write set. */
	return copy_async(dev, true, iova, (void *)buf, len, done, user);
}

int vgpu_dma_pin_async(struct vgpu_device *dev, const uint64_t *iovas,
		       unsigned n, unsigned prot, uint64_t *ret_addrs,
		       vgpu_dma_done_fn done, void *user)
{
	struct asked *asked;
	int err = asked_new(dev, done, user, &asked);

	if (err)
		return err;
	err = dma_space_pin_async(space_of(dev), iovas, n, prot, ret_addrs,
				  on_done, asked);
	if (err != -EINPROGRESS)
		free(asked);
	return err;
}

static bool same_user(void *asked, void *user)
{
	return ((struct asked *)asked)->user == user;
}

void vgpu_dma_cancel(struct vgpu_device *dev, void *user)
{
	dma_space_pin_cancel(space_of(dev), same_user, user);
	dma_space_cancel(space_of(dev), same_user, user);
}
