/* SPDX-License-Identifier: MIT */
#include "server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../util/cleanup.h"
#include "../util/list.h"
#include "../util/log.h"
#include "call.h"
#include "json.h"
#include "service.h"

struct served {
	struct list link;
	const struct control_interface_def *def;
	const struct control_handler *handlers;
	size_t n_handlers;
	void *user;
};

struct control_server {
	struct loop *loop;
	struct control_server_config config;
	struct list interfaces;
	struct list clients; /* who was heard longest ago comes first */
	unsigned n_clients;
	struct channel_budget budget;
	struct log_limit limit;
};

/* ---- clients -------------------------------------------------------- */

static void client_free(struct client *client)
{
	struct control_call *call = client->call;

	list_remove(&client->link);
	client->server->n_clients--;
	channel_free(client->channel);
	if (call) {
		call->client = NULL;
		if (call->gone)
			call->gone(call, call->gone_user);
	}
	free(client);
}

static const char *why_closed(int err)
{
	switch (err) {
	case -EMSGSIZE:
		return "it sent a message longer than the limit";
	case -ETIMEDOUT:
		return "it did not read its replies";
	case -EBADMSG:
		return "it sent something that is no varlink call";
	case -E2BIG:
		return "it sent JSON nested deeper than the limit";
	default:
		return strerror(-err);
	}
}

static void on_closed(struct channel *ch, int err, void *user)
{
	struct client *client = user;

	/* Leaving without waiting for the answer is the client's right. */
	if (err && err != -EPIPE && err != -ECONNRESET &&
	    log_allowed(&client->server->limit, NULL))
		log_warning(
			NULL,
			"control: closed the connection of pid %d (uid %u): %s",
			(int)client->peer.pid, (unsigned)client->peer.uid,
			why_closed(err));
	client_free(client);
}

/* ---- dispatch ------------------------------------------------------- */

static struct served *find_served(struct control_server *server,
				  const char *name, size_t len)
{
	list_for_each(n, &server->interfaces) {
		struct served *s = list_entry(n, struct served, link);

		if (strlen(s->def->name) == len &&
		    !memcmp(s->def->name, name, len))
			return s;
	}
	return NULL;
}

static const struct control_method_def *
find_method(const struct control_interface_def *def, const char *name)
{
	for (size_t i = 0; i < def->n_methods; i++)
		if (!strcmp(def->methods[i].name, name))
			return &def->methods[i];
	return NULL;
}

static control_handler_fn find_handler(const struct served *served,
				       const char *name)
{
	for (size_t i = 0; i < served->n_handlers; i++)
		if (!strcmp(served->handlers[i].method, name))
			return served->handlers[i].fn;
	return NULL;
}

static void dispatch(struct control_server *server, struct control_call *call)
{
	const char *full = call->request.method;
	const char *dot = strrchr(full, '.');
	const struct control_method_def *method;
	const struct served *served;
	control_handler_fn fn;
	const char *bad;

	served = dot ? find_served(server, full, (size_t)(dot - full)) : NULL;
	if (!served) {
		char name[CONTROL_MAX_METHOD + 1];
		size_t len = dot ? (size_t)(dot - full) : strlen(full);

		memcpy(name, full, len); /* it was measured when parsed */
		name[len] = '\0';
		control_reply_error(call, CONTROL_ERR_NO_INTERFACE,
				    control_one_string("interface", name));
		return;
	}
	method = find_method(served->def, dot + 1);
	if (!method) {
		control_reply_error(call, CONTROL_ERR_NO_METHOD,
				    control_one_string("method", full));
		return;
	}
	fn = find_handler(served, method->name);
	if (!fn) {
		control_reply_error(call, CONTROL_ERR_NOT_IMPL,
				    control_one_string("method", full));
		return;
	}
	if (call->request.upgrade) { /* no method changes the protocol */
		control_reply_invalid(call, "upgrade");
		return;
	}
	bad = control_check_inputs(method, call->request.parameters);
	if (bad) {
		control_reply_invalid(call, bad);
		return;
	}
	fn(call, call->request.parameters, served->user);
}

