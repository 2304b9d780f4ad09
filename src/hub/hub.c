/* SPDX-License-Identifier: MIT */
#include "hub.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <uuid/uuid.h>

#include "../device/module.h"
#include "../link/bell.h"
#include "../link/link.h"
#include "../util/bytes.h"
#include "../util/cleanup.h"
#include "../util/loop.h"
#include "space.h"
#include "weight.h"

/* ------------------------------------------------------------------ */
/* The end of an instance                                              */
/* ------------------------------------------------------------------ */

/* Its sockets close last: that tells a worker, which may still be there, that
 * nothing of its client's memory is in use any more. */
static void destroy(struct vgpu_parent_instance *inst)
{
	list_remove(&inst->link);
	inst->hub->n_instances--;
	hub_space_free(inst->space);
	bell_free(inst->bell);
	if (inst->shared)
		munmap(inst->shared, inst->shared_size);
	close_fd(inst->shared_fd);
	hub_calls_fini(inst);
	link_free(inst->calls);
	link_free(inst->messages);
	free(inst);
}

void hub_instance_sweep(struct vgpu_parent_instance *inst)
{
	if (!inst->gone || inst->dropping)
		return;
	if (inst->space && hub_space_held(inst->space))
		return;
	destroy(inst);
}

static void drop(struct vgpu_parent_instance *inst)
{
	struct vgpu_hub *hub = inst->hub;

	if (inst->gone)
		return;
	inst->gone = true;
	loop_remove(inst->hello_timer);
	inst->hello_timer = NULL;
	bell_mute(inst->bell);
	if (inst->known) {
		inst->dropping = true;
		hub_given_fini(inst);
		hub->ops.instance_gone(hub->parent, inst);
		inst->dropping = false;
		if (hub_space_held(inst->space))
			log_debug(inst->name, "the engine is using its memory: "
					      "it goes when that is over");
	}
	hub_instance_sweep(inst);
}

static void on_broken(struct link *link, int err, void *user)
{
	struct vgpu_parent_instance *inst = user;

	if (!inst->gone && err == -ENOTCONN)
		log_info(inst->name, "vgpu-device has gone");
	else if (!inst->gone)
		log_warning(inst->name, "vgpu-device is dropped: %s",
			    err == -ENOBUFS  ? "it does not read its messages"
			    : err == -EPROTO ? "it sends nonsense"
					     : strerror(-err));
	drop(inst);
}

void vgpu_instance_drop(struct vgpu_parent_instance *inst, int err)
{
	on_broken(NULL, err, inst);
}

static void on_hello_late(struct loop_source *src, void *user)
{
	struct vgpu_parent_instance *inst = user;

	log_warning(inst->name, "said nothing; dropped");
	drop(inst);
}

/* ------------------------------------------------------------------ */
/* Hello                                                               */
/* ------------------------------------------------------------------ */

static int on_call(struct link *link, const struct wire_header *header,
		   const void *payload, size_t len, void *user)
{
	struct vgpu_parent_instance *inst = user;

	return inst->gone ? -ENOTCONN : hub_call(inst, header, payload, len);
}

static const struct link_ops call_ops = { .message = on_call,
					  .broken = on_broken };

static void on_rung(void *user)
{
	struct vgpu_parent_instance *inst = user;
	struct vgpu_hub *hub = inst->hub;
	int err = 0;

	if (inst->gone)
		return;
	if (hub->ops.kick)
		err = hub->ops.kick(hub->parent, inst);
	if (err)
		on_broken(NULL, err, inst);
}

/* Sockets of calls and doorbells; the worker's ends go to @theirs. */
static int set_up_wires(struct vgpu_parent_instance *inst,
			struct wire_fds *theirs)
{
	struct loop *loop = inst->hub->loop;
	int fds[2], bell[BELL_N_FDS], err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	theirs->fd[WIRE_FD_CALLS] = fds[1];
	theirs->n = 1;
	err = fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
	if (err)
		close_fd(fds[0]);
	else
		err = link_new(loop, fds[0], &call_ops, inst, &inst->calls);
	if (!err)
		err = bell_make(bell, theirs->fd + WIRE_FD_BELL);
	if (err)
		return err;
	theirs->n += BELL_N_FDS;
	return bell_new(loop, BELL_PARENT, bell, on_rung, inst, &inst->bell);
}

