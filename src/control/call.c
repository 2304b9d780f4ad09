/* SPDX-License-Identifier: MIT */
/* Answering calls, and what handlers may know of them. */
#include "call.h"

#include <errno.h>
#include <stdlib.h>

#include "../util/cleanup.h"
#include "json.h"

static void call_free(struct control_call *call)
{
	control_request_release(&call->request);
	free(call);
}

/* The call is answered. */
static void call_done(struct control_call *call)
{
	if (call->client) {
		call->client->call = NULL;
		channel_resume(call->client->channel);
	}
	call_free(call);
}

static void close_fds(const int *fds, size_t n_fds)
{
	for (size_t i = 0; i < n_fds; i++)
		close_fd(fds[i]);
}

/* Takes text and fds, ends the call. */
static void finish(struct control_call *call, char *text, size_t len,
		   const int *fds, size_t n_fds)
{
	int err;

	if (!call->client || call->request.oneway) {
		close_fds(fds, n_fds);
		free(text);
	} else {
		struct channel *ch = call->client->channel;

		err = channel_send(ch, text, len, fds, n_fds);
		if (err)
			channel_shutdown(ch, err);
	}
	call_done(call);
}

static void reply(struct control_call *call, struct json_object *parameters,
		  const char *error, const int *fds, size_t n_fds)
{
	int err = -ENOMEM;
	char *text;
	size_t len;

	if (parameters || error)
		err = control_format_reply(parameters, error, false, &text,
					   &len);
	json_object_put(parameters);
	if (!err) {
		finish(call, text, len, fds, n_fds);
		return;
	}
	close_fds(fds, n_fds);
	if (call->client)
		channel_shutdown(call->client->channel, err);
	call_done(call);
}

void control_reply(struct control_call *call, struct json_object *parameters)
{
	reply(call, parameters, NULL, NULL, 0);
}

void control_reply_fds(struct control_call *call,
		       struct json_object *parameters, const int *fds,
		       size_t n_fds)
{
	reply(call, parameters, NULL, fds, n_fds);
}

void control_reply_text(struct control_call *call, char *text, size_t len)
{
	finish(call, text, len, NULL, 0);
}

void control_reply_error(struct control_call *call, const char *error,
			 struct json_object *parameters)
{
	reply(call, parameters, error, NULL, 0);
}

struct json_object *control_one_string(const char *key, const char *value)
{
	struct json_object *obj = json_object_new_object();

	json_set_string(&obj, key, value);
	return obj;
}

void control_reply_invalid(struct control_call *call, const char *parameter)
{
	control_reply_error(call, CONTROL_ERR_INVALID,
			    control_one_string("parameter", parameter));
}

int control_reply_more(struct control_call *call,
		       struct json_object *parameters)
{
	struct channel *ch;
	int err = -EPIPE;
	char *text;
	size_t len;

	if (!call->client)
		goto out;
	err = -ENOMEM;
	if (!parameters)
		goto out;
	err = -ENOBUFS;
	ch = call->client->channel;
	if (channel_queued(ch) > CONTROL_MAX_STREAM)
		goto out;
	err = control_format_reply(parameters, NULL, true, &text, &len);
	if (!err)
		err = channel_send(ch, text, len, NULL, 0);
out:
	json_object_put(parameters);
	return err;
}

bool control_call_wants_more(const struct control_call *call)
{
	return call->request.more;
}

bool control_call_alive(const struct control_call *call)
{
	return call->client;
}

void control_call_on_gone(struct control_call *call,
			  void (*fn)(struct control_call *call, void *user),
			  void *user)
{
	call->gone = fn;
	call->gone_user = user;
}

const struct ucred *control_call_peer(const struct control_call *call)
{
	return &call->peer;
}

bool control_call_peer_in_group(const struct control_call *call, gid_t gid)
{
	if (call->peer.gid == gid)
		return true;
	return call->client && channel_peer_in_group(call->client->channel, gid);
}