static void on_message(struct channel *ch, char *text, size_t len, void *user)
{
	struct client *client = user;
	struct control_server *server = client->server;
	struct control_call *call = calloc(1, sizeof(*call));
	int err = -ENOMEM;

	if (call)
		err = control_parse_request(text, len, &call->request);
	if (err) {
		free(call);
		channel_shutdown(ch, err);
		return;
	}
	list_remove(&client->link);
	list_insert(&server->clients, &client->link);
	call->client = client;
	call->peer = client->peer;
	client->call = call;
	channel_pause(ch);
	dispatch(server, call);
}

/* ---- the server ----------------------------------------------------- */

static bool is_idle(const struct client *client)
{
	return !client->call && !channel_queued(client->channel);
}

/* Make room for one more client. */
static int make_room(struct control_server *server)
{
	if (server->n_clients < CONTROL_MAX_CLIENTS)
		return 0;
	list_for_each(n, &server->clients) {
		struct client *client = list_entry(n, struct client, link);

		if (is_idle(client)) {
			client_free(client);
			return 0;
		}
	}
	return -EUSERS;
}

int control_server_accept(struct control_server *server, int fd)
{
	static const struct channel_ops ops = { on_message, on_closed };
	struct client *client;
	int err = make_room(server);

	if (err) {
		if (log_allowed(&server->limit, NULL))
			log_warning(NULL,
				    "control: refused a connection: all of %d "
				    "are busy",
				    CONTROL_MAX_CLIENTS);
		close_fd(fd);
		return err;
	}
	client = calloc(1, sizeof(*client));
	if (!client) {
		close_fd(fd);
		return -ENOMEM;
	}
	client->server = server;
	err = channel_new(server->loop, fd, &server->budget, &ops, client,
			  &client->channel);
	if (err) {
		free(client);
		return err;
	}
	list_insert(&server->clients, &client->link);
	server->n_clients++;
	err = channel_peer(client->channel, &client->peer);
	if (err)
		client_free(client);
	return err;
}

int control_server_add(struct control_server *server,
		       const struct control_interface_def *def,
		       const struct control_handler *handlers,
		       size_t n_handlers, void *user)
{
	struct served *served;

	if (find_served(server, def->name, strlen(def->name)))
		return -EEXIST;
	for (size_t i = 0; i < n_handlers; i++)
		if (!find_method(def, handlers[i].method))
			return -EINVAL;
	served = calloc(1, sizeof(*served));
	if (!served)
		return -ENOMEM;
	served->def = def;
	served->handlers = handlers;
	served->n_handlers = n_handlers;
	served->user = user;
	list_insert(&server->interfaces, &served->link);
	return 0;
}

const struct control_server_config *
control_server_get_config(const struct control_server *server)
{
	return &server->config;
}

const struct control_interface_def *
control_server_interface(const struct control_server *server, size_t index)
{
	list_for_each(n, (struct list *)&server->interfaces)
		if (!index--)
			return list_entry(n, struct served, link)->def;
	return NULL;
}

int control_server_new(struct loop *loop,
		       const struct control_server_config *config,
		       struct control_server **ret_server)
{
	struct control_server *server = calloc(1, sizeof(*server));
	int err;

	if (!server)
		return -ENOMEM;
	server->loop = loop;
	server->config = *config;
	server->budget.max = CONTROL_MAX_QUEUED;
	list_init(&server->interfaces);
	list_init(&server->clients);
	err = control_service_add(server);
	if (err) {
		control_server_free(server);
		return err;
	}
	*ret_server = server;
	return 0;
}

void control_server_free(struct control_server *server)
{
	if (!server)
		return;
	list_for_each_safe(n, &server->clients)
		client_free(list_entry(n, struct client, link));
	list_for_each_safe(m, &server->interfaces) {
		list_remove(m);
		free(list_entry(m, struct served, link));
	}
	free(server);
}
