/* SPDX-License-Identifier: MIT */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../state/arena.h"
#include "../util/bytes.h"
#include "../util/cleanup.h"
#include "../util/foreign-fd.h"
#include "busguard.h"

#define FILES_VERSION 1

#ifndef F_DUPFD_QUERY /* Linux 6.10 */
#define F_DUPFD_QUERY 1027
#endif

/* A file that grew is mapped again, at least twice as long as before, so that
 * one that grows step by step is not mapped once per step. Huge pages are
 * reserved by mapping them: there only what is there. */
static uint64_t mapped_length(const struct stat *st, uint64_t old, bool huge,
			      size_t page)
{
	uint64_t size = (uint64_t)st->st_size;

	if (huge)
		return size & ~(uint64_t)(page - 1);
	if (old && 2 * old > size && 2 * old < INT64_MAX / 2)
		size = 2 * old;
	return align_up(size, page);
}

static int check_kind(const struct dma_files *files, int fd, bool *ret_huge,
		      size_t *ret_page)
{
	struct statfs fs;

	/* Others may block for ever, on a page and on this question already:
	 * FUSE, network file systems. */
	if (!files->allow_any && !foreign_fd_is_memory(fd))
		return -EMEDIUMTYPE;
	if (fstatfs(fd, &fs) < 0)
		return -errno;
	*ret_huge = fs.f_type == HUGETLBFS_MAGIC;
	*ret_page = *ret_huge ? (size_t)fs.f_bsize
			      : (size_t)sysconf(_SC_PAGESIZE);
	if (!*ret_huge && fs.f_type != TMPFS_MAGIC && !files->allow_any)
		return -EMEDIUMTYPE;
	return 0;
}

/* How much of a file nobody can take away any more */
static uint64_t sealed_bytes(int fd, const struct stat *st)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && seals & F_SEAL_SHRINK ? (uint64_t)st->st_size : 0;
}

static int map_file(struct dma_files *files, struct dma_file *file, int fd,
		    uint64_t len, bool write)
{
	int prot = PROT_READ | (write ? PROT_WRITE : 0), err;
	void *p = mmap(NULL, len, prot, MAP_SHARED | MAP_NORESERVE, fd, 0);

	if (p == MAP_FAILED)
		return errno == EPERM ? -EACCES : -errno; /* sealed */
	/* A child or a core dump has no business in a client's memory. */
	madvise(p, len, MADV_DONTFORK);
	madvise(p, len, MADV_DONTDUMP);
	err = busguard_add(p, len, file->page, prot, &file->replaced,
			   files->notify_fd, &file->guard);
	if (err) {
		munmap(p, len);
		return err;
	}
	file->base = p;
	return 0;
}

static void unmap_file(struct dma_file *file)
{
	busguard_remove(file->guard);
	file->guard = NULL;
	if (file->base)
		munmap(file->base, file->record->len);
	file->base = NULL;
}

static bool usable(const struct dma_file *file, const struct stat *st,
		   uint64_t end, bool write)
{
	const struct dma_file_record *r = file->record;

	/* Replaced pages stay with the ranges that saw them go. */
	return r->flags & DMA_FILE_LIVE && r->ino == st->st_ino &&
	       r->dev == st->st_dev && end <= r->len &&
	       (!write || r->flags & DMA_FILE_WRITABLE) && !file->replaced;
}

static int check_fd(int fd, const struct stat *st, uint64_t end, bool write,
		    int *ret_access)
{
	int flags;

	if (!S_ISREG(st->st_mode) || st->st_size < 0 ||
	    end > (uint64_t)st->st_size)
		return -EINVAL;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0)
		return -errno;
	*ret_access = flags & O_ACCMODE;
	if (flags & O_PATH || *ret_access == O_WRONLY ||
	    (write && *ret_access != O_RDWR))
		return -EACCES;
	return 0;
}

static int budget_take(const struct dma_files *files, uint64_t bytes)
{
	const struct dma_files_budget *b = &files->budget;

	return b->take ? b->take(b->user, bytes) : 0;
}

static void budget_give(const struct dma_files *files, uint64_t bytes)
{
	if (files->budget.take)
		files->budget.give(files->budget.user, bytes);
}