static int set_up(struct vgpu_parent_instance *inst, struct wire_fds *theirs)
{
	struct vgpu_hub *hub = inst->hub;
	int err;

	err = hub_space_new(hub->iommu, &inst->space);
	if (err)
		return err;
	hub_space_set_limit(inst->space, inst->pin_limit);
	hub_space_set_share(inst->space, &inst->share);
	err = set_up_wires(inst, theirs);
	if (err)
		return err;
	inst->coming = true;
	err = hub->ops.instance_new(hub->parent, inst);
	inst->coming = false;
	if (err)
		return err;
	inst->known = true;
	if (inst->shared)
		theirs->fd[theirs->n++] = steal_fd(&inst->shared_fd);
	return 0;
}

static bool taken(const struct vgpu_hub *hub, const uint8_t *uuid)
{
	list_for_each(n, &hub->instances) {
		const struct vgpu_parent_instance *i =
			list_entry(n, struct vgpu_parent_instance, link);

		if (i->known && !i->gone && !memcmp(i->uuid, uuid, 16))
			return true;
	}
	return false;
}

/* What it says of itself: is it true, or as good as any? */
static int believe(struct vgpu_parent_instance *inst,
		   const struct wire_hello *h)
{
	struct vgpu_hub *hub = inst->hub;

	if (h->version != WIRE_VERSION)
		return -EPROTONOSUPPORT;
	if (inst->introduced) {
		if (memcmp(h->uuid, inst->uuid, sizeof(inst->uuid)) ||
		    strcmp(h->type, inst->type->name))
			return -EACCES;
	} else {
		inst->type = module_find_type(hub->module, h->type);
		if (!inst->type)
			return -ENODEV;
		if (h->weight > VGPU_WEIGHT_MAX || h->cap > 100)
			return -EINVAL;
		memcpy(inst->uuid, h->uuid, sizeof(inst->uuid));
		inst->weight = h->weight ? h->weight
					 : hub_weight_of(
						   inst->type->vram_size);
		inst->cap = h->cap;
	}
	return taken(hub, inst->uuid) ? -EBUSY : 0;
}

static int hello(struct vgpu_parent_instance *inst, const void *payload,
		 size_t len)
{
	struct wire_welcome welcome = { .version = WIRE_VERSION };
	struct wire_hello h;
	cleanup_wire_fds struct wire_fds theirs = { 0 };
	char uuid[37];
	int err;

	if (inst->known || len != sizeof(h))
		return -EPROTO;
	memcpy(&h, payload, sizeof(h));
	if (!memchr(h.type, 0, sizeof(h.type)))
		return -EPROTO;
	err = believe(inst, &h);
	if (!err) {
		uuid_unparse_lower(inst->uuid, uuid);
		snprintf(inst->name, sizeof(inst->name), "%.8s (%s)", uuid,
			 inst->type->name);
		err = set_up(inst, &theirs);
	}
	if (err)
		wire_fds_close(&theirs);
	welcome.err = (uint32_t)-err;
	welcome.shared = err ? 0 : inst->shared_size;
	if (link_send(inst->messages, WIRE_WELCOME, 0, &welcome,
		      sizeof(welcome), &theirs))
		return -ENOTCONN;
	if (err)
		return err;
	loop_arm_timer(inst->hello_timer, 0, 0);
	log_info(inst->name, "vgpu-device connected; weight %u", inst->weight);
	return 0;
}

static int on_message(struct link *link, const struct wire_header *header,
		      const void *payload, size_t len, void *user)
{
	struct vgpu_parent_instance *inst = user;
	struct vgpu_hub *hub = inst->hub;

	if (inst->gone)
		return -ENOTCONN;
	if (header->seq || link_has_fd(link)) /* it goes with the link */
		return -EPROTO;
	if (header->kind == WIRE_HELLO)
		return hello(inst, payload, len);
	if (header->kind != WIRE_MESSAGE || !inst->known || !len ||
	    len > VGPU_PARENT_MAX_MESSAGE || !hub->ops.message)
		return -EPROTO;
	return hub->ops.message(hub->parent, inst, payload, len);
}

