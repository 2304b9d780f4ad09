/* SPDX-License-Identifier: MIT */
/* Which drivers there are, and what they offer. */
#ifndef VGPU_DEVICE_DRIVERS_H
#define VGPU_DEVICE_DRIVERS_H

struct module;
struct options;
struct vgpu_type;

/**
 * drivers_find() - load the driver that offers options->type
 *
 * The files of --driver come first, then the driver directory. Without
 * success it is logged what there is instead.
 *
 * Return: 0, or an exit code.
 */
int drivers_find(const struct options *options, struct module **ret_module,
		 const struct vgpu_type **ret_type);

/* Print all types to stdout, as a table or as JSON. Return: an exit code. */
int drivers_list(const struct options *options);

#endif
