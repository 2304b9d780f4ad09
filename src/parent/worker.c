/* SPDX-License-Identifier: MIT */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "../device/device.h"
#include "../util/cleanup.h"
#include "../util/log.h"
#include "link.h"
#include "worker-private.h"

static int on_message(struct link *link, const struct wire_header *header,
		      const void *payload, size_t len, void *user)
{
	struct parent_worker *w = user;

	(void)link;
	if (header->kind != WIRE_MESSAGE || !len)
		return -EPROTO;
	if (w->core && w->core->ops.parent_message)
		w->core->ops.parent_message(w->core->dev, payload, len);
	return 0;
}

static void on_broken(struct link *link, int err, void *user)
{
	struct parent_worker *w = user;

	(void)link;
	if (!w->core)
		return;
	log_error(w->core->name, "the parent is gone: %s",
		  err == -ENOTCONN ? "vgpu-parent has ended, or has refused to "
				     "work for this vGPU"
				   : strerror(-err));
	if (w->core->ops.parent_gone)
		w->core->ops.parent_gone(w->core->dev);
	if (w->gone)
		w->gone(w->user);
}

static const struct link_ops link_ops = { on_message, on_broken };

static int connect_to(const char *path, int *ret_fd)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	cleanup_fd int fd = -1;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int say_hello(int fd, const struct parent_worker_config *c,
		     int *ret_calls)
{
	struct wire_hello hello = { .version = WIRE_VERSION,
				    .weight = (uint16_t)c->weight,
				    .cap = (uint16_t)c->cap };
	struct wire_welcome welcome;
	struct wire_header h;
	cleanup_fd int calls = -1;
	int n;

	if (strlen(c->type) >= sizeof(hello.type))
		return -EINVAL;
	memcpy(hello.uuid, c->uuid, sizeof(hello.uuid));
	memcpy(hello.type, c->type, strlen(c->type));
	n = wire_send(fd, WIRE_HELLO, 0, &hello, sizeof(hello), -1);
	if (n)
		return n;
	n = wire_receive(fd, WORKER_PATIENCE_MS, &h, &welcome, sizeof(welcome),
			 &calls);
	if (n < 0)
		return n;
	if (h.kind != WIRE_WELCOME || n != sizeof(welcome))
		return -EPROTO;
	if (welcome.err)
		return -(int)(welcome.err & 4095u);
	if (calls < 0)
		return -EPROTO;
	*ret_calls = steal_fd(&calls);
	return 0;
}

int parent_worker_connect(const struct parent_worker_config *c,
			  struct parent_worker **ret_worker)
{
	struct parent_worker *w;
	cleanup_fd int fd = c->path ? -1 : c->fd;
	int calls = -1, err = c->path ? connect_to(c->path, &fd) : 0;

	if (!err)
		err = say_hello(fd, c, &calls);
	if (err)
		return err;
	w = calloc(1, sizeof(*w));
	if (!w) {
		close_fd(calls);
		return -ENOMEM;
	}
	err = iommu_remote_init(&w->remote, calls);
	if (!err && fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		err = -errno;
	if (!err)
		err = link_new(c->loop, steal_fd(&fd), &link_ops, w, &w->link);
	if (err) {
		iommu_remote_fini(&w->remote);
		free(w);
		return err;
	}
	*ret_worker = w;
	return 0;
}

struct vgpu_iommu *parent_worker_iommu(struct parent_worker *worker)
{
	return &worker->remote.iommu;
}

void parent_worker_attach(struct parent_worker *worker, struct vgpu_core *core,
			  void (*gone)(void *user), void *user)
{
	worker->core = core;
	worker->gone = gone;
	worker->user = user;
}

void parent_worker_free(struct parent_worker *worker)
{
	if (!worker)
		return;
	link_free(worker->link);
	iommu_remote_fini(&worker->remote);
	free(worker);
}

int vgpu_parent_send(struct vgpu_device *dev, const void *msg, size_t len)
{
	struct parent_worker *w = dev->core->parent;

	if (!len || len > VGPU_PARENT_MAX_MESSAGE)
		return -EINVAL;
	if (!w)
		return -ENODEV;
	return link_send(w->link, WIRE_MESSAGE, 0, msg, len, -1);
}
