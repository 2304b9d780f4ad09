/* SPDX-License-Identifier: MIT */
/* A PCI function of the host's: regions, interrupts, reset. */
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vgpu/vfio.h>

#include "../util/bytes.h"
#include "../util/cleanup.h"
#include "../util/sized.h"
#include "vfio-kernel.h"

/* More than any function has; eventfds for one call */
#define MAX_VECTORS 2048u

struct vgpu_vfio {
	struct vfio_kernel kernel;
	struct vgpu_iommu *iommu;
	bool can_reset;
	void *bars[VGPU_NUM_BARS];
	uint64_t bar_sizes[VGPU_NUM_BARS];
};

/* ------------------------------------------------------------------ */
/* Regions                                                             */
/* ------------------------------------------------------------------ */

/* With its capabilities; free() it. */
static int region_info(struct vgpu_vfio *v, unsigned index,
		       struct vfio_region_info **ret_info)
{
	struct vfio_region_info head = { .argsz = sizeof(head),
					 .index = index };
	struct vfio_region_info *info;

	if (index >= VFIO_PCI_NUM_REGIONS)
		return -ENOENT;
	if (ioctl(v->kernel.device, VFIO_DEVICE_GET_REGION_INFO, &head) < 0)
		return -errno;
	if (!head.size)
		return -ENOENT;
	info = calloc(1, MAX(head.argsz, (uint32_t)sizeof(head)));
	if (!info)
		return -ENOMEM;
	*info = head;
	if (head.argsz > sizeof(head) &&
	    ioctl(v->kernel.device, VFIO_DEVICE_GET_REGION_INFO, info) < 0) {
		free(info);
		return -errno;
	}
	*ret_info = info;
	return 0;
}

/* The sparse mmap capability, NULL without: all of the region can be mapped. */
static const struct vfio_region_info_cap_sparse_mmap *
sparse_cap(const struct vfio_region_info *info)
{
	uint32_t at =
		info->flags & VFIO_REGION_INFO_FLAG_CAPS ? info->cap_offset : 0;

	while (at && at + sizeof(struct vfio_info_cap_header) <= info->argsz) {
		const struct vfio_info_cap_header *cap =
			(const void *)((const char *)info + at);

		if (cap->id == VFIO_REGION_INFO_CAP_SPARSE_MMAP)
			return (const void *)cap;
		if (cap->next <= at)
			return NULL;
		at = cap->next;
	}
	return NULL;
}

static int map_piece(struct vgpu_vfio *v, const struct vfio_region_info *info,
		     char *base, uint64_t offset, uint64_t size)
{
	int prot = (info->flags & VFIO_REGION_INFO_FLAG_READ ? PROT_READ : 0) |
		   (info->flags & VFIO_REGION_INFO_FLAG_WRITE ? PROT_WRITE : 0);

	if (!range_inside(offset, size, info->size))
		return -EIO;
	if (mmap(base + offset, size, prot, MAP_SHARED | MAP_FIXED,
		 v->kernel.device,
		 (off_t)(info->offset + offset)) == MAP_FAILED)
		return -errno;
	return 0;
}

/* In one piece of address space; what the kernel keeps to itself (an MSI-X
 * table on older ones) is a hole that faults. */
