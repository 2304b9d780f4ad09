/* SPDX-License-Identifier: MIT */
/*
 * The kernel's two doors to a PCI function behind an IOMMU: a device fd, and
 * chunks of this process's memory at device addresses.
 */
#ifndef DMA_VFIO_KERNEL_H
#define DMA_VFIO_KERNEL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "iommu-chunks.h"

/* VFIO's type1v2 takes so many mappings, unless it says another number. */
#define VFIO_MAX_MAPPINGS 65535u
#define VFIO_MAX_RANGES	  256u

/**
 * struct vfio_kernel - an open function
 * @ops: maps and unmaps; ctx is the structure itself
 * @n_ranges: addresses that can be mapped
 * @max_mappings: chunks at once
 */
struct vfio_kernel {
	const struct iommu_chunk_ops *ops;
	const char *kind; /* "iommufd" or "type1v2" */
	int device;
	int container; /* or the iommufd */
	int group;     /* -1 with an iommufd */
	uint32_t ioas; /* of an iommufd */
	struct iova_range ranges[VFIO_MAX_RANGES];
	size_t n_ranges;
	uint32_t max_mappings;
};

/* What went wrong, for people; cut to fit. @size may be 0. */
struct vfio_error {
	char *text;
	size_t size;
};
void vfio_error(struct vfio_error *error, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * vfio_kernel_open() - by character device if there is one, else by group
 * @name: PCI address
 * @iommufd: whether an iommufd may be used
 */
int vfio_kernel_open(const char *name, bool iommufd, struct vfio_error *error,
		     struct vfio_kernel *ret_kernel);
void vfio_kernel_close(struct vfio_kernel *kernel);

/* vfio-group.c, vfio-iommufd.c. -ENOENT: not this door here. */
int vfio_group_open(const char *name, struct vfio_error *error,
		    struct vfio_kernel *kernel);
int vfio_iommufd_open(const char *name, struct vfio_error *error,
		      struct vfio_kernel *kernel);

#endif
