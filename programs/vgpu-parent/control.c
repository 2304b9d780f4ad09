/* SPDX-License-Identifier: MIT */
#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "control/json.h"
#include "control/server.h"
#include "device/module.h"
#include "options.h"
#include "hub/introduce.h"
#include "hub/hub.h"
#include "hub/space.h"
#include "util/bytes.h"
#include "util/list.h"

#define IO "io.vgpud.Parent."

struct parent_control {
	const struct options *options;
	struct vgpu_hub *core;
	struct control_server *server;
	struct list watchers; /* of struct watcher */
};

/* Who wants to know when this process ends */
struct watcher {
	struct list link;
	struct control_call *call;
};

static void fail_with(struct control_call *call, const char *error,
		      const char *key, const char *value)
{
	struct json_object *out = json_object_new_object();

	json_set_string(&out, key, value);
	control_reply_error(call, error, out);
}

/* ---- looking -------------------------------------------------------- */

static struct json_object *describe(const struct vgpu_parent_instance *inst)
{
	struct json_object *obj = json_object_new_object();
	char uuid[37];

	uuid_unparse_lower(inst->uuid, uuid);
	json_set_string(&obj, "uuid", uuid);
	json_set_string(&obj, "type", inst->type->name);
	json_set_uint(&obj, "weight", inst->weight);
	json_set_uint(&obj, "cap", inst->cap);
	json_set_uint(&obj, "pinned",
		      inst->space ? hub_space_bytes(inst->space) : 0);
	if (inst->pin_limit == UINT64_MAX)
		json_set_null(&obj, "pinned_limit");
	else
		json_set_uint(&obj, "pinned_limit", inst->pin_limit);
	json_set_bool(&obj, "introduced", inst->introduced);
	json_set_bool(&obj, "connected", inst->known);
	return obj;
}

static void get_info(struct control_call *call, struct json_object *params,
		     void *user)
{
	const struct parent_control *c = user;
	const struct vgpu_driver *driver = module_driver(c->core->module);
	struct json_object *obj = json_object_new_object();
	struct json_object *array = json_object_new_array();

	list_for_each(n, &c->core->instances) {
		const struct vgpu_parent_instance *inst =
			list_entry(n, struct vgpu_parent_instance, link);

		/* One that has not said who it is yet is none. */
		if (inst->type && !inst->gone)
			json_append(&array, describe(inst));
	}
	json_set_string(&obj, "version", VGPU_VERSION);
	json_set_uint(&obj, "pid", (uint64_t)getpid());
	json_set_string(&obj, "driver", driver->name);
	json_set_string(&obj, "driver_version", driver->version);
	json_set_string(&obj, "config", c->options->config);
	json_set_string(&obj, "control", c->options->control_path);
	json_set_string(&obj, "socket", c->options->socket_path);
	json_set(&obj, "instances", array);
	control_reply(call, obj);
}

/* Its client has gone, or doesn't read: the connection ends. */
static void end_watch(struct watcher *w)
{
	struct control_call *call = w->call;

	control_call_on_gone(call, NULL, NULL);
	list_remove(&w->link);
	free(w);
	control_reply(call, NULL);
}

static void on_gone(struct control_call *call, void *user)
{
	end_watch(user);
}

static void subscribe(struct control_call *call, struct json_object *params,
		      void *user)
{
	struct parent_control *c = user;
	struct json_object *obj;
	struct watcher *w;

	if (!control_call_wants_more(call)) {
		control_reply_error(call, CONTROL_ERR_EXPECTED_MORE, NULL);
		return;
	}
	w = calloc(1, sizeof(*w));
	if (!w) {
		control_reply(call, NULL);
		return;
	}
	w->call = call;
	list_insert(&c->watchers, &w->link);
	control_call_on_gone(call, on_gone, w);
	obj = json_object_new_object();
	json_set_string(&obj, "control", c->options->control_path);
	json_set_string(&obj, "config", c->options->config);
	if (control_reply_more(call, obj))
		end_watch(w);
}

/* ---- changing ------------------------------------------------------- */

/* A number from 0 to @max, or @fallback where none is given. Return: false:
 * answered. */
static bool read_number(struct control_call *call, struct json_object *params,
			const char *key, uint64_t max, uint64_t fallback,
			uint64_t *ret_value)
{
	int64_t v = json_get_int(params, key, -1);

	if (!json_member(params, key)) {
		*ret_value = fallback;
		return true;
	}
	if (v < 0 || (uint64_t)v > max) {
		control_reply_invalid(call, key);
		return false;
	}
	*ret_value = (uint64_t)v;
	return true;
}

