/* SPDX-License-Identifier: MIT */
/* What people do to instances, step by step. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "fault.h"
#include "instance.h"
#include "hub.h"
#include "registry.h"
#include "store.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "process.h"

#define TRANSIENT_FILE "transient" STORE_SUFFIX

static char *definition_path(const struct instance *instance)
{
	char *path;

	if (instance->transient)
		return instance_path(instance, TRANSIENT_FILE);
	if (asprintf(&path, "%s/%s" STORE_SUFFIX,
		     instance->manager->paths->state_dir,
		     instance->def.uuid) < 0)
		return NULL;
	return path;
}

static int write_definition(struct instance *instance,
			    const struct definition *def, store_fn done)
{
	cleanup_free char *path = definition_path(instance);

	int err = -ENOMEM;

	if (path)
		err = store_write(instance->manager->store, path, def, done,
				  instance);
	instance->storing = !err;
	return err;
}

static const char *cannot_store(const struct instance *instance, int err,
				char *buf, size_t size)
{
	snprintf(buf, size, "its definition can't be stored in %s: %s",
		 instance->transient ? instance->manager->paths->runtime_dir
				     : instance->manager->paths->state_dir,
		 strerror(-err));
	return buf;
}

/* ---- define, create ------------------------------------------------- */

static int check_new(struct manager *m, const struct definition *def)
{
	if (manager_find_uuid(m, def->uuid))
		return -EEXIST;
	if (*def->label)
		for (size_t i = 0; i < m->n_instances; i++)
			if (!strcmp(m->instances[i]->def.label, def->label))
				return -EEXIST;
	return 0;
}

static int choose(struct manager *m, const struct definition *def,
		  struct parent **ret_parent, struct parent_type **ret_type)
{
	struct parent *parent;
	struct parent_type *type;

	if (!*def->parent)
		return registry_choose(m->registry, def->type, def->weight,
				       ret_parent, ret_type);
	parent = registry_find_parent(m->registry, def->parent);
	if (!parent)
		return -ENODEV;
	type = parent_find_type(parent, def->type);
	if (!type)
		return -ENOENT;
	if (!parent_available(parent, type, def->weight))
		return -EUSERS;
	*ret_parent = parent;
	*ret_type = type;
	return 0;
}

static void on_defined(int err, void *user)
{
	struct instance *instance = user;
	bool create = instance->change == CHANGE_CREATE;
	char message[512];

	instance->storing = false;
	if (!err) {
		instance_event(instance, create ? "created" : "defined", NULL);
		if (create)
			instance_event(instance, "started", NULL);
		instance_done(instance, 0, NULL);
		if (create && !instance->worker)
			instance_died(
				instance,
				"its worker ended while it was being stored");
		return;
	}
	cannot_store(instance, err, message, sizeof(message));
	log_error(instance->def.uuid, "%s", message);
	if (!create) {
		instance_vanish(instance, err, message);
		return;
	}
	/* instance_ended() follows, and makes it vanish */
	free(instance->reason);
	instance->reason = strdup(message);
	if (instance->worker)
		process_stop(instance->worker);
	else
		instance_ended(instance, message);
}

int manager_define(struct manager *m, const struct definition *def, bool create,
		   bool transient, manager_fn done, void *user)
{
	struct instance *instance;
	struct parent_type *type;
	struct parent *parent;
	int err = check_new(m, def);

	if (!err)
		err = choose(m, def, &parent, &type);
	if (!err)
		err = instance_new(m, def, &instance);
	if (err)
		return err;
	instance_settle(instance, parent, type);
	snprintf(instance->def.parent, sizeof(instance->def.parent), "%s",
		 parent->name);
	instance->transient = transient;
	instance->change = create ? CHANGE_CREATE : CHANGE_DEFINE;
	if (create) {
		instance->done = done;
		instance->user = user;
		fault_point("create-begun");
		instance_launch(instance);
		return 0;
	}
	err = write_definition(instance, &instance->def, on_defined);
	if (err) {
		instance_free(instance);
		return err;
	}
	instance->done = done;
	instance->user = user;
	return 0;
}

/* ---- its worker ----------------------------------------------------- */

void instance_started(struct instance *instance)
{
	int err;

	instance_set_state(instance, STATE_ACTIVE, NULL);
	if (instance->change)
		fault_point("worker-ready");
	if (instance->change == CHANGE_CREATE) {
		err = write_definition(instance, &instance->def, on_defined);
		if (err)
			on_defined(err, instance);
		return;
	}
	if (instance->change == CHANGE_START) {
		instance_event(instance, "started", NULL);
		instance_done(instance, 0, NULL);
		return;
	}
	if (instance->deaths) {
		instance->restarts++;
		instance_event(instance, "restarted", NULL);
	}
}

/* ---- start, stop, remove, modify ------------------------------------ */

