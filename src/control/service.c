/* SPDX-License-Identifier: MIT */
#include "service.h"

#include <string.h>

#include "../util/bytes.h"
#include "json.h"
#include "server.h"

static void get_info(struct control_call *call, struct json_object *parameters,
		     void *user)
{
	struct control_server *server = user;
	const struct control_server_config *c =
		control_server_get_config(server);
	const struct control_interface_def *def;
	struct json_object *out = json_object_new_object();
	struct json_object *names = json_object_new_array();

	for (size_t i = 0; (def = control_server_interface(server, i)); i++)
		json_append(&names, json_object_new_string(def->name));
	json_set_string(&out, "vendor", c->vendor);
	json_set_string(&out, "product", c->product);
	json_set_string(&out, "version", c->version);
	json_set_string(&out, "url", c->url);
	json_set(&out, "interfaces", names);
	control_reply(call, out);
}

static void get_description(struct control_call *call,
			    struct json_object *parameters, void *user)
{
	struct control_server *server = user;
	const struct control_interface_def *def;
	const char *name = json_get_string(parameters, "interface", "");
	struct json_object *out = json_object_new_object();

	for (size_t i = 0; (def = control_server_interface(server, i)); i++)
		if (!strcmp(def->name, name))
			break;
	if (def) {
		json_set_string(&out, "description", def->text);
		control_reply(call, out);
	} else {
		json_set_string(&out, "interface", name);
		control_reply_error(call, CONTROL_ERR_NO_INTERFACE, out);
	}
}

int control_service_add(struct control_server *server)
{
	static const struct control_handler handlers[] = {
		{ "GetInfo", get_info },
		{ "GetInterfaceDescription", get_description },
	};

	return control_server_add(server, &control_def_org_varlink_service,
				  handlers, ARRAY_SIZE(handlers), server);
}
