/* SPDX-License-Identifier: MIT */
/*
 * The parent's half of a driver: hardware (or a model of it) that several
 * vGPUs share.
 *
 * A driver whose types need a parent has two halves, in one module. The
 * *instance half* is what <vgpu/driver.h> describes: it runs in vgpu-device, a
 * process for each vGPU, and is the only one that sees what a guest sends. The
 * *parent half* runs in vgpu-parent, one process for the hardware: it owns the
 * engine, the IOMMU backend and the queue of jobs.
 *
 * They exchange messages, never pointers. A parent of many small jobs also
 * shares memory with each instance half, for rings (<vgpu/ring.h>), fences and
 * the like: vgpu_instance_share(), and doorbells both ways.
 *
 * The parent half trusts no instance half: every byte of a message or of
 * shared memory may be a lie, since a guest may have taken over its
 * vgpu-device. Shared memory changes at any moment, too: copy what you check,
 * and use the copy. What the parent half gives the hardware is only
 *   - device addresses that vgpu_instance_hold() says are that instance's;
 *   - commands that it has made itself.
 *
 * Pins travel by themselves: the instance half calls vgpu_dma_pin_async(), the
 * core hands the memory to the parent's process, which checks it, maps it through
 * the parent's IOMMU backend and keeps a list of whose address is whose. When
 * a vgpu-device ends, in whatever way, all of its addresses are taken back,
 * those in use by the engine as soon as they are released.
 *
 * Threads: all ops of a parent run on one thread, its loop, and no op may
 * block, or run longer than a few milliseconds. A parent half may have threads
 * of its own, for an engine or a scheduler. These may call
 * vgpu_instance_kick(), vgpu_instance_name(), vgpu_parent_log() without an
 * instance, and what the IOMMU backend offers an engine (<vgpu/iommu.h>); they
 * may use the shared memory. All else is for the loop's thread: to get there,
 * write to an eventfd that is on the loop (vgpu_parent_add_fd()). Whatever a
 * thread does with an instance ends before that instance's instance_gone op
 * returns.
 */
#ifndef VGPU_PARENT_H
#define VGPU_PARENT_H

#include <vgpu/driver.h>
#include <vgpu/iommu.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vgpu_parent;
struct vgpu_hub;             /* what a parent half runs in; opaque */
struct vgpu_parent_instance; /* a vGPU, as its parent sees it; opaque */

/** VGPU_PARENT_MAX_MESSAGE - bytes of a message, either way */
#define VGPU_PARENT_MAX_MESSAGE 4096u

/** VGPU_PARENT_MAX_SHARED - bytes of memory that a parent and one of its
 * instances share */
#define VGPU_PARENT_MAX_SHARED (64u << 20)

/** VGPU_PARENT_MAX_MEMORIES - pieces of its own memory that a vGPU may give its
 * parent; together they are no larger than the type's vram_size */
#define VGPU_PARENT_MAX_MEMORIES 4u

/**
 * struct vgpu_parent_ops - what the core asks of a parent half
 * @size: bytes of the driver's structure for a parent, which begins with a
 *        struct vgpu_parent; 0: it needs no more than that
 * @open: mandatory. Take the hardware: @parent is the driver's structure,
 *        zeroed; @config is what the operator said, such as
 *        "pci=0000:00:04.0", never NULL. Say by vgpu_parent_init() what pins go
 *        through. Log what the operator can do about a failure; what is left
 *        to undo then is the driver's. Open all files and load all libraries
 *        here: afterwards the process may be in a sandbox, where neither works
 *        any more. Start threads later, with the first instance: one that is
 *        there already would be outside of it.
 * @stop: optional. All instances are gone, and this parent will be closed:
 *        make the hardware stop, now; it may be in the middle of a transfer.
 *        Release what it held.
 * @close: optional. Nothing is mapped any more. Give the hardware back, and
 *         destroy the IOMMU backend last. The structure is the core's.
 * @instance_new: mandatory. A vgpu-device has connected. A negative errno
 *                refuses it.
 * @instance_gone: mandatory. It has ended, been killed or said nonsense: drop
 *                 its jobs. Addresses that the engine is using just now stay
 *                 mapped until they are released; @inst is good until then, for
 *                 vgpu_instance_release() only.
 * @message: bytes from an instance half; @msg is aligned to 8 and changes no
 *           more. A negative errno says that it makes no sense: the core drops
 *           the instance (instance_gone follows). NULL: no message makes sense.
 * @instance_changed: optional. vgpu_instance_weight() or vgpu_instance_cap()
 *                    is another one now.
 * @kick: optional. vgpu_parent_kick() was called by that instance half, once
 *        or more, since this op ran last. A guest may write to a ring without
 *        end: take as many entries as the ring has, and no more; what is
 *        written meanwhile is kicked for anew. A negative errno as for
 *        @message.
 * @memory: optional. The instance half gives memory of the vGPU
 *          (vgpu_parent_give_memory()): @size bytes at @ptr, in place until
 *          memory_gone. The guest, its client and the worker write it at any
 *          moment, all of them possibly hostile: read each value once. A
 *          negative errno refuses it, which the instance half hears; there is
 *          no memory of this id then.
 * @memory_gone: mandatory with memory. It is replaced, taken back, or its
 *               instance goes (instance_gone follows): nothing may use it when
 *               this returns.
 * @save: optional, with restore: state of the instance that the hardware and
 *        this half have, and the instance half can't: how far a command is,
 *        registers and buffers of an engine. For whoever goes on with it. What
 *        the instance half has in its own state is not in it, nor what can be
 *        made anew (tables, pins). From then on nothing of the instance runs,
 *        until it is gone. Write at most @size bytes to @buf, numbers and
 *        offsets under a version of their own, and their number to @ret_len.
 *        -ENOSPC: @ret_len says how many it takes. -EAGAIN: the hardware is not
 *        through with it yet, ask again; nothing new begins meanwhile.
 * @restore: mandatory with save. Go on with what save has written, possibly
 *           elsewhere; check it like a message. @inst has come and given its
 *           memory, and has not been kicked yet. -EPROTO: another version;
 *           -EINVAL: it makes no sense; -ENOSPC: no room for it. Nothing is
 *           restored then.
 *
 * A parent half with such state that lacks save and restore says by that that
 * its instances end with their workers.
 */
