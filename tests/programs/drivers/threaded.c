/* SPDX-License-Identifier: MIT */
/* A driver that has a thread before the sandbox is there: that is outside. */
#include <pthread.h>
#include <unistd.h>

#include <vgpu/driver.h>

static void *idle(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static const struct vgpu_pci_desc threaded_pci = {
	.vendor_id = 0x1234,
	.device_id = 0x7e59,
	.class_code = 0xff0000,
};

static int threaded_create(struct vgpu_device *dev)
{
	pthread_t thread;

	return -pthread_create(&thread, NULL, idle, NULL);
}

static const struct vgpu_device_ops threaded_ops = {
	.pci = &threaded_pci, .create = threaded_create
};

static const struct vgpu_type threaded_types[] = { {
	.name = "threaded",
	.description = "has a thread of its own",
} };

static const struct vgpu_driver threaded_driver = {
	.name = "threaded",
	.version = "1",
	.description = "for tests of the sandbox",
	VGPU_LIST(types, threaded_types),
	.instance = &threaded_ops,
};

VGPU_DRIVER_MODULE(threaded_driver);
