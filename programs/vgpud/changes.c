/* SPDX-License-Identifier: MIT */
/* What people ask of instances. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "fault.h"
#include "instance.h"
#include "registry.h"
#include "util/bytes.h"

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

/* Somebody waits for it, from here on. */
static void ask(struct instance *instance, enum request request,
		manager_fn done, void *user)
{
	instance->request = request;
	instance->done = done;
	instance->user = user;
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
	ask(instance, create ? REQUEST_CREATE : REQUEST_DEFINE, done, user);
	if (create)
		fault_point("create-begun");
	machine_hold(&m->queue);
	machine_enter(&instance->machine, create ? AT_HUB : WRITING);
	machine_release(&m->queue);
	return 0;
}

/* The machine may refuse it; else all that follows comes after. */
static int request(struct instance *instance, unsigned event,
		   enum request request, manager_fn done, void *user)
{
	struct machine_queue *queue = &instance->manager->queue;
	int err;

	machine_hold(queue);
	err = machine_request(&instance->machine, event);
	if (!err)
		ask(instance, request, done, user);
	machine_release(queue);
	return err;
}

int instance_start(struct instance *instance, manager_fn done, void *user)
{
	if (instance->request)
		return -EBUSY;
	if (instance->broken || !instance->parent)
		return -EBADMSG;
	return request(instance, START, REQUEST_START, done, user);
}

int instance_stop(struct instance *instance, manager_fn done, void *user)
{
	return request(instance, STOP, REQUEST_STOP, done, user);
}

int instance_remove(struct instance *instance, manager_fn done, void *user)
{
	return request(instance, REMOVE, REQUEST_REMOVE, done, user);
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

	if (instance->request)
		return -EBUSY;
	if (instance->broken || !instance->parent)
		return -EBADMSG;
	for (size_t i = 0; *wanted->label && i < m->n_instances; i++)
		if (m->instances[i] != instance &&
		    !strcmp(m->instances[i]->def.label, wanted->label))
			return -EEXIST;
	if (retype) {
		if (instance->worker ||
		    instance_state(instance) == STATE_STARTING)
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
	instance->wanted = *wanted;
	return request(instance, MODIFY, REQUEST_MODIFY, done, user);
}
