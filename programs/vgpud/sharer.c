/* SPDX-License-Identifier: MIT */
#include "sharer.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "config.h"
#include "control/json.h"
#include "devask.h"
#include "devwatch.h"
#include "events.h"
#include "fault.h"
#include "instance.h"
#include "parent/registry.h"
#include "record.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "worker.h"

/**
 * struct sharer - the vgpu-parent of one parent
 * @label: "parent NAME", for messages
 * @waiting: instances (by @awaiting) that start when it is ready
 * @stale: it runs with another configuration than there is now
 * @dropped: the configuration has no such parent any more
 */
struct sharer {
	struct list link;
	struct manager *manager;
	char *name, *label, *dir, *control, *module, *config;
	struct worker *process;
	struct list waiting;
	struct loop_source *linger;
	bool adopted, stopping, stale, dropped;
};

static const struct devwatch_kind parent_watch = {
	.method = "io.vgpud.Parent.Subscribe",
	.identity = "control",
};

static struct sharer *find(const struct manager *m, const char *name)
{
	list_for_each(n, &m->sharers) {
		struct sharer *s = list_entry(n, struct sharer, link);

		if (!strcmp(s->name, name))
			return s;
	}
	return NULL;
}

bool sharer_needed(const struct instance *instance)
{
	const struct config_parent *p = config_find_parent(
		instance->manager->config, instance->def.parent);

	return p && p->config;
}

pid_t sharer_pid(const struct manager *m, const char *name)
{
	const struct sharer *s = find(m, name);

	return s && s->process ? worker_pid(s->process) : 0;
}

static void event(const struct sharer *s, const char *kind, const char *message)
{
	log_line(message ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, s->label, "%s%s%s",
		 kind, message ? ": " : "", message ? message : "");
	events_add(s->manager->events, &(struct event){ .kind = kind,
							.parent = s->name,
							.message = message });
}

static void sharer_free(struct sharer *s)
{
	list_remove(&s->link);
	list_for_each_safe(n, &s->waiting)
		list_remove(n);
	worker_free(s->process);
	loop_remove(s->linger);
	free(s->name);
	free(s->label);
	free(s->dir);
	free(s->control);
	free(s->module);
	free(s->config);
	free(s);
}

/* ---- who uses it ---------------------------------------------------- */

static bool uses(const struct instance *instance, const struct sharer *s)
{
	return !strcmp(instance->def.parent, s->name) &&
	       (instance->worker || instance->state == STATE_STARTING);
}

static bool is_used(const struct sharer *s)
{
	const struct manager *m = s->manager;

	for (size_t i = 0; i < m->n_instances; i++)
		if (uses(m->instances[i], s))
			return true;
	return false;
}

static void stop(struct sharer *s)
{
	s->stopping = true;
	worker_stop(s->process);
}

static void on_linger(struct loop_source *src, void *user)
{
	struct sharer *s = user;

	if (is_used(s) || s->stopping)
		return;
	log_info(s->label, "no vGPU uses it any more");
	stop(s);
}

void sharers_review(struct manager *m)
{
	list_for_each(n, &m->sharers) {
		struct sharer *s = list_entry(n, struct sharer, link);

		if (s->process && worker_is_ready(s->process) && !s->stopping)
			loop_arm_timer(s->linger,
				       is_used(s) ? 0 : SHARER_LINGER_NS, 0);
	}
}

/* ---- its life ------------------------------------------------------- */

static void on_ready(struct worker *process, void *user)
{
	struct sharer *s = user;

	if (!s->adopted)
		event(s, "parent-started", NULL);
	fault_point_of("parent", "ready");
	while (!list_empty(&s->waiting)) {
		struct instance *next =
			list_entry(s->waiting.next, struct instance, awaiting);

		list_remove(&next->awaiting);
		instance_launch(next);
	}
	sharers_review(s->manager);
}

static void on_client(struct worker *process, pid_t pid, uid_t uid, void *user)
{
}

