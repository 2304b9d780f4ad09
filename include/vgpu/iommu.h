/* SPDX-License-Identifier: MIT */
/*
 * IOMMU backends: how client memory becomes reachable for a device.
 *
 * A driver never programs hardware with a guest's address. It pins pages
 * (vgpu_dma_pin_async() in <vgpu/dma.h>) and gets device addresses back; a backend
 * is who makes them. The core has two, and a vendor may bring his own, say
 * for a host kernel driver that owns the IOMMU:
 *
 *   cpu   for devices made of software: hands out device addresses from its
 *         own space; the engine reads and writes through it, and faults on
 *         anything else.
 *   vfio  for a PCI function bound to vfio-pci: <vgpu/vfio.h>.
 *
 * Many instances share one backend, as they share the device behind it; a
 * process may have several backends.
 */
#ifndef VGPU_IOMMU_H
#define VGPU_IOMMU_H

#include <vgpu/dma.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vgpu_iommu;

/**
 * struct vgpu_iommu_memory - a range of client memory, as this process has it
 * @prot: VGPU_DMA_READ, VGPU_DMA_WRITE: what the client allows
 * @id: unique in this process's life
 * @base: where it lies
 * @size: bytes, all of it in one piece from @base on
 * @fd: the file it comes from; the core's: don't close it
 * @offset: of @base in the file
 * @priv: the backend's own; NULL at first
 *
 * The core keeps it from the first pin of a page until the client takes the
 * range away, and calls @forget before. Fixed.
 */
struct vgpu_iommu_memory {
	uint32_t prot;
	uint64_t id;
	void *base;
	uint64_t size;
	int fd;
	uint64_t offset;
	void *priv;
};

/**
 * struct vgpu_iommu_page - one page to be made reachable
 * @memory: which memory
 * @offset: of the page in it, a multiple of VGPU_DMA_PAGE_SIZE
 *
 * Fixed.
 */
struct vgpu_iommu_page {
	struct vgpu_iommu_memory *memory;
	uint64_t offset;
};

/**
 * struct vgpu_iommu_stats - a backend's use
 * @mapped_pages: pages that have a device address
 * @mappings: what the backend has in use of what is scarce: table entries, or
 *            the kernel's mappings
 * @max_mappings: how many of them there can be
 * @faults: accesses that were stopped, as far as the backend can see them
 *
 * Fixed.
 */
struct vgpu_iommu_stats {
	uint64_t mapped_pages;
	uint64_t mappings;
	uint64_t max_mappings;
	uint64_t faults;
};

/**
 * struct vgpu_iommu_request - a map or an unmap that takes its time
 * @pages: of a map: which, @n of them
 * @addrs: of a map: to be filled in; of an unmap: which, @n of them
 * @n: not 0
 * @prot: of a map
 * @done: call it once, on the instance's loop, when it is over: @result is what
 *        @map or @unmap would return. The request is not the backend's any more
 *        from then on.
 * @priv: the backend's own; zeroed
 */
struct vgpu_iommu_request {
	const struct vgpu_iommu_page *pages;
	uint64_t *addrs;
	uint32_t n;
	uint32_t prot;
	void (*done)(struct vgpu_iommu_request *request, int64_t result);
	uint64_t priv[8];
};

/**
 * struct vgpu_iommu_ops - what a backend does
 * @name: for logs
 * @map: make @n pages reachable with @prot (never more than their memory's)
 *       and fill in @ret_addrs. All or none.
 *       Return: bytes of memory that are held in place from now on and were
 *       not before, which are @n pages or whatever larger pieces the backend
 *       works with: they are what the instance's and its user's limits count;
 *       or negative errno.
 * @unmap: the device must not reach these addresses any more, and does not
 *         when this returns. @addrs are as @map gave them.
 *         Return: bytes that are not held in place any more.
 * @forget: optional. No page of @memory is mapped any more and it is going
 *          away: free @priv. From the instance's loop.
 * @get_stats: fill in
 * @destroy: free it; nothing is mapped any more
 * @submit_map: optional, with @submit_unmap and @withdraw, in place of @map and
 *              @unmap: for a backend that has to wait for somebody else. Begin
 *              it. Return: -EINPROGRESS: @request's done will be called; or
 *              what @map returns, where it is over already.
 * @submit_unmap: likewise. It can't fail: -EINPROGRESS, or what @unmap returns.
 *                Requests are taken up in the order they were submitted.
 * @withdraw: the instance goes. Leave @request alone: don't call its done, nor
 *            touch what it names. Take back by yourself what it maps.
 *
 * Calls come from any thread, also at once for different instances; @submit_map
 * and so on from the instance's loop. None may take more than a few
 * milliseconds, nor call @done before it returns.
 */
struct vgpu_iommu_ops {
	const char *name;
	int64_t (*map)(struct vgpu_iommu *iommu,
		       const struct vgpu_iommu_page *pages, unsigned n,
		       unsigned prot, uint64_t *ret_addrs);
	uint64_t (*unmap)(struct vgpu_iommu *iommu, const uint64_t *addrs,
			  unsigned n);
	void (*forget)(struct vgpu_iommu *iommu,
		       struct vgpu_iommu_memory *memory);
	void (*get_stats)(struct vgpu_iommu *iommu,
			  struct vgpu_iommu_stats *ret_stats);
	void (*destroy)(struct vgpu_iommu *iommu);
	int64_t (*submit_map)(struct vgpu_iommu *iommu,
			      struct vgpu_iommu_request *request);
	int64_t (*submit_unmap)(struct vgpu_iommu *iommu,
				struct vgpu_iommu_request *request);
	void (*withdraw)(struct vgpu_iommu *iommu,
			 struct vgpu_iommu_request *request);
};

