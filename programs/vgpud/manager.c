/* SPDX-License-Identifier: MIT */
#include "manager.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "control/caller.h"
#include "events.h"
#include "instance.h"
#include "hub.h"
#include "registry.h"
#include "store.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/text.h"
#include "process.h"

#define MAX_PROBLEMS 100

/* ---- finding -------------------------------------------------------- */

/* The place of @uuid, or where it would be. */
static size_t position(const struct manager *m, const char *uuid)
{
	size_t low = 0, high = m->n_instances;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(m->instances[mid]->def.uuid, uuid) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct instance *manager_find_uuid(struct manager *m, const char *uuid)
{
	size_t at = position(m, uuid);

	if (at < m->n_instances && !strcmp(m->instances[at]->def.uuid, uuid))
		return m->instances[at];
	return NULL;
}

bool instance_matches(const struct instance *instance, const char *name)
{
	size_t len = strlen(name);

	return (len >= 4 && !strncasecmp(instance->def.uuid, name, len)) ||
	       (len && !strcmp(instance->def.label, name));
}

struct instance *manager_find(struct manager *m, const char *name,
			      size_t *ret_matches)
{
	struct instance *found = NULL;
	size_t n = 0;

	for (size_t i = 0; i < m->n_instances; i++)
		if (instance_matches(m->instances[i], name)) {
			found = m->instances[i];
			n++;
		}
	if (ret_matches)
		*ret_matches = n;
	return n == 1 ? found : NULL;
}

int instance_new(struct manager *m, const struct definition *def,
		 struct instance **ret_instance)
{
	struct instance *instance, **grown;
	size_t at = position(m, def->uuid);

	if (m->n_instances == MANAGER_MAX_INSTANCES)
		return -EUSERS;
	grown = realloc(m->instances, (m->n_instances + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	m->instances = grown;
	instance = calloc(1, sizeof(*instance));
	if (!instance)
		return -ENOMEM;
	instance->manager = m;
	instance->def = *def;
	instance->connection = -1;
	machine_init(&instance->machine, &m->queue, &instance_table, DEFINED);
	memmove(grown + at + 1, grown + at,
		(m->n_instances - at) * sizeof(*grown));
	grown[at] = instance;
	m->n_instances++;
	*ret_instance = instance;
	return 0;
}

void instance_free(struct instance *instance)
{
	struct manager *m = instance->manager;
	size_t at = position(m, instance->def.uuid);

	instance_answer(instance, -ECANCELED,
			"vgpud ends: whether it was done shows when it is "
			"started again");
	machine_fini(&instance->machine);
	control_caller_free(instance->telling);
	m->n_instances--;
	memmove(m->instances + at, m->instances + at + 1,
		(m->n_instances - at) * sizeof(*m->instances));
	instance_unsettle(instance);
	process_free(instance->worker);
	close_fd(instance->connection);
	free(instance->reason);
	free(instance->doom);
	free(instance->why);
	free(instance);
	hubs_review(m);
}

/* ---- configuration -------------------------------------------------- */

void manager_problem(struct manager *m, const char *fmt, ...)
{
	char *text, **grown;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	text_make_printable(text);
	log_error(NULL, "%s", text);
	grown = m->n_problems < MAX_PROBLEMS
			? realloc(m->problems,
				  (m->n_problems + 1) * sizeof(*grown))
			: NULL;
	if (!grown) {
		free(text);
		return;
	}
	m->problems = grown;
	grown[m->n_problems++] = text;
}

/* Find what it is made of in the new registry, and take it. */
static void settle(struct instance *instance)
{
	struct manager *m = instance->manager;
	struct parent *parent;
	struct parent_type *type = NULL;

	instance->parent = NULL;
	instance->type = NULL;
	if (instance->broken)
		return;
	parent = registry_find_parent(m->registry, instance->def.parent);
	if (parent)
		type = parent_find_type(parent, instance->def.type);
	machine_post(&instance->machine, type ? FOUND : LOST);
	if (!type)
		return;
	if (!parent_available(parent, type, instance->def.weight))
		log_warning(instance->def.uuid,
			    "parent %s has no room for all that is defined",
			    parent->name);
	instance_settle(instance, parent, type);
}

void manager_set_config(struct manager *m, struct config *config,
			struct registry *registry)
{
	struct registry *old = m->registry;

	config_free(m->config);
	m->config = config;
	m->registry = registry;
	machine_hold(&m->queue);
	for (size_t i = 0; i < m->n_instances; i++)
		settle(m->instances[i]);
	hubs_configure(m);
	registry_free(old);
	machine_release(&m->queue);
}

/* ---- life ----------------------------------------------------------- */

/* Every worker of this host may say the same: 'vgpuctl doctor' does once. */
static void heed(struct manager *m, const char *name, const char *status)
{
	cleanup_free char *text = NULL;

	if (!status)
		return;
	if (asprintf(&text, "processes of vGPUs say: %s", status) < 0) {
		text = NULL;
		return;
	}
	text_make_printable(text);
	for (size_t i = 0; i < m->n_problems; i++)
		if (!strcmp(m->problems[i], text)) {
			log_warning(name, "%s", text);
			return;
		}
	manager_problem(m, "%s", text);
}

void manager_notified(struct manager *m, pid_t pid, const char *status)
{
	if (hubs_notified(m, pid)) {
		heed(m, NULL, status);
		return;
	}
	for (size_t i = 0; i < m->n_instances; i++) {
		struct process *worker = m->instances[i]->worker;

		if (worker && process_pid(worker) == pid) {
			heed(m, m->instances[i]->def.uuid, status);
			process_notified(worker);
			return;
		}
	}
}

int manager_new(struct loop *loop, const struct manager_paths *paths,
		struct manager **ret_manager)
{
	struct manager *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return -ENOMEM;
	m->loop = loop;
	m->paths = paths;
	m->started_ns = loop_now_ns();
	machine_queue_init(&m->queue);
	list_init(&m->start_queue);
	list_init(&m->hubs);
	err = events_new(loop, &m->events);
	if (!err)
		err = store_new(loop, &m->store);
	if (!err && asprintf(&m->notify_path, "%s/notify.sock",
			     paths->runtime_dir) < 0) {
		m->notify_path = NULL;
		err = -ENOMEM;
	}
	if (err) {
		manager_free(m);
		return err;
	}
	*ret_manager = m;
	return 0;
}

void manager_free(struct manager *m)
{
	if (!m)
		return;
	machine_hold(&m->queue);
	while (m->n_instances)
		instance_free(m->instances[m->n_instances - 1]);
	/* Changes in work reach the disk; nobody hears of it any more. */
	store_free(m->store);
	free(m->instances);
	hubs_free(m);
	events_free(m->events);
	registry_free(m->registry);
	config_free(m->config);
	for (size_t i = 0; i < m->n_problems; i++)
		free(m->problems[i]);
	free(m->problems);
	free(m->notify_path);
	free(m);
}
