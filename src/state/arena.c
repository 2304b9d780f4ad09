/* SPDX-License-Identifier: MIT */
#include "arena.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <vgpu/driver.h>

#include "../util/bytes.h"
#include "../util/cleanup.h"

#define ARENA_GROW (64u << 10) /* the file grows in steps of this */

/* The first bytes of the file. */
struct arena_header {
	uint64_t magic;
	uint32_t version;
	uint32_t n_blocks;
	uint64_t used; /* bytes up to the end of the last block */
	struct arena_entry {
		char name[ARENA_NAME_MAX];
		uint32_t version;
		uint32_t reserved;
		uint64_t offset;
		uint64_t size;
	} blocks[ARENA_MAX_BLOCKS];
};

struct arena {
	int fd;
	uint8_t *base; /* ARENA_MAX_SIZE of address space; the file's part of
			  it is accessible */
	uint64_t file_size;
	struct {
		const struct vgpu_field *fields;
		size_t n;
	} fields[ARENA_MAX_BLOCKS]; /* cache: by block, as described */
};

static struct arena_header *header(const struct arena *arena)
{
	return (struct arena_header *)arena->base;
}

/* The whole reservation maps the file, so that addresses never change when
 * it grows; beyond its end nothing is touched. */
static int map(struct arena *arena)
{
	void *p = mmap(NULL, ARENA_MAX_SIZE, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_NORESERVE, arena->fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	arena->base = p;
	return 0;
}

static int grow(struct arena *arena, uint64_t size)
{
	uint64_t want = align_up(size, ARENA_GROW);

	if (want <= arena->file_size)
		return 0;
	if (want > ARENA_MAX_SIZE)
		return -ENOSPC;
	if (ftruncate(arena->fd, (off_t)want) < 0)
		return -errno;
	arena->file_size = want;
	return 0;
}

int arena_new(const char *name, struct arena **ret_arena)
{
	struct arena *arena = calloc(1, sizeof(*arena));
	int err;

	if (!arena)
		return -ENOMEM;
	arena->fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (arena->fd < 0) {
		err = -errno;
		goto fail;
	}
	/* Nobody can pull the file out from under us. */
	if (fcntl(arena->fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0) {
		err = -errno;
		goto fail;
	}
	err = grow(arena, sizeof(struct arena_header));
	if (err)
		goto fail;
	err = map(arena);
	if (err)
		goto fail;
	header(arena)->magic = ARENA_MAGIC;
	header(arena)->version = ARENA_VERSION;
	header(arena)->used = align_up(sizeof(struct arena_header), ARENA_ALIGN);
	*ret_arena = arena;
	return 0;
fail:
	arena_free(arena);
	return err;
}

static bool header_sane(const struct arena_header *h, uint64_t file_size)
{
	if (h->magic != ARENA_MAGIC || h->version != ARENA_VERSION ||
	    h->n_blocks > ARENA_MAX_BLOCKS || h->used > file_size)
		return false;
	for (uint32_t i = 0; i < h->n_blocks; i++) {
		const struct arena_entry *e = &h->blocks[i];

		if (e->offset % ARENA_ALIGN || e->offset < sizeof(*h) ||
		    !range_inside(e->offset, e->size, h->used) ||
		    !memchr(e->name, 0, sizeof(e->name)))
			return false;
	}
	return true;
}

int arena_open(int fd, struct arena **ret_arena)
{
	struct arena *arena;
	struct stat st;
	int err, seals;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < (off_t)sizeof(struct arena_header) ||
	    st.st_size > (off_t)ARENA_MAX_SIZE)
		return -EINVAL;
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return -EINVAL;
	arena = calloc(1, sizeof(*arena));
	if (!arena)
		return -ENOMEM;
	arena->file_size = (uint64_t)st.st_size;
	arena->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (arena->fd < 0) {
		err = -errno;
		goto fail;
	}
	err = map(arena);
	if (err)
		goto fail;
	if (!header_sane(header(arena), arena->file_size)) {
		err = -EINVAL;
		goto fail;
	}
	*ret_arena = arena;
	return 0;
fail:
	arena_free(arena);
	return err;
}

void arena_free(struct arena *arena)
{
	if (!arena)
		return;
	if (arena->base)
		munmap(arena->base, ARENA_MAX_SIZE);
	close_fd(arena->fd);
	free(arena);
}

int arena_fd(const struct arena *arena)
{
	return arena->fd;
}

static int find(const struct arena *arena, const char *name)
{
	const struct arena_header *h = header(arena);

	for (uint32_t i = 0; i < h->n_blocks; i++)
		if (!strcmp(h->blocks[i].name, name))
			return (int)i;
	return -ENOENT;
}

int arena_block(struct arena *arena, const char *name, uint32_t version,
		size_t size, void **ret_ptr)
{
	struct arena_header *h = header(arena);
	struct arena_entry *e;
	int i = find(arena, name), err;

	if (i >= 0) {
		e = &h->blocks[i];
		if (e->version != version || e->size != size)
			return -ESTALE;
		*ret_ptr = arena->base + e->offset;
		return 0;
	}
	if (!size || size > ARENA_MAX_SIZE || strlen(name) >= ARENA_NAME_MAX)
		return -EINVAL;
	if (h->n_blocks == ARENA_MAX_BLOCKS)
		return -ENOSPC;
	err = grow(arena, h->used + size);
	if (err)
		return err;
	e = &h->blocks[h->n_blocks];
	memset(e, 0, sizeof(*e));
	memcpy(e->name, name, strlen(name));
	e->version = version;
	e->offset = h->used;
	e->size = size;
	/* The entry counts only when it is complete: who adopts the arena
	 * after a crash in between finds it as it was before. */
	h->used = align_up(h->used + size, ARENA_ALIGN);
	__atomic_store_n(&h->n_blocks, h->n_blocks + 1, __ATOMIC_RELEASE);
	*ret_ptr = arena->base + e->offset;
	return 1;
}

int arena_describe(struct arena *arena, const char *name,
		   const struct vgpu_field *fields, size_t n_fields)
{
	int i = find(arena, name);

	if (i < 0)
		return i;
	for (size_t f = 0; f < n_fields; f++)
		if (!range_inside(fields[f].offset,
				  (uint64_t)fields[f].size * fields[f].count,
				  header(arena)->blocks[i].size))
			return -ERANGE;
	arena->fields[i].fields = fields;
	arena->fields[i].n = n_fields;
	return 0;
}

void arena_visit(const struct arena *arena, arena_visit_fn fn, void *user)
{
	const struct arena_header *h = header(arena);

	for (uint32_t i = 0; i < h->n_blocks; i++)
		fn(h->blocks[i].name, h->blocks[i].version,
		   arena->base + h->blocks[i].offset, h->blocks[i].size,
		   arena->fields[i].fields, arena->fields[i].n, user);
}
