/* SPDX-License-Identifier: MIT */
/*
 * Files behind client memory: each is mapped into the process once, however
 * many ranges lie in it (a guest with a vIOMMU maps 512 pages one by one, each
 * with an fd to the same memory). Counted by the ranges that use it; the last
 * one unmaps and closes it.
 *
 * One descriptor per file stays open, so that a successor process can map it
 * again: its number stands in the arena (block "dma.files").
 *
 * The loop's thread.
 */
#ifndef DMA_FILE_H
#define DMA_FILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct arena;
struct busguard_region;

/* In the arena */
struct dma_file_record {
	uint64_t dev, ino;
	uint64_t len; /* mapped */
	int32_t fd;
	uint32_t flags; /* DMA_FILE_* */
};
#define DMA_FILE_LIVE	  (1u << 0)
#define DMA_FILE_WRITABLE (1u << 1) /* mapped for writing */

struct dma_file {
	struct dma_file_record *record;
	uint8_t *base;
	size_t page; /* of the file system: huge pages on hugetlbfs */
	uint32_t ranges;
	uint64_t stays; /* bytes of it that are there for ever: sealed */
	_Atomic uint32_t replaced; /* pages lost to truncation */
	struct busguard_region *guard;
};

/* Whoever has a say in how much is mapped */
struct dma_files_budget {
	int (*take)(void *user, uint64_t bytes); /* 0 or a negative errno */
	void (*give)(void *user, uint64_t bytes);
	void *user;
};

struct dma_files {
	struct dma_file *files;
	struct dma_file_record *records;
	uint32_t max, n; /* limit; slots ever used */
	uint32_t last;	 /* hit */
	bool no_query;	 /* the kernel is too old for F_DUPFD_QUERY */
	bool allow_any;	 /* also files that are not on tmpfs or hugetlbfs */
	int notify_fd;	 /* eventfd: a page was replaced */
	struct dma_files_budget budget; /* .take NULL: nobody has */
};

/* Finds what @arena holds from an earlier process, and maps it again.
 * Return: 0; -ESTALE: what the arena names is not there any more. */
int dma_files_init(struct dma_files *files, struct arena *arena, uint32_t max,
		   bool allow_any, int notify_fd);
void dma_files_fini(struct dma_files *files);

/**
 * dma_files_get() - the mapping of a file, made if there is none
 * @fd: stays the caller's
 * @end: bytes of the file that must be there
 * @write: must be writable
 * @ret_index: number of the file; put it back
 *
 * Return: 0; -EBADF; -EINVAL: not a regular file, or shorter than @end;
 * -EMEDIUMTYPE: on a file system that is not allowed; -EACCES: @fd is not open
 * for that; -ENOSPC: too many files; -EMFILE, -ENOMEM; or what the budget says.
 */
int dma_files_get(struct dma_files *files, int fd, uint64_t end, bool write,
		  uint32_t *ret_index);
void dma_files_put(struct dma_files *files, uint32_t index);

#endif
