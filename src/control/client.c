/* SPDX-License-Identifier: MIT */
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "../util/cleanup.h"
#include "../util/fds.h"
#include "../util/loop.h"
#include "json.h"
#include "message.h"

#define RX_STEP (64u << 10) /* the buffer grows from here, doubling */

struct control_client {
	int fd;
	int timeout_ms; /* of a call */
	char *rx;
	size_t rx_len, rx_size;
	size_t rx_scanned; /* no NUL before this */
	int fds[CONTROL_MAX_FDS];
	size_t n_fds;
};

void control_result_release(struct control_result *result)
{
	for (size_t i = 0; i < result->n_fds; i++)
		close_fd(result->fds[i]);
	json_object_put(result->parameters);
	free(result->error);
	*result = (struct control_result){ 0 };
}

void control_client_free(struct control_client *client)
{
	if (!client)
		return;
	for (size_t i = 0; i < client->n_fds; i++)
		close_fd(client->fds[i]);
	close_fd(client->fd);
	free(client->rx);
	free(client);
}

int control_client_connect(const char *path, int timeout_ms,
			   struct control_client **ret_client)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval patience = {
		.tv_sec = timeout_ms / 1000,
		.tv_usec = timeout_ms % 1000 * 1000,
	};
	struct control_client *client;
	cleanup_fd int fd = -1;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* Waits while the backlog is full, then says EAGAIN. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
		       sizeof(patience)) < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	client->fd = steal_fd(&fd);
	client->timeout_ms = timeout_ms;
	*ret_client = client;
	return 0;
}

/* Wait until @deadline (0: for ever) for an event. */
static int wait_for(int fd, short events, uint64_t deadline)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	for (;;) {
		uint64_t now = loop_now_ns();
		int ms = -1, n;

		if (deadline)
			ms = now < deadline
				     ? (int)((deadline - now) / 1000000 + 1)
				     : 0;
		n = poll(&pfd, 1, ms);
		if (n > 0)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

static int send_all(struct control_client *client, const char *text, size_t len,
		    uint64_t deadline)
{
	while (len) {
		ssize_t n = send(client->fd, text, len,
				 MSG_NOSIGNAL | MSG_DONTWAIT);
		int err;

		if (n >= 0) {
			text += n;
			len -= (size_t)n;
			continue;
		}
		/* It hung up: what it said before may still be read. */
		if (errno == EPIPE)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		err = wait_for(client->fd, POLLOUT, deadline);
		if (err)
			return err;
	}
	return 0;
}

static int receive(struct control_client *client)
{
	ssize_t n;

	if (client->rx_len == client->rx_size) {
		size_t size = client->rx_size ? client->rx_size * 2 : RX_STEP;
		char *rx;

		if (size > CONTROL_MAX_REPLY)
			return -EMSGSIZE;
		rx = realloc(client->rx, size);
		if (!rx)
			return -ENOMEM;
		client->rx = rx;
		client->rx_size = size;
	}
	n = fds_receive(client->fd, client->rx + client->rx_len,
			client->rx_size - client->rx_len, client->fds,
			CONTROL_MAX_FDS, &client->n_fds);
	if (n < 0)
		return n == -EAGAIN || n == -EINTR ? 0 : (int)n;
	if (n == 0)
		return -ECONNRESET;
	client->rx_len += (size_t)n;
	return 0;
}

/* Turn the first @len bytes into a result, and drop them and their NUL. */
static int take_reply(struct control_client *client, size_t len,
		      struct control_result *ret_result)
{
	struct control_result res = { 0 };
	struct json_object *root, *params;
	const char *error;
	int err;

	err = control_parse(client->rx, len, &root);
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
	res.n_fds = client->n_fds;
	memcpy(res.fds, client->fds, sizeof(res.fds));
	client->n_fds = 0;
	client->rx_len -= len + 1;
	client->rx_scanned = 0;
	memmove(client->rx, client->rx + len + 1, client->rx_len);
	*ret_result = res;
	err = 0;
out:
	json_object_put(root);
	return err;
}

static int wait_reply(struct control_client *client, uint64_t deadline,
		      struct control_result *ret_result)
{
	for (;;) {
		const char *nul = NULL;
		int err;

		if (client->rx_len > client->rx_scanned)
			nul = memchr(client->rx + client->rx_scanned, '\0',
				     client->rx_len - client->rx_scanned);
		if (nul)
			return take_reply(client, (size_t)(nul - client->rx),
					  ret_result);
		client->rx_scanned = client->rx_len;
		err = wait_for(client->fd, POLLIN, deadline);
		if (!err)
			err = receive(client);
		if (err)
			return err;
	}
}

static uint64_t deadline_in(int timeout_ms)
{
	return timeout_ms < 0
		       ? 0
		       : loop_now_ns() + (uint64_t)timeout_ms * 1000000 + 1;
}

int control_client_call(struct control_client *client, const char *method,
			struct json_object *parameters, bool more,
			struct control_result *ret_result)
{
	uint64_t deadline = deadline_in(client->timeout_ms);
	cleanup_free char *text = NULL;
	size_t len;
	int err;

	err = control_format_call(method, parameters, more, &text, &len);
	if (!err)
		err = send_all(client, text, len, deadline);
	if (!err)
		err = wait_reply(client, deadline, ret_result);
	return err;
}

int control_client_next(struct control_client *client, int timeout_ms,
			struct control_result *ret_result)
{
	return wait_reply(client, deadline_in(timeout_ms), ret_result);
}

int control_call(const char *path, const char *method,
		 struct json_object *parameters, int timeout_ms,
		 struct control_result *ret_result)
{
	struct control_client *client;
	int err = control_client_connect(path, timeout_ms, &client);

	if (err)
		return err;
	err = control_client_call(client, method, parameters, false,
				  ret_result);
	control_client_free(client);
	return err;
}
