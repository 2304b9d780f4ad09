/* SPDX-License-Identifier: MIT */
#include "definition.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <uuid/uuid.h>

#include "control/json.h"
#include "control/message.h"
#include "host.h"

#define MANAGER "io.vgpud.Manager."

bool definition_is_uuid(const char *text)
{
	uuid_t uuid;

	return strlen(text) == 36 && !uuid_parse(text, uuid);
}

int definition_text(const struct host *host, struct json_object *instance,
		    char *buf, size_t size)
{
	bool autostart = json_get_bool(instance, "autostart", false);
	struct json_object *obj = json_object_new_object(), *fake;
	char name[HOST_NAME_MAX] = "";
	const char *text;
	int n;

	/* A type by its parent and name: all that is asked of it here. */
	fake = json_object_new_object();
	json_set_string(&fake, "parent",
			json_get_string(instance, "parent", ""));
	json_set_string(&fake, "name", json_get_string(instance, "type", ""));
	host_type_name(host, fake, name);
	json_object_put(fake);
	json_set_string(&obj, "mdev_type", name);
	json_set_string(&obj, "start", autostart ? "auto" : "manual");
	json_set(&obj, "attrs", json_object_new_array());
	text = obj ? json_object_to_json_string_ext(
			     obj, JSON_C_TO_STRING_PRETTY |
					  JSON_C_TO_STRING_NOSLASHESCAPE)
		   : NULL;
	n = text ? snprintf(buf, size, "%s\n", text) : -ENOMEM;
	json_object_put(obj);
	return n;
}

/* Is this the beginning of a definition, as far as that can be seen? */
static bool is_partial(const char *text, size_t len)
{
	enum json_tokener_error result;
	struct json_tokener *tok = json_tokener_new();

	if (!tok)
		return false;
	json_object_put(json_tokener_parse_ex(tok, text, (int)len));
	result = json_tokener_get_error(tok);
	json_tokener_free(tok);
	return result == json_tokener_continue;
}

static int store(struct host *host, const char *parent, const char *uuid,
		 struct json_object *type, bool autostart)
{
	struct json_object *known = host_find_instance(host, uuid);
	const char *name = json_get_string(type, "name", "");
	struct json_object *params = json_object_new_object();

	json_set_bool(&params, "autostart", autostart);
	if (!known) {
		json_set_string(&params, "type", name);
		json_set_string(&params, "uuid", uuid);
		json_set_string(&params, "parent", parent);
		return host_change(host, MANAGER "Define", params);
	}
	json_set_string(&params, "name", uuid);
	if (strcmp(json_get_string(known, "type", ""), name))
		json_set_string(&params, "type", name);
	return host_change(host, MANAGER "Modify", params);
}

int definition_store(struct host *host, const char *parent, const char *uuid,
		     const char *text, size_t len)
{
	struct json_object *root = NULL, *type, *known;
	int err;

	if (len > DEFINITION_MAX)
		return -EFBIG;
	if (is_partial(text, len))
		return -EAGAIN;
	err = control_parse(text, len, &root);
	if (err)
		return err == -ENOMEM ? err : -EINVAL;
	err = host_refresh(host);
	known = err ? NULL : host_find_instance(host, uuid);
	type = err ? NULL
		   : host_find_type(host, parent,
				    json_get_string(root, "mdev_type", ""));
	if (!err && !type)
		err = -ENODEV;
	/* A UUID is unique over all parents, as the kernel's. */
	if (!err && known &&
	    (strcmp(json_get_string(known, "parent", ""), parent) ||
	     json_get_bool(known, "transient", false)))
		err = -EEXIST;
	if (!err && json_array_len(root, "attrs"))
		err = -EINVAL;
	if (!err)
		err = store(
			host, parent, uuid, type,
			!strcmp(json_get_string(root, "start", ""), "auto"));
	json_object_put(root);
	return err;
}
