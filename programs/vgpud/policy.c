/* SPDX-License-Identifier: MIT */
/* What becomes of an instance whose worker has ended, or did not start. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "instance.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "process.h"

static void clean_folder(struct instance *instance)
{
	cleanup_free char *dir = instance_path(instance, NULL);

	if (dir)
		process_clean(dir);
}

/* The change is over, and so is the instance. */
void instance_vanish(struct instance *instance, int err, const char *message)
{
	manager_fn done = instance->done;
	void *user = instance->user;

	instance_free(instance);
	if (done)
		done(err, message, NULL, user);
}

static void on_backoff(struct loop_source *src, void *user)
{
	struct instance *instance = user;

	if (!instance->worker && instance->state == STATE_STARTING &&
	    !instance->change)
		instance_launch(instance);
}

/* Return: a new worker will come. */
static bool restart_later(struct instance *instance)
{
	const struct config *c = instance->manager->config;
	uint64_t now = loop_now_ns();

	if (now - instance->window_ns >
	    (uint64_t)c->restart_window_s * 1000000000ull) {
		instance->window_ns = now;
		instance->deaths = 0;
	}
	if (instance->deaths >= c->restart_limit)
		return false;
	if (!instance->backoff &&
	    loop_add_timer(instance->manager->loop, on_backoff, instance,
			   &instance->backoff))
		return false;
	if (loop_arm_timer(instance->backoff,
			   MANAGER_BACKOFF_NS << MIN(instance->deaths, 8u), 0))
		return false;
	instance->deaths++;
	return true;
}

void instance_died(struct instance *instance, const char *why)
{
	char message[1024];

	/*
	 * The place of the successor: a keeper that holds the dead worker's
	 * descriptors would have started one with --adopt by now, and its
	 * client would have noticed nothing; it would be found here as a new
	 * process on record (process_adopt()), before any policy is asked.
	 */
	snprintf(message, sizeof(message), "%s", why);
	switch (instance->def.policy) {
	case POLICY_STOP:
		instance_set_state(instance, STATE_DEFINED, NULL);
		instance_event(instance, "stopped", message);
		clean_folder(instance);
		if (instance->transient && !instance->change) {
			instance_event(instance, "removed", NULL);
			instance_vanish(instance, 0, NULL);
		}
		return;
	case POLICY_FAIL:
		break;
	case POLICY_RESTART:
		if (instance->parent && restart_later(instance)) {
			instance_set_state(instance, STATE_STARTING, "%s",
					   message);
			instance_event(instance, "failed", message);
			return;
		}
		if (instance->parent)
			snprintf(message, sizeof(message),
				 "%s; %u died in %u s: no more are started",
				 why, instance->deaths,
				 instance->manager->config->restart_window_s);
		break;
	}
	instance_set_state(instance, STATE_FAILED, "%s", message);
	instance_event(instance, "failed", message);
}

void instance_failed(struct instance *instance, const char *why)
{
	char message[1024];

	if (instance->storing)
		return;
	snprintf(message, sizeof(message),
		 "it did not start: %s; the daemon's log says more", why);
	switch (instance->change) {
	case CHANGE_CREATE:
		clean_folder(instance);
		instance_vanish(instance, -EIO, message);
		return;
	case CHANGE_START:
		instance_set_state(instance, STATE_FAILED, "%s", message);
		instance_event(instance, "failed", message);
		instance_done(instance, -EIO, message);
		return;
	default: /* nobody waits: autostart, or after a death */
		instance_died(instance, why);
	}
}

void instance_ended(struct instance *instance, const char *why)
{
	cleanup_free char *reason = NULL;

	if (instance->storing && instance->change != CHANGE_MODIFY)
		return; /* the store's answer goes on with it */
	switch (instance->change) {
	case CHANGE_CREATE: /* it died, or could not be stored */
		clean_folder(instance);
		reason = instance->reason ? strdup(instance->reason) : NULL;
		instance_vanish(instance, -EIO, reason ? reason : why);
		return;
	case CHANGE_REMOVE:
		clean_folder(instance);
		instance_event(instance, "removed", NULL);
		instance_vanish(instance, 0, NULL);
		return;
	case CHANGE_STOP:
		clean_folder(instance);
		instance_set_state(instance, STATE_DEFINED, NULL);
		instance_event(instance, "stopped", NULL);
		if (instance->transient) {
			instance_event(instance, "removed", NULL);
			instance_vanish(instance, 0, NULL);
			return;
		}
		instance_done(instance, 0, NULL);
		return;
	default:
		instance_died(instance, why);
	}
}

void instance_calm(struct instance *instance)
{
	instance_unqueue(instance);
	if (instance->backoff)
		loop_arm_timer(instance->backoff, 0, 0);
	instance->deaths = 0;
}
