/* SPDX-License-Identifier: MIT */
/* Driver modules: shared objects that offer types of vGPU. */
#ifndef DEVICE_MODULE_H
#define DEVICE_MODULE_H

#include <stddef.h>

#include <vgpu/driver.h>

struct module;

#define MODULE_MAX_TYPES 256
#define MODULE_NAME_MAX  31 /* bytes of a driver's name */
#define MODULE_TYPE_MAX  63 /* bytes of a type's name */

/**
 * module_open() - load a driver and check that it fits
 * @path: of the shared object
 *
 * What does not fit (ABI version, structure sizes, names, half-filled tables)
 * is logged with what to do about it.
 *
 * Return: 0; -ENOENT, -ENOEXEC (not a driver, or not loadable), -EPROTO (made
 * for another version of the interface), -EINVAL (its tables make no sense).
 */
int module_open(const char *path, struct module **ret_module);

/* A driver that is linked in, for tests: what it exports, or one that is
 * compiled with the same headers. It must outlive the module. */
int module_from(const struct vgpu_module *theirs, struct module **ret_module);
int module_from_driver(const struct vgpu_driver *driver,
		       struct module **ret_module);

/* No instance of it may be left. NULL is fine. */
void module_close(struct module *module);

const char *module_path(const struct module *module);
/* How long structures are in the driver */
const struct vgpu_module *module_sizes(const struct module *module);
/* Our version of its description; valid while it is open. */
const struct vgpu_driver *module_driver(const struct module *module);
/* Types by number; our version of the structure. */
size_t module_n_types(const struct module *module);
const struct vgpu_type *module_type(const struct module *module, size_t i);
/* The driver's own, which is what it gets to see, from ours */
const struct vgpu_type *module_own_type(const struct module *module,
					const struct vgpu_type *type);
/* By name; NULL: it offers no such type. */
const struct vgpu_type *module_find_type(const struct module *module,
					 const char *name);

/**
 * module_scan() - open every module of a directory, in the order of the names
 * @fn: gets each; it owns the module if it returns 1, which ends the scan; with
 *      0 the module is closed again
 *
 * Files that are not drivers are logged and passed over.
 *
 * Return: 1 if @fn ended it, 0 if all were seen, -ENOENT and so on for @dir.
 */
typedef int (*module_scan_fn)(struct module *module, void *user);
int module_scan(const char *dir, module_scan_fn fn, void *user);

#endif
