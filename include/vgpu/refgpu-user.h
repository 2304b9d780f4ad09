/* SPDX-License-Identifier: MIT */
/*
 * libvgpu-refgpu: a driver of the reference GPU (docs/refgpu.md) that is a
 * library in a program. The GPU may be a vGPU of a vgpu-device, a PCI function
 * in a guest, or anything else behind a *bus*.
 *
 *     vgpu_rg_connect("/run/user/1000/vgpu.sock", &dev);
 *     vgpu_rg_context_new(dev, NULL, &ctx);
 *     vgpu_rg_buffer_new(dev, 1 << 20, VGPU_RG_VRAM, &buf);
 *     vgpu_rg_map(ctx, buf, VGPU_RG_READ | VGPU_RG_WRITE, &va);
 *     vgpu_rg_fill(&s, va, 1 << 20, 0);
 *     vgpu_rg_submit(ctx, &s, &fence);
 *     vgpu_rg_wait(ctx, fence, VGPU_RG_FOR_EVER);
 *     ... vgpu_rg_buffer_ptr(buf) ...
 *     vgpu_rg_close(dev);
 *
 * Conventions: int results are 0 and negative errno values; outputs named
 * ret_* are untouched on failure. -EFAULT: a command used an address that its
 * context has not mapped; -EIO: the device refused a command or was made to
 * stop; vgpu_rg_context_explain() says which and why, in words. -ENOTCONN: the
 * device is gone.
 *
 * Threads: a device, its contexts and buffers are used by one thread at a
 * time. A bus likewise.
 */
#ifndef VGPU_REFGPU_USER_H
#define VGPU_REFGPU_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vgpu/refgpu.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VGPU_RG_API __attribute__((visibility("default")))

#define VGPU_RG_FOR_EVER UINT64_MAX /* ns */

struct vgpu_client;
struct vgpu_rg_bus;
struct vgpu_rg_device;
struct vgpu_rg_context;
struct vgpu_rg_buffer;

/* ------------------------------------------------------------------ */
/* The way to the device                                               */
/* ------------------------------------------------------------------ */

/**
 * struct vgpu_rg_bus_ops - what the driver needs of a bus
 * @read: a register of BAR0
 * @write: likewise; it has taken effect on return
 * @post: likewise; it takes effect before the next @read, @write, @post,
 *        @doorbell
 * @doorbell: of a context; stores to memory before it are seen by the device
 * @alloc: memory that the device sees at *@ret_addr and the program at
 *         *@ret_ptr, zeroed; @size is a multiple of 4096, the address of
 *         @align, which is 4096 or 2 MiB. NULL: there is none.
 * @free: give it back, as it was given; the device uses it no more
 * @wait: until a context's event (REFGPU_VECTOR_EVENT) interrupts or has
 *        since the last call; @timeout_ns may be VGPU_RG_FOR_EVER. A bus
 *        without interrupts sleeps for a while. Return: 1 interrupted, or may
 *        be; 0 time is over; -ENOTCONN.
 * @close: free the bus
 */
struct vgpu_rg_bus_ops {
	int (*read)(struct vgpu_rg_bus *bus, uint32_t reg, uint32_t *ret_value);
	int (*write)(struct vgpu_rg_bus *bus, uint32_t reg, uint32_t value);
	int (*post)(struct vgpu_rg_bus *bus, uint32_t reg, uint32_t value);
	int (*doorbell)(struct vgpu_rg_bus *bus, unsigned ctx);
	int (*alloc)(struct vgpu_rg_bus *bus, uint64_t size, uint64_t align,
		     uint64_t *ret_addr, void **ret_ptr);
	void (*free)(struct vgpu_rg_bus *bus, uint64_t addr, uint64_t size,
		     void *ptr);
	int (*wait)(struct vgpu_rg_bus *bus, uint64_t timeout_ns);
	void (*close)(struct vgpu_rg_bus *bus);
};

/**
 * struct vgpu_rg_bus - embed it
 * @ops: all but alloc and free are mandatory
 * @vram: where BAR2 is mapped
 * @vram_size: bytes of it
 */
