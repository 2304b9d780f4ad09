/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "private.h"
#include "util/bytes.h"

int vgpu_client_irq_count(struct vgpu_client *c, enum vgpu_client_irq irq,
			  uint32_t *ret_count)
{
	struct vfio_user_irq_info info = { .argsz = sizeof(info),
					   .index = irq };
	struct vfio_user_irq_info reply = { 0 };
	struct client_call call = {
		.command = VFIO_USER_DEVICE_GET_IRQ_INFO,
		.send = { &info },
		.send_size = { sizeof(info) },
		.recv = { &reply },
		.recv_room = { sizeof(reply) },
	};
	int err;

	pthread_mutex_lock(&c->lock);
	err = client_call(c, &call);
	if (!err && call.recv_size != sizeof(reply))
		err = client_fail(c, -EPROTO);
	pthread_mutex_unlock(&c->lock);
	if (!err)
		*ret_count = reply.count;
	return err;
}

static int set_irqs(struct vgpu_client *c, uint32_t flags, unsigned index,
		    unsigned start, unsigned count, const int *fds,
		    unsigned n_fds)
{
	struct vfio_user_irq_set set = { .argsz = sizeof(set),
					 .flags = flags,
					 .index = index,
					 .start = start,
					 .count = count };
	struct client_call call = {
		.command = VFIO_USER_DEVICE_SET_IRQS,
		.send = { &set },
		.send_size = { sizeof(set) },
		.fds = fds,
		.n_fds = n_fds,
	};

	return client_call(c, &call);
}

int vgpu_client_irq_enable(struct vgpu_client *c, enum vgpu_client_irq irq,
			   unsigned first, const int *fds, unsigned n)
{
	int err = n ? 0 : -EINVAL;

	pthread_mutex_lock(&c->lock);
	/* As many in a message as the server takes. */
	while (!err && n) {
		unsigned k = MIN(n, c->max_fds);

		err = set_irqs(c,
			       VFIO_USER_IRQ_SET_DATA_EVENTFD |
				       VFIO_USER_IRQ_SET_ACTION_TRIGGER,
			       irq, first, k, fds, k);
		first += k;
		fds += k;
		n -= k;
	}
	pthread_mutex_unlock(&c->lock);
	return err;
}

int vgpu_client_irq_disable(struct vgpu_client *c, enum vgpu_client_irq irq)
{
	int err;

	pthread_mutex_lock(&c->lock);
	err = set_irqs(c,
		       VFIO_USER_IRQ_SET_DATA_NONE |
			       VFIO_USER_IRQ_SET_ACTION_TRIGGER,
		       irq, 0, 0, NULL, 0);
	pthread_mutex_unlock(&c->lock);
	return err;
}

int vgpu_client_intx_unmask(struct vgpu_client *c)
{
	int err;

	pthread_mutex_lock(&c->lock);
	err = set_irqs(c,
		       VFIO_USER_IRQ_SET_DATA_NONE |
			       VFIO_USER_IRQ_SET_ACTION_UNMASK,
		       VGPU_CLIENT_IRQ_INTX, 0, 1, NULL, 0);
	pthread_mutex_unlock(&c->lock);
	return err;
}
