/* SPDX-License-Identifier: MIT */
#include "watchers.h"

#include <stdlib.h>
#include <uuid/uuid.h>

#include "control/json.h"
#include "control/message.h"
#include "control/server.h"
#include "device/device.h"

struct watcher {
	struct list link;
	struct control_call *call;
};

static struct json_object *state(const struct vgpu_core *core)
{
	struct json_object *obj = json_object_new_object(), *client = NULL;
	char uuid[37];
	unsigned uid;
	int pid;

	uuid_unparse_lower(core->uuid, uuid);
	json_set_string(&obj, "uuid", uuid);
	if (device_client(core, &pid, &uid)) {
		json_set_string(&obj, "state", "listening");
		json_set_null(&obj, "client");
		return obj;
	}
	json_set_string(&obj, "state", "attached");
	client = json_object_new_object();
	json_set_uint(&client, "pid", (uint64_t)pid);
	json_set_uint(&client, "uid", uid);
	json_set(&obj, "client", client);
	return obj;
}

/* Its client has gone, or doesn't read: the connection ends. */
static void end(struct watcher *w)
{
	struct control_call *call = w->call;

	control_call_on_gone(call, NULL, NULL);
	list_remove(&w->link);
	free(w);
	control_reply(call, NULL);
}

static void on_gone(struct control_call *call, void *user)
{
	end(user);
}

void watchers_add(struct watchers *watchers, struct control_call *call)
{
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
	list_insert(&watchers->calls, &w->link);
	control_call_on_gone(call, on_gone, w);
	if (control_reply_more(call, state(watchers->core)))
		end(w);
}

void watchers_tell(struct watchers *watchers)
{
	list_for_each_safe(n, &watchers->calls) {
		struct watcher *w = list_entry(n, struct watcher, link);

		if (control_reply_more(w->call, state(watchers->core)))
			end(w);
	}
}

void watchers_init(struct watchers *watchers, const struct vgpu_core *core)
{
	watchers->core = core;
	list_init(&watchers->calls);
}

void watchers_release(struct watchers *watchers)
{
	list_for_each_safe(n, &watchers->calls)
		end(list_entry(n, struct watcher, link));
}
