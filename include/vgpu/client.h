/* SPDX-License-Identifier: MIT */
/*
 * libvgpu-client: a program's way to a vGPU, without a VM.
 *
 * A vGPU is a PCI device behind a UNIX socket (vfio-user). This library is
 * the other end of it: connect, use its regions and interrupts, give it
 * memory for DMA. It works with every server of the protocol.
 *
 *     struct vgpu_client *c;
 *     vgpu_client_connect("/run/user/1000/vgpu.sock", NULL, &c);
 *     vgpu_client_enable(c);
 *     vgpu_client_read32(c, 2, 0x500, &id);
 *     vgpu_client_close(c);
 *
 * Conventions: int results are 0 and negative errno values; outputs named
 * ret_* are untouched on failure. Errors of the server come back as the errno
 * that it sent; -ETIMEDOUT: it did not answer; -ENOTCONN: the connection is
 * over (for good: connect again); -EPROTO: it answered nonsense, which ends
 * the connection, too.
 *
 * Threads: all functions may be called from any thread; a connection's calls
 * take turns. Mapped memory needs no call at all.
 */
#ifndef VGPU_CLIENT_H
#define VGPU_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VGPU_CLIENT_API __attribute__((visibility("default")))

struct vgpu_client;

/* ------------------------------------------------------------------ */
/* Connection                                                          */
/* ------------------------------------------------------------------ */

/**
 * struct vgpu_client_options - how to connect; zero is a good default
 * @struct_size: sizeof(struct vgpu_client_options)
 * @timeout_ms: patience with a reply, and with the connection; 0: 5000
 */
struct vgpu_client_options {
	uint32_t struct_size;
	uint32_t timeout_ms;
};

/**
 * vgpu_client_connect() - become the client of a vGPU
 * @path: its socket
 * @options: NULL: defaults
 *
 * Return: 0; -EBUSY: it has a client already; errno of connect(2).
 */
VGPU_CLIENT_API int
vgpu_client_connect(const char *path, const struct vgpu_client_options *options,
		    struct vgpu_client **ret_client);

/* The same over a connected socket, which is the library's from here on, also
 * on failure. */
VGPU_CLIENT_API int
vgpu_client_attach(int fd, const struct vgpu_client_options *options,
		   struct vgpu_client **ret_client);

/* Unmaps all mappings and memory that the library made. NULL is fine. */
VGPU_CLIENT_API void vgpu_client_close(struct vgpu_client *client);

/* Reset the device (its memory stays). */
VGPU_CLIENT_API int vgpu_client_reset(struct vgpu_client *client);

/* ------------------------------------------------------------------ */
/* Regions                                                             */
/* ------------------------------------------------------------------ */

#define VGPU_CLIENT_REGION_ROM	  6
#define VGPU_CLIENT_REGION_CONFIG 7

#define VGPU_CLIENT_REGION_READ	 (1u << 0)
#define VGPU_CLIENT_REGION_WRITE (1u << 1)
#define VGPU_CLIENT_REGION_MMAP	 (1u << 2) /* some of it can be mapped */

/** VGPU_CLIENT_MAX_AREAS - mappable areas of one region that are kept */
#define VGPU_CLIENT_MAX_AREAS 128

/**
 * struct vgpu_client_area - part of a region that can be mapped
 */
struct vgpu_client_area {
	uint64_t offset;
	uint64_t size;
};

/**
 * struct vgpu_client_region - what a region is
 * @size: bytes; 0: there is no such region
 * @flags: VGPU_CLIENT_REGION_*
 * @n_areas: of @areas
 * @areas: what can be mapped; the client's, good until it is closed
 */
struct vgpu_client_region {
	uint64_t size;
	uint32_t flags;
	uint32_t n_areas;
	const struct vgpu_client_area *areas;
};

/* @index: 0..5 the BARs, 6 the ROM, 7 config space. -EINVAL: no such index. */
VGPU_CLIENT_API int vgpu_client_region(struct vgpu_client *client,
				       unsigned index,
				       struct vgpu_client_region *ret_region);

/**
 * vgpu_client_map() - a pointer to part of a region
 * @index: the region
 * @offset: bytes
 * @len: bytes; all of it must lie in one mappable area
 *
 * The area stays mapped until the client is closed; asking again is cheap.
 *
 * Return: 0; -EACCES: not in a mappable area: use vgpu_client_read() and
 * vgpu_client_write().
 */
VGPU_CLIENT_API int vgpu_client_map(struct vgpu_client *client, unsigned index,
				    uint64_t offset, uint64_t len,
				    void **ret_ptr);

/* By message; any length, cut into pieces that the server takes. Works for
 * mappable areas, too. */
VGPU_CLIENT_API int vgpu_client_read(struct vgpu_client *client, unsigned index,
				     uint64_t offset, void *buf, size_t len);
VGPU_CLIENT_API int vgpu_client_write(struct vgpu_client *client,
				      unsigned index, uint64_t offset,
				      const void *buf, size_t len);

/* One register, as one access. */
VGPU_CLIENT_API int vgpu_client_read32(struct vgpu_client *client,
				       unsigned index, uint64_t offset,
				       uint32_t *ret_value);
