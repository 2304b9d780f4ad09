/* SPDX-License-Identifier: MIT */
/*
 * The part of <linux/iommufd.h>, and of newer <linux/vfio.h>, that is used
 * here: Debian 12's headers are older than iommufd (Linux 6.2) and the vfio
 * character devices (6.6). Numbers and layouts are the kernel's ABI.
 */
#ifndef DMA_IOMMUFD_ABI_H
#define DMA_IOMMUFD_ABI_H

#include <linux/vfio.h>
#include <stdint.h>
#include <sys/ioctl.h>

#define IOMMUFD_NR(n) _IO(';', 0x80 + (n))

#define IOMMUFD_IOAS_ALLOC IOMMUFD_NR(1)
struct iommufd_ioas_alloc {
	uint32_t size;
	uint32_t flags;
	uint32_t out_ioas_id;
};

#define IOMMUFD_IOAS_IOVA_RANGES IOMMUFD_NR(4)
struct iommufd_ioas_iova_ranges {
	uint32_t size;
	uint32_t ioas_id;
	uint32_t num_iovas;
	uint32_t reserved;
	uint64_t allowed_iovas; /* array of two uint64_t each: start, last */
	uint64_t out_iova_alignment;
};

#define IOMMUFD_IOAS_MAP       IOMMUFD_NR(5)
#define IOMMUFD_MAP_FIXED_IOVA (1u << 0)
#define IOMMUFD_MAP_WRITEABLE  (1u << 1)
#define IOMMUFD_MAP_READABLE   (1u << 2)
struct iommufd_ioas_map {
	uint32_t size;
	uint32_t flags;
	uint32_t ioas_id;
	uint32_t reserved;
	uint64_t user_va;
	uint64_t length;
	uint64_t iova;
};

#define IOMMUFD_IOAS_UNMAP IOMMUFD_NR(6)
struct iommufd_ioas_unmap {
	uint32_t size;
	uint32_t ioas_id;
	uint64_t iova;
	uint64_t length;
};

#define VFIO_BIND_IOMMUFD _IO(VFIO_TYPE, VFIO_BASE + 18)
struct vfio_bind_iommufd {
	uint32_t argsz;
	uint32_t flags;
	int32_t iommufd;
	uint32_t out_devid;
};

#define VFIO_ATTACH_IOMMUFD_PT _IO(VFIO_TYPE, VFIO_BASE + 19)
struct vfio_attach_iommufd_pt {
	uint32_t argsz;
	uint32_t flags;
	uint32_t pt_id;
};

#endif
