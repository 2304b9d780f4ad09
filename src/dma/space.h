/* SPDX-License-Identifier: MIT */
/*
 * The DMA space of an instance: what memory its client has given, by IOVA.
 *
 * Semantics are VFIO type1v2's (<linux/vfio.h>, VFIO_IOMMU_MAP_DMA and
 * VFIO_IOMMU_UNMAP_DMA), with one difference: an unmap that finds nothing is
 * -ENOENT, where type1 succeeds with size 0: a client that unmaps what is not
 * there has lost count.
 *
 * Mapping is not pinning: nothing is touched, the pages need not even exist.
 *
 * Ranges and files live in the arena (blocks "dma.ranges", "dma.files"); the
 * table that look-ups use is a cache, rebuilt from them.
 *
 * Threads: map, unmap and free on the instance's loop. Look-ups from any
 * thread, between dma_enter() and dma_leave() (reader.h).
 */
#ifndef DMA_SPACE_H
#define DMA_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct arena;
struct dma_space;
struct loop;

#define DMA_MAX_MAPS  (1u << 20)
#define DMA_MAX_FILES 1024u /* distinct files, an fd each */
/* Bytes in live ranges. An entry of the tables stands for 2 MiB, so this is
 * what bounds the time that one map or unmap takes, and so holds the loop. */
#define DMA_MAX_BYTES (8ull << 40)
#define DMA_MAX_TABLE_BYTES                                                    \
	(256ull << 20) /* look-up tables: 64 Ki ranges of                      \
			  one page in each 2 MiB */

#define DMA_PROT_READ  (1u << 0) /* the device may read; VFIO's numbers */
#define DMA_PROT_WRITE (1u << 1)

/**
 * struct dma_limits - what a client may use up; 0: the default
 * @max_maps: live ranges, at most and by default DMA_MAX_MAPS
 * @max_files: distinct files behind them, default DMA_MAX_FILES
 * @max_table_bytes: memory of the look-up tables, default DMA_MAX_TABLE_BYTES
 * @allow_any_file: take memory from files that are on neither tmpfs nor
 *                  hugetlbfs; a file system that hangs then hangs the process
 */
struct dma_limits {
	uint32_t max_maps;
	uint32_t max_files;
	uint64_t max_table_bytes;
	bool allow_any_file;
};

/**
 * dma_space_new() - an empty space, or the one that @arena holds
 * @limits: NULL: defaults. The same as before for a space that is there.
 *
 * Return: 0; -ESTALE: the arena names files that are not there any more, or was
 * made with other limits; -ENOMEM, -ENOSPC.
 */
int dma_space_new(struct arena *arena, const struct dma_limits *limits,
		  struct dma_space **ret_space);

/* Unmaps everything first. NULL is fine. */
void dma_space_free(struct dma_space *space);

/* A driver that has not let go of unmapped memory in this time ... */
#define DMA_UNMAP_PATIENCE_NS (2000ull * 1000000)
/* Memory that is still in use after this time, since nobody says that it is not
 * any more: its unmap fails. Clients' own patience is 5 s. */
#define DMA_UNMAP_LIMIT_NS (4000ull * 1000000)
/* Either is noticed this late at most. */
#define DMA_UNMAP_CHECK_NS (100ull * 1000000)
/* A client that has not answered a remote request by then won't. */
#define DMA_REMOTE_PATIENCE_NS (5000ull * 1000000)
/* Bytes of data in one of these: QEMU may cut longer ones short. */
#define DMA_REMOTE_MAX (64u << 10)

/**
 * struct dma_remote_request - what the client is asked to do with its memory
 * @cookie: names it; dma_space_remote_done() wants it back
 * @iova: where, in the client's memory
 * @len: bytes, at most DMA_REMOTE_MAX and what the client takes
 * @data: what to write there; NULL: read
 */
struct dma_remote_request {
	uint64_t cookie;
	uint64_t iova;
	uint32_t len;
	const void *data;
};