struct vgpu_rg_bus {
	const struct vgpu_rg_bus_ops *ops;
	void *vram;
	uint64_t vram_size;
};

/**
 * vgpu_rg_bus_client() - a vGPU, over vfio-user (<vgpu/client.h>)
 * @client: the bus's on success: it goes with it
 *
 * Return: 0; -ENODEV: no reference GPU; what libvgpu-client reports.
 */
VGPU_RG_API int vgpu_rg_bus_client(struct vgpu_client *client,
				   struct vgpu_rg_bus **ret_bus);

/**
 * vgpu_rg_bus_sysfs() - a PCI function, through its files in sysfs
 * @path: such as /sys/bus/pci/devices/0000:00:03.0, or NULL: the first one
 *
 * For root in a guest that has no other driver for it. VRAM only: a program
 * can't give a device memory this way. Its waits look now and then.
 *
 * Return: 0; -ENODEV: none; errors of open(2) and mmap(2).
 */
VGPU_RG_API int vgpu_rg_bus_sysfs(const char *path,
				  struct vgpu_rg_bus **ret_bus);

/* ------------------------------------------------------------------ */
/* Device                                                              */
/* ------------------------------------------------------------------ */

/**
 * vgpu_rg_open() - take the device behind a bus, and reset it
 * @bus: the device's from here on, also on failure
 *
 * Return: 0; -ENODEV: no reference GPU, or of another major version.
 */
VGPU_RG_API int vgpu_rg_open(struct vgpu_rg_bus *bus,
			     struct vgpu_rg_device **ret_dev);

/* The same for the vGPU behind a socket. Return: also errors of
 * vgpu_client_connect(). */
VGPU_RG_API int vgpu_rg_connect(const char *path,
				struct vgpu_rg_device **ret_dev);

/* Stops its contexts and frees them and all buffers. NULL is fine. */
VGPU_RG_API void vgpu_rg_close(struct vgpu_rg_device *dev);

/**
 * struct vgpu_rg_info - what a device is
 * @version: REFGPU_VERSION
 * @caps: REFGPU_CAP_*
 * @contexts: how many there may be at a time
 * @vram_size: bytes
 * @system: buffers may be in system memory
 */
struct vgpu_rg_info {
	uint32_t version, caps, contexts;
	uint64_t vram_size;
	bool system;
};

VGPU_RG_API struct vgpu_rg_info vgpu_rg_info(const struct vgpu_rg_device *dev);

/* All of VRAM, as the program sees it; buffers are pieces of it. */
VGPU_RG_API void *vgpu_rg_vram(const struct vgpu_rg_device *dev);

/* The bus it was opened with; stays the device's. */
VGPU_RG_API struct vgpu_rg_bus *vgpu_rg_bus(const struct vgpu_rg_device *dev);

/* A register, for what this library has no call for (the display). */
VGPU_RG_API int vgpu_rg_read(struct vgpu_rg_device *dev, uint32_t reg,
			     uint32_t *ret_value);
VGPU_RG_API int vgpu_rg_write(struct vgpu_rg_device *dev, uint32_t reg,
			      uint32_t value);

/* ------------------------------------------------------------------ */
/* Buffers                                                             */
/* ------------------------------------------------------------------ */

#define VGPU_RG_VRAM   (1u << 0)
#define VGPU_RG_SYSTEM (1u << 1) /* memory of the program */

/**
 * vgpu_rg_buffer_new() - memory for the device, zeroed
 * @size: bytes, rounded up to pages
 * @where: VGPU_RG_VRAM or VGPU_RG_SYSTEM
 *
 * From 2 MiB on it is aligned for pages of 2 MiB.
 *
 * Return: 0; -ENOSPC: no such piece of VRAM is free; -ENOTSUP: the bus has no
 * system memory; -ENOMEM; -EINVAL.
 */
VGPU_RG_API int vgpu_rg_buffer_new(struct vgpu_rg_device *dev, uint64_t size,
				   unsigned where,
				   struct vgpu_rg_buffer **ret_buf);

/* It must be mapped nowhere; see vgpu_rg_unmap(). NULL is fine. */
VGPU_RG_API void vgpu_rg_buffer_free(struct vgpu_rg_buffer *buf);

