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
#include "../util/bytes.h"
#include "build.h"
#include "client.h"
#include "irq.h"
#include "module.h"

/* ------------------------------------------------------------------ */
/* Life                                                                */
/* ------------------------------------------------------------------ */

/* Have the instance described, and what the driver keeps of it made. */
static int ask_driver(struct vgpu_core *core, const struct vgpu_driver *driver)
{
	int err = core->ops.pci ? build(core, core->ops.pci) : 0;

	if (!err && core->ops.create)
		err = core->ops.create(core->dev);
	if (err >= 0 && !core->initialised) {
		log_error(core->name,
			  "driver %s: create returned without "
			  "vgpu_device_init()",
			  driver->name);
		return -EINVAL;
	}
	return err;
}

static void driver_reset(struct vgpu_core *core, enum vgpu_reset_reason reason)
{
	if (core->ops.reset)
		core->ops.reset(core->dev, reason);
	else if (core->state)
		memset(core->state, 0, core->state_size);
}

int device_create(const struct device_config *config,
		  struct vgpu_core **ret_core)
{
	struct vgpu_core *core = calloc(1, sizeof(*core));
	const struct vgpu_driver *driver = module_driver(config->module);
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
	core->ops = *driver->instance;
	core->dev = calloc(1, MAX(core->ops.size, sizeof(*core->dev)));
	if (!core->dev) {
		err = -ENOMEM;
		goto fail;
	}
	core->dev->type = module_own_type(config->module, config->type);
	core->dev->core = core;
	err = ask_driver(core, driver);
	if (err < 0) {
		log_error(core->name, "driver %s can't create the vGPU: %s",
			  driver->name, strerror(-err));
		goto fail;
	}
	core->created = true;
	driver_reset(core, VGPU_RESET_NEW_CLIENT);
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
	if (core->created && core->ops.destroy)
		core->ops.destroy(core->dev);
	if (core->initialised)
		build_undo(core);
	free(core->dev);
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
	driver_reset(core, reason);
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
