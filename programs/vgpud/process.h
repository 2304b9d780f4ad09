/* SPDX-License-Identifier: MIT */
/*
 * A process that is started, or found again, and watched: the worker of an
 * instance (vgpu-device), or the hub of a parent (vgpu-parent; hub.h).
 *
 * Its folder holds all there is of it: control.sock, log, the record with its
 * process id, and a worker's vfio-user.sock. The daemon hears of it by a pidfd
 * (its end) and by a subscription on its control socket (its clients).
 */
#ifndef VGPUD_PROCESS_H
#define VGPUD_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/loop.h"

struct process;

#define WORKER_SOCKET  "vfio-user.sock"
#define PROCESS_CONTROL "control.sock"
#define PROCESS_LOG	"log"
#define PROCESS_RECORD	"worker"

/* How long one may take until it serves. */
#define PROCESS_START_NS (10ull * 1000000000ull)
/* How long one may take to end after SIGTERM, before SIGKILL. */
#define PROCESS_STOP_NS (5ull * 1000000000ull)
/* Between looks at a control socket that does not answer. */
#define PROCESS_LOOK_NS	    (20ull * 1000000ull)
#define PROCESS_LOOK_MAX_NS (1000ull * 1000000ull)
/* A log that is longer is put aside when the next one starts, bytes. */
#define PROCESS_LOG_MAX (256u << 10)

/**
 * struct process_ops - who is told, on the loop
 * @ready: it serves (once)
 * @client: a client came (@pid != 0) or went
 * @ended: it is gone, and @why: "was killed by SIGKILL". That is from the first
 *         that knows: what the daemon did to it, its wait status, the crash
 *         report in its log. It is to be freed (there or later)
 */
struct process_ops {
	void (*ready)(struct process *process, void *user);
	void (*client)(struct process *process, pid_t pid, uid_t uid,
		       void *user);
	void (*ended)(struct process *process, const char *why, void *user);
};

/**
 * struct process_kind - what sort of process
 * @name: "worker" or "parent", for messages and fault points
 * @subscribe: the method by which we do
 * @identity: member of its replies that says which one it is
 */
struct process_kind {
	const char *name, *subscribe, *identity;
};

/**
 * struct process_config - what to start
 * @kind: outlives it
 * @name: for messages
 * @key: what it says of itself there; its command line names it, too
 * @dir: its folder; made if it isn't there
 * @argv: NULL-terminated; process_start() only
 * @pass_fd: a descriptor that it inherits; -1: none
 * @notify: path of the socket where READY=1 is to be sent
 *
 * Other strings are copied.
 */
struct process_config {
	struct loop *loop;
	const struct process_kind *kind;
	const char *name, *key, *dir, *notify;
	const char *const *argv;
	int pass_fd;
};

int process_start(const struct process_config *config,
		  const struct process_ops *ops, void *user,
		  struct process **ret_process);

/**
 * process_adopt() - supervise the process that runs in @config->dir
 *
 * ready() follows when its control socket has confirmed that it is the one.
 *
 * Return: 0; -ESRCH: none runs; others.
 */
int process_adopt(const struct process_config *config,
		  const struct process_ops *ops, void *user,
		  struct process **ret_process);

/* READY=1 came from its process. */
void process_notified(struct process *process);
/* Has it ended? Then ended() is called now. */
void process_check(struct process *process);
/* End it: ended() follows. May be repeated. */
void process_stop(struct process *process);
/* Stop supervising; the process runs on. NULL is fine. */
void process_free(struct process *process);

pid_t process_pid(const struct process *process);
/* Of one that has ended: what it exited with; PROCESS_SIGNALLED: a signal ended
 * it; PROCESS_UNKNOWN: another daemon's child, of which nobody tells us. */
#define PROCESS_SIGNALLED (-1)
#define PROCESS_UNKNOWN	  (-2)
int process_exit_status(const struct process *process);
bool process_is_ready(const struct process *process);
bool process_has_ended(const struct process *process);
/* How: as ended() was told; NULL: it runs. */
const char *process_end(const struct process *process);

/* The last line of its own log since it started; "" if there is none. */
void process_last_line(const struct process *process, char *buf, size_t size);
/* Log the last lines of its own log since it started: they may hold a back
 * trace, and why it gave up. */
void process_log_last_words(const struct process *process);

/* Remove the folder of a process and what is in it. */
void process_clean(const char *dir);
/* End the process that runs in @dir, if one does, and wait for it: before the
 * loop runs only. */
void process_end_orphan(const char *dir, const char *key, const char *name);

#endif
