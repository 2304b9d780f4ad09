/* SPDX-License-Identifier: MIT */
/* What the files of hub.h share. */
#ifndef VGPUD_HUB_PRIVATE_H
#define VGPUD_HUB_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "hub.h"
#include "util/list.h"
#include "util/loop.h"

struct process;

/**
 * struct hub - the hub of one parent, whether it runs or not
 * @label: "parent NAME", for messages
 * @module, @config: what it was started with
 * @process: NULL: none runs
 * @waiting: instances (by @awaiting) that start when it is ready
 * @linger: ends it when nobody has come until then
 * @stale: it runs with another configuration than there is now
 * @dropped: the configuration has no such parent any more
 * @deaths: in this window, that nobody asked for; @failures: ever
 * @window_ns: when it began; @again_ns: when the next one may be started
 * @backoff: is for then
 * @last: the end of the last of them: "was killed by SIGKILL"; NULL: none
 */
struct hub {
	struct list link;
	struct manager *manager;
	char *name, *label, *dir, *control, *module, *config;
	struct process *process;
	struct list waiting;
	struct loop_source *linger;
	bool adopted, stopping, stale, dropped;

	unsigned deaths, failures;
	uint64_t window_ns, again_ns;
	struct loop_source *backoff;
	char *last;
};

struct hub *hub_find(const struct manager *manager, const char *name);
int hub_new(struct manager *manager, const char *name, struct hub **ret_hub);
/* Its process runs on. */
void hub_free(struct hub *hub);
/* Supervise the process that runs in its folder. -ESRCH: none does. */
int hub_adopt(struct hub *hub);
/* End its process: nobody needs it. */
void hub_stop(struct hub *hub);
/* The configuration has no such parent any more: its vGPUs, too, are ended,
 * those who wait fail, and @hub is freed, now or later. */
void hub_drop(struct hub *hub);
/* Does any vGPU use it? */
bool hub_is_used(const struct hub *hub);

/* In hub-deaths.c. It died, by itself: @end says how. */
void hub_count_death(struct hub *hub, const char *end);
/* So many of them are enough for now. @buf: @size bytes for the sentence. */
bool hub_gave_up(const struct hub *hub, char *buf, size_t size);
/* All is forgiven. */
void hub_forgive(struct hub *hub);

/* The driver's file, as the workers are told of it; NULL: it offers nothing. */
const char *hub_module_of(const struct manager *manager, const char *name);

#endif
