/* SPDX-License-Identifier: MIT */
#include "devask.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "control/channel.h"
#include "control/json.h"
#include "control/message.h"
#include "devcall.h"
#include "util/cleanup.h"
#include "util/fds.h"

struct devask {
	int fd, passed;
	size_t n_passed;
	struct loop_source *io, *timer;
	devask_fn fn;
	void *user;
	size_t len;
	char text[4096]; /* answers are short */
};

void devask_cancel(struct devask *ask)
{
	if (!ask)
		return;
	loop_remove(ask->io);
	loop_remove(ask->timer);
	close_fd(ask->fd);
	close_fd(ask->passed);
	free(ask);
}

static void finish(struct devask *ask, int err, const char *message)
{
	int fd = err ? -1 : steal_fd(&ask->passed);
	devask_fn fn = ask->fn;
	void *user = ask->user;

	devask_cancel(ask);
	fn(err, err && !message ? strerror(-err) : message, fd, user);
}

static void answered(struct devask *ask, size_t len)
{
	struct json_object *root, *params;
	const char *error;
	char message[256];

	if (control_parse(ask->text, len, &root)) {
		finish(ask, -EBADMSG, NULL);
		return;
	}
	error = json_get_string(root, "error", NULL);
	params = json_member(root, "parameters");
	if (error)
		snprintf(message, sizeof(message), "%s",
			 json_get_string(params, "message", error));
	json_object_put(root);
	finish(ask, error ? -EREMOTEIO : 0, error ? message : NULL);
}

static void on_readable(struct loop_source *src, uint32_t events, void *user)
{
	struct devask *ask = user;
	ssize_t n = fds_receive(ask->fd, ask->text + ask->len,
				sizeof(ask->text) - ask->len, &ask->passed, 1,
				&ask->n_passed);
	char *end;

	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n <= 0) {
		finish(ask, n < 0 ? (int)n : -ECONNRESET, NULL);
		return;
	}
	end = memchr(ask->text + ask->len, 0, (size_t)n);
	ask->len += (size_t)n;
	if (end)
		answered(ask, (size_t)(end - ask->text));
	else if (ask->len == sizeof(ask->text))
		finish(ask, -EBADMSG, NULL);
}

static void on_timeout(struct loop_source *src, void *user)
{
	finish(user, -ETIMEDOUT, NULL);
}

int devask_start(struct loop *loop, const char *path, const char *method,
		 struct json_object *parameters, devask_fn fn, void *user,
		 struct devask **ret_ask)
{
	struct devask *ask = malloc(sizeof(*ask));
	int err;

	if (!ask) {
		json_object_put(parameters);
		return -ENOMEM;
	}
	*ask = (struct devask){ .passed = -1, .fn = fn, .user = user };
	ask->fd = devcall_send(path, method, parameters, false);
	err = ask->fd < 0 ? ask->fd : 0;
	if (!err)
		err = loop_add_fd(loop, ask->fd, EPOLLIN, on_readable, ask,
				  &ask->io);
	if (!err)
		err = loop_add_timer(loop, on_timeout, ask, &ask->timer);
	if (!err)
		err = loop_arm_timer(ask->timer, DEVASK_NS, 0);
	if (err) {
		devask_cancel(ask);
		return err;
	}
	*ret_ask = ask;
	return 0;
}
