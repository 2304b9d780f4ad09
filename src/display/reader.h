/* SPDX-License-Identifier: MIT */
/*
 * A reader of displays: the shared description, and the files with the pixels.
 *
 * The writer may be a process that a guest has taken over. Nothing that is
 * read is believed: each number is copied once and checked against the files'
 * sizes, waiting for a record to become stable has an end, and a file that
 * shrinks gives an error, not a signal.
 *
 * A reader belongs to one thread at a time; any will do.
 */
#ifndef DISPLAY_READER_H
#define DISPLAY_READER_H

#include <stdbool.h>

#include <vgpu/display.h>

#include "picture.h"

struct display_reader;

/** READER_MAX_TRIES - attempts to copy a record that its writer is changing */
#define READER_MAX_TRIES 1000

/**
 * display_reader_new() - look at a shared description
 * @fd: of the file; stays the caller's
 *
 * Return: 0; -EINVAL if that is no description that we can trust (size, seal,
 * magic); -EPROTONOSUPPORT: of another version; -ENOMEM and so on.
 */
int display_reader_new(int fd, struct display_reader **ret_reader);
/* NULL is fine. */
void display_reader_free(struct display_reader *r);

/**
 * display_reader_set_file() - say which file has a region's pixels
 * @region: VGPU_REGION_BAR0..5
 * @hidden: it is the one for planes with VGPU_PLANE_HIDDEN
 * @fd: stays the caller's
 *
 * Return: 0; -ERANGE: no such region; -EINVAL: not a file in memory (memfd,
 * tmpfs, hugetlbfs); -EBADF; -EMFILE.
 */
int display_reader_set_file(struct display_reader *r, unsigned region,
			    bool hidden, int fd);

/* Read it before the files are fetched, and again after a picture was taken:
 * if it has changed, fetch them once more. */
uint64_t display_reader_generation(const struct display_reader *r);

/**
 * display_reader_plane() - copy the record of a plane
 *
 * Return: 0; -ERANGE: no such plane; -EBUSY: it did not become stable.
 */
int display_reader_plane(const struct display_reader *r, unsigned index,
			 struct vgpu_plane_shm *ret_plane);

/**
 * display_reader_picture() - what a plane shows
 * @ret_picture: to be released by picture_fini()
 *
 * The mode is the same for all of it; the guest may draw in the meantime.
 *
 * Return: 0; -ENODATA: the plane is off; -ENOENT: its file is not known;
 * -EBUSY: the mode kept changing; -ESTALE: the files were replaced;
 * -EBADMSG: the record makes no sense; -EFBIG: more than PICTURE_MAX_PIXELS;
 * -ENOMEM; -EIO and so on from reading.
 */
int display_reader_picture(const struct display_reader *r, unsigned index,
			   struct picture *ret_picture);

#endif
