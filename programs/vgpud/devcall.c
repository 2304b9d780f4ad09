/* SPDX-License-Identifier: MIT */
#include "devcall.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "control/json.h"
#include "util/cleanup.h"

int devcall_send(const char *path, const char *method,
		 struct json_object *parameters, bool oneway)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct json_object *call = json_object_new_object();
	cleanup_fd int fd = -1;
	const char *text;
	int err = -ENOMEM;

	json_set_string(&call, "method", method);
	json_set(&call, "parameters", parameters);
	if (oneway)
		json_set_bool(&call, "oneway", true);
	text = call ? json_object_to_json_string(call) : NULL;
	if (!text)
		goto out;
	err = -ENAMETOOLONG;
	if (strlen(path) >= sizeof(addr.sun_path))
		goto out;
	memcpy(addr.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* An empty socket takes so short a message whole, or nothing. */
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    send(fd, text, strlen(text) + 1, MSG_NOSIGNAL) < 0)
		err = -errno;
	else
		err = steal_fd(&fd);
out:
	json_object_put(call);
	return err;
}

int devcall_oneway(const char *path, const char *method,
		   struct json_object *parameters)
{
	int fd = devcall_send(path, method, parameters, true);

	if (fd < 0)
		return fd;
	close_fd(fd);
	return 0;
}
