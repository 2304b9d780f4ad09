/* SPDX-License-Identifier: MIT */
/* The life of one vgpu-parent. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "config.h"
#include "events.h"
#include "fault.h"
#include "instance.h"
#include "registry.h"
#include "record.h"
#include "hub-private.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "process.h"

static const struct process_kind hub_kind = { "parent",
					      "io.vgpud.Parent.Subscribe",
					      "control" };

struct hub *hub_find(const struct manager *m, const char *name)
{
	list_for_each(n, &m->hubs) {
		struct hub *hub = list_entry(n, struct hub, link);

		if (!strcmp(hub->name, name))
			return hub;
	}
	return NULL;
}

bool hub_needed(const struct instance *instance)
{
	const struct config_parent *p = config_find_parent(
		instance->manager->config, instance->def.parent);

	return p && p->config;
}

pid_t hub_pid(const struct manager *m, const char *name)
{
	const struct hub *hub = hub_find(m, name);

	return hub && hub->process ? process_pid(hub->process) : 0;
}

static void event(const struct hub *hub, const char *kind, const char *message)
{
	log_line(message ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, hub->label,
		 "%s%s%s", kind, message ? ": " : "", message ? message : "");
	events_add(hub->manager->events, &(struct event){ .kind = kind,
							  .parent = hub->name,
							  .message = message });
}

void hub_free(struct hub *hub)
{
	list_remove(&hub->link);
	list_for_each_safe(n, &hub->waiting)
		list_remove(n);
	process_free(hub->process);
	loop_remove(hub->linger);
	loop_remove(hub->backoff);
	free(hub->name);
	free(hub->label);
	free(hub->dir);
	free(hub->control);
	free(hub->module);
	free(hub->config);
	free(hub->last);
	free(hub);
}

/* ---- who uses it ---------------------------------------------------- */

static bool uses(const struct instance *instance, const struct hub *hub)
{
	return !strcmp(instance->def.parent, hub->name) &&
	       (instance->worker || instance_state(instance) == STATE_STARTING);
}

bool hub_is_used(const struct hub *hub)
{
	const struct manager *m = hub->manager;

	for (size_t i = 0; i < m->n_instances; i++)
		if (uses(m->instances[i], hub))
			return true;
	return false;
}

void hub_stop(struct hub *hub)
{
	hub->stopping = true;
	process_stop(hub->process);
}

static void on_linger(struct loop_source *src, void *user)
{
	struct hub *hub = user;

	if (hub_is_used(hub) || hub->stopping)
		return;
	log_info(hub->label, "no vGPU uses it any more");
	hub_stop(hub);
}

/* ---- its life ------------------------------------------------------- */

/* Those who wait for it. */
static void end_waits(struct hub *hub, int err, const char *why)
{
	while (!list_empty(&hub->waiting)) {
		struct await *wait =
			list_entry(hub->waiting.next, struct await, link);

		list_remove(&wait->link);
		await_done(wait, err, why);
	}
}

static void on_ready(struct process *process, void *user)
{
	struct hub *hub = user;

	if (!hub->adopted)
		event(hub, "parent-started", NULL);
	fault_point_of("parent", "ready");
	machine_hold(&hub->manager->queue);
	end_waits(hub, 0, NULL);
	hubs_review(hub->manager);
	machine_release(&hub->manager->queue);
}

static void on_client(struct process *process, pid_t pid, uid_t uid, void *user)
{
}

static void describe_end(const struct hub *hub, const char *why, char *buf,
			 size_t size)
{
	if (hub->dropped)
		snprintf(buf, size,
			 "its parent '%s' is not configured any more",
			 hub->name);
	else
		snprintf(buf, size,
			 "its parent '%s' has failed: vgpu-parent %s",
			 hub->name, why);
}

/* They would end by themselves when they notice, but might not. */
static void doom_users(struct hub *hub, const char *why)
{
	struct manager *m = hub->manager;

	for (size_t i = 0; i < m->n_instances; i++)
		if (uses(m->instances[i], hub))
			instance_doom(m->instances[i], why);
}