static int add_file(struct dma_files *files, int fd, const struct stat *st,
		    uint64_t end, bool write, bool may_write,
		    uint32_t *ret_index)
{
	struct dma_file_record *r;
	struct dma_file *file;
	uint64_t old = 0, len;
	uint32_t i, n = 0;
	bool huge;
	int err;

	for (i = files->n; i-- > 0;) {
		r = &files->records[i];
		if (!(r->flags & DMA_FILE_LIVE))
			n = i + 1; /* lowest free slot, plus one */
		else if (r->ino == st->st_ino && r->dev == st->st_dev)
			old = MAX(old, r->len);
	}
	i = n ? n - 1 : files->n;
	if (i == files->max)
		return -ENOSPC;
	r = &files->records[i];
	file = &files->files[i];
	memset(file, 0, sizeof(*file));
	file->record = r;
	err = check_kind(files, fd, &huge, &file->page);
	if (err)
		return err;
	len = mapped_length(st, old, huge, file->page);
	if (end > len)
		return -EINVAL; /* in a huge page that is not whole */
	err = budget_take(files, len);
	if (err)
		return err;
	r->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (r->fd < 0) {
		err = -errno;
		goto fail;
	}
	err = map_file(files, file, r->fd, len, may_write);
	if (err == -EACCES && may_write && !write) {
		may_write = false;
		err = map_file(files, file, r->fd, len, false);
	}
	if (err)
		goto fail;
	file->stays = sealed_bytes(r->fd, st);
	r->dev = st->st_dev;
	r->ino = st->st_ino;
	r->len = len;
	__atomic_store_n(&r->flags,
			 DMA_FILE_LIVE | (may_write ? DMA_FILE_WRITABLE : 0),
			 __ATOMIC_RELEASE);
	files->n = MAX(files->n, i + 1);
	*ret_index = i;
	return 0;
fail:
	r->fd = close_fd(r->fd);
	budget_give(files, len);
	return err;
}

/*
 * A client sends one file over and over, and each time it is the same open file
 * that we have a descriptor of. If it can't shrink either, there is nothing
 * more to ask. False: look closer.
 */
static bool is_last(struct dma_files *files, int fd, uint64_t end, bool write)
{
	const struct dma_file *file = &files->files[files->last];
	int same;

	if (files->no_query || files->last >= files->n ||
	    !(file->record->flags & DMA_FILE_LIVE) || end > file->stays ||
	    (write && !(file->record->flags & DMA_FILE_WRITABLE)) ||
	    file->replaced)
		return false;
	same = fcntl(fd, F_DUPFD_QUERY, file->record->fd);
	files->no_query = same < 0 && errno == EINVAL;
	return same > 0;
}

int dma_files_get(struct dma_files *files, int fd, uint64_t end, bool write,
		  uint32_t *ret_index)
{
	uint32_t i = files->last;
	struct stat st;
	int access = O_RDONLY, err;

	if (is_last(files, fd, end, write)) {
		files->files[i].ranges++;
		*ret_index = i;
		return 0;
	}
	err = foreign_fd_stat(fd, &st);
	if (!err)
		err = check_fd(fd, &st, end, write, &access);
	if (err)
		return err;
	if (i >= files->n || !usable(&files->files[i], &st, end, write))
		for (i = 0; i < files->n; i++)
			if (usable(&files->files[i], &st, end, write))
				break;
	if (i == files->n) {
		err = add_file(files, fd, &st, end, write, access == O_RDWR,
			       &i);
		if (err)
			return err;
	}
	files->last = i;
	files->files[i].ranges++;
	*ret_index = i;
	return 0;
}

void dma_files_put(struct dma_files *files, uint32_t index)
{
	struct dma_file *file = &files->files[index];

	if (--file->ranges)
		return;
	unmap_file(file);
	budget_give(files, file->record->len);
	__atomic_store_n(&file->record->flags, 0, __ATOMIC_RELEASE);
	file->record->fd = close_fd(file->record->fd);
}

static int adopt(struct dma_files *files, struct dma_file *file)
{
	struct dma_file_record *r = file->record;
	struct stat st;
	bool huge;

	if (fstat(r->fd, &st) < 0 || st.st_dev != r->dev || st.st_ino != r->ino)
		return -ESTALE;
	if (check_kind(files, r->fd, &huge, &file->page))
		return -ESTALE;
	file->stays = sealed_bytes(r->fd, &st);
	return map_file(files, file, r->fd, r->len,
			r->flags & DMA_FILE_WRITABLE);
}

int dma_files_init(struct dma_files *files, struct arena *arena, uint32_t max,
		   bool allow_any, int notify_fd)
{
	void *p;
	int err;

	memset(files, 0, sizeof(*files));
	files->max = max;
	files->allow_any = allow_any;
	files->notify_fd = notify_fd;
	files->files = calloc(max, sizeof(*files->files));
	if (!files->files)
		return -ENOMEM;
	err = arena_block(arena, "dma.files", FILES_VERSION,
			  max * sizeof(*files->records), &p);
	if (err < 0)
		goto fail;
	files->records = p;
	for (uint32_t i = 0; i < max; i++) {
		files->files[i].record = &files->records[i];
		if (!(files->records[i].flags & DMA_FILE_LIVE))
			continue;
		files->n = i + 1;
		err = adopt(files, &files->files[i]);
		if (err)
			goto fail;
	}
	return 0;
fail:
	for (uint32_t i = 0; i < files->n; i++)
		if (files->files[i].base)
			unmap_file(&files->files[i]);
	free(files->files);
	files->files = NULL;
	return err;
}

void dma_files_fini(struct dma_files *files)
{
	for (uint32_t i = 0; files->files && i < files->n; i++) {
		files->files[i].ranges = 1;
		if (files->records[i].flags & DMA_FILE_LIVE)
			dma_files_put(files, i);
	}
	free(files->files);
	files->files = NULL;
}
