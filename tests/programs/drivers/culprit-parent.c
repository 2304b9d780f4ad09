/* SPDX-License-Identifier: MIT */
/*
 * A parent half that was taken over: a message is the number of a deed, and the
 * answer what came of it (an errno; 0: it worked).
 */
#include <errno.h>
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
}

static int culprit_open(struct vgpu_parent *parent, const char *config)
{
	struct culprit *c = to_culprit(parent);
	int err = vgpu_iommu_cpu_new(NULL, &c->iommu);

	if (err)
		return err;
	err = deed_prepare();
	if (!err)
		err = vgpu_parent_init(parent, c->iommu);
	if (err)
		culprit_close(parent);
	return err;
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
	.size = sizeof(struct culprit),
	.open = culprit_open,
	.close = culprit_close,
	.instance_new = culprit_new,
	.instance_gone = culprit_gone,
	.message = culprit_message,
};

static int culprit_create(struct vgpu_device *dev)
{
	return -ENODEV; /* tests are the instance half */
}

static const struct vgpu_device_ops culprit_instance = {
	.create = culprit_create
};

static const struct vgpu_type culprit_types[] = { {
	.name = "culprit-parent",
	.description = "its parent tries what it may not",
} };

static const struct vgpu_driver culprit_driver = {
	.name = "culprit-parent",
	.version = "1",
	.description = "for tests of the sandbox",
	VGPU_LIST(types, culprit_types),
	.instance = &culprit_instance,
	.parent = &culprit_parent,
};

VGPU_DRIVER_MODULE(culprit_driver);
