/* SPDX-License-Identifier: MIT */
/*
 * The vgpu-parent processes: one for each parent whose driver shares hardware
 * (a section with "config ="), started when the first of its vGPUs is, and
 * ended a while after the last one has gone, so that the hardware goes back to
 * the host. They are started, recorded and found again as workers are.
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
#ifndef VGPUD_SHARER_H
#define VGPUD_SHARER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct instance;
struct manager;

/* How long one is kept that nobody uses. */
#define SHARER_LINGER_NS (5ull * 1000000000ull)
/* One that died is followed by another after this at the earliest; doubled
 * each time, up to this often. */
#define SHARER_BACKOFF_NS	 (100ull * 1000000ull)
#define SHARER_BACKOFF_DOUBLINGS 6u
/* Bytes that a sentence about it may have. */
#define SHARER_WHY_MAX 640
/* In the runtime folder: a folder for each parent. */
#define SHARER_FOLDER "parents"

/* Does it use hardware by a vgpu-parent of ours? */
bool sharer_needed(const struct instance *instance);

/**
 * sharer_await() - is there a vgpu-parent for it?
 * @why: @size bytes for a sentence's end on failure: "its parent ..."
 *
 * Return: 0: it is ready; -EINPROGRESS: it is being started, and
 * instance_launch() or instance_failed() is called; others: it can't be.
 */
int sharer_await(struct instance *instance, char *why, size_t size);

/* Get it a connection: instance_introduced() follows, later. Negative errno:
 * it does not. */
int sharer_introduce(struct instance *instance);

/* New terms for its running worker: instance_terms_told() follows, later. */
void sharer_tell(struct instance *instance);

/* It waits for nothing any more. */
void sharer_forget(struct instance *instance);

/* Something uses one more, or less. */
void sharers_review(struct manager *manager);

/* One of them may have ended just now: before its workers are judged. */
void sharers_check(struct manager *manager);
/* The configuration is another one: what it has no more is ended. */
void sharers_configure(struct manager *manager);
/* Find those that run; before the instances. */
void sharers_reconcile(struct manager *manager);
/* READY=1 came from that process. Return: it is one of them. */
bool sharers_notified(struct manager *manager, pid_t pid);
/* The processes run on. */
void sharers_free(struct manager *manager);

/* The vgpu-parent of the parent @name; 0: none runs. */
pid_t sharer_pid(const struct manager *manager, const char *name);
/* Of a parent that needs one: "idle", "starting", "running", "ending",
 * "failed". */
const char *sharer_state(const struct manager *manager, const char *name);
/* Has it failed so often that there is none for a while? @buf: @size bytes for
 * the sentence. */
bool sharer_problem(const struct manager *manager, const char *name, char *buf,
		    size_t size);
/* How often one died that should not have, since the daemon runs. */
unsigned sharer_failures(const struct manager *manager, const char *name);

#endif