VGPU_RG_API void *vgpu_rg_buffer_ptr(const struct vgpu_rg_buffer *buf);
VGPU_RG_API uint64_t vgpu_rg_buffer_size(const struct vgpu_rg_buffer *buf);
/* Offset in VRAM (for the display), or bus address. */
VGPU_RG_API uint64_t vgpu_rg_buffer_addr(const struct vgpu_rg_buffer *buf);

/* ------------------------------------------------------------------ */
/* Contexts                                                            */
/* ------------------------------------------------------------------ */

/**
 * struct vgpu_rg_context_options - zero is a good default
 * @struct_size: sizeof(struct vgpu_rg_context_options)
 * @engine: enum refgpu_engine
 * @ring_size: bytes, a power of two from 4 KiB to 1 MiB; 0: 64 KiB
 * @system: ring and page tables are in system memory, not in VRAM
 */
struct vgpu_rg_context_options {
	uint32_t struct_size;
	uint32_t engine;
	uint32_t ring_size;
	bool system;
};

/* @options: NULL: defaults. Return: 0; -EBUSY: all contexts are taken; as
 * vgpu_rg_buffer_new(). */
VGPU_RG_API int
vgpu_rg_context_new(struct vgpu_rg_device *dev,
		    const struct vgpu_rg_context_options *options,
		    struct vgpu_rg_context **ret_ctx);
/* Stops it at once. NULL is fine. */
VGPU_RG_API void vgpu_rg_context_free(struct vgpu_rg_context *ctx);

/* Stop it, drop what it had to do, and make it run again: the way on after an
 * error. Its mappings stay; fences that were not reached are. */
VGPU_RG_API int vgpu_rg_context_restart(struct vgpu_rg_context *ctx);

VGPU_RG_API struct vgpu_rg_device *
vgpu_rg_context_device(const struct vgpu_rg_context *ctx);

/* The number that the device knows it by. */
VGPU_RG_API unsigned vgpu_rg_context_id(const struct vgpu_rg_context *ctx);

/* ns that an engine has spent on it. */
VGPU_RG_API int vgpu_rg_context_time(struct vgpu_rg_context *ctx,
				     uint64_t *ret_ns);

#define VGPU_RG_READ  (1u << 0)
#define VGPU_RG_WRITE (1u << 1)
#define VGPU_RG_SMALL (1u << 2) /* pages of 4 KiB only */

/**
 * vgpu_rg_map() - show a context a buffer
 * @flags: VGPU_RG_READ, VGPU_RG_WRITE, VGPU_RG_SMALL
 * @ret_va: GPU address of its first byte, a multiple of 4096
 *
 * Takes effect at once, also for commands that were submitted before.
 *
 * Return: 0; -ENOSPC: no room for tables or addresses; -ENOMEM.
 */
VGPU_RG_API int vgpu_rg_map(struct vgpu_rg_context *ctx,
			    struct vgpu_rg_buffer *buf, unsigned flags,
			    uint64_t *ret_va);

/* The same at an address of one's own choice (VGPU_RG_VA_USER and above,
 * multiple of 4096), from @offset of the buffer on, for @size bytes. -EEXIST:
 * something is there. */
VGPU_RG_API int vgpu_rg_map_at(struct vgpu_rg_context *ctx, uint64_t va,
			       struct vgpu_rg_buffer *buf, uint64_t offset,
			       uint64_t size, unsigned flags);
#define VGPU_RG_VA_USER (1ull << 39)

/* Take a mapping away; commands that use it fault from now on. @va and @size
 * as they were mapped. */
VGPU_RG_API int vgpu_rg_unmap(struct vgpu_rg_context *ctx, uint64_t va,
			      uint64_t size);

/* Where the ring is mapped, for who writes it himself; see struct refgpu_ctl.
 */
VGPU_RG_API uint32_t *vgpu_rg_ring(struct vgpu_rg_context *ctx,
				   struct refgpu_ctl **ret_ctl);

/* Where the entry of a page of 4 KiB is, for who changes entries himself; NULL:
 * there is no table of them (yet). */
VGPU_RG_API uint64_t *vgpu_rg_entry(struct vgpu_rg_context *ctx, uint64_t va);