/**
 * struct dma_owner_ops - what a space asks of the layer above; all from the
 * loop, all optional
 * @unmap: a range is going that is pinned or held: the driver's dma_unmap op.
 *         Return: 0: the driver is done with it; -EINPROGRESS:
 *         dma_space_unmap_done() follows.
 * @overdue: DMA_UNMAP_PATIENCE_NS after that it is still in use: reset the
 *           vGPU's context
 * @lost: the client truncated its memory; @pages of it were replaced by zeroes
 *        so far
 * @remote: send the client a request. Return: 0: sent; -EAGAIN: no room,
 *          dma_space_remote_ready() follows; -ENOTCONN and others: it fails
 *          with that
 */
struct dma_owner_ops {
	int (*unmap)(uint64_t iova, uint64_t size, void *user);
	void (*overdue)(void *user);
	void (*lost)(uint32_t pages, void *user);
	int (*remote)(const struct dma_remote_request *request, void *user);
};

/**
 * dma_space_attach() - give a space its loop and its owner
 * @loop: the instance's; must outlive the space
 *
 * Without it nothing asynchronous happens by itself: dma_space_poll() then
 * does what is due.
 */
int dma_space_attach(struct dma_space *space, struct loop *loop,
		     const struct dma_owner_ops *ops, void *user);

/* Do what is due; the loop calls it when there is something. */
void dma_space_poll(struct dma_space *space);

/**
 * dma_space_map() - enter a range
 * @iova: multiple of 4096
 * @size: multiple of 4096, not 0; @iova + @size may be 2^64, not more
 * @prot: DMA_PROT_READ and/or DMA_PROT_WRITE
 * @fd: file behind it, stays the caller's (close it); -1: none, reached by
 *      messages only
 * @offset: in the file, multiple of 4096; ignored without one
 *
 * Return: 0; on failure nothing changed:
 * -EINVAL: misaligned, empty, wrapping, @prot; a descriptor of something else
 *          than a file; a file that ends before @offset + @size
 * -EMEDIUMTYPE: the file is on neither tmpfs nor hugetlbfs, see dma_limits
 * -EBADF: @fd is none
 * -EACCES: @fd is not open for what @prot needs, or sealed
 * -EEXIST: overlaps a range that is there, or whose unmap is not over
 * -ENOSPC: a limit of struct dma_limits, DMA_MAX_BYTES, or BUSGUARD_MAX, DMA_MAX_WINDOWS
 * -ENOMEM, -EMFILE
 */
int dma_space_map(struct dma_space *space, uint64_t iova, uint64_t size,
		  uint32_t prot, int fd, uint64_t offset);

/**
 * dma_unmapped_fn - an unmap that was held is done: send its reply
 * @err: 0; -EBUSY: DMA_UNMAP_LIMIT_NS have gone by. The ranges are out of the
 *       map, and what is in use of their memory stays mapped here, and counted,
 *       until it is not any more.
 */
typedef void (*dma_unmapped_fn)(int err, void *user);

/**
 * dma_space_unmap() - take ranges out
 * @iova: multiple of 4096
 * @size: multiple of 4096, not 0
 * @done: called later, from the loop, if the result is -EINPROGRESS; never
 *        otherwise. NULL: nobody waits, the client has gone.
 *
 * [@iova, @iova + @size) may span many ranges and holes between them, but
 * must not cut one. Once it is done, nobody uses memory of these ranges.
 *
 * Return: 0: done; -EINPROGRESS: gone from the map, but memory of it is still
 * in use (pinned, or held): @done will say when it is not; -EINVAL:
 * misaligned, empty, wrapping, or cuts a range in two; -ENOENT: nothing is
 * mapped there; -EBUSY: nothing is, but memory that was is still in use (@done
 * was told so). On failure nothing changed.
 *
 * A range that only the IOMMU backend still has, and that nobody waits for any
 * more (@done is NULL, or was told -EBUSY), is in nobody's way: its addresses
 * can be mapped again, to other memory or the same.
 */
int dma_space_unmap(struct dma_space *space, uint64_t iova, uint64_t size,
		    dma_unmapped_fn done, void *user);

