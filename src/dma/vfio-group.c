/* SPDX-License-Identifier: MIT */
/* The older door: the function's IOMMU group in a container, type1v2
 * (<linux/vfio.h>; Documentation/driver-api/vfio.rst of Linux). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../util/bytes.h"
#include "../util/cleanup.h"
#include "vfio-kernel.h"

static int type1_map(void *ctx, uint64_t iova, void *ptr, uint64_t size,
		     unsigned prot)
{
	struct vfio_kernel *k = ctx;
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = (prot & VGPU_DMA_READ ? VFIO_DMA_MAP_FLAG_READ : 0) |
			 (prot & VGPU_DMA_WRITE ? VFIO_DMA_MAP_FLAG_WRITE : 0),
		.vaddr = (uintptr_t)ptr,
		.iova = iova,
		.size = size,
	};

	return ioctl(k->container, VFIO_IOMMU_MAP_DMA, &map) < 0 ? -errno : 0;
}

static int type1_unmap(void *ctx, uint64_t iova, uint64_t size)
{
	struct vfio_kernel *k = ctx;
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = iova,
		.size = size,
	};

	if (ioctl(k->container, VFIO_IOMMU_UNMAP_DMA, &unmap) < 0)
		return -errno;
	return unmap.size == size ? 0 : -EIO;
}

static const struct iommu_chunk_ops type1_ops = {
	.map = type1_map,
	.unmap = type1_unmap,
};

/* Number of the function's group, from sysfs */
static int group_number(const char *name, char *ret_group, size_t size)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *group;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group",
		 name);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = 0;
	group = strrchr(target, '/');
	group = group ? group + 1 : target;
	if (strlen(group) >= size)
		return -EINVAL;
	strcpy(ret_group, group);
	return 0;
}

static int open_group(const char *name, struct vfio_error *error,
		      struct vfio_kernel *k)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char number[32], path[64];
	int err = group_number(name, number, sizeof(number));

	if (err) {
		vfio_error(error,
			   "PCI function %s stands behind no IOMMU: "
			   "enable it in the firmware and on the kernel's "
			   "command line (intel_iommu=on)",
			   name);
		return -ENXIO;
	}
	snprintf(path, sizeof(path), "/dev/vfio/%s", number);
	k->group = open(path, O_RDWR | O_CLOEXEC);
	if (k->group < 0) {
		err = -errno;
		vfio_error(error, "cannot open %s, the IOMMU group of %s: %s%s",
			   path, name, strerror(-err),
			   err == -EBUSY    ? "; another process uses it"
			   : err == -EACCES ? "; give its group to this user"
					    : "");
		return err;
	}
	if (ioctl(k->group, VFIO_GROUP_GET_STATUS, &status) < 0)
		return -errno;
	if (status.flags & VFIO_GROUP_FLAGS_VIABLE)
		return 0;
	vfio_error(error,
		   "other functions of IOMMU group %s, which %s is in, "
		   "are bound to host drivers: bind them all to vfio-pci",
		   number, name);
	return -EBUSY;
}

static int open_container(struct vfio_error *error, struct vfio_kernel *k)
{
	int err;

	k->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (k->container < 0) {
		err = -errno;
		vfio_error(error, "cannot open /dev/vfio/vfio: %s",
			   strerror(-err));
		return err;
	}
	if (ioctl(k->container, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
	    ioctl(k->container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) !=
		    1) {
		vfio_error(error, "this kernel's VFIO has no type1v2 IOMMU: "
				  "modprobe vfio_iommu_type1");
		return -EOPNOTSUPP;
	}
	if (ioctl(k->group, VFIO_GROUP_SET_CONTAINER, &k->container) < 0 ||
	    ioctl(k->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0) {
		err = -errno;
		vfio_error(error, "VFIO refuses the IOMMU group: %s%s",
			   strerror(-err),
			   err == -EPERM ? "; without interrupt remapping, "
					   "vfio_iommu_type1 needs "
					   "allow_unsafe_interrupts=1"
					 : "");
		return err;
	}
	return 0;
}

static void read_capability(struct vfio_kernel *k,
			    const struct vfio_info_cap_header *cap, size_t room)
{
	const struct vfio_iommu_type1_info_cap_iova_range *ranges =
		(const void *)cap;
	const struct vfio_iommu_type1_info_dma_avail *avail = (const void *)cap;

	if (cap->id == VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE &&
	    room >= sizeof(*ranges)) {
		k->n_ranges = MIN((size_t)ranges->nr_iovas,
				  (room - sizeof(*ranges)) /
					  sizeof(ranges->iova_ranges[0]));
		k->n_ranges = MIN(k->n_ranges, (size_t)VFIO_MAX_RANGES);
		for (size_t i = 0; i < k->n_ranges; i++)
			k->ranges[i] = (struct iova_range){
				ranges->iova_ranges[i].start,
				ranges->iova_ranges[i].end,
			};
	}
	if (cap->id == VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL &&
	    room >= sizeof(*avail))
		k->max_mappings = MIN(avail->avail, VFIO_MAX_MAPPINGS);
}

static int read_info(struct vfio_kernel *k)
{
	struct vfio_iommu_type1_info head = { .argsz = sizeof(head) };
	cleanup_free char *buf = NULL;
	struct vfio_iommu_type1_info *info;
	uint32_t at;

	if (ioctl(k->container, VFIO_IOMMU_GET_INFO, &head) < 0)
		return -errno;
	buf = calloc(1, head.argsz);
	if (!buf)
		return -ENOMEM;
	info = (void *)buf;
	info->argsz = head.argsz;
	if (ioctl(k->container, VFIO_IOMMU_GET_INFO, info) < 0)
		return -errno;
	at = info->flags & VFIO_IOMMU_INFO_CAPS ? info->cap_offset : 0;
	while (at && at + sizeof(struct vfio_info_cap_header) <= head.argsz) {
		const struct vfio_info_cap_header *cap = (void *)(buf + at);

		read_capability(k, cap, head.argsz - at);
		if (cap->next <= at)
			break;
		at = cap->next;
	}
	/* A kernel that names none can map all. */
	if (!k->n_ranges)
		k->ranges[k->n_ranges++] = (struct iova_range){ 0, UINT64_MAX };
	return 0;
}

int vfio_group_open(const char *name, struct vfio_error *error,
		    struct vfio_kernel *kernel)
{
	int err = open_group(name, error, kernel);

	if (!err)
		err = open_container(error, kernel);
	if (!err) {
		err = read_info(kernel);
		if (err)
			vfio_error(error,
				   "VFIO does not describe its IOMMU: %s",
				   strerror(-err));
	}
	if (err)
		return err;
	kernel->device = ioctl(kernel->group, VFIO_GROUP_GET_DEVICE_FD, name);
	if (kernel->device < 0) {
		err = -errno;
		vfio_error(error, "VFIO does not give %s out: %s", name,
			   strerror(-err));
		return err;
	}
	kernel->ops = &type1_ops;
	kernel->kind = "type1v2";
	return 0;
}
