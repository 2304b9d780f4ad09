/* SPDX-License-Identifier: MIT */
/* A driver that has a thread before the sandbox is there: that is outside. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <vgpu/driver.h>

static void *idle(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void threaded_destroy(struct vgpu_device *dev)
{
	vgpu_device_fini(dev);
	free(dev);
}

static void threaded_reset(struct vgpu_device *dev,
			   enum vgpu_reset_reason reason)
{
}

static const struct vgpu_device_ops threaded_ops = {
	.struct_size = sizeof(threaded_ops),
	.destroy = threaded_destroy,
	.reset = threaded_reset,
};

static const struct vgpu_pci_desc threaded_pci = {
	.struct_size = sizeof(threaded_pci),
	.vendor_id = 0x1234,
	.device_id = 0x7e59,
	.class_code = 0xff0000,
};

static int threaded_create(const struct vgpu_create_args *args,
			   struct vgpu_device **ret_dev)
{
	struct vgpu_device *dev = calloc(1, sizeof(*dev));
	pthread_t thread;
	int err;

	if (!dev)
		return -ENOMEM;
	err = vgpu_device_init(dev, &threaded_ops, args, &threaded_pci, NULL);
	if (!err)
		err = -pthread_create(&thread, NULL, idle, NULL);
	if (err) {
		free(dev);
		return err;
	}
	*ret_dev = dev;
	return 0;
}

static const struct vgpu_type threaded_type = {
	.struct_size = sizeof(threaded_type),
	.name = "threaded",
	.description = "has a thread of its own",
};

static const struct vgpu_type *const threaded_types[] = { &threaded_type };

static const struct vgpu_driver threaded_driver = {
	.struct_size = sizeof(threaded_driver),
	.abi_version = VGPU_DRIVER_ABI,
	.name = "threaded",
	.version = "1",
	.description = "for tests of the sandbox",
	.types = threaded_types,
	.n_types = 1,
	.create = threaded_create,
};

VGPU_DRIVER_MODULE(threaded_driver);
