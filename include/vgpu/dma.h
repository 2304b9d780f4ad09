/* SPDX-License-Identifier: MIT */
/*
 * The client's memory: how a driver reads, writes and uses it.
 *
 * A client (a VMM, or a program) gives memory to its vGPU by DMA maps, and
 * takes it away again when it likes. Drivers name that memory by IOVA, the
 * address that the device's own DMA would use. There are four ways to it:
 *
 *   copies     vgpu_dma_read(), vgpu_dma_write(): any length, any alignment,
 *              nothing to release. The first choice.
 *   registers  vgpu_dma_load(), vgpu_dma_store(), vgpu_dma_cmpxchg(): 8 to 64
 *              bits at once, for rings and flags shared with the guest.
 *   pointers   vgpu_dma_ptr() in a section of vgpu_dma_enter() and
 *              vgpu_dma_leave(): the cheapest, for moments.
 *   segments   vgpu_dma_get(), vgpu_dma_put(): pointers that last until they
 *              are put back. An unmap waits for them.
 *
 * Not all memory is in reach: a range that came without a file (QEMU with
 * memory that is not shared, a BAR of another device) is read and written by
 * messages. Only vgpu_dma_read_async() and vgpu_dma_write_async() get there;
 * everything else says -EOPNOTSUPP.
 *
 * Memory changes under the driver's eyes: the guest's other processors write
 * to it. Copy first, then check, then use the copy. A client that truncates
 * the file behind its memory leaves zeroes in place of what was there.
 *
 * Functions may be called from any thread unless they say otherwise. They
 * return negative errno values:
 *   -EFAULT      nothing (or not everything) is mapped there
 *   -EACCES      it is, but not for reading, or not for writing
 *   -EOPNOTSUPP  it is, but only messages get there
 *   -EINVAL      lengths, alignments, protections that make no sense
 */
#ifndef VGPU_DMA_H
#define VGPU_DMA_H

#include <vgpu/driver.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the device may do with the memory; VFIO's numbers. */
#define VGPU_DMA_READ  (1u << 0)
#define VGPU_DMA_WRITE (1u << 1)

/* ------------------------------------------------------------------ */
/* Copies                                                              */
/* ------------------------------------------------------------------ */

/**
 * vgpu_dma_read() - copy out of the client's memory
 * @dev: the instance
 * @iova: where from; may cross from one range into the next
 * @buf: where to
 * @len: bytes, any number
 *
 * Return: 0, or an error from the list above; @buf may be partly filled then.
 */
VGPU_API int vgpu_dma_read(struct vgpu_device *dev, uint64_t iova, void *buf,
			   size_t len);

/**
 * vgpu_dma_write() - copy into the client's memory
 * @dev: the instance
 * @iova: where to
 * @buf: where from
 * @len: bytes, any number
 *
 * Return: as vgpu_dma_read(); part of it may have been written on failure.
 */
VGPU_API int vgpu_dma_write(struct vgpu_device *dev, uint64_t iova,
			    const void *buf, size_t len);

/* ------------------------------------------------------------------ */
/* Registers in memory                                                 */
/* ------------------------------------------------------------------ */

/**
 * vgpu_dma_load() - read a value that does not tear
 * @dev: the instance
 * @iova: naturally aligned
 * @size: 1, 2, 4 or 8 bytes
 * @ret_value: the value, zero-extended, in host order
 *
 * Acquires: what is read afterwards is not older.
 */
VGPU_API int vgpu_dma_load(struct vgpu_device *dev, uint64_t iova,
			   unsigned size, uint64_t *ret_value);

/**
 * vgpu_dma_store() - write a value that does not tear
 * @dev: the instance
 * @iova: naturally aligned
 * @size: 1, 2, 4 or 8 bytes
 * @value: in host order; higher bits are ignored
 *
 * Releases: what was written before is seen by who sees the value.
 */
VGPU_API int vgpu_dma_store(struct vgpu_device *dev, uint64_t iova,
			    unsigned size, uint64_t value);

/**
 * vgpu_dma_cmpxchg() - replace a value if it is what is expected
 * @dev: the instance
 * @iova: naturally aligned; must be readable and writable
 * @size: 1, 2, 4 or 8 bytes
 * @expected: what should be there; on a mismatch: what is
 * @desired: what to store
 *
 * Acquires and releases. Return: 1: replaced; 0: something else was there; or
 * an error.
 */
VGPU_API int vgpu_dma_cmpxchg(struct vgpu_device *dev, uint64_t iova,
			      unsigned size, uint64_t *expected,
			      uint64_t desired);

/* ------------------------------------------------------------------ */
/* Pointers for a moment                                               */
/* ------------------------------------------------------------------ */

/**
 * vgpu_dma_enter() - begin a section in which pointers are good
 * @dev: the instance
 *
 * Never blocks, costs nothing worth naming, nests. The section belongs to the
 * calling thread. Keep it below 100 us and don't block in it: an unmap (and
 * with it the instance's loop) waits for its end. Don't return from an op with
 * a section open.
 */
