/* SPDX-License-Identifier: MIT */
#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../dma/budget.h"
#include "../dma/dirty.h"
#include "../dma/pin.h"
#include "../dma/space.h"
#include "device.h"
#include "doorbell.h"
#include "irq.h"

/* ------------------------------------------------------------------ */
/* Coming                                                              */
/* ------------------------------------------------------------------ */

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

/* What the client has pinned counts for its user from now on. */
static int use_budget(struct vgpu_core *core, const struct client *client)
{
	struct dma_budget *budget;
	pid_t pid;
	uid_t uid;
	int err;

	if (!core->budgets)
		return 0;
	err = client->ops->peer(client, &pid, &uid);
	if (!err)
		err = dma_budgets_get(core->budgets, uid, &budget);
	if (err)
		return err;
	err = dma_space_set_budget(core->dma, budget);
	dma_budget_unref(budget);
	return err;
}

int client_attach(struct vgpu_core *core, struct client *client)
{
	int err = 0;

	if (core->client)
		return -EBUSY;
	if (core->used)
		err = renew(core);
	core->used = true;
	if (!err)
		err = use_budget(core, client);
	if (err)
		return err;
	core->client = client;
	core->stats.clients++;
	if (core->client_changed)
		core->client_changed(core, true, core->client_user);
	return 0;
}

/* ------------------------------------------------------------------ */
/* Unmaps that take their time                                         */
/* ------------------------------------------------------------------ */

struct client_unmap {
	struct list link;
	struct client *client; /* NULL: it has gone */
	void *unmap;
};

static void on_unmapped(int err, void *user)
{
	struct client_unmap *u = user;
	struct client *client = u->client;
	void *unmap = u->unmap;

	list_remove(&u->link);
	free(u);
	if (client)
		client->ops->unmapped(client, unmap, err);
}

static int take(struct vgpu_core *core, bool all, uint64_t iova, uint64_t size,
		void *unmap)
{
	struct client_unmap *u = malloc(sizeof(*u));
	int err;

	if (!u)
		return -ENOMEM;
	*u = (struct client_unmap){ .client = core->client, .unmap = unmap };
	err = all ? dma_space_unmap_all(core->dma, on_unmapped, u)
		  : dma_space_unmap(core->dma, iova, size, on_unmapped, u);
	if (err == -EINPROGRESS)
		list_insert(&core->client_unmaps, &u->link);
	else
		free(u);
	return err;
}

int client_unmap(struct vgpu_core *core, uint64_t iova, uint64_t size,
		 void *unmap)
{
	return take(core, false, iova, size, unmap);
}

int client_unmap_all(struct vgpu_core *core, void *unmap)
{
	return take(core, true, 0, 0, unmap);
}

/* ------------------------------------------------------------------ */
/* Going                                                               */
/* ------------------------------------------------------------------ */

void client_detach(struct vgpu_core *core)
{
	core->client = NULL;
	list_for_each(n, &core->client_unmaps)
		list_entry(n, struct client_unmap, link)->client = NULL;
	dma_space_remote_gone(core->dma);
	dma_space_log_stop(core->dma); /* if it is on */
	dma_space_unmap_all(core->dma, NULL, NULL);
	irqs_disconnect(core->irqs);
	doorbells_close(core);
	if (core->ops.client_gone)
		core->ops.client_gone(core->dev);
	if (core->client_changed)
		core->client_changed(core, false, core->client_user);
}
