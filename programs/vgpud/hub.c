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

static const struct process_kind hub_kind = {
	"parent", "io.vgpud.Parent.Subscribe", "control"
};

struct hub *hub_find(const struct manager *m, const char *name)
{
	list_for_each(n, &m->hubs) {
		struct hub *s = list_entry(n, struct hub, link);

		if (!strcmp(s->name, name))
			return s;
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
	const struct hub *s = hub_find(m, name);

	return s && s->process ? process_pid(s->process) : 0;
}

static void event(const struct hub *s, const char *kind, const char *message)
{
	log_line(message ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, s->label, "%s%s%s",
		 kind, message ? ": " : "", message ? message : "");
	events_add(s->manager->events, &(struct event){ .kind = kind,
							.parent = s->name,
							.message = message });
}

void hub_free(struct hub *s)
{
	list_remove(&s->link);
	list_for_each_safe(n, &s->waiting)
		list_remove(n);
	process_free(s->process);
	loop_remove(s->linger);
	loop_remove(s->backoff);
	free(s->name);
	free(s->label);
	free(s->dir);
	free(s->control);
	free(s->module);
	free(s->config);
	free(s->last);
	free(s);
}

/* ---- who uses it ---------------------------------------------------- */

static bool uses(const struct instance *instance, const struct hub *s)
{
	return !strcmp(instance->def.parent, s->name) &&
	       (instance->worker || instance_state(instance) == STATE_STARTING);
}

bool hub_is_used(const struct hub *s)
{
	const struct manager *m = s->manager;

	for (size_t i = 0; i < m->n_instances; i++)
		if (uses(m->instances[i], s))
			return true;
	return false;
}

void hub_stop(struct hub *s)
{
	s->stopping = true;
	process_stop(s->process);
}

static void on_linger(struct loop_source *src, void *user)
{
	struct hub *s = user;

	if (hub_is_used(s) || s->stopping)
		return;
	log_info(s->label, "no vGPU uses it any more");
	hub_stop(s);
}

/* ---- its life ------------------------------------------------------- */

/* Those who wait for it. */
static void end_waits(struct hub *s, int err, const char *why)
{
	while (!list_empty(&s->waiting)) {
		struct await *wait =
			list_entry(s->waiting.next, struct await, link);

		list_remove(&wait->link);
		await_done(wait, err, why);
	}
}

static void on_ready(struct process *process, void *user)
{
	struct hub *s = user;

	if (!s->adopted)
		event(s, "parent-started", NULL);
	fault_point_of("parent", "ready");
	machine_hold(&s->manager->queue);
	end_waits(s, 0, NULL);
	hubs_review(s->manager);
	machine_release(&s->manager->queue);
}

static void on_client(struct process *process, pid_t pid, uid_t uid, void *user)
{
}

static void describe_end(const struct hub *s, const char *why, char *buf,
			 size_t size)
{
	if (s->dropped)
		snprintf(buf, size,
			 "its parent '%s' is not configured any more", s->name);
	else
		snprintf(buf, size,
			 "its parent '%s' has failed: vgpu-parent %s", s->name,
			 why);
}

/* They would end by themselves when they notice, but might not. */
static void doom_users(struct hub *s, const char *why)
{
	struct manager *m = s->manager;

	for (size_t i = 0; i < m->n_instances; i++)
		if (uses(m->instances[i], s))
			instance_doom(m->instances[i], why);
}

static void start(struct hub *s);

static void on_ended(struct process *process, const char *why, void *user)
{
	struct hub *s = user;
	struct machine_queue *queue = &s->manager->queue;
	bool wanted = s->stopping;
	char message[640], end[384], said[128] = "";

	if (!process_is_ready(process))
		process_last_line(process, said, sizeof(said));
	snprintf(end, sizeof(end), "%s%s%s", why, *said ? ", and said: " : "",
		 said);
	log_line(wanted ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, s->label,
		 "vgpu-parent %d %s", (int)process_pid(process), why);
	if (!wanted) {
		process_log_last_words(process);
		hub_count_death(s, end);
	}
	machine_hold(queue);
	s->process = NULL;
	process_free(process);
	describe_end(s, end, message, sizeof(message));
	event(s, wanted ? "parent-ended" : "parent-failed",
	      wanted ? NULL : message);
	doom_users(s, message);
	if (wanted)
		process_clean(s->dir);
	if (s->dropped) {
		end_waits(s, -EIO, message);
		hub_free(s);
	} else if (!wanted) {
		end_waits(s, -EIO, message);
	} else if (!list_empty(&s->waiting)) {
		start(s); /* they came when it was just going */
	}
	machine_release(queue);
}

static const struct process_ops ops = { on_ready, on_client, on_ended };

static struct process_config process_config(const struct hub *s,
					    const struct command *command)
{
	return (struct process_config){
		.loop = s->manager->loop,
		.kind = &hub_kind,
		.name = s->label,
		.key = s->control,
		.dir = s->dir,
		.notify = s->manager->notify_path,
		.argv = command ? command->argv : NULL,
		.pass_fd = -1,
	};
}

/* As it is configured now. */
static int configure(struct hub *s)
{
	const struct config_parent *p =
		config_find_parent(s->manager->config, s->name);
	const char *module = hub_module_of(s->manager, s->name);

	if (!p || !p->config || !module)
		return -ENODEV;
	free(s->config);
	free(s->module);
	s->config = strdup(p->config);
	s->module = strdup(module);
	return s->config && s->module ? 0 : -ENOMEM;
}

static int try_start(struct hub *s)
{
	cleanup_free char *folder = NULL;
	struct process_config config;
	struct command command;
	int err = configure(s);

	if (err)
		return err;
	s->adopted = s->stopping = s->stale = false;
	if (asprintf(&folder, "%s/" HUB_FOLDER,
		     s->manager->paths->runtime_dir) < 0) {
		folder = NULL;
		return -ENOMEM;
	}
	if (mkdir(folder, 0755) < 0 && errno != EEXIST)
		return -errno;
	command_parent(s->manager->paths->parent_program, s->module, s->config,
		       s->control, &command);
	config = process_config(s, &command);
	return process_start(&config, &ops, s, &s->process);
}

static void describe_start(const struct hub *s, int err, char *buf, size_t size)
{
	snprintf(buf, size, "its parent '%s' can't be started (in %s): %s",
		 s->name, s->manager->paths->runtime_dir, strerror(-err));
}

/* For those who wait. */
static void start(struct hub *s)
{
	char why[HUB_WHY_MAX];
	int err = try_start(s);

	if (!err)
		return;
	describe_start(s, err, why, sizeof(why));
	end_waits(s, -EIO, why);
}

static void on_backoff(struct loop_source *src, void *user)
{
	struct hub *s = user;

	if (!s->process && !list_empty(&s->waiting))
		start(s);
}

int hub_adopt(struct hub *s)
{
	const char *module = hub_module_of(s->manager, s->name);
	struct process_config config = process_config(s, NULL);
	int err = configure(s);

	if (err == -ENOMEM)
		return err;
	err = process_adopt(&config, &ops, s, &s->process);
	if (err)
		return err;
	s->adopted = true;
	s->stale = (s->config &&
		    !record_names(process_pid(s->process), s->config)) ||
		   (module && !record_names(process_pid(s->process), module));
	return 0;
}

void hub_drop(struct hub *s)
{
	char why[HUB_WHY_MAX];

	s->dropped = true;
	describe_end(s, "", why, sizeof(why));
	if (s->process) {
		log_notice(s->label, "not configured any more: ended, and its "
				     "vGPUs with it");
		doom_users(s, why);
		hub_stop(s);
		return;
	}
	end_waits(s, -EIO, why);
	hub_free(s);
}

int hub_new(struct manager *m, const char *name, struct hub **ret_hub)
{
	struct hub *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->manager = m;
	list_init(&s->waiting);
	list_insert(&m->hubs, &s->link);
	s->name = strdup(name);
	if (asprintf(&s->label, "parent %s", name) < 0)
		s->label = NULL;
	if (asprintf(&s->dir, "%s/" HUB_FOLDER "/%s", m->paths->runtime_dir,
		     name) < 0)
		s->dir = NULL;
	if (asprintf(&s->control, "%s/" HUB_FOLDER "/%s/" PROCESS_CONTROL,
		     m->paths->runtime_dir, name) < 0)
		s->control = NULL;
	if (!s->name || !s->label || !s->dir || !s->control ||
	    loop_add_timer(m->loop, on_linger, s, &s->linger) ||
	    loop_add_timer(m->loop, on_backoff, s, &s->backoff)) {
		hub_free(s);
		return -ENOMEM;
	}
	*ret_hub = s;
	return 0;
}

/* ---- for instances -------------------------------------------------- */

/* A process for those who wait: now, or when the last death is long enough
 * ago. */
static int begin(struct hub *s, char *why, size_t size)
{
	uint64_t now = loop_now_ns();
	char problem[HUB_WHY_MAX];
	int err;

	if (s->process)
		return 0; /* it is starting, or ends, and another one follows */
	if (hub_gave_up(s, problem, sizeof(problem))) {
		snprintf(why, size, "its parent '%s' has failed: %s", s->name,
			 problem);
		return -EIO;
	}
	if (s->again_ns > now)
		err = loop_arm_timer(s->backoff, s->again_ns - now, 0);
	else
		err = try_start(s);
	if (err)
		describe_start(s, err, why, size);
	return err == -EINPROGRESS ? -EIO : err;
}

bool hub_is_ready(const struct instance *instance)
{
	const struct hub *s = hub_find(instance->manager, instance->def.parent);

	return s && s->process && process_is_ready(s->process) && !s->stopping;
}

int hub_await(struct instance *instance, struct await *wait, char *why,
	      size_t size)
{
	struct manager *m = instance->manager;
	const char *name = instance->def.parent;
	struct hub *s = hub_find(m, name);
	int err = 0;

	if (s && s->process && s->stale && !s->stopping) {
		snprintf(why, size,
			 "its parent '%s' runs with another configuration than "
			 "it has now: stop the vGPUs that use it",
			 name);
		return -EBUSY;
	}
	if (s && s->process && process_is_ready(s->process) && !s->stopping)
		return 0;
	if (!s) {
		err = hub_new(m, name, &s);
		if (err) {
			snprintf(why, size, "its parent '%s': %s", name,
				 strerror(-err));
			return err;
		}
	}
	err = begin(s, why, size);
	if (err)
		return err;
	list_insert(&s->waiting, &wait->link);
	return -EINPROGRESS;
}
