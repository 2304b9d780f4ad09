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
#include "sized.h"

struct module {
	void *handle; /* dlopen's; NULL for one that is linked in */
	char *path;
	struct vgpu_driver driver;
	struct vgpu_parent_ops parent; /* driver.parent points here */
	struct vgpu_type *types;
};

/* The interface's first version had these. */
#define MIN_DRIVER_SIZE \
	(offsetof(struct vgpu_driver, create) + sizeof(void *))
#define MIN_PARENT_SIZE \
	(offsetof(struct vgpu_parent_ops, message) + sizeof(void *))
#define MIN_TYPE_SIZE (offsetof(struct vgpu_type, data) + sizeof(void *))

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

static int take_types(struct module *module)
{
	const struct vgpu_driver *d = &module->driver;

	if (!d->types || !d->n_types || d->n_types > MODULE_MAX_TYPES)
		return refuse(module, -EINVAL,
			      "it must offer between 1 and 256 types");
	module->types = calloc(d->n_types, sizeof(*module->types));
	if (!module->types)
		return -ENOMEM;
	for (size_t i = 0; i < d->n_types; i++) {
		struct vgpu_type *t = &module->types[i];

		if (sized_copy(t, sizeof(*t), d->types[i], MIN_TYPE_SIZE) < 0)
			return refuse(module, -EPROTO,
				      "a type's struct_size does not fit this "
				      "version of vgpud; recompile the driver");
		if (!name_ok(t->name, MODULE_TYPE_MAX, ".-") || !t->description)
			return refuse(module, -EINVAL,
				      "a type has no name of [a-z0-9.-], at most "
				      "63 bytes, or no description");
	}
	return 0;
}

static int take_parent(struct module *module)
{
	struct vgpu_parent_ops *p = &module->parent;

	if (!module->driver.parent)
		return 0;
	if (sized_copy(p, sizeof(*p), module->driver.parent, MIN_PARENT_SIZE) <
	    0)
		return refuse(module, -EPROTO,
			      "its parent half's struct_size does not fit this "
			      "version of vgpud; recompile the driver");
	if (!p->open || !p->stop || !p->close || !p->instance_new ||
	    !p->instance_gone || !p->message)
		return refuse(module, -EINVAL,
			      "its parent half lacks an op: all but kick are "
			      "mandatory");
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

static int take_driver(struct module *module, const struct vgpu_driver *driver)
{
	int err;

	if (driver->abi_version != VGPU_DRIVER_ABI) {
		log_error(module->path,
			  "driver refused: made for driver interface %u, this "
			  "is %u; recompile it with this version's headers",
			  driver->abi_version, VGPU_DRIVER_ABI);
		return -EPROTO;
	}
	if (sized_copy(&module->driver, sizeof(module->driver), driver,
		       MIN_DRIVER_SIZE) < 0)
		return refuse(module, -EPROTO,
			      "its struct_size does not fit this version of "
			      "vgpud; recompile the driver");
	if (!name_ok(module->driver.name, MODULE_NAME_MAX, "-"))
		return refuse(module, -EINVAL,
			      "its name must be [a-z0-9-], at most 31 bytes");
	if (!module->driver.create || !module->driver.version ||
	    !module->driver.description)
		return refuse(module, -EINVAL,
			      "create, version and description are mandatory");
	err = take_parent(module);
	return err ? err : take_types(module);
}

int module_from_driver(const struct vgpu_driver *driver,
		       struct module **ret_module)
{
	struct module *module = calloc(1, sizeof(*module));
	int err;

	if (!module)
		return -ENOMEM;
	module->path = strdup("(built in)");
	err = module->path ? take_driver(module, driver) : -ENOMEM;
	if (err) {
		module_close(module);
		return err;
	}
	*ret_module = module;
	return 0;
}

int module_open(const char *path, struct module **ret_module)
{
	const struct vgpu_driver *const *entry;
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
		log_error(path, "driver can't be loaded: %s", dlerror());
		err = -ENOEXEC;
		goto fail;
	}
	entry = dlsym(module->handle, VGPU_DRIVER_SYMBOL);
	if (!entry || !*entry) {
		err = refuse(module, -ENOEXEC,
			     "not a vGPU driver: it exports no "
			     VGPU_DRIVER_SYMBOL " (VGPU_DRIVER_MODULE() does)");
		goto fail;
	}
	err = take_driver(module, *entry);
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
