/* SPDX-License-Identifier: MIT */
#include "device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include "../pci/config.h"
#include "../pci/msix.h"
#include "../state/arena.h"
#include "build.h"
#include "client.h"
#include "irq.h"
#include "module.h"

/* ------------------------------------------------------------------ */
/* Life                                                                */
/* ------------------------------------------------------------------ */

int device_create(const struct device_config *config,
		  struct vgpu_core **ret_core)
{
	struct vgpu_core *core = calloc(1, sizeof(*core));
	struct vgpu_create_args args = { .struct_size = sizeof(args) };
	struct vgpu_device *dev = NULL;
	char uuid[37];
	int err;

	if (!core)
		return -ENOMEM;
	pthread_mutex_init(&core->log_lock, NULL);
	list_init(&core->client_unmaps);
	core->loop = config->loop;
	core->module = config->module;
	core->type = config->type;
	core->any_memory = config->any_memory;
	core->budgets = config->budgets;
	core->client_changed = config->client_changed;
	core->client_user = config->user;
	core->uplink = config->uplink;
	core->iommu = config->iommu;
	memcpy(core->uuid, config->uuid, sizeof(core->uuid));
	uuid_unparse_lower(core->uuid, uuid);
	snprintf(core->name, sizeof(core->name), "%.8s (%s)", uuid,
		 config->type->name);
	err = arena_new("vgpu-state", &core->arena);
	if (err) {
		log_error(core->name, "cannot make the state file: %s",
			  strerror(-err));
		goto fail;
	}
	memcpy(args.uuid, config->uuid, sizeof(args.uuid));
	args.type = config->type;
	args.core = core;
	err = module_driver(config->module)->create(&args, &dev);
	if (err >= 0 && !core->initialised) {
		log_error(core->name,
			  "driver %s: create returned without "
			  "vgpu_device_init()",
			  module_driver(config->module)->name);
		err = -EINVAL;
	}
	if (err < 0) {
		log_error(core->name, "driver %s can't create the vGPU: %s",
			  module_driver(config->module)->name, strerror(-err));
		goto fail;
	}
	core->dev = dev;
	core->ops.reset(core->dev, VGPU_RESET_NEW_CLIENT);
	*ret_core = core;
	return 0;
fail:
	device_destroy(core);
	return err;
}

void device_destroy(struct vgpu_core *core)
{
	if (!core)
		return;
	if (core->dev)
		core->ops.destroy(core->dev);
	if (core->initialised) {
		log_error(core->name, "driver %s: destroy without "
			  "vgpu_device_fini()",
			  module_driver(core->module)->name);
		build_undo(core);
	}
	if (core->display_ext)
		core->display_ext->free(core->display);
	arena_free(core->arena);
	pthread_mutex_destroy(&core->log_lock);
	free(core);
}

/* ------------------------------------------------------------------ */
/* Reset                                                               */
/* ------------------------------------------------------------------ */

void device_reset(struct vgpu_core *core, enum vgpu_reset_reason reason)
{
	log_debug(core->name, "reset, reason %d", reason);
	core->stats.resets[reason]++;
	/* The guest has not asked for this one: what it has set up in config
	 * space and the MSI-X table stays, only the engine starts again. */
	if (reason != VGPU_RESET_DMA) {
		pci_config_reset(core->config, reason);
		if (core->msix)
			msix_reset(core->msix);
		irqs_reset(core->irqs);
	}
	core->ops.reset(core->dev, reason);
}

/* ------------------------------------------------------------------ */
/* Its client                                                          */
/* ------------------------------------------------------------------ */

void device_disconnect(struct vgpu_core *core)
{
	if (core->client)
		core->client->ops->close(core->client);
}

int device_client(const struct vgpu_core *core, int *ret_pid, unsigned *ret_uid)
{
	pid_t pid;
	uid_t uid;
	int err;

	if (!core->client)
		return -ENOTCONN;
	err = core->client->ops->peer(core->client, &pid, &uid);
	if (err)
		return err;
	*ret_pid = pid;
	*ret_uid = uid;
	return 0;
}