/* Where its root table is mapped: REFGPU_ROOT_ENTRIES entries. */
VGPU_RG_API uint64_t *vgpu_rg_root(struct vgpu_rg_context *ctx);

/* Make the device forget translations of @pages pages from @va on (0: all).
 * Needed where a valid entry was changed. */
VGPU_RG_API int vgpu_rg_invalidate(struct vgpu_rg_context *ctx, uint64_t va,
				   uint32_t pages);

/* ------------------------------------------------------------------ */
/* Commands                                                            */
/* ------------------------------------------------------------------ */

/**
 * struct vgpu_rg_stream - commands that are being put together
 * @dwords: they; allocated
 * @n: how many
 * @room: private
 * @err: the first thing that went wrong (-ENOMEM), reported by submit
 *
 * Zeroed it is an empty one. All functions append.
 */
struct vgpu_rg_stream {
	uint32_t *dwords;
	size_t n, room;
	int err;
};

/* Empty it and keep its memory; free its memory. */
VGPU_RG_API void vgpu_rg_stream_clear(struct vgpu_rg_stream *s);
VGPU_RG_API void vgpu_rg_stream_free(struct vgpu_rg_stream *s);

/* Any dwords; nothing is checked. */
VGPU_RG_API void vgpu_rg_raw(struct vgpu_rg_stream *s, const uint32_t *dwords,
			     size_t n);

VGPU_RG_API void vgpu_rg_nop(struct vgpu_rg_stream *s, unsigned len);
VGPU_RG_API void vgpu_rg_batch(struct vgpu_rg_stream *s, uint64_t va,
			       uint32_t dwords);
VGPU_RG_API void vgpu_rg_end(struct vgpu_rg_stream *s);
VGPU_RG_API void vgpu_rg_fence(struct vgpu_rg_stream *s, uint64_t va,
			       uint64_t value);
VGPU_RG_API void vgpu_rg_sem_wait(struct vgpu_rg_stream *s, uint64_t va,
				  uint64_t value);
VGPU_RG_API void vgpu_rg_sem_add(struct vgpu_rg_stream *s, uint64_t va,
				 uint64_t value);
VGPU_RG_API void vgpu_rg_irq(struct vgpu_rg_stream *s, uint32_t cookie);
VGPU_RG_API void vgpu_rg_timestamp(struct vgpu_rg_stream *s, uint64_t va);
VGPU_RG_API void vgpu_rg_inv(struct vgpu_rg_stream *s, uint64_t va,
			     uint32_t pages);
VGPU_RG_API void vgpu_rg_fill(struct vgpu_rg_stream *s, uint64_t va,
			      uint64_t bytes, uint32_t value);
VGPU_RG_API void vgpu_rg_copy(struct vgpu_rg_stream *s, uint64_t to,
			      uint64_t from, uint64_t bytes);

/* A surface of ARGB8888 pixels, and a point in it. */
struct vgpu_rg_surface {
	uint64_t va;
	uint32_t stride; /* bytes */
};
struct vgpu_rg_point {
	uint16_t x, y;
};

VGPU_RG_API void vgpu_rg_rect_fill(struct vgpu_rg_stream *s,
				   struct vgpu_rg_surface to,
				   struct vgpu_rg_point at,
				   struct vgpu_rg_point size, uint32_t colour);
VGPU_RG_API void
vgpu_rg_rect_copy(struct vgpu_rg_stream *s, struct vgpu_rg_surface to,
		  struct vgpu_rg_surface from, struct vgpu_rg_point at,
		  struct vgpu_rg_point from_at, struct vgpu_rg_point size);
VGPU_RG_API void
vgpu_rg_rect_blend(struct vgpu_rg_stream *s, struct vgpu_rg_surface to,
		   struct vgpu_rg_surface from, struct vgpu_rg_point at,
		   struct vgpu_rg_point from_at, struct vgpu_rg_point size);

/* A kernel, with its arguments as dwords. */
VGPU_RG_API void vgpu_rg_dispatch(struct vgpu_rg_stream *s, uint32_t kernel,
				  const uint32_t groups[3],
				  const uint32_t *args, unsigned n_args);

