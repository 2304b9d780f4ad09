/* SPDX-License-Identifier: MIT */
/* What the files of sharer.h share. */
#ifndef VGPUD_SHARER_PRIVATE_H
#define VGPUD_SHARER_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "sharer.h"
#include "util/list.h"
#include "util/loop.h"

struct worker;

/**
 * struct sharer - the vgpu-parent of one parent, whether it runs or not
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
struct sharer {
	struct list link;
	struct manager *manager;
	char *name, *label, *dir, *control, *module, *config;
	struct worker *process;
	struct list waiting;
	struct loop_source *linger;
	bool adopted, stopping, stale, dropped;

	unsigned deaths, failures;
	uint64_t window_ns, again_ns;
	struct loop_source *backoff;
	char *last;
};

struct sharer *sharer_find(const struct manager *manager, const char *name);
int sharer_new(struct manager *manager, const char *name,
	       struct sharer **ret_sharer);
/* Its process runs on. */
void sharer_free(struct sharer *sharer);
/* Supervise the process that runs in its folder. -ESRCH: none does. */
int sharer_adopt(struct sharer *sharer);
/* End its process: nobody needs it. */
void sharer_stop(struct sharer *sharer);
/* The configuration has no such parent any more: its vGPUs, too, are ended,
 * those who wait fail, and @sharer is freed, now or later. */
void sharer_drop(struct sharer *sharer);
/* Does any vGPU use it? */
bool sharer_is_used(const struct sharer *sharer);

/* In sharer-deaths.c. It died, by itself: @end says how. */
void sharer_count_death(struct sharer *sharer, const char *end);
/* So many of them are enough for now. @buf: @size bytes for the sentence. */
bool sharer_gave_up(const struct sharer *sharer, char *buf, size_t size);
/* All is forgiven. */
void sharer_forgive(struct sharer *sharer);

/* The driver's file, as the workers are told of it; NULL: it offers nothing. */
const char *sharer_module_of(const struct manager *manager, const char *name);

#endif
