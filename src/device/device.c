/* SPDX-License-Identifier: MIT */
#include "device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include "../dma/budget.h"
#include "../dma/pin.h"
#include "../dma/space.h"
#include "../pci/config.h"
#include "../pci/msix.h"
#include "../state/arena.h"
#include "../transport/refuse.h"
#include "../util/cleanup.h"
#include "build.h"
#include "irq.h"
#include "module.h"
#include "session.h"

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
	core->client_changed = NULL;
	session_free(core->session);
	core->session = NULL;
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

/* A client comes after another one: nothing of the last one may be left. A
 * departed client keeps what it has mapped, so the files themselves change. */
static int renew(struct vgpu_core *core)
{
	for (unsigned i = 0; i < VGPU_NUM_BARS; i++) {
		int err = region_renew(&core->regions[i], core->type->name);

		if (err)
			return err;
	}
	if (core->state)
		memset(core->state, 0, core->state_size);
	/* Before the reset: what the driver shows from then on is new. */
	if (core->display_ext)
		core->display_ext->renewed(core, core->display);
	device_reset(core, VGPU_RESET_NEW_CLIENT);
	return 0;
}

/* ------------------------------------------------------------------ */
/* Clients                                                             */
/* ------------------------------------------------------------------ */

/* What the client has pinned counts for its user from now on. */
static int use_budget(struct vgpu_core *core)
{
	struct dma_budget *budget;
	pid_t pid;
	uid_t uid;
	int err;

	if (!core->budgets)
		return 0;
	err = session_peer(core->session, &pid, &uid);
	if (!err)
		err = dma_budgets_get(core->budgets, uid, &budget);
	if (err)
		return err;
	err = dma_space_set_budget(core->dma, budget);
	dma_budget_unref(budget);
	return err;
}

int device_accept(struct vgpu_core *core, int fd)
{
	int err;

	/* A VMM that is started anew may be here before the end of the last
	 * one was read. */
	if (core->session && session_hung_up(core->session)) {
		log_info(core->name, "client left");
		session_free(core->session);
	}
	if (core->session) {
		core->stats.refused++;
		if (log_allowed(&core->client_log, core->name))
			log_warning(core->name,
				    "a second client was refused: a vGPU "
				    "serves one at a time");
		return refuse_client(core->loop, fd, EBUSY);
	}
	if (core->used) {
		err = renew(core);
		if (err) {
			log_error(core->name,
				  "client refused: cannot make fresh memory: %s",
				  strerror(-err));
			refuse_client(core->loop, fd, -err);
			return err;
		}
	}
	core->used = true;
	err = session_new(core, fd, &core->session);
	if (!err) {
		err = use_budget(core);
		if (err) {
			session_free(core->session);
			core->session = NULL;
		}
	}
	if (err) {
		log_error(core->name, "cannot serve a client: %s",
			  strerror(-err));
		return err;
	}
	core->stats.clients++;
	if (core->client_changed)
		core->client_changed(core, true, core->client_user);
	return 0;
}

void device_disconnect(struct vgpu_core *core)
{
	if (core->session)
		session_shutdown(core->session, 0);
}

int device_client(const struct vgpu_core *core, int *ret_pid, unsigned *ret_uid)
{
	pid_t pid;
	uid_t uid;
	int err;

	if (!core->session)
		return -ENOTCONN;
	err = session_peer(core->session, &pid, &uid);
	if (err)
		return err;
	*ret_pid = pid;
	*ret_uid = uid;
	return 0;
}
