/* SPDX-License-Identifier: MIT */
/*
 * A physical PCI function, for the parent half of a driver that shares real
 * hardware: its registers, its interrupts, and an IOMMU backend that lets it
 * reach pinned client memory and nothing else.
 *
 * The function must be bound to vfio-pci and stand behind an IOMMU. It is
 * opened by its character device and iommufd where the kernel has both, else
 * by its group and a container (type1v2).
 *
 * Nothing of it ever reaches a client: BARs are mapped here and given out as
 * pointers, never as file descriptors.
 *
 * One thread at a time, except for the backend and for what lies behind the
 * pointers.
 */
#ifndef VGPU_VFIO_H
#define VGPU_VFIO_H

#include <vgpu/iommu.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vgpu_vfio;

#define VGPU_VFIO_NO_IOMMUFD (1u << 0) /* group and container, in any case */

/**
 * struct vgpu_vfio_config - which function, and how
 * @flags: VGPU_VFIO_*
 * @name: PCI address, "0000:01:00.0"
 * @dma_mask: highest address that the device can use, for example
 *            (1ull << 40) - 1; 0: all 64 bits
 * @chunk: bytes that are mapped at once, a power of two from 4 KiB to 2 MiB;
 *         0: 2 MiB, or less if few addresses are in the mask
 * @error: optional; filled in on failure: what went wrong, with what, and what
 *         to do about it
 * @error_size: room in @error
 */
struct vgpu_vfio_config {
	uint32_t flags;
	const char *name;
	uint64_t dma_mask;
	uint64_t chunk;
	char *error;
	size_t error_size;
};

/**
 * vgpu_vfio_open() - take a function over
 * @config: which
 * @ret_vfio: vgpu_vfio_close() it
 *
 * It can't do DMA until vgpu_vfio_set_bus_master().
 *
 * Return: 0; -ENODEV: there is no such function; -ENXIO: it is not bound to
 * vfio-pci, or has no IOMMU; -EBUSY: somebody else has it, or another device
 * of its group; -EPERM, -EACCES: no permission for its device nodes; other
 * errno of the kernel's.
 */
VGPU_API int vgpu_vfio_open_sized(const struct vgpu_vfio_config *config,
				  struct vgpu_vfio **ret_vfio, size_t size);
static inline int vgpu_vfio_open(const struct vgpu_vfio_config *config,
				 struct vgpu_vfio **ret_vfio)
{
	return vgpu_vfio_open_sized(config, ret_vfio, sizeof(*config));
}

/* Stops its DMA and interrupts, resets it if it can, and gives it back.
 * Nothing may be pinned through its backend any more. NULL is fine. */
VGPU_API void vgpu_vfio_close(struct vgpu_vfio *vfio);

/* The backend; goes with @vfio: don't destroy it. */
VGPU_API struct vgpu_iommu *vgpu_vfio_iommu(struct vgpu_vfio *vfio);

/**
 * vgpu_vfio_bar() - map a BAR
 * @vfio: the function
 * @bar: 0..5
 * @ret_ptr: its start; access it with volatile loads and stores of the
 *           register's size
 * @ret_size: bytes
 *
 * Mapped once; good until vgpu_vfio_close().
 *
 * Return: 0; -ENOENT: no such BAR; -EOPNOTSUPP: the kernel does not let it be
 * mapped (I/O ports, or smaller than a page): use vgpu_vfio_read().
 */
VGPU_API int vgpu_vfio_bar(struct vgpu_vfio *vfio, unsigned bar, void **ret_ptr,
			   uint64_t *ret_size);

/**
 * vgpu_vfio_read() - read from a region by system call
 * @vfio: the function
 * @region: enum vgpu_region_index: a BAR, the ROM, config space
 * @offset: in the region
 * @buf: where to
 * @len: 1, 2, 4 or 8 bytes for registers
 *
 * Return: 0; -ENOENT: no such region; -EINVAL: not inside; -EIO.
 */
VGPU_API int vgpu_vfio_read(struct vgpu_vfio *vfio, unsigned region,
			    uint64_t offset, void *buf, size_t len);
/* As vgpu_vfio_read(). */
VGPU_API int vgpu_vfio_write(struct vgpu_vfio *vfio, unsigned region,
			     uint64_t offset, const void *buf, size_t len);

/* May it do DMA, and see memory accesses at all? (PCI command register) */
VGPU_API int vgpu_vfio_set_bus_master(struct vgpu_vfio *vfio, bool on);

/* Reset the function. -EOPNOTSUPP: it has no way to. */
VGPU_API int vgpu_vfio_reset(struct vgpu_vfio *vfio);

/**
 * vgpu_vfio_irqs() - how many vectors an interrupt type has
 * @vfio: the function
 * @index: enum vgpu_irq_index
 *
 * Return: the number, 0 if it has none of these; or negative errno.
 */
VGPU_API int vgpu_vfio_irqs(struct vgpu_vfio *vfio, unsigned index);

/**
 * vgpu_vfio_set_irqs() - have interrupts signal eventfds
 * @vfio: the function
 * @index: enum vgpu_irq_index; one of INTx, MSI and MSI-X at a time
 * @eventfds: one for each vector from 0 on; -1: none for this one. Stay the
 *            caller's; close them any time.
 * @n: number of them; 0: disable the type
 *
 * A level interrupt (INTx) is masked by the kernel when it is signalled:
 * vgpu_vfio_unmask_intx() afterwards.
 *
 * Return: 0; -EINVAL: not so many vectors.
 */
VGPU_API int vgpu_vfio_set_irqs(struct vgpu_vfio *vfio, unsigned index,
				const int *eventfds, unsigned n);
VGPU_API int vgpu_vfio_unmask_intx(struct vgpu_vfio *vfio);

#ifdef __cplusplus
}
#endif
#endif
