/* SPDX-License-Identifier: MIT */
#include "doorbell.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "../util/cleanup.h"
#include "eventfd.h"

struct doorbell {
	struct doorbell *next;
	struct vgpu_core *core;
	const struct region_area *area;
	struct loop_source *src;
	int fd;
};

static void on_ring(struct loop_source *src, uint32_t events, void *user)
{
	struct doorbell *bell = user;

	if (!eventfd_drain(bell->fd))
		return;
	bell->core->stats.doorbells++;
	if (bell->area->ops->write)
		bell->area->ops->write(bell->core->dev, bell->area->data, 0, 0,
				       (unsigned)bell->area->size);
}

static int make(struct vgpu_core *core, const struct region_area *area,
		struct doorbell **ret_bell)
{
	struct doorbell *bell = calloc(1, sizeof(*bell));
	int err;

	if (!bell)
		return -ENOMEM;
	bell->core = core;
	bell->area = area;
	bell->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (bell->fd < 0) {
		err = -errno;
		free(bell);
		return err;
	}
	err = loop_add_fd(core->loop, bell->fd, EPOLLIN, on_ring, bell,
			  &bell->src);
	if (err) {
		close_fd(bell->fd);
		free(bell);
		return err;
	}
	bell->next = core->doorbells;
	core->doorbells = bell;
	*ret_bell = bell;
	return 0;
}

static int find_or_make(struct vgpu_core *core, const struct region_area *area,
			struct doorbell **ret_bell)
{
	for (struct doorbell *b = core->doorbells; b; b = b->next)
		if (b->area == area) {
			*ret_bell = b;
			return 0;
		}
	return make(core, area, ret_bell);
}

int doorbells_offer(struct vgpu_core *core, unsigned index,
		    struct doorbell_fd *fds, size_t max)
{
	const struct region *region = &core->regions[index];
	size_t n = 0;

	for (uint32_t i = 0; i < region->n_areas && n < max; i++) {
		const struct region_area *area = &region->areas[i];
		struct doorbell *bell = NULL;
		int err;

		if (area->kind != VGPU_AREA_DOORBELL)
			continue;
		err = find_or_make(core, area, &bell);
		if (err)
			return err;
		fds[n++] = (struct doorbell_fd){ area->offset, area->size,
						 bell->fd };
	}
	return (int)n;
}

void doorbells_close(struct vgpu_core *core)
{
	while (core->doorbells) {
		struct doorbell *bell = core->doorbells;

		core->doorbells = bell->next;
		loop_remove(bell->src);
		close_fd(bell->fd);
		free(bell);
	}
}