/* The same for all there is; 0 if that is nothing. */
int dma_space_unmap_all(struct dma_space *space, dma_unmapped_fn done,
			void *user);

/* The driver is done with what its unmap op said -EINPROGRESS for. Any
 * thread. */
void dma_space_unmap_done(struct dma_space *space, uint64_t iova,
			  uint64_t size);

/**
 * dma_space_remote_done() - the client has answered
 * @cookie: of the request; one that is not waited for any more is ignored
 * @err: 0, or the error of the reply as negative errno
 * @data: of a read: what came
 * @len: bytes that came, or that were written
 */
void dma_space_remote_done(struct dma_space *space, uint64_t cookie, int err,
			   const void *data, size_t len);

/**
 * dma_space_remote_limit() - how much a client takes in one message
 * @max: bytes of data, not 0; DMA_REMOTE_MAX holds besides. Set it when a
 *       client's limit is known: it stays.
 */
void dma_space_remote_limit(struct dma_space *space, uint64_t max);

/* There is room to send again. */
void dma_space_remote_ready(struct dma_space *space);

/* The client has gone: what is under way ends with -ENOTCONN. */
void dma_space_remote_gone(struct dma_space *space);

/* Live ranges */
uint32_t dma_space_count(const struct dma_space *space);

/**
 * struct dma_space_stats - what a space holds
 * @maps: live ranges, and those of them without a file
 * @bytes: in live ranges
 * @files: mapped into this process
 * @table_bytes: memory of look-up tables
 * @replaced_pages: lost since the files were truncated by the client
 */
struct dma_space_stats {
	uint32_t maps, remote_maps;
	uint64_t bytes;
	uint32_t files;
	uint64_t table_bytes;
	uint32_t replaced_pages;
};
void dma_space_get_stats(const struct dma_space *space,
			 struct dma_space_stats *ret_stats);

/**
 * struct dma_found - what dma_space_find() saw
 * @ptr: the address's memory; NULL: by messages only
 * @len: bytes from there to the range's end
 * @prot: DMA_PROT_*
 */
struct dma_found {
	void *ptr;
	uint64_t len;
	uint32_t prot;
};

/**
 * dma_space_find() - look an address up
 *
 * Any thread, between dma_enter() and dma_leave(); @ptr is good until then.
 *
 * Return: 0; -ENOENT: nothing is mapped there.
 */
int dma_space_find(const struct dma_space *space, uint64_t iova,
		   struct dma_found *ret_found);

/**
 * enum dma_sharing - how the client's memory is set up
 * @DMA_SHARING_UNKNOWN: there is no range yet, or the client's mappings can't
 *                       be seen (another user's process)
 * @DMA_SHARING_NONE: no range has a file: QEMU without a shared
 *                    memory-backend
 * @DMA_SHARING_PRIVATE: the client has the file mapped privately, so that it
 *                       sees nothing of what we write: QEMU with share=off
 * @DMA_SHARING_SHARED: all is well
 */
enum dma_sharing {
	DMA_SHARING_UNKNOWN,
	DMA_SHARING_NONE,
	DMA_SHARING_PRIVATE,
	DMA_SHARING_SHARED,
};

/**
 * dma_space_sharing() - can client and device see each other's writes?
 * @client: the client's process, for /proc/PID/maps
 *
 * For a clear line in the log once the client has set its memory up. Reads a
 * file of /proc: not for every message.
 */
enum dma_sharing dma_space_sharing(const struct dma_space *space, pid_t client);

/* The file behind most of the client's memory. Return: 0, -ENOENT: none is. */
int dma_space_main_file(const struct dma_space *space, dev_t *ret_dev,
			uint64_t *ret_ino);

/**
 * dma_file_sharing() - how has a process mapped a file?
 *
 * Return: PRIVATE if all of its mappings are, SHARED if one is; UNKNOWN: it
 * has none. -errno: its mappings can't be seen.
 */
int dma_file_sharing(pid_t client, dev_t dev, uint64_t ino);

#endif