struct vgpu_parent_ops {
	size_t size;
	int (*open)(struct vgpu_parent *parent, const char *config);
	void (*stop)(struct vgpu_parent *parent);
	void (*close)(struct vgpu_parent *parent);
	int (*instance_new)(struct vgpu_parent *parent,
			    struct vgpu_parent_instance *inst);
	void (*instance_gone)(struct vgpu_parent *parent,
			      struct vgpu_parent_instance *inst);
	int (*message)(struct vgpu_parent *parent,
		       struct vgpu_parent_instance *inst, const void *msg,
		       size_t len);
	void (*instance_changed)(struct vgpu_parent *parent,
				 struct vgpu_parent_instance *inst);
	int (*kick)(struct vgpu_parent *parent,
		    struct vgpu_parent_instance *inst);
	int (*memory)(struct vgpu_parent *parent,
		      struct vgpu_parent_instance *inst, unsigned id, void *ptr,
		      uint64_t size);
	void (*memory_gone)(struct vgpu_parent *parent,
			    struct vgpu_parent_instance *inst, unsigned id);
	int (*save)(struct vgpu_parent *parent,
		    struct vgpu_parent_instance *inst, void *buf, size_t size,
		    size_t *ret_len);
	int (*restore)(struct vgpu_parent *parent,
		       struct vgpu_parent_instance *inst, const void *buf,
		       size_t len);
};

#undef VGPU_PARENT_OPS_SIZE
#define VGPU_PARENT_OPS_SIZE sizeof(struct vgpu_parent_ops)

/**
 * struct vgpu_parent - a parent half; the driver's structure begins with it
 * @hub: private to the core
 *
 * Fixed.
 */
struct vgpu_parent {
	struct vgpu_hub *hub;
};

/**
 * vgpu_parent_init() - register a parent with the core, in the open op
 * @parent: as passed to the open op
 * @iommu: what instances' pins go through; stays the driver's
 *
 * Return: 0; -EINVAL: a backend whose ops lack something.
 */
VGPU_API int vgpu_parent_init(struct vgpu_parent *parent,
			      struct vgpu_iommu *iommu);

/* ------------------------------------------------------------------ */
/* Instances                                                           */
/* ------------------------------------------------------------------ */

/* The driver's own pointer for an instance; NULL at first. */
VGPU_API void vgpu_instance_set_data(struct vgpu_parent_instance *inst,
				     void *data);
VGPU_API void *vgpu_instance_data(const struct vgpu_parent_instance *inst);

/* For logs: the start of its UUID and its type. */
VGPU_API const char *
vgpu_instance_name(const struct vgpu_parent_instance *inst);

/** VGPU_WEIGHT_MAX - the largest weight of an instance; the smallest is 1 */
#define VGPU_WEIGHT_MAX 10000u

/**
 * vgpu_instance_type() - which of the driver's types it is
 * vgpu_instance_weight() - its share of the engine: while several want it, each
 *	gets time in the proportion of the weights; 1 to VGPU_WEIGHT_MAX
 * vgpu_instance_cap() - percent of the engine's time that it gets at most, also
 *	while nobody else wants it, 1 to 100; 0: no such limit
 *
 * From instance_new on. Under vgpud these come from vgpud, and an instance half
 * has no say in them. The type stays; the others may change
 * (@instance_changed).
 */
