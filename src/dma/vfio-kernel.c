/* SPDX-License-Identifier: MIT */
#include "vfio-kernel.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../util/cleanup.h"

void vfio_error(struct vfio_error *error, const char *fmt, ...)
{
	va_list ap;

	if (!error->size)
		return;
	va_start(ap, fmt);
	vsnprintf(error->text, error->size, fmt, ap);
	va_end(ap);
}

/* Is it there, and vfio-pci's? */
static int check_bound(const char *name, struct vfio_error *error)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *driver;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", name);
	if (strchr(name, '/') || access(path, F_OK) < 0) {
		vfio_error(error,
			   "there is no PCI function %s (lspci -D lists "
			   "them)",
			   name);
		return -ENODEV;
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", name);
	n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = 0;
	driver = strrchr(target, '/');
	driver = driver ? driver + 1 : "no driver";
	if (!strcmp(driver, "vfio-pci"))
		return 0;
	vfio_error(error,
		   "PCI function %s is bound to %s, not to vfio-pci: "
		   "driverctl set-override %s vfio-pci",
		   name, driver, name);
	return -ENXIO;
}

int vfio_kernel_open(const char *name, bool iommufd, struct vfio_error *error,
		     struct vfio_kernel *ret_kernel)
{
	struct vfio_kernel k = {
		.device = -1,
		.container = -1,
		.group = -1,
		.max_mappings = VFIO_MAX_MAPPINGS,
	};
	int err = check_bound(name, error);

	if (err)
		return err;
	err = iommufd ? vfio_iommufd_open(name, error, &k) : -ENOENT;
	if (err == -ENOENT)
		err = vfio_group_open(name, error, &k);
	if (err) {
		vfio_kernel_close(&k);
		return err;
	}
	*ret_kernel = k;
	return 0;
}

/* Closing ends DMA: the IOMMU forgets what was mapped. */
void vfio_kernel_close(struct vfio_kernel *kernel)
{
	kernel->device = close_fd(kernel->device);
	kernel->group = close_fd(kernel->group);
	kernel->container = close_fd(kernel->container);
}