VGPU_CLIENT_API int vgpu_client_write32(struct vgpu_client *client,
					unsigned index, uint64_t offset,
					uint32_t value);

/**
 * vgpu_client_post32() - write a register, and don't wait
 *
 * It takes effect before all later calls; that the server refused it is not
 * told.
 */
VGPU_CLIENT_API int vgpu_client_post32(struct vgpu_client *client,
				       unsigned index, uint64_t offset,
				       uint32_t value);

/**
 * vgpu_client_doorbell() - a register to be written by an eventfd
 * @offset: of the register
 * @size: bytes of it
 * @ret_fd: writing to it stands for writing to the register, with any value;
 *          the client's, good until it is closed
 *
 * The fastest way, but one without order: registers that are written by calls
 * may be written before or after.
 *
 * Return: 0; -ENOENT: the server has no such doorbell.
 */
VGPU_CLIENT_API int vgpu_client_doorbell(struct vgpu_client *client,
					 unsigned index, uint64_t offset,
					 uint32_t size, int *ret_fd);

/* Turn on memory and I/O decode and bus mastering in the command register. */
VGPU_CLIENT_API int vgpu_client_enable(struct vgpu_client *client);

/* ------------------------------------------------------------------ */
/* Interrupts                                                          */
/* ------------------------------------------------------------------ */

enum vgpu_client_irq {
	VGPU_CLIENT_IRQ_INTX = 0,
	VGPU_CLIENT_IRQ_MSI,
	VGPU_CLIENT_IRQ_MSIX,
	VGPU_CLIENT_IRQ_ERR,
	VGPU_CLIENT_IRQ_REQ,
};

/* How many vectors there are; 0: none. */
VGPU_CLIENT_API int vgpu_client_irq_count(struct vgpu_client *client,
					  enum vgpu_client_irq irq,
					  uint32_t *ret_count);

/**
 * vgpu_client_irq_enable() - have vectors signalled by eventfds
 * @first: first vector
 * @fds: one eventfd for each; stay the caller's
 * @n: number of them; those of another call stay as they are
 */
VGPU_CLIENT_API int vgpu_client_irq_enable(struct vgpu_client *client,
					   enum vgpu_client_irq irq,
					   unsigned first, const int *fds,
					   unsigned n);
/* Switch all vectors of it off. */
VGPU_CLIENT_API int vgpu_client_irq_disable(struct vgpu_client *client,
					    enum vgpu_client_irq irq);
/* INTx masks itself when it fires: allow it again. */
VGPU_CLIENT_API int vgpu_client_intx_unmask(struct vgpu_client *client);

/* ------------------------------------------------------------------ */
/* Memory for DMA                                                      */
/* ------------------------------------------------------------------ */

#define VGPU_CLIENT_DMA_READ  (1u << 0) /* the device may read it */
#define VGPU_CLIENT_DMA_WRITE (1u << 1) /* the device may write it */

/**
 * vgpu_client_dma_alloc() - memory that the device sees
 * @iova: where the device sees it; multiple of 4096
 * @size: bytes, multiple of 4096
 * @prot: VGPU_CLIENT_DMA_*
 * @ret_ptr: where the caller sees it; zeroed
 *
 * Goes with vgpu_client_dma_unmap() or vgpu_client_close().
 */
VGPU_CLIENT_API int vgpu_client_dma_alloc(struct vgpu_client *client,
					  uint64_t iova, uint64_t size,
					  unsigned prot, void **ret_ptr);

/**
 * vgpu_client_dma_map() - show the device memory of one's own
 * @fd: a memfd, or a file on tmpfs or hugetlbfs; stays the caller's
 * @offset: in it, multiple of 4096
 */
VGPU_CLIENT_API int vgpu_client_dma_map(struct vgpu_client *client,
					uint64_t iova, uint64_t size,
					unsigned prot, int fd, uint64_t offset);

/**
 * vgpu_client_dma_map_private() - show the device memory that has no file
 * @ptr: stays the caller's, and in place until it is unmapped
 *
 * The device reaches it by messages, which are answered in the calls of this
 * library, and in vgpu_client_serve().
 */
VGPU_CLIENT_API int vgpu_client_dma_map_private(struct vgpu_client *client,
						uint64_t iova, uint64_t size,
						unsigned prot, void *ptr);

/* Take memory back, as it was given. When this returns 0, the device does not
 * use it any more. */
VGPU_CLIENT_API int vgpu_client_dma_unmap(struct vgpu_client *client,
					  uint64_t iova, uint64_t size);

/**
 * vgpu_client_serve() - answer the device's messages
 * @timeout_ms: how long to wait for the first one; 0: not; -1: for ever
 *
 * Return: messages answered; -ENOTCONN.
 */
VGPU_CLIENT_API int vgpu_client_serve(struct vgpu_client *client,
				      int timeout_ms);

/* Readable when vgpu_client_serve() has something to do; the library's. */
VGPU_CLIENT_API int vgpu_client_fd(const struct vgpu_client *client);

#ifdef __cplusplus
}
#endif
#endif
