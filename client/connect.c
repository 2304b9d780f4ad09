/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "private.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "vfio-user/version.h"

/* Room for the server's VERSION: its JSON, and a little. */
#define VERSION_ROOM (sizeof(struct vfio_user_version) + 4096)

static int negotiate(struct vgpu_client *c)
{
	static const char json[] =
		"{\"capabilities\":{\"max_msg_fds\":16,"
		"\"max_data_xfer_size\":1048576,\"pgsizes\":4096,"
		"\"write_multiple\":true}}";
	const struct vfio_user_version ours = { VFIO_USER_MAJOR, 0 };
	struct vfio_user_caps theirs;
	uint8_t reply[VERSION_ROOM];
	struct client_call call = {
		.command = VFIO_USER_VERSION,
		.send = { &ours, json },
		.send_size = { sizeof(ours), sizeof(json) },
		.recv = { reply },
		.recv_room = { sizeof(reply) },
	};
	int err = client_call(c, &call);

	if (err)
		return err;
	while (call.n_recv_fds)
		close_fd(call.recv_fds[--call.n_recv_fds]);
	err = vfio_user_decode_version(reply, call.recv_size, &theirs);
	if (err)
		return client_fail(c, -EPROTO);
	c->max_xfer = (uint32_t)MIN(theirs.max_data_xfer_size,
				    (uint64_t)CLIENT_MAX_XFER);
	c->max_fds = theirs.max_msg_fds;
	return c->max_xfer && c->max_fds ? 0 : client_fail(c, -EPROTO);
}

int vgpu_client_attach(int fd, const struct vgpu_client_options *options,
		       struct vgpu_client **ret_client)
{
	struct vgpu_client *c = calloc(1, sizeof(*c));
	int err;

	if (!c) {
		close_fd(fd);
		return -ENOMEM;
	}
	pthread_mutex_init(&c->lock, NULL);
	c->fd = fd;
	for (unsigned i = 0; i < CLIENT_MAX_REGIONS; i++)
		c->regions[i].fd = -1;
	c->timeout_ms = options && options->timeout_ms ? options->timeout_ms :
							 CLIENT_TIMEOUT_MS;
	c->scratch = malloc(VFIO_USER_MAX_MSG_SIZE);
	err = c->scratch ? negotiate(c) : -ENOMEM;
	if (err) {
		vgpu_client_close(c);
		return err;
	}
	*ret_client = c;
	return 0;
}

int vgpu_client_connect(const char *path,
			const struct vgpu_client_options *options,
			struct vgpu_client **ret_client)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int err = -errno;

		close_fd(fd);
		return err;
	}
	return vgpu_client_attach(fd, options, ret_client);
}

void vgpu_client_close(struct vgpu_client *c)
{
	if (!c)
		return;
	close_fd(c->fd);
	client_free_regions(c);
	client_free_memory(c);
	free(c->scratch);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

int vgpu_client_reset(struct vgpu_client *c)
{
	struct client_call call = { .command = VFIO_USER_DEVICE_RESET };
	int err;

	pthread_mutex_lock(&c->lock);
	err = client_call(c, &call);
	pthread_mutex_unlock(&c->lock);
	return err;
}

int vgpu_client_fd(const struct vgpu_client *c)
{
	return c->fd;
}

int vgpu_client_serve(struct vgpu_client *c, int timeout_ms)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	int ret, served = 0;

	/* Waiting is done without the lock: others may call meanwhile. */
	if (timeout_ms && poll(&p, 1, timeout_ms) <= 0)
		return 0;
	do {
		pthread_mutex_lock(&c->lock);
		ret = client_serve_one(c, 0);
		pthread_mutex_unlock(&c->lock);
		served += ret > 0;
	} while (ret > 0);
	return ret < 0 ? ret : served;
}