/* Return: false: answered. */
static bool read_terms(struct control_call *call, struct json_object *params,
		       uint8_t uuid[16], struct hub_terms *terms)
{
	uint64_t weight, cap;

	if (uuid_parse(json_get_string(params, "uuid", ""), uuid) < 0) {
		control_reply_invalid(call, "uuid");
		return false;
	}
	if (!read_number(call, params, "weight", VGPU_WEIGHT_MAX, 0, &weight) ||
	    !read_number(call, params, "cap", 100, 0, &cap) ||
	    !read_number(call, params, "pinned_limit", INT64_MAX, UINT64_MAX,
			 &terms->pin_limit))
		return false;
	terms->weight = (uint32_t)weight;
	terms->cap = (uint32_t)cap;
	return true;
}

static void introduce(struct control_call *call, struct json_object *params,
		      void *user)
{
	struct parent_control *c = user;
	const char *type = json_get_string(params, "type", "");
	struct hub_terms terms;
	struct json_object *obj;
	uint8_t uuid[16];
	int fd, err;

	if (!read_terms(call, params, uuid, &terms))
		return;
	err = hub_introduce(c->core, uuid, type, &terms, &fd);
	if (err == -ENODEV) {
		fail_with(call, IO "NoSuchType", "type", type);
	} else if (err) {
		fail_with(call, IO "Failed", "message",
			  err == -EUSERS ? "this parent has as many vGPUs as "
					   "it can have"
					 : strerror(-err));
	} else {
		obj = json_object_new_object();
		json_set_uint(&obj, "connection", 0);
		control_reply_fds(call, obj, &fd, 1);
	}
}

static void change(struct control_call *call, struct json_object *params,
		   void *user)
{
	struct parent_control *c = user;
	struct hub_terms terms;
	uint8_t uuid[16];

	if (!read_terms(call, params, uuid, &terms))
		return;
	if (parent_change(c->core, uuid, &terms))
		fail_with(call, IO "NoSuchInstance", "uuid",
			  json_get_string(params, "uuid", ""));
	else
		control_reply(call, json_object_new_object());
}

static void set_log_level(struct control_call *call, struct json_object *params,
			  void *user)
{
	const char *name = json_get_string(params, "level", "");
	enum log_level level;

	if (log_level_parse(name, &level)) {
		control_reply_invalid(call, "level");
		return;
	}
	log_set_level(level);
	log_notice(NULL, "log level set to %s by pid %d, uid %u", name,
		   (int)control_call_peer(call)->pid,
		   (unsigned)control_call_peer(call)->uid);
	control_reply(call, json_object_new_object());
}

/* ---- life ----------------------------------------------------------- */

static const struct control_handler handlers[] = {
	{ "GetInfo", get_info },
	{ "Introduce", introduce },
	{ "Change", change },
	{ "Subscribe", subscribe },
	{ "SetLogLevel", set_log_level },
};

int parent_control_new(struct loop *loop, const struct options *options,
		       struct vgpu_hub *core,
		       struct parent_control **ret_control)
{
	static const struct control_server_config config = {
		.vendor = "vgpud",
		.product = "vgpu-parent",
		.version = VGPU_VERSION,
		.url = "",
	};
	struct parent_control *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->options = options;
	c->core = core;
	list_init(&c->watchers);
	err = control_server_new(loop, &config, &c->server);
	if (!err)
		err = control_server_add(c->server,
					 &control_def_io_vgpud_Parent, handlers,
					 ARRAY_SIZE(handlers), c);
	if (err) {
		parent_control_free(c);
		return err;
	}
	*ret_control = c;
	return 0;
}

void parent_control_free(struct parent_control *c)
{
	if (!c)
		return;
	list_for_each_safe(n, &c->watchers)
		end_watch(list_entry(n, struct watcher, link));
	control_server_free(c->server);
	free(c);
}

void parent_control_accept(struct parent_control *c, int fd)
{
	int err = control_server_accept(c->server, fd);

	/* Too many are logged by the server, with a limit. */
	if (err && err != -EUSERS)
		log_warning(NULL, "cannot serve a control connection: %s",
			    strerror(-err));
}