static int map_bar(struct vgpu_vfio *v, const struct vfio_region_info *info,
		   void **ret_ptr)
{
	const struct vfio_region_info_cap_sparse_mmap *sparse =
		sparse_cap(info);
	char *base = mmap(NULL, info->size, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int err = 0;

	if (base == MAP_FAILED)
		return -errno;
	if (!sparse)
		err = map_piece(v, info, base, 0, info->size);
	for (uint32_t i = 0; sparse && i < sparse->nr_areas && !err; i++)
		if (sparse->areas[i].size)
			err = map_piece(v, info, base, sparse->areas[i].offset,
					sparse->areas[i].size);
	if (err) {
		munmap(base, info->size);
		return err;
	}
	madvise(base, info->size, MADV_DONTFORK);
	*ret_ptr = base;
	return 0;
}

int vgpu_vfio_bar(struct vgpu_vfio *vfio, unsigned bar, void **ret_ptr,
		  uint64_t *ret_size)
{
	cleanup_free struct vfio_region_info *info = NULL;
	int err;

	if (bar >= VGPU_NUM_BARS)
		return -ENOENT;
	if (!vfio->bars[bar]) {
		err = region_info(vfio, bar, &info);
		if (err)
			return err;
		if (!(info->flags & VFIO_REGION_INFO_FLAG_MMAP))
			return -EOPNOTSUPP;
		err = map_bar(vfio, info, &vfio->bars[bar]);
		if (err)
			return err;
		vfio->bar_sizes[bar] = info->size;
	}
	*ret_ptr = vfio->bars[bar];
	*ret_size = vfio->bar_sizes[bar];
	return 0;
}

static int access_region(struct vgpu_vfio *vfio, unsigned region,
			 uint64_t offset, void *buf, size_t len, bool write)
{
	cleanup_free struct vfio_region_info *info = NULL;
	int fd = vfio->kernel.device, err;
	ssize_t n;

	err = region_info(vfio, region, &info);
	if (err)
		return err;
	if (!range_inside(offset, len, info->size))
		return -EINVAL;
	if (write)
		n = pwrite(fd, buf, len, (off_t)(info->offset + offset));
	else
		n = pread(fd, buf, len, (off_t)(info->offset + offset));
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int vgpu_vfio_read(struct vgpu_vfio *vfio, unsigned region, uint64_t offset,
		   void *buf, size_t len)
{
	return access_region(vfio, region, offset, buf, len, false);
}

int vgpu_vfio_write(struct vgpu_vfio *vfio, unsigned region, uint64_t offset,
		    const void *buf, size_t len)
{
	/* Only read from, with write set. */
	return access_region(vfio, region, offset, (void *)buf, len, true);
}

/* ------------------------------------------------------------------ */
/* The function                                                        */
/* ------------------------------------------------------------------ */

int vgpu_vfio_set_bus_master(struct vgpu_vfio *vfio, bool on)
{
	uint16_t command;
	int err = vgpu_vfio_read(vfio, VGPU_REGION_CONFIG, PCI_COMMAND,
				 &command, sizeof(command));

	if (err)
		return err;
	command = le16toh(command) | PCI_COMMAND_MEMORY;
	command = on ? command | PCI_COMMAND_MASTER
		     : command & (uint16_t)~PCI_COMMAND_MASTER;
	command = htole16(command);
	return vgpu_vfio_write(vfio, VGPU_REGION_CONFIG, PCI_COMMAND, &command,
			       sizeof(command));
}

int vgpu_vfio_reset(struct vgpu_vfio *vfio)
{
	if (!vfio->can_reset)
		return -EOPNOTSUPP;
	return ioctl(vfio->kernel.device, VFIO_DEVICE_RESET) < 0 ? -errno : 0;
}

int vgpu_vfio_irqs(struct vgpu_vfio *vfio, unsigned index)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };

	if (ioctl(vfio->kernel.device, VFIO_DEVICE_GET_IRQ_INFO, &info) < 0)
		return -errno;
	return (int)info.count;
}

int vgpu_vfio_set_irqs(struct vgpu_vfio *vfio, unsigned index,
		       const int *eventfds, unsigned n)
{
	cleanup_free struct vfio_irq_set *set = NULL;
	size_t bytes = n * sizeof(int32_t);

	if (n > MAX_VECTORS)
		return -EINVAL;
	set = calloc(1, sizeof(*set) + bytes);
	if (!set)
		return -ENOMEM;
	set->argsz = (uint32_t)(sizeof(*set) + bytes);
	set->flags = VFIO_IRQ_SET_ACTION_TRIGGER |
		     (n ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE);
	set->index = index;
	set->count = n;
	if (n)
		memcpy(set->data, eventfds, bytes);
	if (ioctl(vfio->kernel.device, VFIO_DEVICE_SET_IRQS, set) < 0)
		return -errno;
	return 0;
}

