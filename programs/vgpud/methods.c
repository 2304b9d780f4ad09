/* SPDX-License-Identifier: MIT */
#include "methods.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uuid/uuid.h>
#include <vgpu/parent.h>

#include "config.h"
#include "control/json.h"
#include "control/message.h"
#include "control/server.h"
#include "events.h"
#include "manager.h"
#include "registry.h"
#include "replies.h"
#include "util/bytes.h"

#define IO "io.vgpud.Manager."

/* Names that a reply about an ambiguous one lists. */
#define MAX_MATCHES 16

static void reply_one(struct control_call *call, const char *key,
		      struct json_object *value)
{
	struct json_object *out = json_object_new_object();

	json_set(&out, key, value);
	control_reply(call, out);
}

static void fail_with(struct control_call *call, const char *error,
		      const char *key, const char *value)
{
	struct json_object *out = json_object_new_object();

	json_set_string(&out, key, value);
	control_reply_error(call, error, out);
}

static void fail_errno(struct control_call *call, const char *error,
		       const char *message, int err)
{
	struct json_object *out = json_object_new_object();

	json_set_string(&out, "message", message);
	json_set_uint(&out, "errno", (uint64_t)-err);
	control_reply_error(call, error, out);
}

static void wrong_state(struct control_call *call,
			const struct instance *instance)
{
	struct json_object *out = json_object_new_object();

	json_set_string(&out, "uuid", instance->def.uuid);
	json_set_string(&out, "state", state_name(instance_state(instance)));
	control_reply_error(call, IO "WrongState", out);
}

/* May the caller change things? If not, it has been told. */
static bool may_change(struct control_call *call, const struct manager *m)
{
	const struct ucred *peer = control_call_peer(call);

	if (peer->uid == 0 || peer->uid == geteuid() ||
	    (m->config->control_gid != (gid_t)-1 &&
	     control_call_peer_in_group(call, m->config->control_gid)))
		return true;
	control_reply_error(call, CONTROL_ERR_PERMISSION, NULL);
	return false;
}

/* NULL: there is none, and it has been said. */
static struct instance *find(struct control_call *call, struct manager *m,
			     struct json_object *params)
{
	const char *name = json_get_string(params, "name", "");
	struct json_object *out, *matches;
	struct instance *instance;
	size_t n;

	instance = manager_find(m, name, &n);
	if (instance)
		return instance;
	if (!n) {
		fail_with(call, IO "NoSuchInstance", "name", name);
		return NULL;
	}
	out = json_object_new_object();
	matches = json_object_new_array();
	for (size_t i = 0, k = 0; i < m->n_instances && k < MAX_MATCHES; i++)
		if (instance_matches(m->instances[i], name)) {
			json_append(&matches,
				    json_new_string(m->instances[i]->def.uuid));
			k++;
		}
	json_set_string(&out, "name", name);
	json_set(&out, "matches", matches);
	control_reply_error(call, IO "AmbiguousName", out);
	return NULL;
}

/* ---- looking -------------------------------------------------------- */

static void list_parents(struct control_call *call, struct json_object *params,
			 void *user)
{
	reply_one(call, "parents", reply_parents(user));
}

static void list_types(struct control_call *call, struct json_object *params,
		       void *user)
{
	struct manager *m = user;
	const char *parent = json_get_string(params, "parent", NULL);

	if (parent && !registry_find_parent(m->registry, parent))
		fail_with(call, IO "NoSuchParent", "parent", parent);
	else
		reply_one(call, "types", reply_types(m, parent));
}

static void list_instances(struct control_call *call,
			   struct json_object *params, void *user)
{
	const struct manager *m = user;
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < m->n_instances; i++)
		json_append(&array, reply_instance(m->instances[i]));
	reply_one(call, "instances", array);
}

static void show(struct control_call *call, struct json_object *params,
		 void *user)
{
	const struct instance *instance = find(call, user, params);

	if (instance)
		reply_one(call, "instance", reply_instance(instance));
}

static void budgets(struct control_call *call, struct json_object *params,
		    void *user)
{
	reply_one(call, "budgets", reply_budgets(user));
}

static void metrics(struct control_call *call, struct json_object *params,
		    void *user)
{
	char *text = metrics_text(user);

	reply_one(call, "text", text ? json_new_string(text) : NULL);
	free(text);
}

static void subscribe(struct control_call *call, struct json_object *params,
		      void *user)
{
	struct manager *m = user;

	events_subscribe(m->events, call, json_get_int(params, "after", -1));
}

