/* SPDX-License-Identifier: MIT */
/*
 * The display of an instance: what its driver announces (<vgpu/display.h>)
 * is checked and published here. It exists from the driver's first word on.
 *
 * Loop thread, unless said otherwise.
 */
#ifndef DISPLAY_PLANE_H
#define DISPLAY_PLANE_H

#include <stdbool.h>

struct display_reader;
struct vgpu_core;

/**
 * display_fd() - the shared description, for a reader in another process
 * @ret_fd: stays the display's; read-only
 *
 * Return: 0; -ENODATA: the driver has never announced anything.
 */
int display_fd(struct vgpu_core *core, int *ret_fd);

/**
 * display_region_fd() - the pixels, for a reader in another process
 * @region: VGPU_REGION_BAR0..5
 * @hidden: the file for planes with VGPU_PLANE_HIDDEN
 * @ret_fd: a read-only descriptor, the caller's
 *
 * Return: 0; -ENOENT: no such file; an error of open().
 */
int display_region_fd(struct vgpu_core *core, unsigned region, bool hidden,
		      int *ret_fd);

/**
 * display_capture() - a reader of what this instance shows
 * @ret_reader: knows all files; may be used from any thread afterwards, and
 *              should be: a large picture takes longer than the loop may wait
 *
 * Return: 0; -ENODATA: the driver has never announced anything; as
 * display_reader_new().
 */
int display_capture(struct vgpu_core *core, struct display_reader **ret_reader);

#endif
