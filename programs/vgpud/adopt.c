/* SPDX-License-Identifier: MIT */
/*
 * After a start: what is defined, and what of it runs already.
 *
 * The definitions rule. A worker that belongs to one of them is adopted, its
 * client notices nothing; one that belongs to none is what a create or remove
 * has left that did not come to its end, and is ended.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "instance.h"
#include "hub.h"
#include "registry.h"
#include "store.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "process.h"

static void fail(struct instance *instance, const char *why)
{
	machine_enter(&instance->machine, BROKEN_DOWN);
	instance_set_reason(instance, why);
}

static void load(struct manager *m, const char *uuid,
		 const struct definition *def, const char *problem,
		 bool transient)
{
	struct definition none = { .policy = POLICY_FAIL };
	struct instance *instance;
	struct parent *parent;
	struct parent_type *type = NULL;
	char why[512];
	int err;

	if (!def) {
		snprintf(none.uuid, sizeof(none.uuid), "%s", uuid);
		manager_problem(m, "%s", problem);
	}
	err = instance_new(m, def ? def : &none, &instance);
	if (err) {
		manager_problem(m, "instance %s is left out: %s", uuid,
				strerror(-err));
		return;
	}
	instance->transient = transient;
	if (!def) {
		instance->broken = true;
		fail(instance, problem);
		return;
	}
	parent = registry_find_parent(m->registry, def->parent);
	if (parent)
		type = parent_find_type(parent, def->type);
	if (!type) {
		snprintf(why, sizeof(why),
			 "parent '%s' does not offer type '%s'%s%s",
			 def->parent, def->type,
			 parent && parent->error ? ": " : "",
			 parent && parent->error ? parent->error : "");
		fail(instance, why);
		manager_problem(m, "instance %s: %s", uuid, instance->reason);
		return;
	}
	if (!parent_available(parent, type, def->weight))
		manager_problem(m,
				"instance %s: parent %s has no room for it "
				"any more",
				uuid, parent->name);
	instance_settle(instance, parent, type);
}

static void on_loaded(const char *uuid, const struct definition *def,
		      const char *problem, void *user)
{
	load(user, uuid, def, problem, false);
}

/* A folder of an instance: does it run, or did it? */
static void look_at(struct manager *m, const char *uuid)
{
	struct instance *instance = manager_find_uuid(m, uuid);
	cleanup_free char *dir = NULL, *file = NULL, *problem = NULL;
	struct definition def;
	int err;

	if (asprintf(&dir, "%s/%s", m->paths->runtime_dir, uuid) < 0 ||
	    asprintf(&file, "%s/transient" STORE_SUFFIX, dir) < 0) {
		file = NULL;
		return;
	}
	if (!instance && !store_read(file, uuid, &def, &problem)) {
		load(m, uuid, &def, NULL, true);
		instance = manager_find_uuid(m, uuid);
	}
	if (!instance) {
		process_end_orphan(dir, uuid, uuid);
		process_clean(dir);
		return;
	}
	err = instance_adopt(instance);
	if (!err) {
		log_info(uuid, "its worker %d runs: found again",
			 (int)process_pid(instance->worker));
		return;
	}
	if (err != -ESRCH) {
		manager_problem(m, "instance %s: its worker can't be looked "
				   "for: %s",
				uuid, strerror(-err));
		return;
	}
	process_clean(dir);
	if (instance->transient) {
		instance_free(instance);
		return;
	}
	/* It ran when nobody watched, and should. */
	if (instance->parent && instance->def.policy == POLICY_RESTART) {
		log_warning(uuid, "its worker has ended while vgpud was not "
				  "there: a new one is started");
		instance_launch(instance);
	}
}

static int look_at_all(struct manager *m)
{
	DIR *d = opendir(m->paths->runtime_dir);
	char uuid[37];
	struct dirent *e;

	if (!d)
		return -errno;
	while ((e = readdir(d)))
		if (strlen(e->d_name) == 36 &&
		    !uuid_canonical(e->d_name, uuid) &&
		    !strcmp(uuid, e->d_name))
			look_at(m, uuid);
	closedir(d);
	return 0;
}

int manager_reconcile(struct manager *m)
{
	uint64_t from = loop_now_ns();
	int err;

	machine_hold(&m->queue);
	err = store_load(m->paths->state_dir, on_loaded, m);
	if (err) {
		log_error(m->paths->state_dir,
			  "cannot read the definitions there: %s",
			  strerror(-err));
		return err;
	}
	hubs_reconcile(m);
	err = look_at_all(m);
	if (err) {
		log_error(m->paths->runtime_dir, "cannot be read: %s",
			  strerror(-err));
		return err;
	}
	for (size_t i = 0; i < m->n_instances; i++) {
		struct instance *instance = m->instances[i];

		if (instance->def.autostart && instance->parent &&
		    instance->machine.state == DEFINED)
			instance_launch(instance);
	}
	machine_release(&m->queue);
	hubs_review(m);
	log_info(NULL, "%zu instances found in %u ms", m->n_instances,
		 (unsigned)((loop_now_ns() - from) / 1000000u));
	return 0;
}
