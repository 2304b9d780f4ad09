/* SPDX-License-Identifier: MIT */
/* Registers that are written by eventfds (GET_REGION_IO_FDS). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"
#include "util/bytes.h"
#include "util/cleanup.h"

struct reply {
	struct vfio_user_region_io_fds info;
	struct vfio_user_ioeventfd entries[CLIENT_MAX_REPLY_FDS];
};

/* Take over the fd of an entry. */
static int keep(struct client_region *r, const struct vfio_user_ioeventfd *e,
		struct client_call *call)
{
	struct client_doorbell *bell;

	/* One that wants a certain value can't stand for any. */
	if (e->type != VFIO_USER_IO_FD_TYPE_IOEVENTFD || e->flags ||
	    e->fd_index >= call->n_recv_fds || call->recv_fds[e->fd_index] < 0)
		return 0;
	bell = malloc(sizeof(*bell));
	if (!bell)
		return -ENOMEM;
	*bell = (struct client_doorbell){
		.next = r->doorbells,
		.offset = e->offset,
		.size = e->size,
		.fd = steal_fd(&call->recv_fds[e->fd_index]),
	};
	r->doorbells = bell;
	return 0;
}

static int ask(struct vgpu_client *c, unsigned index)
{
	struct vfio_user_region_io_fds info = { .argsz = sizeof(struct reply),
						.index = index };
	struct client_region *r = &c->regions[index];
	struct reply reply;
	struct client_call call = {
		.command = VFIO_USER_DEVICE_GET_REGION_IO_FDS,
		.send = { &info },
		.send_size = { sizeof(info) },
		.recv = { &reply },
		.recv_room = { sizeof(reply) },
	};
	size_t n;
	int err = client_call(c, &call);

	if (err)
		return err;
	n = call.recv_size < sizeof(info) ? 0
					  : (call.recv_size - sizeof(info)) /
						    sizeof(reply.entries[0]);
	for (size_t i = 0; !err && i < n; i++)
		err = keep(r, &reply.entries[i], &call);
	for (size_t i = 0; i < call.n_recv_fds; i++)
		close_fd(call.recv_fds[i]);
	r->asked = !err;
	return err;
}

int vgpu_client_doorbell(struct vgpu_client *c, unsigned index, uint64_t offset,
			 uint32_t size, int *ret_fd)
{
	struct client_doorbell *bell = NULL;
	int err = 0;

	if (index >= CLIENT_MAX_REGIONS)
		return -EINVAL;
	pthread_mutex_lock(&c->lock);
	if (!c->regions[index].asked)
		err = ask(c, index);
	if (!err)
		bell = c->regions[index].doorbells;
	while (bell && (bell->offset != offset || bell->size != size))
		bell = bell->next;
	if (bell)
		*ret_fd = bell->fd;
	pthread_mutex_unlock(&c->lock);
	return err ? err : bell ? 0 : -ENOENT;
}

void client_free_doorbells(struct client_region *r)
{
	while (r->doorbells) {
		struct client_doorbell *bell = r->doorbells;

		r->doorbells = bell->next;
		close_fd(bell->fd);
		free(bell);
	}
}
