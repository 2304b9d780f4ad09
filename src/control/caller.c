/* SPDX-License-Identifier: MIT */
#include "caller.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/un.h>

#include "../util/cleanup.h"
#include "json.h"
#include "message.h"

struct control_caller {
	struct channel *channel; /* NULL: it has failed */
	struct channel_budget budget;
	struct loop_source *timer;
	control_answer_fn fn; /* NULL: no call is under way */
	void *user;
	bool *freed; /* set by control_caller_free() inside fn() */
};

void control_result_release(struct control_result *result)
{
	for (size_t i = 0; i < result->n_fds; i++)
		close_fd(result->fds[i]);
	json_object_put(result->parameters);
	free(result->error);
	*result = (struct control_result){ 0 };
}

void control_caller_free(struct control_caller *caller)
{
	if (!caller)
		return;
	if (caller->freed)
		*caller->freed = true;
	channel_free(caller->channel);
	loop_remove(caller->timer);
	free(caller);
}

int control_connect(const char *path, int patience_ms)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = patience_ms / 1000,
				    .tv_usec = patience_ms % 1000 * 1000 };
	cleanup_fd int fd = -1;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX,
		    SOCK_STREAM | SOCK_CLOEXEC |
			    (patience_ms ? 0 : SOCK_NONBLOCK),
		    0);
	if (fd < 0)
		return -errno;
	/* Waits while the backlog is full, then says EAGAIN. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
		       sizeof(patience)) < 0 ||
	    connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* The connection is of no use any more. */
static void fail(struct control_caller *caller, int err)
{
	control_answer_fn fn = caller->fn;

	caller->fn = NULL;
	loop_arm_timer(caller->timer, 0, 0);
	channel_free(caller->channel);
	caller->channel = NULL;
	if (fn)
		fn(err, NULL, caller->user);
}

static void on_timeout(struct loop_source *src, void *user)
{
	fail(user, -ETIMEDOUT);
}

static int read_reply(struct channel *ch, const char *text, size_t len,
		      struct control_result *ret_result)
{
	struct control_result res = { 0 };
	struct json_object *root, *params;
	const char *error;
	int err = control_parse(text, len, &root);

	if (err)
		return err == -ENOMEM ? err : -EBADMSG;
	err = -EBADMSG;
	params = json_member(root, "parameters");
	if (params && !json_object_is_type(params, json_type_object))
		goto out;
	error = json_get_string(root, "error", NULL);
	if (!error && json_member(root, "error"))
		goto out;
	err = -ENOMEM;
	res.parameters = params ? json_object_get(params)
				: json_object_new_object();
	res.error = error ? strdup(error) : NULL;
	if (!res.parameters || (error && !res.error)) {
		control_result_release(&res);
		goto out;
	}
	res.continues = json_get_bool(root, "continues", false);
	res.n_fds = channel_take_fds(ch, res.fds);
	*ret_result = res;
	err = 0;
out:
	json_object_put(root);
	return err;
}

static void on_message(struct channel *ch, char *text, size_t len, void *user)
{
	struct control_caller *caller = user;
	control_answer_fn fn = caller->fn;
	struct control_result res = { 0 };
	bool freed = false;
	int err = fn ? read_reply(ch, text, len, &res) : -EBADMSG;

	if (err) {
		fail(caller, err);
		return;
	}
	if (!res.continues)
		caller->fn = NULL;
	loop_arm_timer(caller->timer, 0, 0);
	caller->freed = &freed;
	fn(0, &res, caller->user);
	if (!freed)
		caller->freed = NULL;
	control_result_release(&res);
}

static void on_closed(struct channel *ch, int err, void *user)
{
	fail(user, err ? err : -ECONNRESET);
}

int control_caller_new(struct loop *loop, int fd, size_t max_reply,
		       size_t max_fds, struct control_caller **ret_caller)
{
	static const struct channel_ops ops = { on_message, on_closed };
	struct control_caller *caller;
	int err;

	if (fd < 0)
		return fd;
	caller = calloc(1, sizeof(*caller));
	if (!caller) {
		close_fd(fd);
		return -ENOMEM;
	}
	caller->budget.max = CONTROL_MAX_QUEUED;
	err = channel_new(loop, fd, &caller->budget, &ops, caller,
			  &caller->channel);
	if (!err)
		err = loop_add_timer(loop, on_timeout, caller, &caller->timer);
	if (err) {
		control_caller_free(caller);
		return err;
	}
	channel_ask(caller->channel, max_reply, max_fds);
	*ret_caller = caller;
	return 0;
}

int control_caller_call(struct control_caller *caller, const char *method,
			struct json_object *parameters, bool more,
			uint64_t timeout_ns, control_answer_fn fn, void *user)
{
	char *text;
	size_t len;
	int err;

	if (caller->fn)
		return -EBUSY;
	if (!caller->channel)
		return -ECONNRESET;
	err = control_format_call(method, parameters,
				  more ? CONTROL_MORE : CONTROL_ONE, &text,
				  &len);
	if (!err)
		err = channel_send(caller->channel, text, len, NULL, 0);
	if (!err)
		err = loop_arm_timer(caller->timer, timeout_ns, 0);
	if (err)
		return err;
	caller->fn = fn;
	caller->user = user;
	return 0;
}

void control_caller_pause(struct control_caller *caller)
{
	if (caller->channel)
		channel_pause(caller->channel);
}

void control_caller_resume(struct control_caller *caller)
{
	if (caller->channel)
		channel_resume(caller->channel);
}

int control_caller_peer(const struct control_caller *caller,
			struct ucred *ret_cred)
{
	return channel_peer(caller->channel, ret_cred);
}

int control_ask(struct loop *loop, const char *path, const char *method,
		struct json_object *parameters, bool more, uint64_t timeout_ns,
		control_answer_fn fn, void *user,
		struct control_caller **ret_caller)
{
	struct control_caller *caller = NULL;
	int err = control_caller_new(loop, control_connect(path, 0),
				     CONTROL_MAX_REQUEST,
				     more ? 0 : CONTROL_MAX_FDS, &caller);

	if (!err)
		err = control_caller_call(caller, method, parameters, more,
					  timeout_ns, fn, user);
	json_object_put(parameters);
	if (err)
		control_caller_free(caller);
	else
		*ret_caller = caller;
	return err;
}

const char *control_answer_problem(int err, const struct control_result *result)
{
	if (err)
		return strerror(-err);
	return result->error ? json_get_string(result->parameters, "message",
					       result->error)
			     : NULL;
}

int control_tell(const char *path, const char *method,
		 struct json_object *parameters)
{
	cleanup_fd int fd = control_connect(path, 0);
	cleanup_free char *text = NULL;
	int err = fd < 0 ? fd : 0;
	size_t len;

	if (!err)
		err = control_format_call(method, parameters, CONTROL_ONEWAY,
					  &text, &len);
	json_object_put(parameters);
	/* An empty socket takes so short a message whole, or nothing. */
	if (!err && send(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		err = -errno;
	return err;
}