static void diagnose(struct control_call *call, struct json_object *params,
		     void *user)
{
	control_reply(call, reply_diagnosis(user));
}

/* ---- changing ------------------------------------------------------- */

/* The end of a change: the call is answered. */
static void reply_changed(int err, const char *message,
			  struct instance *instance, void *user)
{
	struct control_call *call = user;

	if (err)
		fail_with(call, IO "Failed", "message",
			  message ? message : strerror(-err));
	else
		reply_one(call, "instance", reply_instance(instance));
}

static void reply_done(int err, const char *message, struct instance *instance,
		       void *user)
{
	struct control_call *call = user;

	if (err)
		fail_with(call, IO "Failed", "message",
			  message ? message : strerror(-err));
	else
		control_reply(call, json_object_new_object());
}

/* From 0 to @max, where it is given. Return: false: answered. */
static bool read_number(struct control_call *call, struct json_object *params,
			const char *key, unsigned max, unsigned *value)
{
	int64_t n = json_get_int(params, key, -1);

	if (!json_member(params, key))
		return true;
	if (n < 0 || n > max) {
		control_reply_invalid(call, key);
		return false;
	}
	*value = (unsigned)n;
	return true;
}

/* What members give of a definition. Return: false: answered. */
static bool read_common(struct control_call *call, struct json_object *params,
			struct definition *def)
{
	const char *label = json_get_string(params, "label", NULL);
	const char *policy = json_get_string(params, "policy", NULL);

	if (label && *label && !label_is_valid(label)) {
		fail_errno(call, IO "InvalidName",
			   "a label has 64 bytes at most, no control "
			   "characters, and is not of hexadecimal digits only",
			   -EINVAL);
		return false;
	}
	if (label)
		snprintf(def->label, sizeof(def->label), "%s", label);
	if (policy && policy_parse(policy, &def->policy)) {
		control_reply_invalid(call, "policy");
		return false;
	}
	def->autostart = json_get_bool(params, "autostart", def->autostart);
	return read_number(call, params, "weight", VGPU_WEIGHT_MAX,
			   &def->weight) &&
	       read_number(call, params, "cap", 100, &def->cap);
}

/* Which of the two names is taken, and by whom. */
static void say_exists(struct control_call *call, const struct manager *m,
		       const struct definition *def,
		       const struct instance *instance)
{
	const struct instance *holder = NULL;
	char message[256];

	for (size_t i = 0; i < m->n_instances; i++)
		if (m->instances[i] != instance && *def->label &&
		    !strcmp(m->instances[i]->def.label, def->label))
			holder = m->instances[i];
	if (holder)
		snprintf(message, sizeof(message),
			 "the label %s is taken: %s has it", def->label,
			 holder->def.uuid);
	else
		snprintf(message, sizeof(message),
			 "there is an instance %s already", def->uuid);
	fail_errno(call, IO "Exists", message, -EEXIST);
}

static void refuse(struct control_call *call, const struct manager *m, int err,
		   const struct definition *def,
		   const struct instance *instance)
{
	char message[256];

	switch (err) {
	case -EEXIST:
		say_exists(call, m, def, instance);
		return;
	case -ENOENT:
		fail_with(call, IO "NoSuchType", "type", def->type);
		return;
	case -ENODEV:
		fail_with(call, IO "NoSuchParent", "parent", def->parent);
		return;
	case -EUSERS:
		if (instance)
			snprintf(message, sizeof(message),
				 "parent %s has not that much left: 'vgpuctl "
				 "parents' shows what of it is taken",
				 def->parent);
		else
			snprintf(message, sizeof(message),
				 "%s%s has no room for another %s: remove an "
				 "instance, or choose a smaller type",
				 *def->parent ? "parent " : "every parent",
				 def->parent, def->type);
		fail_errno(call, IO "Exhausted", message, err);
		return;
	case -EBUSY:
		fail_with(call, IO "Busy", "uuid", def->uuid);
		return;
	case -EALREADY:
	case -EISCONN:
		wrong_state(call, instance);
		return;
	case -EBADMSG:
		fail_with(call, IO "Failed", "message",
			  instance->reason ? instance->reason
					   : "its definition is broken");
		return;
	default:
		fail_with(call, IO "Failed", "message", strerror(-err));
	}
}

