/* SPDX-License-Identifier: MIT */
#include "module.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vgpu/parent.h>

#include "../util/bytes.h"
#include "../util/cleanup.h"
#include "../util/log.h"
#include "../util/sized.h"

struct module {
	void *handle; /* dlopen's; NULL for one that is linked in */
	char *path;
	struct vgpu_module sizes; /* of structures, in the driver */
	struct vgpu_driver driver;
	struct vgpu_device_ops ops;    /* driver.instance points here */
	struct vgpu_parent_ops parent; /* driver.parent points here, or NULL */
	struct vgpu_type *types;       /* ours */
	const struct vgpu_type *own;   /* the driver's */
};

static bool name_ok(const char *name, size_t max, const char *also)
{
	size_t n = name ? strlen(name) : 0;

	if (!n || n > max)
		return false;
	for (const char *p = name; *p; p++)
		if (!(*p >= 'a' && *p <= 'z') && !(*p >= '0' && *p <= '9') &&
		    !strchr(also, *p))
			return false;
	return true;
}

static int refuse(const struct module *module, int err, const char *why)
{
	log_error(module->path, "driver refused: %s", why);
	return err;
}

/* Our version of one of the driver's structures, of which it must have the
 * members up to @last at least. */
#define TAKE(module, dst, src, size, type, last)                               \
	take((module), (dst), sizeof(struct type), (src), (size),              \
	     offsetof(struct type, last) + sizeof(void *), #type)

static int take(const struct module *module, void *dst, size_t dst_size,
		const void *src, size_t size, size_t min, const char *type)
{
	int err = size < min ? -EPROTO : sized_copy(dst, dst_size, src, size);

	if (err == -E2BIG)
		log_error(module->path,
			  "driver refused: it uses what this version of vgpud "
			  "does not know, in struct %s; update vgpud",
			  type);
	else if (err == -EPROTO)
		log_error(
			module->path,
			"driver refused: its struct %s has %zu bytes, and %zu "
			"at least are expected: include its header in the "
			"file with VGPU_DRIVER_MODULE()",
			type, size, min);
	return err;
}

static int take_types(struct module *module)
{
	const struct vgpu_driver *d = &module->driver;

	if (!d->types || !d->n_types || d->n_types > MODULE_MAX_TYPES)
		return refuse(module, -EINVAL,
			      "it must offer between 1 and 256 types");
	module->own = d->types;
	module->types = calloc(d->n_types, sizeof(*module->types));
	if (!module->types)
		return -ENOMEM;
	for (size_t i = 0; i < d->n_types; i++) {
		struct vgpu_type *t = &module->types[i];
		size_t size = module->sizes.type_size;
		int err = TAKE(module, t, sized_at(module->own, i, size), size,
			       vgpu_type, description);

		if (err)
			return err;
		if (!name_ok(t->name, MODULE_TYPE_MAX, ".-") || !t->description)
			return refuse(module, -EINVAL,
				      "a type has no name of [a-z0-9.-], at most "
				      "63 bytes, or no description");
	}
	return 0;
}

static int take_instance(struct module *module)
{
	struct vgpu_device_ops *ops = &module->ops;
	int err;

	if (!module->driver.instance)
		return refuse(module, -EINVAL, "it has no instance half");
	err = TAKE(module, ops, module->driver.instance,
		   module->sizes.device_ops_size, vgpu_device_ops, reset);
	if (err)
		return err;
	if (!ops->create && !ops->pci)
		return refuse(module, -EINVAL,
			      "nothing says what its instances look like: it "
			      "has neither a create op nor pci");
	module->driver.instance = ops;
	return 0;
}

static int take_parent(struct module *module)
{
	struct vgpu_parent_ops *p = &module->parent;
	int err;

	if (!module->driver.parent)
		return 0;
	err = TAKE(module, p, module->driver.parent,
		   module->sizes.parent_ops_size, vgpu_parent_ops,
		   instance_gone);
	if (err)
		return err;
	if (!p->open || !p->instance_new || !p->instance_gone)
		return refuse(module, -EINVAL,
			      "its parent half lacks an op: open, instance_new "
			      "and instance_gone are mandatory");
	if (!p->memory != !p->memory_gone)
		return refuse(module, -EINVAL,
			      "its parent half has one of memory and "
			      "memory_gone, and lacks the other");
	if (!p->save != !p->restore)
		return refuse(module, -EINVAL,
			      "its parent half has one of save and restore, and "
			      "lacks the other");
	module->driver.parent = p;
	return 0;
}

static int refuse_abi(const struct module *module, uint32_t abi)
{
	log_error(
		module->path,
		"driver refused: made for driver interface %u, this is %u; %s",
		abi, VGPU_DRIVER_ABI,
		abi < VGPU_DRIVER_ABI
			? "recompile it with this version's headers"
			: "update vgpud");
	return -EPROTO;
}

static int take_driver(struct module *module, const struct vgpu_module *theirs)
{
	struct vgpu_driver *d = &module->driver;
	int err;

	if (theirs->abi != VGPU_DRIVER_ABI)
		return refuse_abi(module, theirs->abi);
	/* Of a structure that is new to us we need no size. */
	memcpy(&module->sizes, theirs,
	       MIN(sizeof(module->sizes), (size_t)theirs->size));
	err = TAKE(module, d, theirs->driver, module->sizes.driver_size,
		   vgpu_driver, instance);
	if (err)
		return err;
	if (!name_ok(d->name, MODULE_NAME_MAX, "-"))
		return refuse(module, -EINVAL,
			      "its name must be [a-z0-9-], at most 31 bytes");
	if (!d->version || !d->description)
		return refuse(module, -EINVAL,
			      "version and description are mandatory");
	err = take_instance(module);
	if (!err)
		err = take_parent(module);
	return err ? err : take_types(module);
}

int module_from(const struct vgpu_module *theirs, struct module **ret_module)
{
	struct module *module = calloc(1, sizeof(*module));
	int err;

	if (!module)
		return -ENOMEM;
	module->path = strdup("(built in)");
	err = module->path ? take_driver(module, theirs) : -ENOMEM;
	if (err) {
		module_close(module);
		return err;
	}
	*ret_module = module;
	return 0;
}

int module_from_driver(const struct vgpu_driver *driver,
		       struct module **ret_module)
{
	const struct vgpu_module ours = VGPU_MODULE_INIT(driver);

	return module_from(&ours, ret_module);
}

/* What a module exports; the one of driver interface 1 was a pointer. */
static int find_entry(const struct module *module,
		      const struct vgpu_module **ret_entry)
{
	*ret_entry = dlsym(module->handle, VGPU_DRIVER_SYMBOL);
	if (*ret_entry)
		return 0;
	if (dlsym(module->handle, "vgpu_driver_entry"))
		return refuse_abi(module, 1);
	return refuse(module, -ENOEXEC,
		      "not a vGPU driver: it exports no " VGPU_DRIVER_SYMBOL
		      " (VGPU_DRIVER_MODULE() does)");
}

int module_open(const char *path, struct module **ret_module)
{
	const struct vgpu_module *entry;
	struct module *module;
	int err;

	if (access(path, R_OK) < 0) {
		err = -errno;
		log_error(path, "cannot read driver: %s", strerror(-err));
		return err;
	}
	module = calloc(1, sizeof(*module));
	if (!module)
		return -ENOMEM;
	/* dlopen() searches the library path for a name without a slash. */
	if (asprintf(&module->path, "%s%s", strchr(path, '/') ? "" : "./",
		     path) < 0) {
		module->path = NULL;
		err = -ENOMEM;
		goto fail;
	}
	module->handle = dlopen(module->path, RTLD_NOW | RTLD_LOCAL);
	if (!module->handle) {
		const char *why = dlerror();

		log_error(path, "driver can't be loaded: %s%s", why,
			  strstr(why, "undefined symbol: vgpu_")
				  ? "; it is newer than this version of vgpud"
				  : "");
		err = -ENOEXEC;
		goto fail;
	}
	err = find_entry(module, &entry);
	if (!err)
		err = take_driver(module, entry);
	if (err)
		goto fail;
	*ret_module = module;
	return 0;
fail:
	module_close(module);
	return err;
}

void module_close(struct module *module)
{
	if (!module)
		return;
	if (module->handle)
		dlclose(module->handle);
	free(module->types);
	free(module->path);
	free(module);
}

const char *module_path(const struct module *module)
{
	return module->path;
}

const struct vgpu_driver *module_driver(const struct module *module)
{
	return &module->driver;
}

const struct vgpu_module *module_sizes(const struct module *module)
{
	return &module->sizes;
}

const struct vgpu_type *module_own_type(const struct module *module,
					const struct vgpu_type *type)
{
	return sized_at(module->own, (size_t)(type - module->types),
			module->sizes.type_size);
}

size_t module_n_types(const struct module *module)
{
	return module->driver.n_types;
}

const struct vgpu_type *module_type(const struct module *module, size_t i)
{
	return &module->types[i];
}

const struct vgpu_type *module_find_type(const struct module *module,
					 const char *name)
{
	for (size_t i = 0; i < module->driver.n_types; i++)
		if (!strcmp(module->types[i].name, name))
			return &module->types[i];
	return NULL;
}

static int is_module_name(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > 3 && e->d_name[0] != '.' && !strcmp(e->d_name + n - 3, ".so");
}

int module_scan(const char *dir, module_scan_fn fn, void *user)
{
	struct dirent **names;
	int n = scandir(dir, &names, is_module_name, alphasort), ret = 0;

	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		cleanup_free char *path = NULL;
		struct module *module;

		if (ret == 0 &&
		    asprintf(&path, "%s/%s", dir, names[i]->d_name) >= 0 &&
		    module_open(path, &module) == 0) {
			ret = fn(module, user);
			if (ret != 1)
				module_close(module);
		}
		free(names[i]);
	}
	free(names);
	return ret;
}