static void start(struct hub *hub);

static void on_ended(struct process *process, const char *why, void *user)
{
	struct hub *hub = user;
	struct machine_queue *queue = &hub->manager->queue;
	bool wanted = hub->stopping;
	char message[640], end[384], said[128] = "";

	if (!process_is_ready(process))
		process_last_line(process, said, sizeof(said));
	snprintf(end, sizeof(end), "%s%s%s", why, *said ? ", and said: " : "",
		 said);
	log_line(wanted ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, hub->label,
		 "vgpu-parent %d %s", (int)process_pid(process), why);
	if (!wanted) {
		process_log_last_words(process);
		hub_count_death(hub, end);
	}
	machine_hold(queue);
	hub->process = NULL;
	process_free(process);
	describe_end(hub, end, message, sizeof(message));
	event(hub, wanted ? "parent-ended" : "parent-failed",
	      wanted ? NULL : message);
	doom_users(hub, message);
	if (wanted)
		process_clean(hub->dir);
	if (hub->dropped) {
		end_waits(hub, -EIO, message);
		hub_free(hub);
	} else if (!wanted) {
		end_waits(hub, -EIO, message);
	} else if (!list_empty(&hub->waiting)) {
		start(hub); /* they came when it was just going */
	}
	machine_release(queue);
}

static const struct process_ops ops = { on_ready, on_client, on_ended };

static struct process_config process_config(const struct hub *hub,
					    const struct command *command)
{
	return (struct process_config){
		.loop = hub->manager->loop,
		.kind = &hub_kind,
		.name = hub->label,
		.key = hub->control,
		.dir = hub->dir,
		.notify = hub->manager->notify_path,
		.argv = command ? command->argv : NULL,
		.pass_fd = -1,
	};
}

/* As it is configured now. */
static int configure(struct hub *hub)
{
	const struct config_parent *p =
		config_find_parent(hub->manager->config, hub->name);
	const char *module = hub_module_of(hub->manager, hub->name);

	if (!p || !p->config || !module)
		return -ENODEV;
	free(hub->config);
	free(hub->module);
	hub->config = strdup(p->config);
	hub->module = strdup(module);
	return hub->config && hub->module ? 0 : -ENOMEM;
}

static int try_start(struct hub *hub)
{
	cleanup_free char *folder = NULL;
	struct process_config config;
	struct command command;
	int err = configure(hub);

	if (err)
		return err;
	hub->adopted = hub->stopping = hub->stale = false;
	if (asprintf(&folder, "%s/" HUB_FOLDER,
		     hub->manager->paths->runtime_dir) < 0) {
		folder = NULL;
		return -ENOMEM;
	}
	if (mkdir(folder, 0755) < 0 && errno != EEXIST)
		return -errno;
	command_parent(hub->manager->paths->parent_program, hub->module,
		       hub->config, hub->control, &command);
	config = process_config(hub, &command);
	return process_start(&config, &ops, hub, &hub->process);
}

static void describe_start(const struct hub *hub, int err, char *buf,
			   size_t size)
{
	snprintf(buf, size, "its parent '%s' can't be started (in %s): %s",
		 hub->name, hub->manager->paths->runtime_dir, strerror(-err));
}

/* For those who wait. */
static void start(struct hub *hub)
{
	char why[HUB_WHY_MAX];
	int err = try_start(hub);

	if (!err)
		return;
	describe_start(hub, err, why, sizeof(why));
	end_waits(hub, -EIO, why);
}

static void on_backoff(struct loop_source *src, void *user)
{
	struct hub *hub = user;

	if (!hub->process && !list_empty(&hub->waiting))
		start(hub);
}

