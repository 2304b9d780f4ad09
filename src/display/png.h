/* SPDX-License-Identifier: MIT */
/* Pictures as PNG files. Any thread; a large one takes a second. */
#ifndef DISPLAY_PNG_H
#define DISPLAY_PNG_H

#include <stddef.h>

#include "picture.h"

/**
 * picture_write_png() - write a picture to an open file
 * @fd: stays the caller's; may be a pipe or a socket
 *
 * Return: 0; what write() failed with; -ENOMEM; -EINVAL for an empty picture.
 */
int picture_write_png(const struct picture *p, int fd);

/**
 * picture_save_png() - make a file
 * @path: replaced at once when the picture is complete, so that nobody ever
 *        sees half of one; what is not a regular file (/dev/stdout) is
 *        written to
 *
 * Return: 0, or what failed; an existing file is as it was then.
 */
int picture_save_png(const struct picture *p, const char *path);

/**
 * picture_encode_png() - in memory
 * @ret_data: to be freed
 */
int picture_encode_png(const struct picture *p, void **ret_data,
		       size_t *ret_size);

#endif
