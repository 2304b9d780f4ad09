/* SPDX-License-Identifier: MIT */
/* What an instance waits for: each a start and a cancel. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "config.h"
#include "control/caller.h"
#include "fault.h"
#include "hub.h"
#include "instance.h"
#include "process.h"
#include "store.h"
#include "util/bytes.h"
#include "util/cleanup.h"

static struct instance *of(struct await *wait)
{
	return list_entry(wait, struct instance, machine.wait);
}

static void cancel_nothing(struct await *wait)
{
}

/* ---- the disk ------------------------------------------------------- */

static int start_write(struct await *wait)
{
	struct instance *instance = of(wait);
	cleanup_free char *path = instance_definition_path(instance);
	bool modify = instance->machine.state == MODIFYING;

	return path ? store_write(instance->manager->store, path,
				  modify ? &instance->wanted : &instance->def,
				  wait)
		    : -ENOMEM;
}

static int start_remove(struct await *wait)
{
	struct instance *instance = of(wait);
	cleanup_free char *path = instance_definition_path(instance);

	return path ? store_remove(instance->manager->store, path, wait)
		    : -ENOMEM;
}

const struct await_kind wait_disk_write = { "the disk", start_write,
					    store_forget };
const struct await_kind wait_disk_remove = { "the disk", start_remove,
					     store_forget };

/* ---- its hub, and its turn ------------------------------------------ */

static int start_hub(struct await *wait)
{
	struct instance *instance = of(wait);
	char why[HUB_WHY_MAX];
	int err = 0;

	if (!instance->parent) {
		err = -ENODEV;
		snprintf(why, sizeof(why),
			 "its parent '%s' does not offer type '%s' any more",
			 instance->def.parent, instance->def.type);
	} else if (hub_needed(instance)) {
		err = hub_await(instance, wait, why, sizeof(why));
	}
	if (err != -EINPROGRESS)
		await_done(wait, err, err ? why : NULL);
	return 0;
}

static void cancel_link(struct await *wait)
{
	list_remove(&wait->link);
}

static int start_turn(struct await *wait)
{
	struct manager *m = of(wait)->manager;

	if (m->starting < MANAGER_STARTS)
		await_done(wait, 0, NULL);
	else
		list_insert(&m->start_queue, &wait->link);
	return 0;
}

static int start_introduction(struct await *wait)
{
	struct instance *instance = of(wait);

	if (hub_needed(instance)) {
		instance->pin_lease = manager_first_part(instance->manager);
		return hub_introduce(instance, wait);
	}
	await_done(wait, 0, NULL);
	return 0;
}

static void cancel_introduction(struct await *wait)
{
	control_caller_free(steal_ptr(wait->op));
}

const struct await_kind wait_hub = { "its hub", start_hub, cancel_link };
const struct await_kind wait_turn = { "its turn", start_turn, cancel_link };
const struct await_kind wait_introduction = { "its hub's answer",
					      start_introduction,
					      cancel_introduction };

/* ---- its worker ----------------------------------------------------- */

static int start_ready(struct await *wait)
{
	struct instance *instance = of(wait);
	int err = instance->worker ? 0 : instance_start_worker(instance);
	char why[160];

	if (err) {
		snprintf(why, sizeof(why),
			 "its worker can't be started (in %s): %s",
			 instance->manager->paths->runtime_dir, strerror(-err));
		await_done(wait, err, why);
	} else if (process_is_ready(instance->worker)) {
		await_done(wait, 0, NULL);
	}
	return 0;
}

static int start_end(struct await *wait)
{
	struct process *worker = of(wait)->worker;

	if (!worker || process_has_ended(worker))
		await_done(wait, 0, NULL);
	else
		process_stop(worker);
	return 0;
}

/* Whether it becomes ready or not, and whether it ends, is bounded and watched
 * over by process.c; instance.c hears of it. */
const struct await_kind wait_ready = { "its worker", start_ready,
				       cancel_nothing };
const struct await_kind wait_end = { "its worker's end", start_end,
				     cancel_nothing };

/* ---- time ----------------------------------------------------------- */

static int start_verdict(struct await *wait)
{
	return await_time(wait, of(wait)->manager->loop, INSTANCE_VERDICT_NS);
}

static int start_backoff(struct await *wait)
{
	struct instance *instance = of(wait);

	return await_time(wait, instance->manager->loop,
			  MANAGER_BACKOFF_NS << MIN(instance->deaths - 1, 8u));
}

const struct await_kind wait_verdict = { "its hub's end", start_verdict,
					 await_time_cancel };
const struct await_kind wait_backoff = { "time", start_backoff,
					 await_time_cancel };