int instance_start(struct instance *instance, manager_fn done, void *user)
{
	if (instance->change)
		return -EBUSY;
	if (instance->broken || !instance->parent)
		return -EBADMSG;
	if (instance->worker)
		return -EALREADY;
	instance_calm(instance);
	instance->change = CHANGE_START;
	instance->done = done;
	instance->user = user;
	instance_launch(instance);
	return 0;
}

int instance_stop(struct instance *instance, manager_fn done, void *user)
{
	if (instance->change)
		return -EBUSY;
	if (!instance->worker && instance->state != STATE_STARTING &&
	    !(instance->state == STATE_FAILED && instance->parent))
		return -EALREADY;
	instance->change = CHANGE_STOP;
	instance->done = done;
	instance->user = user;
	if (instance->worker) {
		instance_calm(instance);
		process_stop(instance->worker);
		return 0;
	}
	instance_calm(instance);
	instance_ended(instance, NULL);
	return 0;
}

/* Nothing of it was changed. */
static const char *cannot_remove(const struct instance *instance, int err,
				 char *buf, size_t size)
{
	cleanup_free char *path = definition_path(instance);
	const char *advice = "";

	if (err == -EROFS)
		advice =
			"; make that file system writable, and remove it again";
	else if (err == -EACCES || err == -EPERM)
		advice = "; let vgpud's user write in that folder, and remove "
			 "it again";
	snprintf(buf, size,
		 "it is not removed: its definition %s can't be deleted: %s%s",
		 path ? path : "", strerror(-err), advice);
	return buf;
}

static void on_removed(int err, void *user)
{
	struct instance *instance = user;
	bool ran = instance->state == STATE_ACTIVE ||
		   instance->state == STATE_ATTACHED;
	char message[512];

	instance->storing = false;
	if (err) {
		cannot_remove(instance, err, message, sizeof(message));
		instance_done(instance, err, message);
		if (ran && !instance->worker)
			instance_died(instance, "its worker ended");
		return;
	}
	fault_point("remove-done");
	instance_calm(instance);
	if (instance->worker)
		process_stop(instance->worker);
	else
		instance_ended(instance, NULL);
}

int instance_remove(struct instance *instance, manager_fn done, void *user)
{
	cleanup_free char *path = definition_path(instance);
	int err = -ENOMEM;

	if (instance->change)
		return -EBUSY;
	if (path)
		err = store_remove(instance->manager->store, path, on_removed,
				   instance);
	if (err)
		return err;
	instance->storing = true;
	instance->change = CHANGE_REMOVE;
	instance->done = done;
	instance->user = user;
	return 0;
}

static void on_modified(int err, void *user)
{
	struct instance *instance = user;
	const struct definition *wanted = &instance->wanted;
	bool retype = strcmp(wanted->type, instance->def.type), retell;
	struct parent_type *type;
	struct parent *parent;
	char message[512];

	instance->storing = false;
	if (err) {
		cannot_store(instance, err, message, sizeof(message));
		instance_done(instance, err, message);
		return;
	}
	retell = wanted->weight != instance->def.weight ||
		 wanted->cap != instance->def.cap;
	parent = instance->parent;
	type = instance->type;
	if (retype && parent)
		type = parent_find_type(parent, wanted->type);
	instance_unsettle(instance);
	instance->def = *wanted;
	if (type)
		instance_settle(instance, parent, type);
	if (retell && instance->worker && hub_needed(instance))
		hub_tell(instance);
	instance_event(instance, "modified", NULL);
	instance_done(instance, 0, NULL);
}

/* What it has now counts as free for it. */
static int check_room(struct instance *instance,
		      const struct parent_type *wanted, uint32_t weight)
{
	struct parent_type *type = instance->type;
	struct parent *parent = instance->parent;
	bool room;

	instance_unsettle(instance);
	room = parent_available(parent, wanted, weight);
	instance_settle(instance, parent, type);
	return room ? 0 : -EUSERS;
}

int instance_modify(struct instance *instance, const struct definition *wanted,
		    manager_fn done, void *user)
{
	struct manager *m = instance->manager;
	bool retype = strcmp(wanted->type, instance->def.type);
	struct parent_type *type = instance->type;
	int err;

	if (instance->change)
		return -EBUSY;
	if (instance->broken || !instance->parent)
		return -EBADMSG;
	for (size_t i = 0; *wanted->label && i < m->n_instances; i++)
		if (m->instances[i] != instance &&
		    !strcmp(m->instances[i]->def.label, wanted->label))
			return -EEXIST;
	if (retype) {
		if (instance->worker || instance->state == STATE_STARTING)
			return -EISCONN;
		type = parent_find_type(instance->parent, wanted->type);
		if (!type)
			return -ENOENT;
	}
	if (retype || wanted->weight != instance->def.weight) {
		err = check_room(instance, type, wanted->weight);
		if (err)
			return err;
	}
	err = write_definition(instance, wanted, on_modified);
	if (err)
		return err;
	instance->wanted = *wanted;
	instance->change = CHANGE_MODIFY;
	instance->done = done;
	instance->user = user;
	return 0;
}