/* Those who wait for it, or for its answer. Each may vanish in that. */
static void fail_waiting(struct sharer *s, const char *why)
{
	struct manager *m = s->manager;

	while (!list_empty(&s->waiting)) {
		struct instance *next =
			list_entry(s->waiting.next, struct instance, awaiting);

		list_remove(&next->awaiting);
		instance_failed(next, why);
	}
	for (size_t i = 0; i < m->n_instances; i++) {
		struct instance *instance = m->instances[i];

		if (!instance->introducing || !uses(instance, s))
			continue;
		sharer_forget(instance);
		instance_unqueue(instance);
		instance_failed(instance, why);
		i = (size_t)-1; /* from the beginning: the array may be another
				 */
	}
}

static void describe_end(const struct sharer *s, const char *why, char *buf,
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
static void doom_users(struct sharer *s, const char *why)
{
	struct manager *m = s->manager;
	char message[640];

	describe_end(s, why, message, sizeof(message));
	for (size_t i = 0; i < m->n_instances; i++)
		if (m->instances[i]->worker && uses(m->instances[i], s))
			instance_doom(m->instances[i], message);
}

/* It was just going when somebody came: who waits gets a new one. */
static void start_again(struct sharer *s)
{
	struct list waiting;

	list_init(&waiting);
	while (!list_empty(&s->waiting)) {
		struct list *n = s->waiting.next;

		list_remove(n);
		list_insert(&waiting, n);
	}
	sharer_free(s);
	while (!list_empty(&waiting)) {
		struct instance *next =
			list_entry(waiting.next, struct instance, awaiting);

		list_remove(&next->awaiting);
		instance_launch(next);
	}
}

static void on_ended(struct worker *process, const char *why, void *user)
{
	struct sharer *s = user;
	bool wanted = s->stopping;
	char message[640], end[384], said[256] = "";

	if (!worker_is_ready(process))
		worker_last_line(process, said, sizeof(said));
	snprintf(end, sizeof(end), "%s%s%s", why, *said ? ", and said: " : "",
		 said);
	log_line(wanted ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, s->label,
		 "vgpu-parent %d %s", (int)worker_pid(process), why);
	if (!wanted)
		worker_log_last_words(process);
	s->process = NULL;
	worker_free(process);
	describe_end(s, end, message, sizeof(message));
	event(s, wanted ? "parent-ended" : "parent-failed",
	      wanted ? NULL : message);
	doom_users(s, end);
	if (wanted)
		worker_clean(s->dir);
	if (wanted && !s->dropped) {
		start_again(s);
		return;
	}
	fail_waiting(s, message);
	sharer_free(s);
}

static const struct worker_ops ops = { on_ready, on_client, on_ended };

static struct worker_config process_config(const struct sharer *s,
					   const struct command *command)
{
	return (struct worker_config){
		.loop = s->manager->loop,
		.kind = "parent",
		.watch = &parent_watch,
		.name = s->label,
		.key = s->control,
		.dir = s->dir,
		.notify = s->manager->notify_path,
		.argv = command ? command->argv : NULL,
		.pass_fd = -1,
	};
}

static int try_start(struct sharer *s)
{
	cleanup_free char *folder = NULL;
	struct worker_config config;
	struct command command;

	s->adopted = s->stopping = s->stale = false;
	if (asprintf(&folder, "%s/" SHARER_FOLDER,
		     s->manager->paths->runtime_dir) < 0) {
		folder = NULL;
		return -ENOMEM;
	}
	if (mkdir(folder, 0755) < 0 && errno != EEXIST)
		return -errno;
	command_parent(s->manager->paths->parent_program, s->module, s->config,
		       s->control, &command);
	config = process_config(s, &command);
	return worker_start(&config, &ops, s, &s->process);
}

static int sharer_new(struct manager *m, const char *name, const char *module,
		      const char *config, struct sharer **ret_sharer)
{
	struct sharer *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->manager = m;
	list_init(&s->waiting);
	list_insert(&m->sharers, &s->link);
	s->name = strdup(name);
	s->module = strdup(module);
	s->config = strdup(config);
	if (asprintf(&s->label, "parent %s", name) < 0)
		s->label = NULL;
	if (asprintf(&s->dir, "%s/" SHARER_FOLDER "/%s", m->paths->runtime_dir,
		     name) < 0)
		s->dir = NULL;
	if (asprintf(&s->control, "%s/" SHARER_FOLDER "/%s/" WORKER_CONTROL,
		     m->paths->runtime_dir, name) < 0)
		s->control = NULL;
	if (!s->name || !s->module || !s->config || !s->label || !s->dir ||
	    !s->control || loop_add_timer(m->loop, on_linger, s, &s->linger)) {
		sharer_free(s);
		return -ENOMEM;
	}
	*ret_sharer = s;
	return 0;
}

/* ---- for instances -------------------------------------------------- */

int sharer_await(struct instance *instance, char *why, size_t size)
{
	struct manager *m = instance->manager;
	const char *name = instance->def.parent;
	const struct config_parent *p = config_find_parent(m->config, name);
	struct sharer *s = find(m, name);
	int err;

	if (s && s->stale && !s->stopping) {
		snprintf(why, size,
			 "its parent '%s' runs with another configuration than "
			 "it has now: stop the vGPUs that use it",
			 name);
		return -EBUSY;
	}
	if (s && s->process && worker_is_ready(s->process) && !s->stopping)
		return 0;
	if (!s) {
		err = sharer_new(m, name, instance->type->module, p->config,
				 &s);
		if (!err) {
			err = try_start(s);
			if (err)
				sharer_free(s);
		}
		if (err) {
			snprintf(why, size,
				 "its parent '%s' can't be started (in %s): %s",
				 name, m->paths->runtime_dir, strerror(-err));
			return err == -EINPROGRESS ? -EIO : err;
		}
	}
	list_insert(&s->waiting, &instance->awaiting);
	return -EINPROGRESS;
}

static struct json_object *terms(const struct instance *instance)
{
	struct json_object *obj = json_object_new_object();

	json_set_string(&obj, "uuid", instance->def.uuid);
	json_set_uint(&obj, "weight", instance_weight(instance));
	json_set_uint(&obj, "cap", instance->def.cap);
	json_set_uint(&obj, "pinned_limit", instance->pin_lease);
	return obj;
}

static void on_introduced(int err, const char *message, int fd, void *user)
{
	struct instance *instance = user;
	char why[512];

	instance->introducing = NULL;
	fault_point_of("parent", "introduced");
	if (!err && fd < 0) {
		err = -EBADMSG;
		message = "it sends no connection";
	}
	if (err)
		snprintf(why, sizeof(why),
			 "its parent '%s' does not take it: %s",
			 instance->def.parent, message);
	instance_introduced(instance, fd, err ? why : NULL);
}

int sharer_introduce(struct instance *instance)
{
	struct sharer *s = find(instance->manager, instance->def.parent);
	struct json_object *params;

	if (!s || !s->process)
		return -ENOTCONN;
	params = terms(instance);
	json_set_string(&params, "type", instance->def.type);
	fault_point_of("parent", "introduce");
	return devask_start(instance->manager->loop, s->control,
			    "io.vgpud.Parent.Introduce", params, on_introduced,
			    instance, &instance->introducing);
}

static void on_told(int err, const char *message, int fd, void *user)
{
	struct instance *instance = user;

	instance->telling = NULL;
	close_fd(fd);
	if (err)
		log_warning(instance->def.uuid,
			    "its parent can't be told what it may have: %s",
			    message);
	if (instance->tell_again)
		sharer_tell(instance);
	else
		instance_terms_told(instance);
}

/* One after the other: two questions may overtake each other. */
void sharer_tell(struct instance *instance)
{
	struct sharer *s = find(instance->manager, instance->def.parent);
	int err = -ENOTCONN;

	if (instance->telling) {
		instance->tell_again = true;
		return;
	}
	instance->tell_again = false;
	if (s && s->process)
		err = devask_start(instance->manager->loop, s->control,
				   "io.vgpud.Parent.Change", terms(instance),
				   on_told, instance, &instance->telling);
	if (err)
		log_warning(instance->def.uuid,
			    "its parent can't be told what it may have: %s",
			    strerror(-err));
}

void sharer_forget(struct instance *instance)
{
	list_remove(&instance->awaiting);
	devask_cancel(instance->introducing);
	devask_cancel(instance->telling);
	instance->introducing = instance->telling = NULL;
	instance->tell_again = false;
}

/* ---- all of them ---------------------------------------------------- */

/* The driver's file, as the workers are told of it; NULL: it offers nothing. */
static const char *module_of(const struct manager *m, const char *name)
{
	const struct parent *p = registry_find_parent(m->registry, name);

	return p && p->n_types ? p->types[0].module : NULL;
}

void sharers_check(struct manager *m)
{
	list_for_each_safe(n, &m->sharers) {
		struct sharer *s = list_entry(n, struct sharer, link);

		if (s->process)
			worker_check(s->process);
	}
}

void sharers_configure(struct manager *m)
{
	list_for_each_safe(n, &m->sharers) {
		struct sharer *s = list_entry(n, struct sharer, link);
		const struct config_parent *p =
			config_find_parent(m->config, s->name);
		const char *module = module_of(m, s->name);
		bool stale = false;

		if (p && p->error)
			continue; /* a slip of the pen takes nothing away */
		if (!p || !p->config) {
			log_notice(s->label, "not configured any more: ended, "
					     "and its vGPUs with it");
			s->dropped = true;
			doom_users(s, "");
			stop(s);
			continue;
		}
		if (module)
			stale = strcmp(p->config, s->config) ||
				strcmp(module, s->module);
		if (stale && !s->stale)
			log_warning(s->label,
				    "runs on with '%s' until no vGPU "
				    "uses it any more",
				    s->config);
		s->stale = stale;
	}
}

static void look_at(struct manager *m, const char *name)
{
	const struct config_parent *p = config_find_parent(m->config, name);
	const char *module = module_of(m, name);
	struct worker_config config;
	struct sharer *s;
	int err;

	if (sharer_new(m, name, module ? module : "",
		       p && p->config ? p->config : "", &s)) {
		manager_problem(m, "parent %s is left out: out of memory",
				name);
		return;
	}
	if (p && p->config) {
		config = process_config(s, NULL);
		err = worker_adopt(&config, &ops, s, &s->process);
		if (!err) {
			log_info(s->label,
				 "its vgpu-parent %d runs: found "
				 "again",
				 (int)worker_pid(s->process));
			s->adopted = true;
			s->stale =
				!record_names(worker_pid(s->process),
					      s->config) ||
				(module &&
				 !record_names(worker_pid(s->process), module));
			return;
		}
		if (err != -ESRCH)
			manager_problem(m,
					"parent %s: its vgpu-parent can't "
					"be looked for: %s",
					name, strerror(-err));
	} else {
		worker_end_orphan(s->dir, s->control, s->label);
	}
	worker_clean(s->dir);
	sharer_free(s);
}

void sharers_reconcile(struct manager *m)
{
	cleanup_free char *path = NULL;
	struct dirent *e;
	DIR *d;

	if (asprintf(&path, "%s/" SHARER_FOLDER, m->paths->runtime_dir) < 0) {
		path = NULL;
		return;
	}
	d = opendir(path);
	if (!d)
		return; /* there never was one */
	while ((e = readdir(d)))
		if (parent_name_is_valid(e->d_name))
			look_at(m, e->d_name);
	closedir(d);
}

bool sharers_notified(struct manager *m, pid_t pid)
{
	list_for_each(n, &m->sharers) {
		struct sharer *s = list_entry(n, struct sharer, link);

		if (s->process && worker_pid(s->process) == pid) {
			worker_notified(s->process);
			return true;
		}
	}
	return false;
}

void sharers_free(struct manager *m)
{
	list_for_each_safe(n, &m->sharers)
		sharer_free(list_entry(n, struct sharer, link));
}
