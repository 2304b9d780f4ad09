/* SPDX-License-Identifier: MIT */
#include "uplink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "../device/device.h"
#include "../link/bell.h"
#include "../link/link.h"
#include "../link/shared.h"
#include "../util/cleanup.h"
#include "../util/log.h"
#include "private.h"

static int on_message(struct link *link, const struct wire_header *header,
		      const void *payload, size_t len, void *user)
{
	struct uplink *w = user;

	if (header->kind != WIRE_MESSAGE || !len)
		return -EPROTO;
	if (w->core && w->core->ops.parent_message)
		w->core->ops.parent_message(w->core->dev, payload, len);
	return 0;
}

static void on_broken(struct link *link, int err, void *user)
{
	struct uplink *w = user;

	/* It closes this one last. */
	if (err == -ENOTCONN || err == -ECONNRESET)
		iommu_remote_lost(&w->remote);
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

static const struct link_ops link_ops = { .message = on_message,
					  .broken = on_broken };

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

static int say_hello(int fd, const struct uplink_config *c,
		     struct wire_welcome *ret_welcome, struct wire_fds *ret_fds)
{
	struct wire_hello hello = { .version = WIRE_VERSION,
				    .weight = (uint16_t)c->weight,
				    .cap = (uint16_t)c->cap };
	struct wire_header h;
	int n;

	if (strlen(c->type) >= sizeof(hello.type))
		return -EINVAL;
	memcpy(hello.uuid, c->uuid, sizeof(hello.uuid));
	memcpy(hello.type, c->type, strlen(c->type));
	n = wire_send(fd, WIRE_HELLO, 0, &hello, sizeof(hello), NULL);
	if (n)
		return n;
	n = wire_receive(fd, UPLINK_PATIENCE_MS, &h, ret_welcome,
			 sizeof(*ret_welcome), ret_fds);
	if (n < 0)
		return n;
	if (h.kind != WIRE_WELCOME || n != sizeof(*ret_welcome))
		return -EPROTO;
	if (ret_welcome->err)
		return -(int)(ret_welcome->err & 4095u);
	if (ret_fds->n < WIRE_FDS_LEAST ||
	    (ret_welcome->shared && ret_fds->n <= WIRE_FD_SHARED) ||
	    ret_welcome->shared > VGPU_PARENT_MAX_SHARED)
		return -EPROTO;
	return 0;
}

static void on_rung(void *user)
{
	struct uplink *w = user;

	if (w->core && w->core->ops.parent_kick)
		w->core->ops.parent_kick(w->core->dev);
}

/* All that came with the WELCOME */
static int take_fds(struct uplink *w, struct loop *loop,
		    const struct wire_welcome *welcome, struct wire_fds *fds)
{
	int bell[BELL_N_FDS], err = 0;

	err = iommu_remote_init(&w->remote, loop,
				steal_fd(&fds->fd[WIRE_FD_CALLS]));
	if (!err && welcome->shared)
		err = shared_map(fds->fd[WIRE_FD_SHARED],
				 (size_t)welcome->shared, &w->shared);
	if (err)
		return err;
	w->shared_size = (size_t)welcome->shared;
	for (unsigned i = 0; i < BELL_N_FDS; i++)
		bell[i] = steal_fd(&fds->fd[WIRE_FD_BELL + i]);
	return bell_new(loop, BELL_WORKER, bell, on_rung, w, &w->bell);
}

int uplink_connect(const struct uplink_config *c, struct uplink **ret_uplink)
{
	cleanup_wire_fds struct wire_fds fds = { 0 };
	struct wire_welcome welcome;
	struct uplink *w;
	cleanup_fd int fd = c->path ? -1 : c->fd;
	int err = c->path ? connect_to(c->path, &fd) : 0;

	if (!err)
		err = say_hello(fd, c, &welcome, &fds);
	if (err)
		return err;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	err = take_fds(w, c->loop, &welcome, &fds);
	if (!err && fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		err = -errno;
	if (!err)
		err = link_new(c->loop, steal_fd(&fd), &link_ops, w, &w->link);
	if (err) {
		uplink_free(w);
		return err;
	}
	*ret_uplink = w;
	return 0;
}

struct vgpu_iommu *uplink_iommu(struct uplink *uplink)
{
	return &uplink->remote.iommu;
}

void uplink_attach(struct uplink *uplink, struct vgpu_core *core,
			  void (*gone)(void *user), void *user)
{
	uplink->core = core;
	uplink->gone = gone;
	uplink->user = user;
}

void uplink_free(struct uplink *uplink)
{
	if (!uplink)
		return;
	link_free(uplink->link);
	bell_free(uplink->bell);
	if (uplink->shared)
		munmap(uplink->shared, uplink->shared_size);
	iommu_remote_fini(&uplink->remote);
	free(uplink);
}

int vgpu_parent_send(struct vgpu_device *dev, const void *msg, size_t len)
{
	struct uplink *w = dev->core->uplink;

	if (!len || len > VGPU_PARENT_MAX_MESSAGE)
		return -EINVAL;
	if (!w)
		return -ENODEV;
	return link_send(w->link, WIRE_MESSAGE, 0, msg, len, NULL);
}

int vgpu_parent_kick(struct vgpu_device *dev)
{
	struct uplink *w = dev->core->uplink;

	if (!w)
		return -ENODEV;
	bell_ring(w->bell);
	return 0;
}

void *vgpu_parent_shared(struct vgpu_device *dev, size_t *ret_size)
{
	struct uplink *w = dev->core->uplink;

	if (!w || !w->shared)
		return NULL;
	if (ret_size)
		*ret_size = w->shared_size;
	return w->shared;
}

int vgpu_parent_give_memory(struct vgpu_device *dev, unsigned id,
			    unsigned region, uint64_t offset, uint64_t size,
			    vgpu_dma_done_fn done, void *user)
{
	const struct wire_give give = { .id = id,
					.offset = offset,
					.size = size };
	struct vgpu_core *core = dev->core;
	uint64_t file_size;
	int fd = -1;

	if (!core->uplink)
		return -ENODEV;
	if (id >= VGPU_PARENT_MAX_MEMORIES)
		return -EINVAL;
	if (size && (region >= VGPU_NUM_BARS ||
		     !region_memory(&core->regions[region], offset, size) ||
		     region_area_at(&core->regions[region], offset)->kind !=
			     VGPU_AREA_MAPPED ||
		     region_file(core, region, &fd, &file_size)))
		return -EINVAL;
	return iommu_remote_give(&core->uplink->remote, &give, fd, dev, done,
				 user);
}
