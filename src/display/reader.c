/* SPDX-License-Identifier: MIT */
#include "reader.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../util/bytes.h"
#include "../util/cleanup.h"
#include "seqlock.h"

#define MAX_SIZE  16384u /* pixels or lines, as include/vgpu/display.h says */
#define MAX_MODES 10	 /* changes of the mode that a picture survives */

struct display_reader {
	const struct vgpu_display_shm *shm;
	int files[VGPU_NUM_BARS][2]; /* mapped, hidden */
};

/* ------------------------------------------------------------------ */
/* Life                                                                */
/* ------------------------------------------------------------------ */

/* A mapped file must not shrink: a read behind its end kills the reader. */
static int check_file(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return -EINVAL;
	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_size < (off_t)sizeof(struct vgpu_display_shm) ? -EINVAL
								   : 0;
}

static int check_header(const struct vgpu_display_shm *shm)
{
	if (__atomic_load_n(&shm->magic, __ATOMIC_ACQUIRE) !=
	    VGPU_DISPLAY_MAGIC)
		return -EINVAL;
	if (__atomic_load_n(&shm->version, __ATOMIC_RELAXED) !=
	    VGPU_DISPLAY_VERSION)
		return -EPROTONOSUPPORT;
	return 0;
}

int display_reader_new(int fd, struct display_reader **ret_reader)
{
	struct display_reader *r;
	void *p;
	int err = check_file(fd);

	if (err)
		return err;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	for (unsigned i = 0; i < VGPU_NUM_BARS; i++)
		r->files[i][0] = r->files[i][1] = -1;
	p = mmap(NULL, sizeof(*r->shm), PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		err = -errno;
		goto fail;
	}
	r->shm = p;
	err = check_header(r->shm);
	if (err)
		goto fail;
	*ret_reader = r;
	return 0;
fail:
	display_reader_free(r);
	return err;
}

void display_reader_free(struct display_reader *r)
{
	if (!r)
		return;
	if (r->shm)
		munmap((void *)r->shm, sizeof(*r->shm));
	for (unsigned i = 0; i < VGPU_NUM_BARS; i++) {
		close_fd(r->files[i][0]);
		close_fd(r->files[i][1]);
	}
	free(r);
}

int display_reader_set_file(struct display_reader *r, unsigned region,
			    bool hidden, int fd)
{
	int copy;

	if (region >= VGPU_NUM_BARS)
		return -ERANGE;
	/* Only files in memory know seals: no FUSE file, whose owner could
	 * make us wait for ever. */
	if (fcntl(fd, F_GET_SEALS) < 0)
		return -errno;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return -errno;
	close_fd(r->files[region][hidden]);
	r->files[region][hidden] = copy;
	return 0;
}

/* ------------------------------------------------------------------ */
/* Records                                                             */
/* ------------------------------------------------------------------ */

uint64_t display_reader_generation(const struct display_reader *r)
{
	return __atomic_load_n(&r->shm->generation, __ATOMIC_ACQUIRE);
}

int display_reader_plane(const struct display_reader *r, unsigned index,
			 struct vgpu_plane_shm *ret_plane)
{
	const struct vgpu_plane_shm *shared;
	struct vgpu_plane_shm copy;

	if (index >= VGPU_MAX_PLANES ||
	    index >= __atomic_load_n(&r->shm->n_planes, __ATOMIC_RELAXED))
		return -ERANGE;
	shared = &r->shm->planes[index];
	for (int i = 0; i < READER_MAX_TRIES; i++) {
		uint32_t before =
			__atomic_load_n(&shared->sequence, __ATOMIC_ACQUIRE);

		if (!(before & 1)) {
			shared_load(&copy, shared, sizeof(copy));
			if (__atomic_load_n(&shared->sequence,
					    __ATOMIC_RELAXED) == before) {
				*ret_plane = copy;
				return 0;
			}
		}
		sched_yield();
	}
	return -EBUSY;
}

/* ------------------------------------------------------------------ */
/* Pictures                                                            */
/* ------------------------------------------------------------------ */

/* What the writer should have checked: that the pixels are in the file is
 * found out by reading them. */
static int check_plane(const struct vgpu_plane_shm *p)
{
	unsigned bytes = picture_format_bytes(p->format);

	if (!p->format)
		return -ENODATA;
	if (!bytes || !p->width || p->width > MAX_SIZE || !p->height ||
	    p->height > MAX_SIZE || p->stride < p->width * bytes ||
	    p->region >= VGPU_NUM_BARS || p->offset > INT64_MAX / 2)
		return -EBADMSG;
	if ((uint64_t)p->width * p->height > PICTURE_MAX_PIXELS)
		return -EFBIG;
	return 0;
}

/* Whole, or an error: -EBADMSG if the file ends before. */
static int read_all(int fd, void *buf, size_t len, uint64_t offset)
{
	uint8_t *p = buf;

	while (len) {
		ssize_t n = pread(fd, p, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EBADMSG;
		p += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

/* The pixels are read, not mapped: whoever made that file can't hurt us. */
static int read_picture(int fd, const struct vgpu_plane_shm *p,
			struct picture *picture)
{
	size_t line_bytes = (size_t)p->width * picture_format_bytes(p->format);
	cleanup_free uint8_t *line = malloc(line_bytes);

	if (!line)
		return -ENOMEM;
	for (uint32_t y = 0; y < p->height; y++) {
		int err = read_all(fd, line, line_bytes,
				   p->offset + (uint64_t)y * p->stride);

		if (err)
			return err;
		picture_convert_line(p->format, p->palette, line, p->width,
				     picture->rgb + (size_t)y * p->width * 3);
	}
	return 0;
}

static int take(const struct display_reader *r, const struct vgpu_plane_shm *p,
		struct picture *picture)
{
	int fd, err = check_plane(p);

	if (err)
		return err;
	fd = r->files[p->region][!!(p->flags & VGPU_PLANE_HIDDEN)];
	if (fd < 0)
		return -ENOENT;
	picture->width = p->width;
	picture->height = p->height;
	picture->serial = p->serial;
	picture->rgb = malloc((size_t)p->width * p->height * 3);
	if (!picture->rgb)
		return -ENOMEM;
	err = read_picture(fd, p, picture);
	if (err)
		picture_fini(picture);
	return err;
}

int display_reader_picture(const struct display_reader *r, unsigned index,
			   struct picture *ret_picture)
{
	uint64_t generation = display_reader_generation(r);

	for (int i = 0; i < MAX_MODES; i++) {
		struct vgpu_plane_shm before, after;
		struct picture picture = { 0 };
		int err = display_reader_plane(r, index, &before);

		if (!err)
			err = take(r, &before, &picture);
		if (!err)
			err = display_reader_plane(r, index, &after);
		if (!err && before.serial == after.serial &&
		    generation == display_reader_generation(r)) {
			*ret_picture = picture;
			return 0;
		}
		picture_fini(&picture);
		if (generation != display_reader_generation(r))
			return -ESTALE;
		if (err)
			return err;
	}
	return -EBUSY;
}
