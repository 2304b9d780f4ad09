/* SPDX-License-Identifier: MIT */
#include "command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "config.h"
#include "instance.h"
#include "registry.h"
#include "util/cleanup.h"
#include "process.h"

/* The words are counted by who writes the functions below. */
static void add(struct command *c, const char *word)
{
	c->argv[c->n++] = word;
	c->argv[c->n] = NULL;
}

static void add_option(struct command *c, const char *option, const char *value)
{
	if (!value)
		return;
	add(c, option);
	add(c, value);
}

/* A word of its own; NULL: out of memory. */
__attribute__((format(printf, 2, 3))) static const char *
make(struct command *c, const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		return NULL;
	c->owned[c->n_owned++] = s;
	return s;
}

void command_release(struct command *c)
{
	while (c->n_owned)
		free(c->owned[--c->n_owned]);
}

static const struct config_parent *config_of(const struct instance *instance)
{
	return config_find_parent(instance->manager->config,
				  instance->def.parent);
}

int command_device(const struct instance *instance, const char *dir,
		   int parent_fd, struct command *c)
{
	const struct manager *m = instance->manager;
	const struct config_parent *parent = config_of(instance);
	const char *socket, *control, *mode, *number;

	*c = (struct command){ 0 };
	socket = make(c, "%s/" WORKER_SOCKET, dir);
	control = make(c, "%s/" PROCESS_CONTROL, dir);
	mode = make(c, "%o", (unsigned)m->config->socket_mode);
	if (!socket || !control || !mode)
		return -ENOMEM;
	add(c, m->paths->program);
	/* After what serving needs is open, it keeps nothing else. */
	add_option(c, "--sandbox", "auto");
	add_option(c, "--type", instance->def.type);
	add_option(c, "--uuid", instance->def.uuid);
	add_option(c, "--socket-path", socket);
	add_option(c, "--control-path", control);
	add_option(c, "--socket-mode", mode);
	if (m->config->socket_gid != (gid_t)-1) {
		number = make(c, "%u", (unsigned)m->config->socket_gid);
		if (!number)
			return -ENOMEM;
		add_option(c, "--socket-group", number);
	}
	if (parent_fd >= 0) {
		number = make(c, "%d", parent_fd);
		if (!number)
			return -ENOMEM;
		add_option(c, "--parent-fd", number);
	} else if (parent) {
		add_option(c, "--parent-socket", parent->parent_socket);
	}
	add_option(c, "--driver",
		   instance->type ? instance->type->module : NULL);
	add_option(c, "--driver-dir", m->paths->driver_dir);
	return 0;
}

void command_parent(const char *program, const char *module, const char *config,
		    const char *control, struct command *c)
{
	*c = (struct command){ 0 };
	add(c, program);
	add_option(c, "--sandbox", "auto");
	add_option(c, "--driver", module);
	add_option(c, "--parent-config", config);
	add_option(c, "--control-path", control);
}
