/* SPDX-License-Identifier: MIT */
#include "discover.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "config.h"
#include "control/json.h"
#include "hub/weight.h"
#include "registry.h"
#include "spawn.h"
#include "util/bytes.h"
#include "util/cleanup.h"

struct discovery {
	int fd, pidfd;
	struct loop_source *io, *ended, *timer;
	char *text;
	size_t len;
	discover_fn fn;
	void *user;
};

void discover_cancel(struct discovery *d)
{
	char why[64];
	int status;

	if (!d)
		return;
	if (d->pidfd >= 0 &&
	    pidfd_reap(d->pidfd, why, sizeof(why), &status) == -EAGAIN)
		pidfd_kill(d->pidfd, SIGKILL);
	loop_remove(d->io);
	loop_remove(d->ended);
	loop_remove(d->timer);
	close_fd(d->fd);
	close_fd(d->pidfd);
	free(d->text);
	free(d);
}

static void finish(struct discovery *d, struct json_object *types,
		   const char *problem)
{
	discover_fn fn = d->fn;
	void *user = d->user;

	discover_cancel(d);
	fn(types, problem, user);
	json_object_put(types);
}

/* Return: 0; 1: it is over, and the discovery gone. */
static int read_all(struct discovery *d)
{
	ssize_t n = 1;

	while (n > 0 && d->io) {
		char *grown = NULL;

		if (d->len + 4096 <= DISCOVER_MAX)
			grown = realloc(d->text, d->len + 4096);
		if (!grown) {
			finish(d, NULL,
			       "vgpu-device lists more types than can be");
			return 1;
		}
		d->text = grown;
		do
			n = read(d->fd, d->text + d->len, 4095);
		while (n < 0 && errno == EINTR);
		if (n > 0)
			d->len += (size_t)n;
		d->text[d->len] = '\0';
	}
	if (!n) {
		loop_remove(d->io);
		d->io = NULL;
	}
	return 0;
}

static void on_readable(struct loop_source *src, uint32_t events, void *user)
{
	read_all(user);
}

static void on_ended(struct loop_source *src, uint32_t events, void *user)
{
	struct discovery *d = user;
	struct json_object *types;
	char why[64] = "ended", problem[256];
	int status;

	if (pidfd_reap(d->pidfd, why, sizeof(why), &status) == -EAGAIN)
		return;
	if (read_all(d))
		return;
	types = d->len ? json_tokener_parse(d->text) : NULL;
	if (types && json_object_is_type(types, json_type_array)) {
		finish(d, types, NULL);
		return;
	}
	json_object_put(types);
	snprintf(problem, sizeof(problem),
		 "the drivers' types are not known: 'vgpu-device --list-types "
		 "--json' %s",
		 why);
	finish(d, NULL, problem);
}

static void on_timeout(struct loop_source *src, void *user)
{
	finish(user, NULL,
	       "the drivers' types are not known: 'vgpu-device --list-types' "
	       "does not end; a driver hangs while it is loaded");
}

int discover_start(struct loop *loop, const char *program,
		   const char *driver_dir, const struct config *config,
		   discover_fn fn, void *user, struct discovery **ret_discovery)
{
	const char *argv[8 + 2 * CONFIG_MAX_PARENTS] = {
		program, "--list-types", "--json"
	};
	const struct discovery none = { .fd = -1, .pidfd = -1 };
	struct discovery *d = malloc(sizeof(*d));
	cleanup_fd int out = -1;
	int pipefd[2], err;
	unsigned n = 3;
	pid_t pid;

	if (!d)
		return -ENOMEM;
	*d = none;
	d->fn = fn;
	d->user = user;
	if (driver_dir) {
		argv[n++] = "--driver-dir";
		argv[n++] = driver_dir;
	}
	/* vgpu-device takes some --driver; more than these are unusual */
	for (size_t i = 0; i < config->n_parents && n < 60; i++)
		if (config->parents[i].driver &&
		    strchr(config->parents[i].driver, '/') &&
		    !access(config->parents[i].driver, R_OK)) {
			argv[n++] = "--driver";
			argv[n++] = config->parents[i].driver;
		}
	if (pipe2(pipefd, O_CLOEXEC) < 0) {
		err = -errno;
		goto fail;
	}
	d->fd = pipefd[0];
	out = pipefd[1];
	fcntl(d->fd, F_SETFL, O_NONBLOCK);
	err = spawn_start(&(struct spawn){ argv, (const char *const *)environ,
					   out, -1, -1, -1 },
			  &pid, &d->pidfd);
	if (!err)
		err = loop_add_fd(loop, d->fd, EPOLLIN, on_readable, d, &d->io);
	if (!err)
		err = loop_add_fd(loop, d->pidfd, EPOLLIN, on_ended, d,
				  &d->ended);
	if (!err)
		err = loop_add_timer(loop, on_timeout, d, &d->timer);
	if (!err)
		err = loop_arm_timer(d->timer, DISCOVER_TIMEOUT_NS, 0);
	if (err)
		goto fail;
	*ret_discovery = d;
	return 0;
fail:
	discover_cancel(d);
	return err;
}

