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

static uint64_t window_ns(const struct hub *s)
{
	return s->manager->config->restart_window_s * 1000000000ull;
}

void hub_count_death(struct hub *s, const char *end)
{
	uint64_t now = loop_now_ns();

	if (now - s->window_ns > window_ns(s)) {
		s->window_ns = now;
		s->deaths = 0;
	}
	free(s->last);
	s->last = strdup(end);
	s->again_ns =
		now + (HUB_BACKOFF_NS << MIN(s->deaths, HUB_BACKOFF_DOUBLINGS));
	s->deaths++;
	s->failures++;
}

bool hub_gave_up(const struct hub *s, char *buf, size_t size)
{
	uint64_t past = loop_now_ns() - s->window_ns;

	if (s->deaths <= s->manager->config->parent_restart_limit ||
	    past > window_ns(s))
		return false;
	snprintf(buf, size,
		 "vgpu-parent has died %u times in %u s: none is started for "
		 "the next %u s, unless vgpud is told to read its configuration "
		 "again (SIGHUP). The last one %s",
		 s->deaths, s->manager->config->restart_window_s,
		 (unsigned)((window_ns(s) - past) / 1000000000u + 1),
		 s->last ? s->last : "ended");
	return true;
}

void hub_forgive(struct hub *s)
{
	s->deaths = 0;
	s->again_ns = 0;
}

/* ---- to look at ----------------------------------------------------- */

const char *hub_state(const struct manager *m, const char *name)
{
	const struct hub *s = hub_find(m, name);
	char why[HUB_WHY_MAX];

	if (s && s->process)
		return s->stopping		      ? "ending"
		       : process_is_ready(s->process) ? "running"
						      : "starting";
	if (s && hub_gave_up(s, why, sizeof(why)))
		return "failed";
	return s && !list_empty(&s->waiting) ? "starting" : "idle";
}

bool hub_problem(const struct manager *m, const char *name, char *buf,
		 size_t size)
{
	const struct hub *s = hub_find(m, name);

	return s && !s->process && hub_gave_up(s, buf, size);
}

unsigned hub_failures(const struct manager *m, const char *name)
{
	const struct hub *s = hub_find(m, name);

	return s ? s->failures : 0;
}
