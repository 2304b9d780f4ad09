/* SPDX-License-Identifier: MIT */
/*
 * A worker: a process that is started, or found again, and watched. The
 * vgpu-device of an instance as a rule; the vgpu-parent of a parent is started
 * and found in the same way (sharer.h).
 *
 * Its folder holds all there is of it: control.sock, log, the record with its
 * process id, and vfio-user.sock. The daemon hears of it by a pidfd (its end)
 * and by a subscription on its control socket (its clients).
 */
#ifndef VGPUD_WORKER_H
#define VGPUD_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/loop.h"

struct devwatch_kind;
struct worker;

#define WORKER_SOCKET  "vfio-user.sock"
#define WORKER_CONTROL "control.sock"
#define WORKER_LOG     "log"
#define WORKER_RECORD  "worker"

/* How long one may take until it serves. */
#define WORKER_START_NS (10ull * 1000000000ull)
/* How long one may take to end after SIGTERM, before SIGKILL. */
#define WORKER_STOP_NS (5ull * 1000000000ull)
/* Between looks at a control socket that does not answer. */
#define WORKER_LOOK_NS	   (20ull * 1000000ull)
#define WORKER_LOOK_MAX_NS (1000ull * 1000000ull)
/* A log that is longer is put aside when the next worker starts, bytes. */
#define WORKER_LOG_MAX (256u << 10)

/**
 * struct worker_ops - who is told, on the loop
 * @ready: it serves (once)
 * @client: a client came (@pid != 0) or went
 * @ended: it is gone, and @why: "was killed by SIGKILL". That is from the first
 *         that knows: what the daemon did to it, its wait status, the crash
 *         report in its log. The worker is to be freed (there or later)
 */
struct worker_ops {
	void (*ready)(struct worker *worker, void *user);
	void (*client)(struct worker *worker, pid_t pid, uid_t uid, void *user);
	void (*ended)(struct worker *worker, const char *why, void *user);
};

/**
 * struct worker_config - what to start
 * @kind: "worker" or "parent", for messages and fault points; outlives it
 * @watch: how it is subscribed to; outlives it
 * @name: for messages
 * @key: what it says of itself there; its command line names it, too
 * @dir: its folder; made if it isn't there
 * @argv: NULL-terminated; worker_start() only
 * @pass_fd: a descriptor that it inherits; -1: none
 * @notify: path of the socket where READY=1 is to be sent
 *
 * Other strings are copied.
 */
struct worker_config {
	struct loop *loop;
	const char *kind;
	const struct devwatch_kind *watch;
	const char *name, *key, *dir, *notify;
	const char *const *argv;
	int pass_fd;
};

int worker_start(const struct worker_config *config,
		 const struct worker_ops *ops, void *user,
		 struct worker **ret_worker);

/**
 * worker_adopt() - supervise the worker that runs in @config->dir
 *
 * ready() follows when its control socket has confirmed that it is the one.
 *
 * Return: 0; -ESRCH: none runs; others.
 */
int worker_adopt(const struct worker_config *config,
		 const struct worker_ops *ops, void *user,
		 struct worker **ret_worker);

/* READY=1 came from its process. */
void worker_notified(struct worker *worker);
/* Has it ended? Then ended() is called now. */
void worker_check(struct worker *worker);
/* End it: ended() follows. May be repeated. */
void worker_stop(struct worker *worker);
/* Stop supervising; the process runs on. NULL is fine. */
void worker_free(struct worker *worker);

pid_t worker_pid(const struct worker *worker);
/* Of one that has ended: what it exited with; WORKER_SIGNALLED: a signal ended
 * it; WORKER_UNKNOWN: another daemon's child, of which nobody tells us. */
#define WORKER_SIGNALLED (-1)
#define WORKER_UNKNOWN	 (-2)
int worker_exit_status(const struct worker *worker);
bool worker_is_ready(const struct worker *worker);

/* The last line of its own log since it started; "" if there is none. */
void worker_last_line(const struct worker *worker, char *buf, size_t size);
/* Log the last lines of its own log since it started: they may hold a back
 * trace, and why it gave up. */
void worker_log_last_words(const struct worker *worker);

/* Remove a folder of a worker and what is in it. */
void worker_clean(const char *dir);
/* End the worker that runs in @dir, if one does, and wait for it: before the
 * loop runs only. */
void worker_end_orphan(const char *dir, const char *key, const char *name);

#endif