/* ---- parents -------------------------------------------------------- */

static bool matches(const char *patterns, const char *name)
{
	cleanup_free char *copy = strdup(patterns);
	char *rest = NULL;

	if (!copy)
		return false;
	for (char *p = strtok_r(copy, " ,", &rest); p;
	     p = strtok_r(NULL, " ,", &rest))
		if (!fnmatch(p, name, 0))
			return true;
	return false;
}

static const struct config_type *find_type(const struct config *c,
					   const char *parent, const char *name)
{
	for (size_t i = 0; i < c->n_types; i++)
		if (!strcmp(c->types[i].parent, parent) &&
		    !strcmp(c->types[i].name, name))
			return &c->types[i];
	return NULL;
}

static int add_types(struct config *c, const struct config_parent *config,
		     struct parent *parent, struct json_object *types,
		     bool *ret_shares_hardware)
{
	const char *which = strchr(config->driver, '/') ? "driver_path"
							: "driver";

	for (size_t i = 0; i < json_object_array_length(types); i++) {
		struct json_object *t = json_object_array_get_idx(types, i);
		const char *name = json_get_string(t, "name", "");
		const struct config_type *more;
		struct parent_type type = {
			.name = (char *)name,
			.description =
				(char *)json_get_string(t, "description", ""),
			.module = (char *)json_get_string(t, "driver_path",
							  NULL),
			.vram = (uint64_t)json_get_int(t, "vram_size", 0),
			.xres = (uint32_t)json_get_int(t, "xres", 0),
			.yres = (uint32_t)json_get_int(t, "yres", 0),
		};
		int err;

		if (strcmp(json_get_string(t, which, ""), config->driver) ||
		    !matches(config->types, name))
			continue;
		more = find_type(c, config->name, name);
		type.shares = hub_weight_of(type.vram);
		if (more && more->shares)
			type.shares = more->shares;
		if (more)
			type.max_instances = more->max_instances;
		err = parent_add_type(parent, &type);
		if (err && err != -EEXIST)
			return err;
		*ret_shares_hardware |= json_get_bool(t, "needs_parent", false);
	}
	return 0;
}

/* Does the section say what the driver needs, and no more? Return: what is
 * wrong, or NULL. */
static const char *misfit(const struct config_parent *p, bool shares_hardware)
{
	if (shares_hardware && !p->config && !p->parent_socket)
		return "shares hardware: say which by 'config =', such as "
		       "'pci=ADDRESS' or 'software'";
	if (!shares_hardware && (p->config || p->parent_socket))
		return "shares nothing: 'config' and 'parent-socket' are not "
		       "for it";
	return NULL;
}

static int refuse(struct config *c, struct parent *parent, const char *error)
{
	config_problem(c, "parent %s: %s", parent->name, error);
	return parent_set_error(parent, error);
}

static int add_parent(struct config *c, const struct config_parent *config,
		      struct json_object *types, struct registry *registry)
{
	const char *wrong = NULL;
	bool shares_hardware = false;
	struct parent *parent;
	char error[512];
	int err;

	err = registry_add_parent(
		registry,
		&(struct parent){ .name = config->name,
				  .driver = config->driver ? config->driver
							   : (char *)"",
				  .description = config->description,
				  .error = config->error,
				  .vram = config->vram,
				  .max_instances = config->max_instances,
				  .shares = config->shares },
		&parent);
	if (err)
		return err;
	if (parent->error)
		return 0;
	if (types)
		err = add_types(c, config, parent, types, &shares_hardware);
	if (err)
		return err;
	if (parent->n_types)
		wrong = misfit(config, shares_hardware);
	if (wrong)
		snprintf(error, sizeof(error), "%s: driver '%s' %s",
			 config->at ? config->at : "default", config->driver,
			 wrong);
	else
		snprintf(error, sizeof(error),
			 "%s: no driver '%s' offers a type that matches '%s'",
			 config->at ? config->at : "default", config->driver,
			 config->types);
	return wrong || !parent->n_types ? refuse(c, parent, error) : 0;
}

int discover_build(struct config *c, struct json_object *types,
		   struct registry **ret_registry)
{
	struct registry *registry;
	int err = registry_new(&registry);

	for (size_t i = 0; !err && i < c->n_parents; i++)
		err = add_parent(c, &c->parents[i], types, registry);
	if (err) {
		registry_free(registry);
		return err;
	}
	*ret_registry = registry;
	return 0;
}