/* The kernels, whole: as many groups as the data needs. */
VGPU_RG_API void vgpu_rg_saxpy(struct vgpu_rg_stream *s, uint32_t n, float a,
			       uint64_t x, uint64_t y);

/**
 * struct vgpu_rg_sgemm - C (m x n) = alpha A (m x k) B (k x n) + beta C
 * @lda: elements from row to row, likewise the others
 */
struct vgpu_rg_sgemm {
	uint32_t m, n, k, lda, ldb, ldc;
	float alpha, beta;
	uint64_t a, b, c;
};
VGPU_RG_API void vgpu_rg_sgemm(struct vgpu_rg_stream *s,
			       const struct vgpu_rg_sgemm *job);

/**
 * struct vgpu_rg_mandelbrot - a picture, XRGB8888
 * @x0, @y0: the upper left pixel's number; @dx, @dy: from pixel to pixel
 */
struct vgpu_rg_mandelbrot {
	uint64_t va;
	uint32_t stride, width, height, iterations;
	double x0, y0, dx, dy;
};
VGPU_RG_API void vgpu_rg_mandelbrot(struct vgpu_rg_stream *s,
				    const struct vgpu_rg_mandelbrot *job);

/* @sums: a float for each REFGPU_REDUCE_GROUP elements */
VGPU_RG_API void vgpu_rg_reduce(struct vgpu_rg_stream *s, uint32_t n,
				uint64_t x, uint64_t sums);
/* @bins: 256 counters of 32 bits, added to */
VGPU_RG_API void vgpu_rg_histogram(struct vgpu_rg_stream *s, uint32_t bytes,
				   uint64_t x, uint64_t bins);
VGPU_RG_API void vgpu_rg_spin(struct vgpu_rg_stream *s, uint32_t groups,
			      uint64_t ns);

/* ------------------------------------------------------------------ */
/* Submission                                                          */
/* ------------------------------------------------------------------ */

/**
 * vgpu_rg_submit() - have commands run
 * @s: stays as it is
 * @ret_fence: reached when all is done, and never 0; NULL is fine
 *
 * Blocks while the ring has no room.
 *
 * Return: 0; -EFAULT, -EIO: the context stands; -ENOTCONN; @s->err.
 */
VGPU_RG_API int vgpu_rg_submit(struct vgpu_rg_context *ctx,
			       const struct vgpu_rg_stream *s,
			       uint64_t *ret_fence);

/* Is it reached? Looks into memory only. */
VGPU_RG_API bool vgpu_rg_done(const struct vgpu_rg_context *ctx,
			      uint64_t fence);

/**
 * vgpu_rg_wait() - until a fence is reached
 *
 * Looks for a moment, then sleeps until the device interrupts.
 *
 * Return: 0; -ETIMEDOUT; -EFAULT, -EIO: the context stands before; -ENOTCONN.
 */
VGPU_RG_API int vgpu_rg_wait(struct vgpu_rg_context *ctx, uint64_t fence,
			     uint64_t timeout_ns);

/* ------------------------------------------------------------------ */
/* What went wrong                                                     */
/* ------------------------------------------------------------------ */

/**
 * struct vgpu_rg_status - how a context stands
 * @state: enum refgpu_state
 * @error: enum refgpu_error, with REFGPU_STATE_ERROR
 * @fault: enum refgpu_fault, with REFGPU_STATE_FAULT
 * @write: it was a write
 * @fault_va: at this page
 * @head: byte in the ring
 */
struct vgpu_rg_status {
	uint32_t state, error, fault;
	bool write;
	uint64_t fault_va;
	uint32_t head;
};

VGPU_RG_API int vgpu_rg_context_status(struct vgpu_rg_context *ctx,
				       struct vgpu_rg_status *ret_status);

/* A sentence without a full stop about it. @buf: 160 bytes are enough. */
VGPU_RG_API void vgpu_rg_context_explain(struct vgpu_rg_context *ctx, char *buf,
					 size_t size);

/* After a fault: what was missing is there now. */
VGPU_RG_API int vgpu_rg_resume(struct vgpu_rg_context *ctx);

#ifdef __cplusplus
}
#endif
#endif