static const struct link_ops message_ops = { .message = on_message,
					     .broken = on_broken };

int hub_take_in(struct vgpu_hub *hub, int fd, uint64_t hello_ns,
		   struct vgpu_parent_instance **ret_inst)
{
	struct vgpu_parent_instance *inst = NULL;
	int err = -EUSERS;

	if (hub->n_instances < HUB_MAX_INSTANCES) {
		inst = calloc(1, sizeof(*inst));
		err = inst ? 0 : -ENOMEM;
	}
	if (err) {
		if (log_allowed(&hub->refusals, NULL))
			log_warning(NULL, "a connection is refused: %s",
				    strerror(-err));
		close_fd(fd);
		return err;
	}
	inst->hub = hub;
	inst->share.budget = &hub->budget;
	inst->pin_limit = UINT64_MAX;
	list_init(&inst->unmaps);
	inst->shared_fd = -1;
	snprintf(inst->name, sizeof(inst->name), "(new connection)");
	err = link_new(hub->loop, fd, &message_ops, inst, &inst->messages);
	if (!err)
		err = loop_add_timer(hub->loop, on_hello_late, inst,
				     &inst->hello_timer);
	if (!err)
		err = loop_arm_timer(inst->hello_timer, hello_ns, 0);
	if (err) {
		loop_remove(inst->hello_timer);
		link_free(inst->messages);
		free(inst);
		return err;
	}
	list_insert(&hub->instances, &inst->link);
	hub->n_instances++;
	*ret_inst = inst;
	return 0;
}

int hub_accept(struct vgpu_hub *hub, int fd)
{
	struct vgpu_parent_instance *inst;

	return hub_take_in(hub, fd, HUB_HELLO_NS, &inst);
}

/* ------------------------------------------------------------------ */
/* The parent                                                          */
/* ------------------------------------------------------------------ */

int hub_open(struct loop *loop, const struct module *module,
		const char *config, struct vgpu_hub **ret_hub)
{
	struct vgpu_hub *hub = calloc(1, sizeof(*hub));
	int err;

	if (!hub)
		return -ENOMEM;
	hub->loop = loop;
	hub->module = module;
	hub_budget_init(&hub->budget);
	list_init(&hub->instances);
	hub->ops = *module_driver(module)->parent;
	hub->parent = calloc(1, MAX(hub->ops.size, sizeof(*hub->parent)));
	if (!hub->parent) {
		free(hub);
		return -ENOMEM;
	}
	hub->parent->hub = hub;
	err = hub->ops.open(hub->parent, config);
	hub->opened = !err;
	if (!err && !hub->iommu) {
		log_error(NULL,
			  "driver %s: open returned without "
			  "vgpu_parent_init()",
			  module_driver(module)->name);
		err = -EINVAL;
	}
	if (err) {
		log_error(NULL, "driver %s can't open its parent '%s': %s",
			  module_driver(module)->name, config, strerror(-err));
		hub_close(hub);
		return err;
	}
	*ret_hub = hub;
	return 0;
}

void hub_close(struct vgpu_hub *hub)
{
	if (!hub)
		return;
	list_for_each_safe(n, &hub->instances)
		drop(list_entry(n, struct vgpu_parent_instance, link));
	/* What the engine was using goes with the engine: close stops it. */
	list_for_each(n, &hub->instances) {
		struct vgpu_parent_instance *i =
			list_entry(n, struct vgpu_parent_instance, link);

		log_debug(i->name, "was in use by the engine until the end");
		i->dropping = true; /* no more by its last release */
	}
	if (hub->opened && hub->ops.stop)
		hub->ops.stop(hub->parent);
	list_for_each_safe(n, &hub->instances)
		destroy(list_entry(n, struct vgpu_parent_instance, link));
	if (hub->opened && hub->ops.close)
		hub->ops.close(hub->parent);
	free(hub->parent);
	free(hub);
}