int hub_adopt(struct hub *hub)
{
	const char *module = hub_module_of(hub->manager, hub->name);
	struct process_config config = process_config(hub, NULL);
	int err = configure(hub);

	if (err == -ENOMEM)
		return err;
	err = process_adopt(&config, &ops, hub, &hub->process);
	if (err)
		return err;
	hub->adopted = true;
	hub->stale =
		(hub->config &&
		 !record_names(process_pid(hub->process), hub->config)) ||
		(module && !record_names(process_pid(hub->process), module));
	return 0;
}

void hub_drop(struct hub *hub)
{
	char why[HUB_WHY_MAX];

	hub->dropped = true;
	describe_end(hub, "", why, sizeof(why));
	if (hub->process) {
		log_notice(hub->label,
			   "not configured any more: ended, and its "
			   "vGPUs with it");
		doom_users(hub, why);
		hub_stop(hub);
		return;
	}
	end_waits(hub, -EIO, why);
	hub_free(hub);
}

int hub_new(struct manager *m, const char *name, struct hub **ret_hub)
{
	struct hub *hub = calloc(1, sizeof(*hub));

	if (!hub)
		return -ENOMEM;
	hub->manager = m;
	list_init(&hub->waiting);
	list_insert(&m->hubs, &hub->link);
	hub->name = strdup(name);
	if (asprintf(&hub->label, "parent %s", name) < 0)
		hub->label = NULL;
	if (asprintf(&hub->dir, "%s/" HUB_FOLDER "/%s", m->paths->runtime_dir,
		     name) < 0)
		hub->dir = NULL;
	if (asprintf(&hub->control, "%s/" HUB_FOLDER "/%s/" PROCESS_CONTROL,
		     m->paths->runtime_dir, name) < 0)
		hub->control = NULL;
	if (!hub->name || !hub->label || !hub->dir || !hub->control ||
	    loop_add_timer(m->loop, on_linger, hub, &hub->linger) ||
	    loop_add_timer(m->loop, on_backoff, hub, &hub->backoff)) {
		hub_free(hub);
		return -ENOMEM;
	}
	*ret_hub = hub;
	return 0;
}

/* ---- for instances -------------------------------------------------- */

/* A process for those who wait: now, or when the last death is long enough
 * ago. */
static int begin(struct hub *hub, char *why, size_t size)
{
	uint64_t now = loop_now_ns();
	char problem[HUB_WHY_MAX];
	int err;

	if (hub->process)
		return 0; /* it is starting, or ends, and another one follows */
	if (hub_gave_up(hub, problem, sizeof(problem))) {
		snprintf(why, size, "its parent '%s' has failed: %s", hub->name,
			 problem);
		return -EIO;
	}
	if (hub->again_ns > now)
		err = loop_arm_timer(hub->backoff, hub->again_ns - now, 0);
	else
		err = try_start(hub);
	if (err)
		describe_start(hub, err, why, size);
	return err == -EINPROGRESS ? -EIO : err;
}

bool hub_is_ready(const struct instance *instance)
{
	const struct hub *hub =
		hub_find(instance->manager, instance->def.parent);

	return hub && hub->process && process_is_ready(hub->process) &&
	       !hub->stopping;
}

int hub_await(struct instance *instance, struct await *wait, char *why,
	      size_t size)
{
	struct manager *m = instance->manager;
	const char *name = instance->def.parent;
	struct hub *hub = hub_find(m, name);
	int err = 0;

	if (hub && hub->process && hub->stale && !hub->stopping) {
		snprintf(why, size,
			 "its parent '%s' runs with another configuration than "
			 "it has now: stop the vGPUs that use it",
			 name);
		return -EBUSY;
	}
	if (hub && hub->process && process_is_ready(hub->process) &&
	    !hub->stopping)
		return 0;
	if (!hub) {
		err = hub_new(m, name, &hub);
		if (err) {
			snprintf(why, size, "its parent '%s': %s", name,
				 strerror(-err));
			return err;
		}
	}
	err = begin(hub, why, size);
	if (err)
		return err;
	list_insert(&hub->waiting, &wait->link);
	return -EINPROGRESS;
}