VGPU_API void vgpu_dma_enter(struct vgpu_device *dev);
VGPU_API void vgpu_dma_leave(struct vgpu_device *dev);

/**
 * vgpu_dma_ptr() - address to pointer
 * @dev: the instance; in a section
 * @iova: any alignment
 * @len: bytes that must lie behind the pointer in one piece
 * @prot: VGPU_DMA_READ and/or VGPU_DMA_WRITE, not 0
 *
 * With VGPU_DMA_WRITE the bytes count as dirty, so ask for it only to write.
 *
 * Return: a pointer, good until the section ends; NULL: not mapped, not in
 * one range, not permitted, or by messages only.
 */
VGPU_API void *vgpu_dma_ptr(struct vgpu_device *dev, uint64_t iova, size_t len,
			    unsigned prot);

/* ------------------------------------------------------------------ */
/* Pointers that last                                                  */
/* ------------------------------------------------------------------ */

/**
 * struct vgpu_dma_segment - memory in one piece
 * @ptr: its start
 * @len: bytes
 * @range: private to the core
 * @prot: as asked for; private to the core
 *
 * Fixed.
 */
struct vgpu_dma_segment {
	void *ptr;
	size_t len;
	uint32_t range;
	uint32_t prot;
};

/**
 * vgpu_dma_get() - hold memory
 * @dev: the instance
 * @iova: any alignment
 * @len: bytes, not 0
 * @prot: VGPU_DMA_READ and/or VGPU_DMA_WRITE
 * @segments: filled in; together @len bytes, in order
 * @max: room in @segments. One range is one segment, so a guest's memory
 *       rarely takes more than two; with a vIOMMU it can be one per page.
 *
 * Until vgpu_dma_put() the pointers stay good. An unmap of the range is not
 * answered before, and the client is patient for seconds only: put back in
 * the dma_unmap op, or soon after.
 *
 * Return: number of segments; -E2BIG: more than @max; or an error.
 */
VGPU_API int vgpu_dma_get(struct vgpu_device *dev, uint64_t iova, size_t len,
			  unsigned prot, struct vgpu_dma_segment *segments,
			  unsigned max);

/**
 * vgpu_dma_put() - let go of memory
 * @dev: the instance
 * @segments: as vgpu_dma_get() filled them in, @ptr and @len included
 * @n: number of them
 */
VGPU_API void vgpu_dma_put(struct vgpu_device *dev,
			   const struct vgpu_dma_segment *segments, unsigned n);

/* ------------------------------------------------------------------ */
/* Asynchronous copies                                                 */
/* ------------------------------------------------------------------ */

/**
 * vgpu_dma_done_fn - a copy, or a pin, is over
 * @dev: the instance
 * @err: 0; an error from the list at the top; -ECANCELED: vgpu_dma_cancel();
 *       of a copy -ENOTCONN: the client has gone, -ETIMEDOUT: it did not
 *       answer; of a pin -ENOTCONN: the parent has gone, or one of
 *       vgpu_dma_pin()'s
 * @user: as passed in
 *
 * From the instance's loop, once for each copy or pin, each kind in the order
 * they were asked for, and never before the asking function has returned.
 */
typedef void (*vgpu_dma_done_fn)(struct vgpu_device *dev, int err, void *user);

/**
 * vgpu_dma_read_async() - copy out of any memory, mappable or not
 * @dev: the instance
 * @iova: where from
 * @buf: where to; must stay until @done
 * @len: bytes, not 0; goes in pieces of at most 64 KiB, one at a time
 * @done: called when it is over
 * @user: for @done
 *
 * On the instance's loop only. Not to be waited for in an op: QEMU serves
 * such messages on the thread that waits for the op's answer.
 *
 * Return: 0: @done will be called; -EINVAL; -ENOMEM; -EBUSY: too many are
 * under way (VGPU_DMA_MAX_ASYNC).
 */
VGPU_API int vgpu_dma_read_async(struct vgpu_device *dev, uint64_t iova,
				 void *buf, size_t len, vgpu_dma_done_fn done,
				 void *user);

/**
 * vgpu_dma_write_async() - copy into any memory, mappable or not
 * @dev: the instance
 * @iova: where to
 * @buf: where from; must stay unchanged until @done
 * @len: bytes, not 0
 * @done: called when it is over
 * @user: for @done
 *
 * As vgpu_dma_read_async().
 */
VGPU_API int vgpu_dma_write_async(struct vgpu_device *dev, uint64_t iova,
				  const void *buf, size_t len,
				  vgpu_dma_done_fn done, void *user);

/**
 * vgpu_dma_cancel() - end all copies and pins that were asked for with @user
 * @dev: the instance
 * @user: as passed in
 *
 * On the instance's loop only. Their done functions are called before it
 * returns, with -ECANCELED, and their buffers are the caller's again. What a
 * pin has got, or will get, the core gives back: there is nothing to unpin.
 */
