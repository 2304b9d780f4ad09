/* SPDX-License-Identifier: MIT */
#include "drivers.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/json.h"
#include "device/module.h"
#include "options.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/text.h"

/*
 * The drivers' directory of the build tree that this program lies in:
 * BUILD/programs/vgpu-device/vgpu-device has them in BUILD/drivers. Only
 * meson's own folder makes it one.
 *
 * Return: to be freed; NULL: this is an installed program.
 */
static char *build_tree_dir(void)
{
	static const char tail[] = "/programs/vgpu-device/vgpu-device";
	char exe[PATH_MAX];
	cleanup_free char *meson = NULL;
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *dir;

	if (n < (ssize_t)sizeof(tail))
		return NULL;
	n -= (ssize_t)sizeof(tail) - 1;
	exe[n + (ssize_t)sizeof(tail) - 1] = '\0';
	if (strcmp(exe + n, tail))
		return NULL;
	exe[n] = '\0';
	if (asprintf(&meson, "%s/meson-private", exe) < 0) {
		meson = NULL;
		return NULL;
	}
	if (access(meson, F_OK) < 0)
		return NULL;
	return asprintf(&dir, "%s/drivers", exe) < 0 ? NULL : dir;
}

/* To be freed; NULL: out of memory. */
static char *driver_dir(const struct options *options)
{
	const char *env = getenv("VGPU_DRIVER_DIR");
	char *dir;

	if (options->driver_dir)
		return strdup(options->driver_dir);
	if (env && *env)
		return strdup(env);
	dir = build_tree_dir();
	return dir ? dir : strdup(VGPU_DRIVER_DIR);
}

/*
 * Show every driver to @fn, until it returns 1, and then the module is its.
 *
 * Return: 1 if it did; 0: all were seen; negative errno.
 */
static int for_each_driver(const struct options *options, module_scan_fn fn,
			   void *user)
{
	cleanup_free char *dir = driver_dir(options);
	int ret;

	if (!dir)
		return -ENOMEM;
	for (unsigned i = 0; i < options->drivers.n; i++) {
		struct module *module;

		/* What the user has named must be usable. */
		ret = module_open(options->drivers.word[i], &module);
		if (ret)
			return ret;
		ret = fn(module, user);
		if (ret == 1)
			return 1;
		module_close(module);
	}
	ret = module_scan(dir, fn, user);
	/* Named drivers are enough, and so is a directory that isn't there
	 * yet: the message below says where it would be. */
	if (ret == -ENOENT && !options->driver_dir)
		return 0;
	if (ret < 0)
		log_error(dir, "cannot look for drivers there: %s",
			  strerror(-ret));
	return ret;
}

struct search {
	const char *name;
	const struct vgpu_type *type;
	struct module *module;
	char offered[512]; /* what there is instead */
	bool cut;
};

static int take_if_offered(struct module *module, void *user)
{
	struct search *s = user;

	s->type = module_find_type(module, s->name);
	if (s->type) {
		s->module = module;
		return 1;
	}
	for (size_t i = 0; i < module_n_types(module); i++) {
		const char *name = module_type(module, i)->name;
		size_t at = strlen(s->offered);

		if (at + strlen(name) + 3 > sizeof(s->offered))
			s->cut = true;
		else
			snprintf(s->offered + at, sizeof(s->offered) - at,
				 "%s%s", at ? ", " : "", name);
	}
	return 0;
}

int drivers_find(const struct options *options, struct module **ret_module,
		 const struct vgpu_type **ret_type)
{
	struct search s = { .name = options->type };
	cleanup_free char *dir = NULL;
	int ret = for_each_driver(options, take_if_offered, &s);

	if (ret == 1) {
		*ret_module = s.module;
		*ret_type = s.type;
		return 0;
	}
	if (ret < 0) /* said already */
		return EXIT_TYPE;
	if (*s.offered) {
		log_error(NULL, "there is no type '%s'; there are: %s%s",
			  s.name, s.offered, s.cut ? ", ..." : "");
		return EXIT_TYPE;
	}
	dir = driver_dir(options);
	log_error(NULL,
		  "there is no type '%s', as there is no driver in %s; "
		  "--driver or --driver-dir say where to look",
		  s.name, dir ? dir : "(out of memory)");
	return EXIT_TYPE;
}

struct listing {
	struct json_object *json; /* NULL: print a table */
	unsigned n;
};

static int add_to_table(struct module *module, void *user)
{
	struct listing *l = user;

	for (size_t i = 0; i < module_n_types(module); i++) {
		const struct vgpu_type *t = module_type(module, i);
		char mode[32] = "none", text[256];

		if (!l->n++)
			printf("%-20s %-10s %11s  %-10s  %s\n", "TYPE",
			       "DRIVER", "MEMORY", "SCREEN", "DESCRIPTION");
		if (t->xres)
			snprintf(mode, sizeof(mode), "%" PRIu32 "x%" PRIu32,
				 t->xres, t->yres);
		snprintf(text, sizeof(text), "%s", t->description);
		text_make_printable(text);
		printf("%-20s %-10s %7" PRIu64 " MiB  %-10s  %s\n", t->name,
		       module_driver(module)->name, t->vram_size >> 20, mode,
		       text);
	}
	return 0;
}

static int add_to_json(struct module *module, void *user)
{
	struct listing *l = user;

	for (size_t i = 0; i < module_n_types(module); i++) {
		const struct vgpu_type *t = module_type(module, i);
		struct json_object *obj = json_object_new_object();

		json_set_string(&obj, "name", t->name);
		json_set_string(&obj, "description", t->description);
		json_set_string(&obj, "driver", module_driver(module)->name);
		json_set_string(&obj, "driver_version",
				module_driver(module)->version);
		json_set_string(&obj, "driver_path", module_path(module));
		json_set_uint(&obj, "vram_size", t->vram_size);
		json_set_uint(&obj, "xres", t->xres);
		json_set_uint(&obj, "yres", t->yres);
		json_set_bool(&obj, "needs_parent",
			      module_driver(module)->parent != NULL);
		json_append(&l->json, obj);
		if (!l->json)
			return -ENOMEM;
		l->n++;
	}
	return 0;
}

int drivers_list(const struct options *options)
{
	struct listing l = { 0 };
	int ret;

	if (options->json)
		l.json = json_object_new_array();
	ret = for_each_driver(options,
			      options->json ? add_to_json : add_to_table, &l);
	if (!ret && options->json)
		puts(json_object_to_json_string_ext(
			l.json, JSON_C_TO_STRING_PRETTY |
					JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(l.json);
	if (!ret && !l.n) {
		cleanup_free char *dir = driver_dir(options);

		log_warning(NULL,
			    "there is no driver in %s; --driver or "
			    "--driver-dir say where to look",
			    dir ? dir : "(out of memory)");
	}
	if (fflush(stdout))
		return EXIT_RUNTIME;
	return ret < 0 ? EXIT_TYPE : EXIT_OK;
}
