/* SPDX-License-Identifier: MIT */
/* The newer door: the function's character device, attached to an address
 * space of an iommufd (Documentation/userspace-api/iommufd.rst of Linux). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../util/bytes.h"
#include "../util/cleanup.h"
#include "iommufd-abi.h"
#include "vfio-kernel.h"

static int iommufd_map(void *ctx, uint64_t iova, void *ptr, uint64_t size,
		       unsigned prot)
{
	struct vfio_kernel *k = ctx;
	struct iommufd_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMUFD_MAP_FIXED_IOVA |
			 (prot & VGPU_DMA_READ ? IOMMUFD_MAP_READABLE : 0) |
			 (prot & VGPU_DMA_WRITE ? IOMMUFD_MAP_WRITEABLE : 0),
		.ioas_id = k->ioas,
		.user_va = (uintptr_t)ptr,
		.length = size,
		.iova = iova,
	};

	return ioctl(k->container, IOMMUFD_IOAS_MAP, &map) < 0 ? -errno : 0;
}

static int iommufd_unmap(void *ctx, uint64_t iova, uint64_t size)
{
	struct vfio_kernel *k = ctx;
	struct iommufd_ioas_unmap unmap = {
		.size = sizeof(unmap),
		.ioas_id = k->ioas,
		.iova = iova,
		.length = size,
	};

	if (ioctl(k->container, IOMMUFD_IOAS_UNMAP, &unmap) < 0)
		return -errno;
	return unmap.length == size ? 0 : -EIO;
}

static const struct iommu_chunk_ops iommufd_ops = {
	.map = iommufd_map,
	.unmap = iommufd_unmap,
};

/* The function's character device; -ENOENT: it has none. */
static int open_cdev(const char *name, struct vfio_error *error)
{
	char path[PATH_MAX], node[PATH_MAX] = "";
	struct dirent *e;
	DIR *dir;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", name);
	dir = opendir(path);
	if (!dir)
		return -ENOENT;
	while ((e = readdir(dir)))
		if (!strncmp(e->d_name, "vfio", 4))
			snprintf(node, sizeof(node), "/dev/vfio/devices/%s",
				 e->d_name);
	closedir(dir);
	/* A kernel without them lists the device, but makes no node. */
	if (!*node || access(node, F_OK) < 0)
		return -ENOENT;
	fd = open(node, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	fd = -errno;
	vfio_error(error, "cannot open %s, which is %s: %s", node, name,
		   strerror(-fd));
	return fd;
}

static int read_ranges(struct vfio_kernel *k)
{
	uint64_t pairs[VFIO_MAX_RANGES][2];
	struct iommufd_ioas_iova_ranges r = {
		.size = sizeof(r),
		.ioas_id = k->ioas,
		.num_iovas = VFIO_MAX_RANGES,
		.allowed_iovas = (uintptr_t)pairs,
	};

	if (ioctl(k->container, IOMMUFD_IOAS_IOVA_RANGES, &r) < 0)
		return -errno;
	k->n_ranges = MIN(r.num_iovas, VFIO_MAX_RANGES);
	for (size_t i = 0; i < k->n_ranges; i++)
		k->ranges[i] = (struct iova_range){ pairs[i][0], pairs[i][1] };
	return 0;
}

static int attach(const char *name, struct vfio_error *error,
		  struct vfio_kernel *k)
{
	struct vfio_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = k->container,
	};
	struct iommufd_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct vfio_attach_iommufd_pt pt = { .argsz = sizeof(pt) };
	const char *what = "bind";
	bool bound = false;
	int err;

	if (ioctl(k->device, VFIO_BIND_IOMMUFD, &bind) < 0)
		goto fail;
	bound = true;
	what = "make an address space for";
	if (ioctl(k->container, IOMMUFD_IOAS_ALLOC, &alloc) < 0)
		goto fail;
	k->ioas = pt.pt_id = alloc.out_ioas_id;
	what = "attach";
	if (ioctl(k->device, VFIO_ATTACH_IOMMUFD_PT, &pt) < 0)
		goto fail;
	return 0;
fail:
	err = -errno;
	/* How the kernel says that it is bound to another iommufd: there is
	 * nothing else in this call that could be invalid. */
	if (err == -EINVAL && !bound)
		err = -EBUSY;
	vfio_error(error, "iommufd can't %s %s: %s%s", what, name,
		   strerror(-err),
		   err == -EPERM   ? "; without interrupt remapping, iommufd "
				     "needs allow_unsafe_interrupts=1"
		   : err == -EBUSY ? "; another process uses it"
				   : "");
	return err;
}

int vfio_iommufd_open(const char *name, struct vfio_error *error,
		      struct vfio_kernel *kernel)
{
	int err;

	kernel->container = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (kernel->container < 0)
		return -ENOENT; /* whatever the reason: there is another door */
	err = open_cdev(name, error);
	if (err >= 0) {
		kernel->device = err;
		err = attach(name, error, kernel);
	}
	if (!err) {
		err = read_ranges(kernel);
		if (err)
			vfio_error(error,
				   "iommufd does not say which addresses "
				   "%s can use: %s",
				   name, strerror(-err));
	}
	if (err) {
		kernel->device = close_fd(kernel->device);
		kernel->container = close_fd(kernel->container);
		return err;
	}
	kernel->ops = &iommufd_ops;
	kernel->kind = "iommufd";
	return 0;
}
