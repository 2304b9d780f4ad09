/* SPDX-License-Identifier: MIT */
/* One instance: its state, and its worker. */
#include "instance.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vgpu/parent.h>

#include "command.h"
#include "config.h"
#include "events.h"
#include "hub.h"
#include "registry.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/text.h"
#include "../common/usage.h"
#include "process.h"

const char *state_name(enum state state)
{
	static const char *const names[] = {
		[STATE_DEFINED] = "defined", [STATE_STARTING] = "starting",
		[STATE_ACTIVE] = "active",   [STATE_ATTACHED] = "attached",
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
	hubs_review(instance->manager);
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

/* There is room for more. */
static void launch_next(struct manager *m)
{
	while (!list_empty(&m->start_queue) && m->starting < MANAGER_STARTS) {
		struct instance *next = list_entry(m->start_queue.next,
						   struct instance, queued);

		list_remove(&next->queued);
		instance_launch(next);
	}
}

static void on_ready(struct process *worker, void *user)
{
	struct instance *instance = user;
	struct manager *m = instance->manager;

	launched(instance);
	manager_first_lease(instance);
	instance_started(instance);
	launch_next(m);
}

static void on_client(struct process *worker, pid_t pid, uid_t uid, void *user)
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

static bool end_is_wanted(const struct instance *instance)
{
	return instance->change == CHANGE_STOP ||
	       instance->change == CHANGE_REMOVE;
}

/* What becomes of it, now that it is known why its worker has ended. */
static void judge(struct instance *instance, const char *why)
{
	struct manager *m = instance->manager;
	struct process *worker = instance->worker;
	bool ready = process_is_ready(worker), was = instance->client_pid;
	cleanup_free char *doom = steal_ptr(instance->doom);
	bool wanted = end_is_wanted(instance);
	uid_t uid = instance->client_uid;
	char text[512], said[256] = "";

	if (!ready) /* no guest has been heard: these are its own words */
		process_last_line(worker, said, sizeof(said));
	snprintf(text, sizeof(text), "its worker %s%s%s", why,
		 *said ? ", and said: " : "", said);
	log_line(wanted ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, instance->def.uuid,
		 "worker %d %s", (int)process_pid(worker), why);
	if (!wanted)
		process_log_last_words(worker);
	if (process_exit_status(worker) == EXIT_CODE_PARENT && !doom)
		snprintf(text, sizeof(text),
			 "its parent '%s' has dropped it (its worker %s): the "
			 "logs of vgpud and of the vGPU say why",
			 instance->def.parent, why);
	instance->worker = NULL;
	instance->client_pid = 0;
	launched(instance);
	process_free(worker);
	if (was) {
		instance_event(instance, "detached", NULL);
		manager_lease(m, uid);
	}
	if (ready || wanted)
		instance_ended(instance, doom ? doom : text);
	else
		instance_failed(instance, doom ? doom : text);
	hubs_review(m);
	launch_next(m);
}

static void on_verdict(struct loop_source *src, void *user)
{
	struct instance *instance = user;
	cleanup_free char *why = steal_ptr(instance->ended_why);

	if (why)
		judge(instance, why);
}

/* It says, or may say, that it ended since its parent has: but the kernel
 * closes a process's connections before it tells that the process has ended. */
static bool await_verdict(struct instance *instance, const char *why)
{
	int status = process_exit_status(instance->worker);

	if ((status != EXIT_CODE_PARENT && status != PROCESS_UNKNOWN) ||
	    !hub_needed(instance))
		return false;
	if (!instance->verdict &&
	    loop_add_timer(instance->manager->loop, on_verdict, instance,
			   &instance->verdict))
		return false;
	if (loop_arm_timer(instance->verdict, INSTANCE_VERDICT_NS, 0))
		return false;
	instance->ended_why = strdup(why);
	return instance->ended_why;
}

/*
 * Why it ended is, in this order: what the daemon did to it (@doom); what its
 * parent's end says, if that was first; its own end, as worker.h has it.
 */
static void on_worker_ended(struct process *worker, const char *why, void *user)
{
	struct instance *instance = user;

	hubs_check(instance->manager);
	if (!instance->doom && !end_is_wanted(instance) &&
	    await_verdict(instance, why))
		return;
	judge(instance, why);
}

static const struct process_ops worker_ops = { on_ready, on_client,
					       on_worker_ended };

static const struct process_kind worker_kind = {
	"worker", "io.vgpud.Device.Subscribe", "uuid"
};

static struct process_config worker_config(const struct instance *instance,
					   const char *dir)
{
	const struct manager *m = instance->manager;

	return (struct process_config){
		.loop = m->loop,
		.kind = &worker_kind,
		.name = instance->def.uuid,
		.key = instance->def.uuid,
		.dir = dir,
		.notify = m->notify_path,
		.pass_fd = -1,
	};
}

void instance_unqueue(struct instance *instance)
{
	list_remove(&instance->queued);
	hub_forget(instance);
	launched(instance);
}

/* @parent_fd: taken; -1: none is needed */
static int start_worker(struct instance *instance, int parent_fd)
{
	cleanup_free char *dir = instance_path(instance, NULL);
	cleanup_fd int connection = parent_fd;
	struct process_config config;
	struct command command;
	int err;

	if (!dir)
		return -ENOMEM;
	err = command_device(instance, dir, connection, &command);
	if (!err) {
		config = worker_config(instance, dir);
		config.argv = command.argv;
		config.pass_fd = connection;
		err = process_start(&config, &worker_ops, instance,
				    &instance->worker);
	}
	command_release(&command);
	return err;
}

static void not_started(struct instance *instance, int err)
{
	char why[160];

	launched(instance);
	snprintf(why, sizeof(why), "its worker can't be started (in %s): %s",
		 instance->manager->paths->runtime_dir, strerror(-err));
	instance_failed(instance, why);
}

void instance_introduced(struct instance *instance, int fd, const char *why)
{
	struct manager *m = instance->manager;
	int err;

	if (why) {
		launched(instance);
		instance_failed(instance, why);
	} else {
		err = start_worker(instance, fd);
		if (err)
			not_started(instance, err);
	}
	launch_next(m);
}

/* Is what it is made of there? Return: 0; -EINPROGRESS: that tells; -ENODEV: it
 * has failed. */
static int prepare(struct instance *instance)
{
	char why[512];
	int err = 0;

	if (!instance->parent) {
		snprintf(why, sizeof(why),
			 "its parent '%s' does not offer type '%s' any more",
			 instance->def.parent, instance->def.type);
		err = -ENODEV;
	} else if (hub_needed(instance)) {
		err = hub_await(instance, why, sizeof(why));
	}
	if (!err || err == -EINPROGRESS)
		return err;
	instance_failed(instance, why);
	return -ENODEV;
}

void instance_launch(struct instance *instance)
{
	struct manager *m = instance->manager;
	int err;

	instance_set_state(instance, STATE_STARTING, NULL);
	if (prepare(instance))
		return;
	if (m->starting >= MANAGER_STARTS) {
		list_insert(&m->start_queue, &instance->queued);
		return;
	}
	instance->launching = true;
	m->starting++;
	if (hub_needed(instance)) {
		instance->pin_lease = manager_first_part(m);
		err = hub_introduce(instance);
	} else {
		err = start_worker(instance, -1);
	}
	if (err)
		not_started(instance, err);
}

void instance_doom(struct instance *instance, const char *why)
{
	if (!instance->doom)
		instance->doom = strdup(why);
	/* Not here: who calls is going through all of them. */
	if (instance->ended_why && !loop_arm_timer(instance->verdict, 1, 0))
		return;
	process_stop(instance->worker);
}

/* ---- what it takes -------------------------------------------------- */

unsigned instance_weight(const struct instance *instance)
{
	uint32_t shares = instance->type ? instance->type->shares : 1;

	if (instance->def.weight)
		return instance->def.weight;
	shares = MIN(shares, VGPU_WEIGHT_MAX);
	return MAX(shares, 1u);
}

void instance_settle(struct instance *instance, struct parent *parent,
		     struct parent_type *type)
{
	parent_take(parent, type, instance->def.weight);
	instance->parent = parent;
	instance->type = type;
}

void instance_unsettle(struct instance *instance)
{
	if (instance->parent)
		parent_release(instance->parent, instance->type,
			       instance->def.weight);
	instance->parent = NULL;
	instance->type = NULL;
}

int instance_adopt(struct instance *instance)
{
	cleanup_free char *dir = instance_path(instance, NULL);
	struct process_config config = worker_config(instance, dir);

	return dir ? process_adopt(&config, &worker_ops, instance,
				   &instance->worker)
		   : -ENOMEM;
}
