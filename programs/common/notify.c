/* SPDX-License-Identifier: MIT */
#include "notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "util/cleanup.h"
#include "util/log.h"

/* A socket, connected to the manager. */
static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	cleanup_fd int fd = -1;

	if (len >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, len);
	if (path[0] == '@') /* the abstract namespace */
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) <
	    0)
		return -errno;
	return steal_fd(&fd);
}

static const char *manager_path(void)
{
	const char *path = getenv("NOTIFY_SOCKET");

	return path && *path ? path : NULL;
}

static int send_to(int fd, const char *state)
{
	return send(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT) < 0
		       ? -errno
		       : 0;
}

int notify_open(void)
{
	const char *path = manager_path();
	int fd = path ? connect_to(path) : -1;

	return fd < 0 ? -1 : fd;
}

void notify_send(int fd, const char *state)
{
	/* A manager that came again has a new socket at the old place. */
	if (fd < 0 || send_to(fd, state))
		notify_manager(state);
}

void notify_manager(const char *state)
{
	const char *path = manager_path();
	cleanup_fd int fd = -1;
	int err;

	if (!path)
		return;
	fd = connect_to(path);
	err = fd < 0 ? fd : send_to(fd, state);
	if (err)
		log_warning(NULL,
			    "cannot tell the service manager '%s' on "
			    "NOTIFY_SOCKET=%s: %s",
			    state, path, strerror(-err));
}

void notify_ready(int fd, const char *status)
{
	char text[512];

	snprintf(text, sizeof(text), "READY=1%s%s", *status ? "\nSTATUS=" : "",
		 status);
	notify_send(fd, text);
}
