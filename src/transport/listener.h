/* SPDX-License-Identifier: MIT */
/*
 * A listening UNIX socket: takes the place of a stale one, never of a live
 * one, and hands over connections.
 */
#ifndef TRANSPORT_LISTENER_H
#define TRANSPORT_LISTENER_H

#include <sys/types.h>

#include "../util/loop.h"

struct listener;

/**
 * struct listener_config - where and for whom
 * @path: socket path, or NULL with @fd
 * @fd: an inherited listening socket, or -1 with @path; owned from here on
 * @mode: permissions of the socket file; (mode_t)-1: as the umask leaves them
 * @gid: group of the socket file; (gid_t)-1: unchanged
 */
struct listener_config {
	const char *path;
	int fd;
	mode_t mode;
	gid_t gid;
};

/* @fd is a connected, non-blocking, close-on-exec socket: yours. */
typedef void (*listener_fn)(struct listener *listener, int fd, void *user);

/**
 * listener_new() - bind (or take over) and listen
 *
 * Return: 0; -EADDRINUSE: somebody listens there, and lives; -EEXIST: the
 * path is something else than a socket; -ENAMETOOLONG: sun_path's 107 bytes;
 * other errno of socket, bind, chmod, chown, listen.
 */
int listener_new(struct loop *loop, const struct listener_config *config,
		 listener_fn fn, void *user, struct listener **ret_listener);

/* Stops listening and removes the path, if it is still ours. NULL is fine. */
void listener_free(struct listener *listener);

#endif
