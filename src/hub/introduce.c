/* SPDX-License-Identifier: MIT */
#include "introduce.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <uuid/uuid.h>

#include "../device/module.h"
#include "../util/cleanup.h"
#include "hub.h"
#include "weight.h"
#include "space.h"

static int check(const struct hub_terms *terms)
{
	return terms->weight > VGPU_WEIGHT_MAX || terms->cap > 100 ? -EINVAL
								   : 0;
}

static void take(struct vgpu_parent_instance *inst,
		 const struct hub_terms *terms)
{
	inst->weight = terms->weight
			       ? terms->weight
			       : hub_weight_of(inst->type->vram_size);
	inst->cap = terms->cap;
	inst->pin_limit = terms->pin_limit;
	if (inst->space)
		hub_space_set_limit(inst->space, inst->pin_limit);
}

int hub_introduce(struct vgpu_hub *hub, const uint8_t uuid[16],
		     const char *name, const struct hub_terms *terms,
		     int *ret_fd)
{
	const struct vgpu_type *type = module_find_type(hub->module, name);
	struct vgpu_parent_instance *inst;
	cleanup_fd int theirs = -1;
	char text[37];
	int fds[2], err;

	if (!type)
		return -ENODEV;
	err = check(terms);
	if (err)
		return err;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	theirs = fds[1];
	if (fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0) {
		err = -errno;
		close_fd(fds[0]);
		return err;
	}
	err = hub_take_in(hub, fds[0], HUB_INTRODUCED_NS, &inst);
	if (err)
		return err;
	memcpy(inst->uuid, uuid, sizeof(inst->uuid));
	inst->type = type;
	inst->introduced = true;
	take(inst, terms);
	uuid_unparse_lower(uuid, text);
	snprintf(inst->name, sizeof(inst->name), "%.8s (%s)", text, type->name);
	*ret_fd = steal_fd(&theirs);
	return 0;
}

int parent_change(struct vgpu_hub *hub, const uint8_t uuid[16],
		  const struct hub_terms *terms)
{
	int err = check(terms);
	bool found = false;

	if (err)
		return err;
	list_for_each_safe(n, &hub->instances) {
		struct vgpu_parent_instance *i =
			list_entry(n, struct vgpu_parent_instance, link);
		unsigned weight = i->weight, cap = i->cap;

		if (!i->introduced || i->gone || memcmp(i->uuid, uuid, 16))
			continue;
		found = true;
		take(i, terms);
		if (i->known && hub->ops.instance_changed &&
		    (weight != i->weight || cap != i->cap))
			hub->ops.instance_changed(hub->parent, i);
	}
	return found ? 0 : -ENOENT;
}
