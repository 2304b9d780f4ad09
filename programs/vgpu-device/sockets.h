/* SPDX-License-Identifier: MIT */
/* The sockets of vgpu-device: where the VMM and vgpuctl find it. */
#ifndef VGPU_DEVICE_SOCKETS_H
#define VGPU_DEVICE_SOCKETS_H

#include <stdbool.h>

#include "transport/listener.h"

struct options;

/* Is @fd a socket that is connected (and not listening)? */
bool socket_is_connected(int fd);

/* Listen for VMMs as the options say. Errors are logged with what to do.
 * Return: 0, or EXIT_SOCKET. */
int sockets_listen(struct loop *loop, const struct options *options,
		   listener_fn fn, void *user, struct listener **ret_listener);

/* Listen for vgpuctl; the owner alone may connect. */
int sockets_listen_control(struct loop *loop, const struct options *options,
			   listener_fn fn, void *user,
			   struct listener **ret_listener);

#endif