static void add(struct control_call *call, struct json_object *params,
		struct manager *m, bool create)
{
	const char *uuid = json_get_string(params, "uuid", NULL);
	const char *type = json_get_string(params, "type", "");
	const char *parent = json_get_string(params, "parent", "");
	struct definition def = { .policy = POLICY_RESTART };
	char message[160];
	uuid_t random;
	int err;

	if (!may_change(call, m) || !read_common(call, params, &def))
		return;
	if (uuid && uuid_canonical(uuid, def.uuid)) {
		snprintf(message, sizeof(message),
			 "'%.64s' is no UUID, which looks like "
			 "6f1c20d2-8a3b-4c5d-9e7f-001122334455",
			 uuid);
		fail_errno(call, IO "InvalidName", message, -EINVAL);
		return;
	}
	if (!uuid) {
		uuid_generate(random);
		uuid_unparse_lower(random, def.uuid);
	}
	if (strlen(type) >= sizeof(def.type)) {
		fail_with(call, IO "NoSuchType", "type", type);
		return;
	}
	if (strlen(parent) >= sizeof(def.parent)) {
		fail_with(call, IO "NoSuchParent", "parent", parent);
		return;
	}
	strcpy(def.type, type);
	strcpy(def.parent, parent);
	err = manager_define(m, &def, create,
			     create &&
				     json_get_bool(params, "transient", false),
			     reply_changed, call);
	if (err)
		refuse(call, m, err, &def, NULL);
}

static void define(struct control_call *call, struct json_object *params,
		   void *user)
{
	add(call, params, user, false);
}

static void create(struct control_call *call, struct json_object *params,
		   void *user)
{
	add(call, params, user, true);
}

static void start(struct control_call *call, struct json_object *params,
		  void *user)
{
	struct instance *instance;
	int err;

	if (!may_change(call, user))
		return;
	instance = find(call, user, params);
	if (!instance)
		return;
	err = instance_start(instance, reply_changed, call);
	if (err)
		refuse(call, user, err, &instance->def, instance);
}

/* Is a client in the way? Then it has been said. */
static bool in_use(struct control_call *call, const struct instance *instance,
		   struct json_object *params)
{
	struct json_object *out;

	if (!instance->client_pid || json_get_bool(params, "force", false))
		return false;
	out = json_object_new_object();
	json_set_string(&out, "uuid", instance->def.uuid);
	json_set_uint(&out, "pid", (uint64_t)instance->client_pid);
	control_reply_error(call, IO "Attached", out);
	return true;
}

static void end(struct control_call *call, struct json_object *params,
		struct manager *m,
		int (*fn)(struct instance *, manager_fn, void *))
{
	struct instance *instance;
	int err;

	if (!may_change(call, m))
		return;
	instance = find(call, m, params);
	if (!instance || in_use(call, instance, params))
		return;
	err = fn(instance, reply_done, call);
	if (err)
		refuse(call, m, err, &instance->def, instance);
}

static void stop(struct control_call *call, struct json_object *params,
		 void *user)
{
	end(call, params, user, instance_stop);
}

static void remove_one(struct control_call *call, struct json_object *params,
		       void *user)
{
	end(call, params, user, instance_remove);
}

static void modify(struct control_call *call, struct json_object *params,
		   void *user)
{
	const char *type = json_get_string(params, "type", NULL);
	struct instance *instance;
	struct definition wanted;
	int err;

	if (!may_change(call, user))
		return;
	instance = find(call, user, params);
	if (!instance)
		return;
	wanted = instance->def;
	if (!read_common(call, params, &wanted))
		return;
	if (type && strlen(type) >= sizeof(wanted.type)) {
		fail_with(call, IO "NoSuchType", "type", type);
		return;
	}
	if (type)
		strcpy(wanted.type, type);
	err = instance_modify(instance, &wanted, reply_changed, call);
	if (err)
		refuse(call, user, err, &wanted, instance);
}

static const struct control_handler handlers[] = {
	{ "ListParents", list_parents },
	{ "ListTypes", list_types },
	{ "List", list_instances },
	{ "Show", show },
	{ "Define", define },
	{ "Create", create },
	{ "Start", start },
	{ "Stop", stop },
	{ "Remove", remove_one },
	{ "Modify", modify },
	{ "Budgets", budgets },
	{ "Metrics", metrics },
	{ "Subscribe", subscribe },
	{ "Diagnose", diagnose },
};

int methods_add(struct control_server *server, struct manager *manager)
{
	return control_server_add(server, &control_def_io_vgpud_Manager,
				  handlers, ARRAY_SIZE(handlers), manager);
}
