/* SPDX-License-Identifier: MIT */
#include "inproc-client.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "device/irq.h"

static struct inproc *to_inproc(const struct client *client)
{
	return (struct inproc *)((char *)client -
				 offsetof(struct inproc, client));
}

void inproc_detach(struct inproc *c)
{
	client_detach(c->core);
	c->core = NULL;
}

static int on_peer(const struct client *client, pid_t *ret_pid, uid_t *ret_uid)
{
	const struct inproc *c = to_inproc(client);

	*ret_pid = c->pid;
	*ret_uid = c->uid;
	return c->peer_err;
}

static int on_remote(struct client *client,
		     const struct dma_remote_request *request)
{
	struct inproc *c = to_inproc(client);

	if (c->remote_err)
		return c->remote_err;
	c->asked = *request;
	if (request->data) {
		memcpy(c->asked_data, request->data, request->len);
		c->asked.data = c->asked_data;
	}
	c->n_asked++;
	return 0;
}

static void on_unmapped(struct client *client, void *unmap, int err)
{
	struct inproc *c = to_inproc(client);

	c->unmapped = unmap;
	c->unmap_err = err;
	c->n_unmapped++;
}

static void on_close(struct client *client)
{
	struct inproc *c = to_inproc(client);

	c->n_close++;
	if (!c->stays)
		inproc_detach(c);
}

static const struct client_ops ops = {
	.peer = on_peer,
	.remote = on_remote,
	.unmapped = on_unmapped,
	.close = on_close,
};

void inproc_init(struct inproc *c)
{
	memset(c, 0, sizeof(*c));
	c->client.ops = &ops;
	c->pid = getpid();
	c->uid = getuid();
}

int inproc_attach(struct inproc *c, struct vgpu_core *core)
{
	int err = client_attach(core, &c->client);

	if (!err)
		c->core = core;
	return err;
}

int inproc_route(struct inproc *c, enum vgpu_irq_index index, unsigned vector,
		 int fd)
{
	int copy = fd >= 0 ? dup(fd) : -1, err;
	const struct irq_set set = {
		.index = index,
		.start = vector,
		.count = 1,
		.action = IRQ_TRIGGER,
		.when = IRQ_BY_EVENTFD,
		.fds = &copy,
		.n_fds = fd >= 0,
	};

	err = irqs_set(c->core->irqs, &set);
	if (copy >= 0)
		close(copy);
	return err;
}
