/* SPDX-License-Identifier: MIT */
/*
 * The instances: what is defined, what runs, and what becomes of it.
 *
 * Changes take time (disks, processes) and the loop never waits: each has a
 * done function. An instance has at most one change going on; another one is
 * refused with -EBUSY. All on the loop's thread.
 *
 * What a change does is in such an order that one step alone decides whether
 * it has happened:
 *   define, modify   the rename() of the definition's file
 *   create           the worker first; then as define. A worker without a
 *                    definition is ended when the daemon starts
 *   remove           the unlink() of that file; then the worker ends
 */
#ifndef VGPUD_MANAGER_H
#define VGPUD_MANAGER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "definition.h"
#include "machine.h"
#include "util/list.h"
#include "util/loop.h"

struct config;
struct control_caller;
struct events;
struct parent;
struct parent_type;
struct registry;
struct store;
struct process;

/* Definitions that are kept, of all parents together. */
#define MANAGER_MAX_INSTANCES 16384
/* Workers that are started at a time: more only get in each other's way. */
#define MANAGER_STARTS 4
/* A worker that died is replaced after this; doubled each time. */
#define MANAGER_BACKOFF_NS (100ull * 1000000ull)

enum state {
	STATE_DEFINED,
	STATE_STARTING,
	STATE_ACTIVE,
	STATE_ATTACHED,
	STATE_FAILED,
};
const char *state_name(enum state state);
/* As people see it. */
struct instance;
enum state instance_state(const struct instance *instance);

/**
 * manager_fn - a change has been made, or not
 * @err: 0, or negative errno
 * @message: with @err: a sentence, or NULL
 * @instance: NULL when it is gone
 */
struct instance;
typedef void (*manager_fn)(int err, const char *message,
			   struct instance *instance, void *user);

enum request {
	REQUEST_NONE,
	REQUEST_DEFINE,
	REQUEST_CREATE,
	REQUEST_START,
	REQUEST_STOP,
	REQUEST_REMOVE,
	REQUEST_MODIFY,
};

/**
 * struct instance - one vGPU
 * @machine: what it does and waits for; see instance-states.c
 * @broken: its definition is nonsense: it has a name and a reason only
 * @parent: NULL: what its definition names is not there
 * @worker: its process, until it is known why it ended; NULL: none
 * @reason: why it stands as it does, for people
 * @request, @done, @user: what somebody waits for, and who
 * @wanted: of REQUEST_MODIFY
 * @why: how its worker ended, or why none came: the end of a sentence
 * @doom: why its worker has to end, which nobody asked for
 * @deaths: in the window that began at @window_ns
 * @connection: to its hub, for its worker; -1: none
 * @telling: its hub is told what it may have: @told
 */
struct instance {
	struct machine machine;
	struct manager *manager;
	struct definition def;
	char *reason;
	bool transient, broken;
	struct parent *parent;
	struct parent_type *type;
	struct process *worker;
	pid_t client_pid;
	uid_t client_uid;
	unsigned restarts;
	uint64_t pin_lease;

	enum request request;
	manager_fn done;
	void *user;
	struct definition wanted;

	char *why, *doom;
	unsigned deaths;
	uint64_t window_ns;
	int connection;
	struct control_caller *telling;
	struct hub_terms {
		unsigned weight, cap;
		uint64_t pin_lease;
	} told;
};

struct manager_paths {
	char *config_dir, *state_dir, *runtime_dir, *driver_dir;
	char *program, *parent_program;
};

struct manager {
	struct loop *loop;
	const struct manager_paths *paths;
	struct config *config;
	struct registry *registry;
	struct store *store;
	struct events *events;
	struct instance **instances; /* in the order of their UUIDs */
	size_t n_instances;
	struct machine_queue queue;
	struct list start_queue; /* of waits */
	struct list hubs;
	unsigned starting;
	char *notify_path;
	uint64_t started_ns;
	char **problems; /* of what lies on disk, or was said by workers */
	size_t n_problems;
};

int manager_new(struct loop *loop, const struct manager_paths *paths,
		struct manager **ret_manager);
/* Workers run on. NULL is fine. */
void manager_free(struct manager *manager);

/* Use another configuration; both are taken. */
void manager_set_config(struct manager *manager, struct config *config,
			struct registry *registry);
/* Find what is defined and what runs. Once, after the first configuration. */
int manager_reconcile(struct manager *manager);
/* The process @pid says that it is ready; @status: and something that is not as
 * it ought to be, or NULL. */
void manager_notified(struct manager *manager, pid_t pid, const char *status);

/**
 * manager_find() - by UUID, a unique beginning of it, or label
 * @ret_matches: (optional) how many there are
 *
 * Return: NULL: none, or several.
 */
struct instance *manager_find(struct manager *manager, const char *name,
			      size_t *ret_matches);
struct instance *manager_find_uuid(struct manager *manager, const char *uuid);
/* Is it what @name stands for? */
bool instance_matches(const struct instance *instance, const char *name);

/**
 * manager_define() - remember an instance, and start it if that is wanted
 * @def: complete, names checked; parent "": any
 * @create: start it, and remember it only if it runs
 * @transient: with @create: gone when it is stopped
 *
 * Return: 0: @done will be called; -EEXIST: the UUID or the label is taken;
 * -ENOENT: no such type; -ENODEV: no such parent; -EUSERS: no room; -ENOMEM.
 */
int manager_define(struct manager *manager, const struct definition *def,
		   bool create, bool transient, manager_fn done, void *user);

/* -EBUSY: it is being changed; -EALREADY: it is (or runs) that way; -EBADMSG:
 * broken. Clients are not looked at here. */
int instance_start(struct instance *instance, manager_fn done, void *user);
int instance_stop(struct instance *instance, manager_fn done, void *user);
int instance_remove(struct instance *instance, manager_fn done, void *user);
/* @wanted: as a whole; also -EEXIST, -ENOENT, -EUSERS; -EISCONN: the type of
 * one that runs */
int instance_modify(struct instance *instance, const struct definition *wanted,
		    manager_fn done, void *user);

/* To be freed; @what as WORKER_SOCKET; NULL: the folder itself. */
char *instance_path(const struct instance *instance, const char *what);

#endif