int vgpu_vfio_unmask_intx(struct vgpu_vfio *vfio)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_ACTION_UNMASK | VFIO_IRQ_SET_DATA_NONE,
		.index = VFIO_PCI_INTX_IRQ_INDEX,
		.count = 1,
	};

	return ioctl(vfio->kernel.device, VFIO_DEVICE_SET_IRQS, &set) < 0
		       ? -errno
		       : 0;
}

struct vgpu_iommu *vgpu_vfio_iommu(struct vgpu_vfio *vfio)
{
	return vfio->iommu;
}

/* ------------------------------------------------------------------ */
/* Open and close                                                      */
/* ------------------------------------------------------------------ */

static int set_up(struct vgpu_vfio *v, const struct vgpu_vfio_config *config,
		  struct vfio_error *error)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	const struct iommu_chunks_config chunks = {
		.name = v->kernel.kind,
		.ops = v->kernel.ops,
		.ctx = &v->kernel,
		.ranges = v->kernel.ranges,
		.n_ranges = v->kernel.n_ranges,
		.mask = config->dma_mask ? config->dma_mask : UINT64_MAX,
		.max_mappings = v->kernel.max_mappings,
		.chunk = config->chunk,
	};
	int err;

	if (ioctl(v->kernel.device, VFIO_DEVICE_GET_INFO, &info) < 0) {
		err = -errno;
		vfio_error(error, "VFIO does not describe %s: %s", config->name,
			   strerror(-err));
		return err;
	}
	if (!(info.flags & VFIO_DEVICE_FLAGS_PCI)) {
		vfio_error(error, "%s is no PCI function to VFIO",
			   config->name);
		return -ENODEV;
	}
	v->can_reset = info.flags & VFIO_DEVICE_FLAGS_RESET;
	err = iommu_chunks_new(&chunks, &v->iommu);
	if (err)
		vfio_error(error,
			   "no address that the IOMMU can map is within "
			   "the DMA mask 0x%llx of %s (%s)",
			   (unsigned long long)chunks.mask, config->name,
			   strerror(-err));
	return err;
}

int vgpu_vfio_open_sized(const struct vgpu_vfio_config *config,
			 struct vgpu_vfio **ret_vfio, size_t size)
{
	struct vgpu_vfio_config c = { 0 };
	struct vfio_error error;
	struct vgpu_vfio *v;
	int err;

	err = sized_copy(&c, sizeof(c), config, size);
	if (err)
		return err;
	error = (struct vfio_error){ c.error, c.error ? c.error_size : 0 };
	if (!c.name)
		return -EINVAL;
	v = calloc(1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	err = vfio_kernel_open(c.name, !(c.flags & VGPU_VFIO_NO_IOMMUFD),
			       &error, &v->kernel);
	if (err) {
		free(v);
		return err;
	}
	err = set_up(v, &c, &error);
	if (err) {
		vgpu_vfio_close(v);
		return err;
	}
	*ret_vfio = v;
	return 0;
}

void vgpu_vfio_close(struct vgpu_vfio *vfio)
{
	if (!vfio)
		return;
	/* What of this fails ends with the device fd anyway. */
	vgpu_vfio_set_bus_master(vfio, false);
	vgpu_vfio_reset(vfio);
	for (unsigned i = 0; i < VGPU_NUM_BARS; i++)
		if (vfio->bars[i])
			munmap(vfio->bars[i], vfio->bar_sizes[i]);
	vgpu_iommu_destroy(vfio->iommu);
	vfio_kernel_close(&vfio->kernel);
	free(vfio);
}
