/* SPDX-License-Identifier: MIT */
#include "replies.h"

#include <string.h>
#include <unistd.h>

#include "config.h"
#include "instance.h"
#include "control/json.h"
#include "manager.h"
#include "hub.h"
#include "registry.h"
#include "util/cleanup.h"
#include "process.h"

struct json_object *reply_instance(const struct instance *instance)
{
	const struct definition *d = &instance->def;
	struct json_object *obj = json_object_new_object(), *client;
	cleanup_free char *socket = instance_path(instance, WORKER_SOCKET);
	cleanup_free char *control = instance_path(instance, PROCESS_CONTROL);

	json_set_string(&obj, "uuid", d->uuid);
	json_set_string(&obj, "label", *d->label ? d->label : NULL);
	json_set_string(&obj, "parent", d->parent);
	json_set_string(&obj, "parent_state",
			hub_needed(instance)
				? hub_state(instance->manager, d->parent)
				: NULL);
	json_set_string(&obj, "type", d->type);
	json_set_string(&obj, "state", state_name(instance_state(instance)));
	json_set_string(&obj, "reason", instance->reason);
	json_set_bool(&obj, "autostart", d->autostart);
	json_set_string(&obj, "policy", policy_name(d->policy));
	json_set_bool(&obj, "transient", instance->transient);
	json_set_string(&obj, "socket", socket ? socket : "");
	json_set_string(&obj, "control", control ? control : "");
	if (instance->worker)
		json_set_uint(&obj, "worker",
			      (uint64_t)process_pid(instance->worker));
	else
		json_set_null(&obj, "worker");
	if (instance->client_pid) {
		client = json_object_new_object();
		json_set_uint(&client, "pid", (uint64_t)instance->client_pid);
		json_set_uint(&client, "uid", instance->client_uid);
		json_set(&obj, "client", client);
	} else {
		json_set_null(&obj, "client");
	}
	json_set_uint(&obj, "restarts", instance->restarts);
	json_set_uint(&obj, "vram", instance->type ? instance->type->vram : 0);
	json_set_uint(&obj, "weight", instance_weight(instance));
	json_set_uint(&obj, "cap", d->cap);
	return obj;
}

struct json_object *reply_parents(struct manager *m)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < registry_n_parents(m->registry); i++) {
		const struct parent *p = registry_parent(m->registry, i);
		const struct config_parent *config =
			config_find_parent(m->config, p->name);
		struct json_object *obj = json_object_new_object();
		pid_t pid = hub_pid(m, p->name);
		char why[HUB_WHY_MAX];

		json_set_string(&obj, "name", p->name);
		json_set_string(&obj, "driver", p->driver);
		json_set_string(&obj, "description",
				p->description ? p->description : "");
		json_set_uint(&obj, "vram", p->vram);
		json_set_uint(&obj, "vram_used", p->vram_used);
		json_set_uint(&obj, "max_instances", p->max_instances);
		json_set_uint(&obj, "instances", p->instances);
		json_set_uint(&obj, "shares", p->shares);
		json_set_uint(&obj, "shares_used", p->shares_used);
		json_set_string(&obj, "config", config ? config->config : NULL);
		if (pid)
			json_set_uint(&obj, "process", (uint64_t)pid);
		else
			json_set_null(&obj, "process");
		json_set_string(&obj, "state",
				config && config->config ? hub_state(m, p->name)
							 : NULL);
		json_set_uint(&obj, "failures", hub_failures(m, p->name));
		json_set_string(&obj, "error",
				p->error ? p->error
				: hub_problem(m, p->name, why, sizeof(why))
					? why
					: NULL);
		json_append(&array, obj);
	}
	return array;
}

struct json_object *reply_types(struct manager *m, const char *parent)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < registry_n_parents(m->registry); i++) {
		const struct parent *p = registry_parent(m->registry, i);
		char why[HUB_WHY_MAX];
		bool problem = hub_problem(m, p->name, why, sizeof(why));

		if (parent && strcmp(p->name, parent))
			continue;
		for (size_t j = 0; j < p->n_types; j++) {
			const struct parent_type *t = &p->types[j];
			struct json_object *obj = json_object_new_object();

			json_set_string(&obj, "parent", p->name);
			json_set_string(&obj, "name", t->name);
			json_set_string(&obj, "description",
					t->description ? t->description : "");
			json_set_uint(&obj, "vram", t->vram);
			json_set_uint(&obj, "shares", t->shares);
			json_set_uint(&obj, "xres", t->xres);
			json_set_uint(&obj, "yres", t->yres);
			json_set_uint(&obj, "available",
				      parent_available(p, t, 0));
			json_set_string(&obj, "problem", problem ? why : NULL);
			json_append(&array, obj);
		}
	}
	return array;
}

static struct json_object *strings(char *const *list, size_t n)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < n; i++)
		json_append(&array, json_new_string(list[i]));
	return array;
}

struct json_object *reply_diagnosis(struct manager *m)
{
	struct json_object *obj = json_object_new_object();
	struct json_object *problems =
		strings(m->config->problems, m->config->n_problems);
	struct json_object *dirs = json_object_new_array();

	for (size_t i = 0; i < m->n_problems; i++)
		json_append(&problems, json_new_string(m->problems[i]));
	if (m->paths->driver_dir)
		json_append(&dirs, json_new_string(m->paths->driver_dir));
	json_set_string(&obj, "version", VGPU_VERSION);
	json_set_uint(&obj, "pid", (uint64_t)getpid());
	json_set_uint(&obj, "uptime",
		      (loop_now_ns() - m->started_ns) / 1000000000u);
	json_set_string(&obj, "runtime_dir", m->paths->runtime_dir);
	json_set_string(&obj, "state_dir", m->paths->state_dir);
	json_set(&obj, "config_files",
		 strings(m->config->files, m->config->n_files));
	json_set(&obj, "driver_dirs", dirs);
	json_set(&obj, "problems", problems);
	return obj;
}
