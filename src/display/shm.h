/* SPDX-License-Identifier: MIT */
/*
 * The writer of the shared display description (struct vgpu_display_shm).
 *
 * The file is sealed, so that no reader can change its size. Readers get a
 * descriptor that was opened for reading: they can't change it otherwise.
 * One thread writes.
 */
#ifndef DISPLAY_SHM_H
#define DISPLAY_SHM_H

#include <vgpu/display.h>

struct shm_writer;

/* All planes are off, their palettes black, the generation is 1. */
int shm_writer_new(const char *name, struct shm_writer **ret_writer);
/* NULL is fine. Readers keep what they have mapped. */
void shm_writer_free(struct shm_writer *w);

/* For readers; stays the writer's. */
int shm_writer_fd(const struct shm_writer *w);

/**
 * shm_set_plane() - publish a plane
 * @index: below VGPU_MAX_PLANES
 * @plane: checked by the caller; @plane->format 0: off
 * @flags: VGPU_PLANE_HIDDEN or 0
 */
void shm_set_plane(struct shm_writer *w, unsigned index,
		   const struct vgpu_plane *plane, uint32_t flags);
void shm_set_palette(struct shm_writer *w, unsigned index,
		     const uint32_t colours[256]);

/* Add damage; from here on the writer of this plane knows what it draws.
 * @rect is clipped; what is empty then is not added. */
void shm_damage(struct shm_writer *w, unsigned index,
		const struct vgpu_rect *rect);

/* The files behind the regions were replaced: all is as it was at first, but
 * for the generation. */
void shm_renew(struct shm_writer *w);

#endif
