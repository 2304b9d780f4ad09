/* SPDX-License-Identifier: MIT */
/*
 * Hubs: the vgpu-parent processes, one for each parent whose driver shares
 * hardware (a section with "config ="). A hub is started when the first of its
 * vGPUs is, and ended a while after the last one has gone, so that the hardware
 * goes back to the host. Hubs are started, recorded and found again as workers
 * are.
 *
 * A vGPU does not connect to its vgpu-parent by itself: the daemon introduces
 * it (io.vgpud.Parent.Introduce), and the worker inherits the connection. So
 * type, weight, cap and how much it may pin are the daemon's word, and a worker
 * that its guest has taken over can't have another's.
 *
 * When a vgpu-parent ends, so do the workers that use it, and what becomes of
 * their instances is up to each one's policy; a new worker brings a new
 * vgpu-parent, after a while. One that died more often than the configuration's
 * parent-restart-limit within its restart-window is not started again before
 * that window is over, whoever asks; or until the configuration is read again.
 */
#ifndef VGPUD_HUB_H
#define VGPUD_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct instance;
struct manager;
struct await;

/* How long one is kept that nobody uses. */
#define HUB_LINGER_NS (5ull * 1000000000ull)
/* One that died is followed by another after this at the earliest; doubled
 * each time, up to this often. */
#define HUB_BACKOFF_NS	      (100ull * 1000000ull)
#define HUB_BACKOFF_DOUBLINGS 6u
/* How long one may take to answer. */
#define HUB_ANSWER_NS (5ull * 1000000000ull)
/* Bytes that a sentence about it may have. */
#define HUB_WHY_MAX 640
/* In the runtime folder: a folder for each parent. */
#define HUB_FOLDER "parents"

/* Does it use hardware by a vgpu-parent of ours? */
bool hub_needed(const struct instance *instance);

/* Is it there, and ready? */
bool hub_is_ready(const struct instance *instance);

/**
 * hub_await() - is there a vgpu-parent for it?
 * @why: @size bytes for a sentence's end on failure: "its parent ..."
 *
 * Return: 0: it is ready; -EINPROGRESS: it is being started, and @wait is done
 * then; to call it off, take its link out; others: it can't be.
 */
int hub_await(struct instance *instance, struct await *wait, char *why,
	      size_t size);

/* Get it a connection: @wait is done then. To call it off, free the caller that
 * is @wait->op. Negative errno: it is not begun. */
int hub_introduce(struct instance *instance, struct await *wait);

/* New terms for its running worker: instance_terms_told() follows, later. */
void hub_tell(struct instance *instance);

/* Something uses one more, or less. */
void hubs_review(struct manager *manager);

/* One of them may have ended just now: before its workers are judged. */
void hubs_check(struct manager *manager);
/* The configuration is another one: what it has no more is ended. */
void hubs_configure(struct manager *manager);
/* Find those that run; before the instances. */
void hubs_reconcile(struct manager *manager);
/* READY=1 came from that process. Return: it is one of them. */
bool hubs_notified(struct manager *manager, pid_t pid);
/* The processes run on. */
void hubs_free(struct manager *manager);

/* The vgpu-parent of the parent @name; 0: none runs. */
pid_t hub_pid(const struct manager *manager, const char *name);
/* Of a parent that needs one: "idle", "starting", "running", "ending",
 * "failed". */
const char *hub_state(const struct manager *manager, const char *name);
/* Has it failed so often that there is none for a while? @buf: @size bytes for
 * the sentence. */
bool hub_problem(const struct manager *manager, const char *name, char *buf,
		 size_t size);
/* How often one died that should not have, since the daemon runs. */
unsigned hub_failures(const struct manager *manager, const char *name);

#endif
