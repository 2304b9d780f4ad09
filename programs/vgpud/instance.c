/* SPDX-License-Identifier: MIT */
/* One instance: its state, and its worker. */
#include "instance.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "events.h"
#include "parent/registry.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/text.h"
#include "worker.h"

const char *state_name(enum state state)
{
	static const char *const names[] = {
		[STATE_DEFINED] = "defined",   [STATE_STARTING] = "starting",
		[STATE_ACTIVE] = "active",     [STATE_ATTACHED] = "attached",
		[STATE_FAILED] = "failed",
	};

	return names[state];
}

char *instance_path(const struct instance *instance, const char *what)
{
	char *path;

	if (asprintf(&path, "%s/%s%s%s", instance->manager->paths->runtime_dir,
		     instance->def.uuid, what ? "/" : "", what ? what : "") < 0)
		return NULL;
	return path;
}

void instance_set_state(struct instance *instance, enum state state,
			const char *fmt, ...)
{
	char *reason = NULL;
	va_list ap;

	if (fmt) {
		va_start(ap, fmt);
		if (vasprintf(&reason, fmt, ap) < 0)
			reason = NULL;
		va_end(ap);
		if (reason)
			text_make_printable(reason);
	}
	free(instance->reason);
	instance->reason = reason;
	instance->state = state;
}

void instance_event(struct instance *instance, const char *kind,
		    const char *message)
{
	const struct definition *d = &instance->def;

	log_info(d->uuid, "%s%s%s", kind, message ? ": " : "",
		 message ? message : "");
	events_add(instance->manager->events,
		   &(struct event){ .kind = kind,
				    .uuid = d->uuid,
				    .label = *d->label ? d->label : NULL,
				    .type = *d->type ? d->type : NULL,
				    .parent = *d->parent ? d->parent : NULL,
				    .message = message });
}

void instance_done(struct instance *instance, int err, const char *message)
{
	manager_fn done = instance->done;

	instance->change = CHANGE_NONE;
	instance->done = NULL;
	if (done)
		done(err, message, instance, instance->user);
}

/* ---- the worker ----------------------------------------------------- */

/* It stands in nobody's way any more. */
static void launched(struct instance *instance)
{
	struct manager *m = instance->manager;

	if (!instance->launching)
		return;
	instance->launching = false;
	m->starting--;
}

static void on_ready(struct worker *worker, void *user)
{
	struct instance *instance = user;
	struct manager *m = instance->manager;

	launched(instance);
	manager_first_lease(instance);
	instance_started(instance);
	if (!list_empty(&m->start_queue)) {
		struct instance *next = list_entry(m->start_queue.next,
						   struct instance, queued);

		list_remove(&next->queued);
		instance_launch(next);
	}
}

static void on_client(struct worker *worker, pid_t pid, uid_t uid, void *user)
{
	struct instance *instance = user;
	bool was = instance->client_pid;
	uid_t old = instance->client_uid;
	char text[64];

	if (instance->client_pid == pid)
		return;
	instance->client_pid = pid;
	instance->client_uid = uid;
	if (was) {
		if (instance->state == STATE_ATTACHED)
			instance_set_state(instance, STATE_ACTIVE, NULL);
		instance_event(instance, "detached", NULL);
		manager_lease(instance->manager, old);
	}
	if (pid) {
		if (instance->state == STATE_ACTIVE)
			instance_set_state(instance, STATE_ATTACHED, NULL);
		snprintf(text, sizeof(text), "pid %d, uid %u", (int)pid,
			 (unsigned)uid);
		instance_event(instance, "attached", text);
		manager_lease(instance->manager, uid);
	}
}

/* Its log may hold a back trace, and why it gave up. */
static void log_last_words(struct instance *instance)
{
	cleanup_free char *text = worker_last_words(instance->worker);
	char *rest = NULL;

	for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line;
	     line = strtok_r(NULL, "\n", &rest)) {
		text_make_printable(line);
		log_warning(instance->def.uuid, "worker said: %s", line);
	}
}

static void on_worker_ended(struct worker *worker, const char *why, void *user)
{
	struct instance *instance = user;
	struct manager *m = instance->manager;
	bool ready = worker_is_ready(worker), was = instance->client_pid;
	bool wanted = instance->change == CHANGE_STOP ||
		      instance->change == CHANGE_REMOVE;
	uid_t uid = instance->client_uid;

	log_line(wanted ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, instance->def.uuid,
		 "worker %d %s", (int)worker_pid(worker), why);
	if (!wanted)
		log_last_words(instance);
	instance->worker = NULL;
	instance->client_pid = 0;
	launched(instance);
	worker_free(worker);
	if (was) {
		instance_event(instance, "detached", NULL);
		manager_lease(m, uid);
	}
	if (ready || wanted)
		instance_ended(instance, why);
	else
		instance_failed(instance, why);
	if (!list_empty(&m->start_queue) && m->starting < MANAGER_STARTS) {
		struct instance *next = list_entry(m->start_queue.next,
						   struct instance, queued);

		list_remove(&next->queued);
		instance_launch(next);
	}
}

static const struct worker_ops worker_ops = { on_ready, on_client,
					      on_worker_ended };

static struct worker_config worker_config(const struct instance *instance,
					  const char *dir)
{
	const struct manager *m = instance->manager;
	const char *parent_socket = NULL;

	for (size_t i = 0; i < m->config->n_parents; i++)
		if (!strcmp(m->config->parents[i].name, instance->def.parent))
			parent_socket = m->config->parents[i].parent_socket;
	return (struct worker_config){
		.loop = m->loop,
		.program = m->paths->program,
		.uuid = instance->def.uuid,
		.type = instance->def.type,
		.module = instance->type ? instance->type->module : NULL,
		.driver_dir = m->paths->driver_dir,
		.dir = dir,
		.notify = m->notify_path,
		.socket_mode = m->config->socket_mode,
		.socket_gid = m->config->socket_gid,
		.parent_socket = parent_socket,
	};
}

void instance_unqueue(struct instance *instance)
{
	list_remove(&instance->queued);
	launched(instance);
}

void instance_launch(struct instance *instance)
{
	struct manager *m = instance->manager;
	cleanup_free char *dir = instance_path(instance, NULL);
	struct worker_config config;
	char why[160];
	int err = -ENOMEM;

	instance_set_state(instance, STATE_STARTING, NULL);
	if (m->starting >= MANAGER_STARTS) {
		list_insert(&m->start_queue, &instance->queued);
		return;
	}
	config = worker_config(instance, dir);
	if (dir)
		err = worker_start(&config, &worker_ops, instance,
				   &instance->worker);
	if (err) {
		snprintf(why, sizeof(why),
			 "can't be started (in %s): %s",
			 m->paths->runtime_dir, strerror(-err));
		instance_failed(instance, why);
		return;
	}
	instance->launching = true;
	m->starting++;
}

int instance_adopt(struct instance *instance)
{
	cleanup_free char *dir = instance_path(instance, NULL);
	struct worker_config config = worker_config(instance, dir);

	return dir ? worker_adopt(&config, &worker_ops, instance,
				  &instance->worker)
		   : -ENOMEM;
}
