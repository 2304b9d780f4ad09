/* SPDX-License-Identifier: MIT */
/*
 * A parent half that was taken over: a message is the number of a deed, and the
 * answer what came of it (an errno; 0: it worked).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <vgpu/parent.h>

#include "deeds.h"

struct culprit {
	struct vgpu_parent parent;
	struct vgpu_iommu *iommu;
};

static struct culprit *to_culprit(struct vgpu_parent *parent)
{
	return vgpu_container_of(parent, struct culprit, parent);
}

static void culprit_close(struct vgpu_parent *parent)
{
	struct culprit *c = to_culprit(parent);

	c->iommu->ops->destroy(c->iommu);
	free(c);
}

static int culprit_open(const struct vgpu_parent_args *args,
			struct vgpu_parent **ret_parent)
{
	const struct vgpu_iommu_cpu_config config = { .struct_size =
							      sizeof(config) };
	struct culprit *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	err = vgpu_iommu_cpu_new(&config, &c->iommu);
	if (err) {
		free(c);
		return err;
	}
	err = deed_prepare();
	if (!err)
		err = vgpu_parent_init(&c->parent, args, c->iommu);
	if (err) {
		culprit_close(&c->parent);
		return err;
	}
	*ret_parent = &c->parent;
	return 0;
}

static void culprit_stop(struct vgpu_parent *parent)
{
}

static int culprit_new(struct vgpu_parent *parent,
		       struct vgpu_parent_instance *inst)
{
	return 0;
}

static void culprit_gone(struct vgpu_parent *parent,
			 struct vgpu_parent_instance *inst)
{
}

static int culprit_message(struct vgpu_parent *parent,
			   struct vgpu_parent_instance *inst, const void *msg,
			   size_t len)
{
	uint32_t n;

	if (len != sizeof(n))
		return -EINVAL;
	memcpy(&n, msg, sizeof(n));
	n = (uint32_t)deed_commit((enum deed)n);
	return vgpu_instance_send(inst, &n, sizeof(n));
}

static const struct vgpu_parent_ops culprit_parent = {
	.struct_size = sizeof(culprit_parent),
	.open = culprit_open,
	.stop = culprit_stop,
	.close = culprit_close,
	.instance_new = culprit_new,
	.instance_gone = culprit_gone,
	.message = culprit_message,
};

static int culprit_create(const struct vgpu_create_args *args,
			  struct vgpu_device **ret_dev)
{
	return -ENODEV; /* tests are the instance half */
}

static const struct vgpu_type culprit_type = {
	.struct_size = sizeof(culprit_type),
	.name = "culprit-parent",
	.description = "its parent tries what it may not",
};

static const struct vgpu_type *const culprit_types[] = { &culprit_type };

static const struct vgpu_driver culprit_driver = {
	.struct_size = sizeof(culprit_driver),
	.abi_version = VGPU_DRIVER_ABI,
	.name = "culprit-parent",
	.version = "1",
	.description = "for tests of the sandbox",
	.types = culprit_types,
	.n_types = 1,
	.create = culprit_create,
	.parent = &culprit_parent,
};

VGPU_DRIVER_MODULE(culprit_driver);
