/* SPDX-License-Identifier: MIT */
#include "devwatch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "control/channel.h"
#include "control/json.h"
#include "control/message.h"
#include "util/cleanup.h"

struct devwatch {
	struct channel *channel;
	struct channel_budget budget;
	struct ucred peer;
	const struct devwatch_kind *kind;
	const struct devwatch_ops *ops;
	void *user;
};

pid_t devwatch_peer(const struct devwatch *watch)
{
	return watch->peer.pid;
}

void devwatch_free(struct devwatch *watch)
{
	if (!watch)
		return;
	channel_free(watch->channel);
	free(watch);
}

static void on_message(struct channel *ch, char *text, size_t len, void *user)
{
	struct devwatch *watch = user;
	struct json_object *root, *params, *client;

	/* An instance's process may have been taken over: it is heard as
	 * anybody's would be. */
	if (control_parse(text, len, &root)) {
		channel_shutdown(ch, -EBADMSG);
		return;
	}
	params = json_member(root, "parameters");
	if (json_member(root, "error") || !params) {
		json_object_put(root);
		channel_shutdown(ch, -EBADMSG);
		return;
	}
	client = json_member(params, "client");
	watch->ops->state(watch,
			  json_get_string(params, watch->kind->identity, ""),
			  (pid_t)json_get_int(client, "pid", 0),
			  (uid_t)json_get_int(client, "uid", 0), watch->user);
	json_object_put(root);
}

static void on_closed(struct channel *ch, int err, void *user)
{
	struct devwatch *watch = user;

	watch->ops->closed(watch, watch->user);
}

int devwatch_new(struct loop *loop, const char *path,
		 const struct devwatch_kind *kind,
		 const struct devwatch_ops *ops, void *user,
		 struct devwatch **ret_watch)
{
	static const struct channel_ops channel_ops = { on_message, on_closed };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	cleanup_fd int fd = -1;
	struct devwatch *watch;
	size_t len;
	char *text;
	int err;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return -ENOMEM;
	watch->budget.max = CONTROL_MAX_REQUEST;
	watch->kind = kind;
	watch->ops = ops;
	watch->user = user;
	err = channel_new(loop, steal_fd(&fd), &watch->budget, &channel_ops,
			  watch, &watch->channel);
	if (!err)
		err = channel_peer(watch->channel, &watch->peer);
	if (!err)
		err = control_format_call(kind->method, NULL, true, &text,
					  &len);
	if (!err)
		err = channel_send(watch->channel, text, len, NULL, 0);
	if (err) {
		devwatch_free(watch);
		return err;
	}
	*ret_watch = watch;
	return 0;
}