/**
 * struct vgpu_iommu - a backend; embed it and use vgpu_container_of()
 * @ops: what it does
 * @ops_size: bytes of them, as the backend was compiled with
 *
 * Fixed; made by vgpu_iommu_init().
 */
struct vgpu_iommu {
	const struct vgpu_iommu_ops *ops;
	size_t ops_size;
};

/* @ops must outlive it. */
static inline void vgpu_iommu_init(struct vgpu_iommu *iommu,
				   const struct vgpu_iommu_ops *ops)
{
	iommu->ops = ops;
	iommu->ops_size = sizeof(*ops);
}

/**
 * vgpu_dma_set_iommu() - say what an instance's pins go through
 * @dev: the instance; nothing is pinned yet
 * @iommu: the parent's backend; must outlive the instance
 *
 * On the instance's loop, usually in the create op.
 *
 * Return: 0; -EBUSY: there are pins, or unpins that are not over; -EINVAL: ops
 * that lack something.
 */
VGPU_API int vgpu_dma_set_iommu(struct vgpu_device *dev,
				struct vgpu_iommu *iommu);

static inline void vgpu_iommu_get_stats(struct vgpu_iommu *iommu,
					struct vgpu_iommu_stats *ret_stats)
{
	iommu->ops->get_stats(iommu, ret_stats);
}

/* NULL is fine. */
static inline void vgpu_iommu_destroy(struct vgpu_iommu *iommu)
{
	if (iommu)
		iommu->ops->destroy(iommu);
}

/* ------------------------------------------------------------------ */
/* The software IOMMU                                                  */
/* ------------------------------------------------------------------ */

/**
 * struct vgpu_iommu_cpu_config - a software IOMMU
 * @base: first device address, a multiple of VGPU_DMA_PAGE_SIZE; 0: the
 *        default, which is no address that a guest has by accident
 * @max_pages: pages that can be reachable at once; 0: VGPU_IOMMU_CPU_PAGES
 * @fault: optional. The engine used @addr, which it was not given for that.
 *         Runs on the engine's thread.
 * @user: for @fault
 */
struct vgpu_iommu_cpu_config {
	uint64_t base;
	uint64_t max_pages;
	void (*fault)(struct vgpu_iommu *iommu, uint64_t addr, unsigned prot,
		      void *user);
	void *user;
};

#define VGPU_IOMMU_CPU_PAGES (1ull << 24) /* 64 GiB */
#define VGPU_IOMMU_CPU_BASE  (1ull << 50) /* above all real memory */

/**
 * vgpu_iommu_cpu_new() - make one
 * @config: NULL: defaults
 * @ret_iommu: vgpu_iommu_destroy() it
 *
 * Addresses are used again as late as possible, so that one which is used
 * after its unpin faults.
 */
VGPU_API int
vgpu_iommu_cpu_new_sized(const struct vgpu_iommu_cpu_config *config,
			 struct vgpu_iommu **ret_iommu, size_t size);
static inline int vgpu_iommu_cpu_new(const struct vgpu_iommu_cpu_config *config,
				     struct vgpu_iommu **ret_iommu)
{
	return vgpu_iommu_cpu_new_sized(config, ret_iommu, sizeof(*config));
}

/**
 * vgpu_iommu_cpu_read() - the engine reads
 * @iommu: of vgpu_iommu_cpu_new()
 * @addr: device address, any alignment
 * @buf: where to
 * @len: bytes; pages that follow each other in device addresses
 *
 * Any thread. Return: 0; -EFAULT: not all of it is reachable for reading (it
 * was reported to @fault).
 */
VGPU_API int vgpu_iommu_cpu_read(struct vgpu_iommu *iommu, uint64_t addr,
				 void *buf, size_t len);

/* The engine writes; as vgpu_iommu_cpu_read(). */
VGPU_API int vgpu_iommu_cpu_write(struct vgpu_iommu *iommu, uint64_t addr,
				  const void *buf, size_t len);

/**
 * vgpu_iommu_cpu_enter() - a section in which pointers are good
 *
 * The same rules as for vgpu_dma_enter(): short, no blocking, nests.
 */
VGPU_API void vgpu_iommu_cpu_enter(struct vgpu_iommu *iommu);
VGPU_API void vgpu_iommu_cpu_leave(struct vgpu_iommu *iommu);

/**
 * vgpu_iommu_cpu_ptr() - the engine's translation, for an engine that keeps
 * its own TLB for the length of a section
 * @iommu: of vgpu_iommu_cpu_new(); in a section
 * @addr: device address
 * @prot: VGPU_DMA_READ and/or VGPU_DMA_WRITE
 *
 * Return: pointer to the byte, good until the end of its page and of the
 * section; NULL: a fault (it was reported).
 */
VGPU_API void *vgpu_iommu_cpu_ptr(struct vgpu_iommu *iommu, uint64_t addr,
				  unsigned prot);

#ifdef __cplusplus
}
#endif
#endif
