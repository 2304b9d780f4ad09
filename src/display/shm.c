/* SPDX-License-Identifier: MIT */
#include "shm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../util/bytes.h"
#include "../util/cleanup.h"
#include "reopen.h"
#include "seqlock.h"

struct shm_writer {
	int fd;	     /* read-write: ours alone */
	int read_fd; /* what readers get */
	struct vgpu_display_shm *shm;
};

/* The layout is documented for readers in other languages: docs/display.md */
_Static_assert(offsetof(struct vgpu_plane_shm, offset) == 40 &&
		       offsetof(struct vgpu_plane_shm, damage) == 56 &&
		       offsetof(struct vgpu_plane_shm, palette) == 1080 &&
		       sizeof(struct vgpu_plane_shm) == 2104 &&
		       offsetof(struct vgpu_display_shm, planes) == 24 &&
		       sizeof(struct vgpu_display_shm) == 8440,
	       "a new layout is a new VGPU_DISPLAY_VERSION");

/* What shm_set_plane() changes of a record: up to, not with, the damage. */
#define MODE_BYTES                                                             \
	(offsetof(struct vgpu_plane_shm, damage_count) -                       \
	 offsetof(struct vgpu_plane_shm, flags))

static int make_file(struct shm_writer *w, const char *name)
{
	w->fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (w->fd < 0 || ftruncate(w->fd, sizeof(*w->shm)) < 0 ||
	    fcntl(w->fd, F_ADD_SEALS,
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	w->read_fd = reopen_for_reading(w->fd);
	return w->read_fd < 0 ? w->read_fd : 0;
}

int shm_writer_new(const char *name, struct shm_writer **ret_writer)
{
	struct shm_writer *w = calloc(1, sizeof(*w));
	void *p;
	int err;

	if (!w)
		return -ENOMEM;
	w->fd = w->read_fd = -1;
	err = make_file(w, name);
	if (err)
		goto fail;
	p = mmap(NULL, sizeof(*w->shm), PROT_READ | PROT_WRITE, MAP_SHARED,
		 w->fd, 0);
	if (p == MAP_FAILED) {
		err = -errno;
		goto fail;
	}
	w->shm = p;
	w->shm->version = VGPU_DISPLAY_VERSION;
	w->shm->size = sizeof(*w->shm);
	w->shm->n_planes = VGPU_MAX_PLANES;
	w->shm->generation = 1;
	for (unsigned i = 0; i < VGPU_MAX_PLANES; i++)
		w->shm->planes[i].flags = VGPU_PLANE_DAMAGE_UNKNOWN;
	/* Who finds the magic finds the rest. */
	__atomic_store_n(&w->shm->magic, VGPU_DISPLAY_MAGIC, __ATOMIC_RELEASE);
	*ret_writer = w;
	return 0;
fail:
	shm_writer_free(w);
	return err;
}

void shm_writer_free(struct shm_writer *w)
{
	if (!w)
		return;
	if (w->shm)
		munmap(w->shm, sizeof(*w->shm));
	close_fd(w->fd);
	close_fd(w->read_fd);
	free(w);
}

int shm_writer_fd(const struct shm_writer *w)
{
	return w->read_fd;
}

void shm_set_plane(struct shm_writer *w, unsigned index,
		   const struct vgpu_plane *plane, uint32_t flags)
{
	struct vgpu_plane_shm *shared = &w->shm->planes[index];
	struct vgpu_plane_shm next = {
		.flags = flags | (shared->flags & VGPU_PLANE_DAMAGE_UNKNOWN),
		.serial = shared->serial,
	};

	if (plane->format) {
		next.format = plane->format;
		next.width = plane->width;
		next.height = plane->height;
		next.stride = plane->stride;
		next.region = plane->region;
		next.offset = plane->offset;
	}
	if (!memcmp(&next.flags, &shared->flags, MODE_BYTES))
		return;
	next.serial++;
	seq_write_begin(&shared->sequence);
	shared_store(&shared->flags, &next.flags, MODE_BYTES);
	seq_write_end(&shared->sequence);
}

void shm_set_palette(struct shm_writer *w, unsigned index,
		     const uint32_t colours[256])
{
	struct vgpu_plane_shm *shared = &w->shm->planes[index];
	uint64_t serial = shared->serial + 1;

	if (!memcmp(shared->palette, colours, sizeof(shared->palette)))
		return;
	seq_write_begin(&shared->sequence);
	shared_store(&shared->serial, &serial, sizeof(serial));
	shared_store(shared->palette, colours, sizeof(shared->palette));
	seq_write_end(&shared->sequence);
}

void shm_damage(struct shm_writer *w, unsigned index,
		const struct vgpu_rect *rect)
{
	struct vgpu_plane_shm *shared = &w->shm->planes[index];
	uint32_t flags = shared->flags & ~VGPU_PLANE_DAMAGE_UNKNOWN;
	uint64_t count = shared->damage_count;
	struct vgpu_rect r = *rect;

	if (!shared->format || r.x >= shared->width || r.y >= shared->height)
		return;
	r.width = MIN(r.width, shared->width - r.x);
	r.height = MIN(r.height, shared->height - r.y);
	if (!r.width || !r.height)
		return;
	seq_write_begin(&shared->sequence);
	shared_store(&shared->damage[count % VGPU_DAMAGE_SLOTS], &r, sizeof(r));
	count++;
	shared_store(&shared->damage_count, &count, sizeof(count));
	shared_store(&shared->flags, &flags, sizeof(flags));
	seq_write_end(&shared->sequence);
}

void shm_renew(struct shm_writer *w)
{
	static const struct vgpu_plane off;
	static const uint32_t black[256];

	for (unsigned i = 0; i < VGPU_MAX_PLANES; i++) {
		shm_set_plane(w, i, &off, VGPU_PLANE_DAMAGE_UNKNOWN);
		shm_set_palette(w, i, black);
	}
	__atomic_store_n(&w->shm->generation, w->shm->generation + 1,
			 __ATOMIC_RELEASE);
}