VGPU_API const struct vgpu_type *
vgpu_instance_type(const struct vgpu_parent_instance *inst);
VGPU_API unsigned vgpu_instance_weight(const struct vgpu_parent_instance *inst);
VGPU_API unsigned vgpu_instance_cap(const struct vgpu_parent_instance *inst);

/**
 * vgpu_instance_send() - a message to an instance half
 * @inst: the instance
 * @msg: @len bytes; copied
 * @len: 1 to VGPU_PARENT_MAX_MESSAGE
 *
 * Comes out of its parent_message op, in order. Never blocks.
 *
 * Return: 0; -EINVAL: @len, or called in the instance_new op, when there is no
 * instance half yet; -ENOTCONN: it is gone, or will be in a moment: it had not
 * read its messages for too long.
 */
VGPU_API int vgpu_instance_send(struct vgpu_parent_instance *inst,
				const void *msg, size_t len);

/**
 * vgpu_instance_drop() - an instance half has said nonsense
 * @inst: the instance; not in one of its ops, which return the error instead
 * @err: negative errno, for the log
 *
 * As if its process had ended: instance_gone is called in here.
 */
VGPU_API void vgpu_instance_drop(struct vgpu_parent_instance *inst, int err);

/**
 * vgpu_instance_share() - memory that the instance half has mapped, too
 * @inst: the instance; in its instance_new op only
 * @size: bytes, 1 to VGPU_PARENT_MAX_SHARED; rounded up to whole pages
 * @ret_ptr: aligned to a page, zeroed
 *
 * The instance half finds it by vgpu_parent_shared(). What is where is between
 * the two halves. It stays until instance_gone has returned and the last hold
 * is released. Its size is sealed: it can't be taken away.
 *
 * Return: 0; -EINVAL: @size; -EALREADY: called twice; -EBUSY: it is too late;
 * -ENOMEM, -EMFILE.
 */
VGPU_API int vgpu_instance_share(struct vgpu_parent_instance *inst, size_t size,
				 void **ret_ptr);

/**
 * vgpu_instance_kick() - have the instance half look at what is shared
 * @inst: the instance; not in instance_new
 *
 * Its parent_kick op runs soon, and sees what was stored before. Any number of
 * kicks that it has not seen yet make one call. There is no order with
 * messages. No system call while the instance's loop is awake.
 *
 * Any thread, until instance_gone has returned. Never blocks.
 */
VGPU_API void vgpu_instance_kick(struct vgpu_parent_instance *inst);

/**
 * vgpu_instance_owns() - are these device addresses the instance's?
 * @inst: the instance
 * @addr: device address, any alignment
 * @len: bytes, not 0; pages that follow each other in device addresses
 * @prot: VGPU_DMA_READ and/or VGPU_DMA_WRITE: what the device will do
 */
VGPU_API bool vgpu_instance_owns(const struct vgpu_parent_instance *inst,
				 uint64_t addr, uint64_t len, unsigned prot);

/**
 * vgpu_instance_hold() - check addresses, and keep them while a job uses them
 * @inst: the instance
 * @addr: device address, any alignment
 * @len: bytes, not 0, at most 2 GiB
 * @prot: VGPU_DMA_READ and/or VGPU_DMA_WRITE: what the device will do
 *
 * Until vgpu_instance_release() the addresses stay mapped, whatever becomes of
 * the instance: an unpin of them is over later, and with it an unmap of its
 * client. So hold what is queued only as long as a cancelled job takes to be
 * dropped.
 *
 * Return: 0; -EFAULT: not all of it is the instance's, for @prot; -EINVAL.
 */
VGPU_API int vgpu_instance_hold(struct vgpu_parent_instance *inst,
				uint64_t addr, uint64_t len, unsigned prot);

/* Once for each hold, with the same numbers. The last one of an instance that
 * is gone frees it. */
VGPU_API void vgpu_instance_release(struct vgpu_parent_instance *inst,
				    uint64_t addr, uint64_t len);

/* ------------------------------------------------------------------ */
/* The parent's loop                                                   */
/* ------------------------------------------------------------------ */

struct vgpu_parent_source;

/**
 * vgpu_parent_add_timer() - a timer, disarmed at first
 * @fn: called when it fires
 */
VGPU_API int vgpu_parent_add_timer(struct vgpu_parent *parent,
				   void (*fn)(void *user), void *user,
				   struct vgpu_parent_source **ret_source);

/* Fire once, in @ns nanoseconds; 0: disarm. */
VGPU_API int vgpu_parent_arm_timer(struct vgpu_parent_source *source,
				   uint64_t ns);

