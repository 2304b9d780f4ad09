/* SPDX-License-Identifier: MIT */
/* What a vgpu-parent is told of its vGPUs: who comes, and what each may have.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/caller.h"
#include "control/json.h"
#include "fault.h"
#include "instance.h"
#include "hub-private.h"
#include "util/cleanup.h"
#include "util/log.h"

static struct json_object *terms(const struct instance *instance)
{
	struct json_object *obj = json_object_new_object();

	json_set_string(&obj, "uuid", instance->def.uuid);
	json_set_uint(&obj, "weight", instance_weight(instance));
	json_set_uint(&obj, "cap", instance->def.cap);
	json_set_uint(&obj, "pinned_limit", instance->pin_lease);
	return obj;
}

static void on_introduced(int err, struct control_result *result, void *user)
{
	const char *problem = control_answer_problem(err, result);
	struct await *wait = user;
	struct instance *instance =
		list_entry(wait, struct instance, machine.wait);
	char why[512];

	fault_point_of("parent", "introduced");
	if (!problem && !result->n_fds)
		problem = "it sends no connection";
	if (problem)
		snprintf(why, sizeof(why),
			 "its parent '%s' does not take it: %s",
			 instance->def.parent, problem);
	else
		instance->connection = steal_fd(&result->fds[0]);
	control_caller_free(steal_ptr(wait->op));
	await_done(wait, problem ? -EIO : 0, problem ? why : NULL);
}

int hub_introduce(struct instance *instance, struct await *wait)
{
	struct hub *hub = hub_find(instance->manager, instance->def.parent);
	struct control_caller *caller = NULL;
	struct json_object *params;
	int err;

	if (!hub || !hub->process)
		return -ENOTCONN;
	instance->connection = close_fd(instance->connection);
	params = terms(instance);
	json_set_string(&params, "type", instance->def.type);
	fault_point_of("parent", "introduce");
	err = control_ask(instance->manager->loop, hub->control,
			  "io.vgpud.Parent.Introduce", params, false,
			  HUB_ANSWER_NS, on_introduced, wait, &caller);
	wait->op = caller;
	return err;
}

static struct hub_terms now(const struct instance *instance)
{
	return (struct hub_terms){ instance_weight(instance), instance->def.cap,
				   instance->pin_lease };
}

static bool is_news(const struct hub_terms *a, const struct hub_terms *b)
{
	return a->weight != b->weight || a->cap != b->cap ||
	       a->pin_lease != b->pin_lease;
}

static void on_told(int err, struct control_result *result, void *user)
{
	const char *problem = control_answer_problem(err, result);
	struct instance *instance = user;
	struct hub_terms terms = now(instance);

	if (problem)
		log_warning(instance->def.uuid,
			    "its parent can't be told what it may have: %s",
			    problem);
	control_caller_free(steal_ptr(instance->telling));
	if (is_news(&terms, &instance->told))
		hub_tell(instance);
	else
		instance_terms_told(instance);
}

/* One after the other: two questions may overtake each other. */
void hub_tell(struct instance *instance)
{
	struct hub *hub = hub_find(instance->manager, instance->def.parent);
	int err = -ENOTCONN;

	if (instance->telling)
		return; /* on_told() sees what has changed since */
	instance->told = now(instance);
	if (hub && hub->process)
		err = control_ask(instance->manager->loop, hub->control,
				  "io.vgpud.Parent.Change", terms(instance),
				  false, HUB_ANSWER_NS, on_told, instance,
				  &instance->telling);
	if (err)
		log_warning(instance->def.uuid,
			    "its parent can't be told what it may have: %s",
			    strerror(-err));
}