VGPU_API void vgpu_dma_cancel(struct vgpu_device *dev, void *user);

/** VGPU_DMA_MAX_ASYNC - copies of one instance that may be under way; and so
 * many pins */
#define VGPU_DMA_MAX_ASYNC 1024u

/* ------------------------------------------------------------------ */
/* Pins: memory for a device                                           */
/* ------------------------------------------------------------------ */

/** VGPU_DMA_PAGE_SIZE - what is pinned at once */
#define VGPU_DMA_PAGE_SIZE 4096u

/** VGPU_DMA_MAX_PIN_PAGES - pages of one call; 4 GiB */
#define VGPU_DMA_MAX_PIN_PAGES (1u << 20)

/**
 * vgpu_dma_pin_async() - make pages reachable for the device
 * @dev: the instance; its pins go through its parent, or through the IOMMU
 *       backend that was set with vgpu_dma_set_iommu() (<vgpu/iommu.h>)
 * @iovas: page addresses, in any order, also more than once; copied
 * @n: number of them, at most VGPU_DMA_MAX_PIN_PAGES
 * @prot: what the device will do: VGPU_DMA_READ and/or VGPU_DMA_WRITE
 * @ret_addrs: @n device addresses, one for each page; untouched on failure.
 *             Must stay until @done
 * @done: called when it is over, unless it is already
 * @user: for @done
 *
 * On the instance's loop only. Where the hardware is in another process (any
 * type with a parent half), pins are a message to it and its answer. That may
 * take as long as that process likes: an op never waits for it, so it goes on
 * in @done.
 *
 * All or nothing. A page that is pinned already with the same @prot keeps its
 * device address and has to be unpinned once more. With VGPU_DMA_WRITE pages
 * count as dirty until they are unpinned.
 *
 * A pin holds the memory: an unmap of it calls the driver's dma_unmap op and
 * is not answered before the pin is gone. The op is about pins that the driver
 * knows of. One that is under way as the op is called does not succeed any
 * more, if a page of it is in that memory: it ends with -EFAULT. So the op
 * finds every pin, and none of that memory follows.
 *
 * Return: 0: it is over, @ret_addrs is filled in, and @done is not called; this
 * is always so where the backend does it at once; -EINPROGRESS: @done will be
 * called; an error from the list at the top; -ENODEV: no backend; -ENOTCONN:
 * the parent has gone; -ENOSPC: the instance has pinned as much as it may;
 * -EDQUOT: its user has; -EBUSY: VGPU_DMA_MAX_ASYNC are under way; -ENOMEM; or
 * what the backend says. @done gets the same ones.
 */
VGPU_API int vgpu_dma_pin_async(struct vgpu_device *dev, const uint64_t *iovas,
				unsigned n, unsigned prot, uint64_t *ret_addrs,
				vgpu_dma_done_fn done, void *user);

/**
 * vgpu_dma_pin() - the same at once, where that is possible
 * @dev, @iovas, @n, @prot, @ret_addrs: as vgpu_dma_pin_async()
 *
 * Any thread, but not in a section. A driver that pins on a thread of its own
 * holds a lock from before the pin until it has noted it down, and takes that
 * lock in its dma_unmap op: then the op finds every pin, and no pin of that
 * memory succeeds after it.
 *
 * Return: as vgpu_dma_pin_async(), but never -EINPROGRESS: -EWOULDBLOCK: the
 * hardware is in another process, use vgpu_dma_pin_async().
 */
VGPU_API int vgpu_dma_pin(struct vgpu_device *dev, const uint64_t *iovas,
			  unsigned n, unsigned prot, uint64_t *ret_addrs);

/**
 * vgpu_dma_unpin() - undo a pin
 * @dev: the instance
 * @iovas: pages that were pinned
 * @n: number of them
 * @prot: as they were pinned
 *
 * Never waits, never fails. Any thread, but not in a section; where the
 * hardware is in another process, on the instance's loop only. Pages that are
 * not pinned are skipped: after a driver was too late with an unmap, the core
 * has unpinned for it.
 *
 * The device does not reach pages that were unpinned for the last time when
 * this returns; or, where the hardware is in another process, a little later:
 * their memory is held, and counts for the instance, until that process has
 * said so. An unmap of it is answered after that. If nothing is said for 4 s,
 * the client gets an error (-EBUSY) in place of an answer, and the memory stays
 * held and counted. Nobody has to do anything about it.
 */
VGPU_API void vgpu_dma_unpin(struct vgpu_device *dev, const uint64_t *iovas,
			     unsigned n, unsigned prot);

/**
 * vgpu_dma_unmap_done() - what the dma_unmap op began is over
 * @dev: the instance
 * @iova: as the op was given it
 * @size: as the op was given it
 *
 * Any thread.
 */
VGPU_API void vgpu_dma_unmap_done(struct vgpu_device *dev, uint64_t iova,
				  uint64_t size);

#ifdef __cplusplus
}
#endif
#endif
