/* SPDX-License-Identifier: MIT */
#include "sockets.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "options.h"
#include "util/log.h"

#define CONTROL_MODE 0600

bool socket_is_connected(int fd)
{
	int listening;
	socklen_t len = sizeof(listening);

	/* What is no socket at all is refused where it is used. */
	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) ==
		       0 &&
	       !listening;
}

static const char *advice(int err)
{
	switch (err) {
	case -EADDRINUSE:
		return "somebody listens there already, perhaps another "
		       "vgpu-device: stop it, or choose another path";
	case -EEXIST:
		return "what is there is not a socket, so it is left alone: "
		       "remove it, or choose another path";
	case -ENAMETOOLONG:
		return "the path of a socket has 107 bytes at most: choose a "
		       "shorter one";
	case -ENOENT:
		return "its directory does not exist: make it first";
	case -ENOTDIR:
		return "a part of the path is not a directory";
	case -EACCES:
		return "no permission to make a file there: choose a directory "
		       "that is yours, such as $XDG_RUNTIME_DIR";
	case -EPERM:
		return "no permission to give the socket to that group: be a "
		       "member of it, or root";
	case -EROFS:
		return "the file system is read-only: choose another path";
	default:
		return strerror(-err);
	}
}

static int listen_at(struct loop *loop, const char *option,
		     const struct listener_config *config, listener_fn fn,
		     void *user, struct listener **ret_listener)
{
	int err = listener_new(loop, config, fn, user, ret_listener);

	if (!err)
		return 0;
	if (config->path)
		log_error(NULL, "cannot make the socket of %s %s: %s", option,
			  config->path, advice(err));
	else
		log_error(NULL,
			  "%s %d: not a UNIX stream socket that listens "
			  "or is connected (%s)",
			  option, config->fd, strerror(-err));
	return EXIT_SOCKET;
}

int sockets_listen(struct loop *loop, const struct options *options,
		   listener_fn fn, void *user, struct listener **ret_listener)
{
	const struct listener_config config = {
		.path = options->socket_path,
		.fd = options->fd,
		.mode = options->socket_mode,
		.gid = options->socket_gid,
	};

	return listen_at(loop, config.path ? "--socket-path" : "--fd", &config,
			 fn, user, ret_listener);
}

int sockets_listen_control(struct loop *loop, const struct options *options,
			   listener_fn fn, void *user,
			   struct listener **ret_listener)
{
	const struct listener_config config = {
		.path = options->control_path,
		.fd = -1,
		.mode = CONTROL_MODE,
		.gid = (gid_t)-1,
	};

	return listen_at(loop, "--control-path", &config, fn, user,
			 ret_listener);
}
