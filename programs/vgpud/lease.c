/* SPDX-License-Identifier: MIT */
/*
 * Budgets: how much memory a user's vGPUs may have pinned.
 *
 * A user is who runs the client. His budget is divided evenly among his vGPUs
 * that are attached, and anew when one comes or goes; each worker is told its
 * part and keeps to it, and so is the vgpu-parent whose hardware it shares. What a worker had pinned before its part became
 * smaller stays pinned, and nothing is added.
 */
#include <errno.h>
#include <string.h>

#include "config.h"
#include "control/caller.h"
#include "control/json.h"
#include "instance.h"
#include "replies.h"
#include "hub.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "process.h"

/* Until its client is known, a worker may have this part of a user's budget
 * pinned: one more client does not take what others have. */
#define FIRST_PART 16

static void tell_worker(struct instance *instance)
{
	cleanup_free char *path = instance_path(instance, PROCESS_CONTROL);
	struct json_object *params = json_object_new_object();
	int err = -ENOMEM;

	json_set_uint(&params, "user", instance->pin_lease);
	if (path)
		err = control_tell(path, "io.vgpud.Device.SetPinnedLimit",
				   params);
	else
		json_object_put(params);
	if (err)
		log_warning(instance->def.uuid,
			    "its worker can't be told its part of the budget "
			    "of pinned memory: %s",
			    strerror(-err));
}

/* Its parent keeps to it, too, since a worker may lie. It is told first, so
 * that it does not refuse what the worker may. */
static void tell(struct instance *instance, uint64_t bytes)
{
	instance->pin_lease = bytes;
	if (hub_needed(instance))
		hub_tell(instance);
	else
		tell_worker(instance);
}

void instance_terms_told(struct instance *instance)
{
	if (instance->worker)
		tell_worker(instance);
}

uint64_t manager_first_part(const struct manager *m)
{
	return m->config->pinned_limit / FIRST_PART;
}

static bool is_users(const struct instance *instance, uid_t uid)
{
	return instance->client_pid && instance->client_uid == uid;
}

void manager_first_lease(struct instance *instance)
{
	tell(instance, manager_first_part(instance->manager));
}

void manager_lease(struct manager *m, uid_t uid)
{
	unsigned n = 0;

	for (size_t i = 0; i < m->n_instances; i++)
		n += is_users(m->instances[i], uid);
	for (size_t i = 0; i < m->n_instances; i++)
		if (is_users(m->instances[i], uid))
			tell(m->instances[i], m->config->pinned_limit / n);
}

struct json_object *reply_budgets(struct manager *m)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < m->n_instances; i++) {
		const struct instance *a = m->instances[i];
		struct json_object *obj;
		uint64_t leased = 0;
		bool seen = false;

		if (!a->client_pid)
			continue;
		for (size_t j = 0; j < m->n_instances; j++) {
			const struct instance *b = m->instances[j];

			if (!is_users(b, a->client_uid))
				continue;
			seen |= j < i;
			leased += b->pin_lease;
		}
		if (seen)
			continue;
		obj = json_object_new_object();
		json_set_uint(&obj, "uid", a->client_uid);
		json_set_uint(&obj, "pinned_limit", m->config->pinned_limit);
		json_set_uint(&obj, "pinned_leased", leased);
		json_append(&array, obj);
	}
	return array;
}