/**
 * vgpu_parent_add_fd() - call @fn while @fd is readable (an interrupt's
 * eventfd)
 * @fd: stays the caller's; open until the source is removed
 */
VGPU_API int vgpu_parent_add_fd(struct vgpu_parent *parent, int fd,
				void (*fn)(void *user), void *user,
				struct vgpu_parent_source **ret_source);

/**
 * vgpu_parent_add_signal() - what other threads wake the loop with (an
 * interrupt of hardware that is a model)
 * @fn: called after vgpu_parent_signal(); signals that it has not seen yet are
 *	one
 */
VGPU_API int vgpu_parent_add_signal(struct vgpu_parent *parent,
				    void (*fn)(void *user), void *user,
				    struct vgpu_parent_source **ret_source);

/* Of vgpu_parent_add_signal(), and not removed yet. Any thread; never blocks.
 * No system call while the loop is awake. @fn sees what was stored before. */
VGPU_API void vgpu_parent_signal(struct vgpu_parent_source *source);

/* In any callback, also its own. NULL is fine. */
VGPU_API void vgpu_parent_remove(struct vgpu_parent_source *source);

/**
 * vgpu_parent_log() - one line
 * @parent: the parent, or NULL
 * @inst: what it is about, or NULL; lines about instances are rate-limited
 */
VGPU_API void vgpu_parent_log(struct vgpu_parent *parent,
			      struct vgpu_parent_instance *inst,
			      enum vgpu_log_level level, const char *fmt, ...)
	VGPU_PRINTF(4, 5);

/* ------------------------------------------------------------------ */
/* The instance half                                                   */
/* ------------------------------------------------------------------ */

/**
 * vgpu_parent_send() - a message to the parent half
 * @dev: the instance; on its loop, also in the create op
 * @msg: @len bytes; copied
 * @len: 1 to VGPU_PARENT_MAX_MESSAGE
 *
 * Answers come to the parent_message op. Never blocks.
 *
 * Return: 0; -EINVAL: @len; -ENODEV: no parent (vgpu-device was started
 * without); -ENOTCONN: it is gone.
 */
VGPU_API int vgpu_parent_send(struct vgpu_device *dev, const void *msg,
			      size_t len);

/**
 * vgpu_parent_shared() - memory that the parent half shares with this instance
 * @dev: the instance, after vgpu_device_init()
 * @ret_size: bytes, whole pages; may be NULL
 *
 * As vgpu_instance_share() made it; a client that comes later finds in it what
 * was there. Any thread.
 *
 * Return: it, until the instance is destroyed; NULL: nothing is shared.
 */
VGPU_API void *vgpu_parent_shared(struct vgpu_device *dev, size_t *ret_size);

/**
 * vgpu_parent_kick() - have the parent half look at what is shared
 * @dev: the instance, after vgpu_device_init()
 *
 * The parent half's kick op runs soon, and sees what was stored before. As
 * vgpu_instance_kick(), the other way.
 *
 * Any thread. Never blocks. Return: 0; -ENODEV: no parent.
 */
VGPU_API int vgpu_parent_kick(struct vgpu_device *dev);

/**
 * vgpu_parent_give_memory() - let the parent half use memory of the vGPU
 * @dev: the instance; on its loop, from vgpu_device_init() on
 * @id: below VGPU_PARENT_MAX_MEMORIES; what was given before under it is
 *	taken back first
 * @region: VGPU_REGION_BAR0..5
 * @offset: of a mapped area's part in it, multiple of VGPU_DMA_PAGE_SIZE
 * @size: bytes, likewise; 0: only take back what there is
 * @done: called from the instance's loop, never before this has returned, once
 *	the parent half has it, or has refused it. NULL: nobody wants to know
 * @user: for @done
 *
 * Comes out of the parent half's memory op. What is sent in @done or afterwards
 * may rely on it. Every new client gets fresh files, so give them anew in the
 * reset op for VGPU_RESET_NEW_CLIENT; until then the parent half has the old
 * ones.
 *
 * @err of @done: 0; -EDQUOT: more than the type's vram_size; -EOPNOTSUPP: the
 * parent half takes none; -ENOTCONN: it is gone; -ECANCELED: another one of this
 * @id followed too soon; or what its memory op said. On failure it has nothing
 * of this id.
 *
 * Return: 0: @done will be called; -EINVAL: not inside one mapped area,
 * alignment, @id; -ENODEV: no parent; -ENOTCONN; -ENOMEM, -EMFILE.
 */
VGPU_API int vgpu_parent_give_memory(struct vgpu_device *dev, unsigned id,
				     unsigned region, uint64_t offset,
				     uint64_t size, vgpu_dma_done_fn done,
				     void *user);

#ifdef __cplusplus
}
#endif
#endif
