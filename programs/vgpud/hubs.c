/* SPDX-License-Identifier: MIT */
/* All vgpu-parents: found again, configured anew, looked after. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "instance.h"
#include "registry.h"
#include "record.h"
#include "hub-private.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "process.h"

const char *hub_module_of(const struct manager *m, const char *name)
{
	const struct parent *p = registry_find_parent(m->registry, name);

	return p && p->n_types ? p->types[0].module : NULL;
}

void hubs_review(struct manager *m)
{
	list_for_each(n, &m->hubs) {
		struct hub *hub = list_entry(n, struct hub, link);

		if (hub->process && process_is_ready(hub->process) &&
		    !hub->stopping)
			loop_arm_timer(hub->linger,
				       hub_is_used(hub) ? 0 : HUB_LINGER_NS, 0);
	}
}

void hubs_check(struct manager *m)
{
	list_for_each_safe(n, &m->hubs) {
		struct hub *hub = list_entry(n, struct hub, link);

		if (hub->process)
			process_check(hub->process);
	}
}

void hubs_configure(struct manager *m)
{
	list_for_each_safe(n, &m->hubs) {
		struct hub *hub = list_entry(n, struct hub, link);
		const struct config_parent *p =
			config_find_parent(m->config, hub->name);
		const char *module = hub_module_of(m, hub->name);
		bool stale = false;

		if (p && p->error)
			continue; /* a slip of the pen takes nothing away */
		if (!p || !p->config) {
			hub_drop(hub);
			continue;
		}
		hub_forgive(hub);
		if (!hub->process)
			continue;
		if (module)
			stale = strcmp(p->config, hub->config) ||
				strcmp(module, hub->module);
		if (stale && !hub->stale)
			log_warning(hub->label,
				    "runs on with '%s' until no vGPU "
				    "uses it any more",
				    hub->config);
		hub->stale = stale;
	}
}

static void look_at(struct manager *m, const char *name)
{
	const struct config_parent *p = config_find_parent(m->config, name);
	struct hub *hub;
	int err;

	if (hub_new(m, name, &hub)) {
		manager_problem(m, "parent %s is left out: out of memory",
				name);
		return;
	}
	if (p && p->config) {
		err = hub_adopt(hub);
		if (!err) {
			log_info(hub->label,
				 "its vgpu-parent %d runs: found again",
				 (int)process_pid(hub->process));
			return;
		}
		if (err != -ESRCH)
			manager_problem(m,
					"parent %s: its vgpu-parent can't "
					"be looked for: %s",
					name, strerror(-err));
	} else {
		process_end_orphan(hub->dir, hub->control, hub->label);
	}
	process_clean(hub->dir);
	hub_free(hub);
}

void hubs_reconcile(struct manager *m)
{
	cleanup_free char *path = NULL;
	struct dirent *e;
	DIR *d;

	if (asprintf(&path, "%s/" HUB_FOLDER, m->paths->runtime_dir) < 0) {
		path = NULL;
		return;
	}
	d = opendir(path);
	if (!d)
		return; /* there never was one */
	while ((e = readdir(d)))
		if (parent_name_is_valid(e->d_name))
			look_at(m, e->d_name);
	closedir(d);
}

bool hubs_notified(struct manager *m, pid_t pid)
{
	list_for_each(n, &m->hubs) {
		struct hub *hub = list_entry(n, struct hub, link);

		if (hub->process && process_pid(hub->process) == pid) {
			process_notified(hub->process);
			return true;
		}
	}
	return false;
}

void hubs_free(struct manager *m)
{
	list_for_each_safe(n, &m->hubs)
		hub_free(list_entry(n, struct hub, link));
}
