/* SPDX-License-Identifier: MIT */
/*
 * How often a vgpu-parent may die. Who creates and starts vGPUs may be a script
 * that never tires, so the limits of the instances are not enough: each time,
 * the hardware is taken and reset.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "manager.h"
#include "hub-private.h"
#include "util/bytes.h"
#include "process.h"

static uint64_t window_ns(const struct hub *hub)
{
	return hub->manager->config->restart_window_s * 1000000000ull;
}

void hub_count_death(struct hub *hub, const char *end)
{
	uint64_t now = loop_now_ns();

	if (now - hub->window_ns > window_ns(hub)) {
		hub->window_ns = now;
		hub->deaths = 0;
	}
	free(hub->last);
	hub->last = strdup(end);
	hub->again_ns = now + (HUB_BACKOFF_NS
			       << MIN(hub->deaths, HUB_BACKOFF_DOUBLINGS));
	hub->deaths++;
	hub->failures++;
}

bool hub_gave_up(const struct hub *hub, char *buf, size_t size)
{
	uint64_t past = loop_now_ns() - hub->window_ns;

	if (hub->deaths <= hub->manager->config->parent_restart_limit ||
	    past > window_ns(hub))
		return false;
	snprintf(
		buf, size,
		"vgpu-parent has died %u times in %u s: none is started for "
		"the next %u s, unless vgpud is told to read its configuration "
		"again (SIGHUP). The last one %s",
		hub->deaths, hub->manager->config->restart_window_s,
		(unsigned)((window_ns(hub) - past) / 1000000000u + 1),
		hub->last ? hub->last : "ended");
	return true;
}

void hub_forgive(struct hub *hub)
{
	hub->deaths = 0;
	hub->again_ns = 0;
}

/* ---- to look at ----------------------------------------------------- */

const char *hub_state(const struct manager *m, const char *name)
{
	const struct hub *hub = hub_find(m, name);
	char why[HUB_WHY_MAX];

	if (hub && hub->process)
		return hub->stopping			? "ending"
		       : process_is_ready(hub->process) ? "running"
							: "starting";
	if (hub && hub_gave_up(hub, why, sizeof(why)))
		return "failed";
	return hub && !list_empty(&hub->waiting) ? "starting" : "idle";
}

bool hub_problem(const struct manager *m, const char *name, char *buf,
		 size_t size)
{
	const struct hub *hub = hub_find(m, name);

	return hub && !hub->process && hub_gave_up(hub, buf, size);
}

unsigned hub_failures(const struct manager *m, const char *name)
{
	const struct hub *hub = hub_find(m, name);

	return hub ? hub->failures : 0;
}
