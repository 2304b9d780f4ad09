/* SPDX-License-Identifier: MIT */
/* One instance: how it stands, and its worker. */
#include "instance.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vgpu/parent.h>

#include "command.h"
#include "config.h"
#include "events.h"
#include "fault.h"
#include "hub.h"
#include "process.h"
#include "registry.h"
#include "store.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/text.h"

const char *state_name(enum state state)
{
	static const char *const names[] = {
		[STATE_DEFINED] = "defined", [STATE_STARTING] = "starting",
		[STATE_ACTIVE] = "active",   [STATE_ATTACHED] = "attached",
		[STATE_FAILED] = "failed",
	};

	return names[state];
}

char *instance_path(const struct instance *instance, const char *what)
{
	char *path;

	if (asprintf(&path, "%s/%s%s%s", instance->manager->paths->runtime_dir,
		     instance->def.uuid, what ? "/" : "", what ? what : "") < 0)
		return NULL;
	return path;
}

static void set_text(char **text, const char *to)
{
	char *copy = to ? strdup(to) : NULL;

	if (copy)
		text_make_printable(copy);
	free(*text);
	*text = copy;
}

void instance_set_reason(struct instance *instance, const char *reason)
{
	set_text(&instance->reason, reason);
}

void instance_set_why(struct instance *instance, const char *why)
{
	set_text(&instance->why, why);
}

enum state instance_state(const struct instance *instance)
{
	switch (machine_place(&instance->machine)) {
	case WRITING:
	case DEFINED:
		return STATE_DEFINED;
	case BROKEN_DOWN:
		return STATE_FAILED;
	}
	if (instance->broken)
		return STATE_FAILED;
	if (!instance->worker || !process_is_ready(instance->worker))
		return STATE_STARTING;
	return instance->client_pid ? STATE_ATTACHED : STATE_ACTIVE;
}

void instance_event(struct instance *instance, const char *kind,
		    const char *message)
{
	const struct definition *d = &instance->def;

	log_info(d->uuid, "%s%s%s", kind, message ? ": " : "",
		 message ? message : "");
	events_add(instance->manager->events,
		   &(struct event){ .kind = kind,
				    .uuid = d->uuid,
				    .label = *d->label ? d->label : NULL,
				    .type = *d->type ? d->type : NULL,
				    .parent = *d->parent ? d->parent : NULL,
				    .message = message });
}

void instance_answer(struct instance *instance, int err, const char *message)
{
	manager_fn done = steal_ptr(instance->done);

	instance->request = REQUEST_NONE;
	if (done)
		done(err, message, instance, instance->user);
}

/* ---- its place ------------------------------------------------------ */

static bool has_turn(unsigned state)
{
	return state == INTRODUCING || state == BOOTING;
}

/* There is room for more. */
static void give_turn(struct manager *m)
{
	struct await *wait;

	if (list_empty(&m->start_queue) || m->starting >= MANAGER_STARTS)
		return;
	wait = list_entry(m->start_queue.next, struct await, link);
	list_remove(&wait->link);
	await_done(wait, 0, NULL);
}

void instance_moved(struct machine *machine, unsigned from)
{
	struct instance *instance =
		list_entry(machine, struct instance, machine);
	struct manager *m = instance->manager;
	unsigned to = machine_place(machine);

	if (machine->state != BOOTING)
		instance->connection = close_fd(instance->connection);
	if (to == AT_HUB || to == RUNNING || to == DEFINED) {
		instance_set_why(instance, NULL);
		if (!instance->broken)
			instance_set_reason(instance, NULL);
	}
	m->starting += has_turn(machine->state);
	m->starting -= has_turn(from);
	if (has_turn(from) || from == IN_QUEUE)
		give_turn(m);
	hubs_review(m);
}

void instance_gone(struct machine *machine)
{
	instance_free(list_entry(machine, struct instance, machine));
}

/* ---- the worker ----------------------------------------------------- */

static void on_ready(struct process *worker, void *user)
{
	struct instance *instance = user;

	manager_first_lease(instance);
	if (instance->request)
		fault_point("worker-ready");
	hubs_review(instance->manager);
	if (instance->machine.wait.kind == &wait_ready)
		await_done(&instance->machine.wait, 0, NULL);
}

static void on_client(struct process *worker, pid_t pid, uid_t uid, void *user)
{
	struct instance *instance = user;
	char text[64];

	if (instance->client_pid == pid)
		return;
	instance_client_left(instance);
	instance->client_pid = pid;
	instance->client_uid = uid;
	if (!pid)
		return;
	snprintf(text, sizeof(text), "pid %d, uid %u", (int)pid, (unsigned)uid);
	instance_event(instance, "attached", text);
	manager_lease(instance->manager, uid);
}

void instance_client_left(struct instance *instance)
{
	if (!instance->client_pid)
		return;
	instance->client_pid = 0;
	instance_event(instance, "detached", NULL);
	manager_lease(instance->manager, instance->client_uid);
}

static void on_worker_ended(struct process *worker, const char *why, void *user)
{
	struct instance *instance = user;
	struct manager *m = instance->manager;

	machine_hold(&m->queue);
	hubs_check(m); /* its hub's end comes first */
	if (instance->machine.wait.kind == &wait_end)
		await_done(&instance->machine.wait, 0, NULL);
	else
		machine_post(&instance->machine, ENDED);
	machine_release(&m->queue);
}

static const struct process_ops worker_ops = { on_ready, on_client,
					       on_worker_ended };

static const struct process_kind worker_kind = {
	"worker", "io.vgpud.Device.Subscribe", "uuid"
};

static struct process_config worker_config(const struct instance *instance,
					   const char *dir)
{
	const struct manager *m = instance->manager;

	return (struct process_config){
		.loop = m->loop,
		.kind = &worker_kind,
		.name = instance->def.uuid,
		.key = instance->def.uuid,
		.dir = dir,
		.notify = m->notify_path,
		.pass_fd = -1,
	};
}

int instance_start_worker(struct instance *instance)
{
	cleanup_fd int connection = steal_fd(&instance->connection);
	cleanup_free char *dir = instance_path(instance, NULL);
	struct process_config config;
	struct command command;
	int err;

	if (!dir)
		return -ENOMEM;
	err = command_device(instance, dir, connection, &command);
	if (!err) {
		config = worker_config(instance, dir);
		config.argv = command.argv;
		config.pass_fd = connection;
		err = process_start(&config, &worker_ops, instance,
				    &instance->worker);
	}
	command_release(&command);
	return err;
}

void instance_launch(struct instance *instance)
{
	machine_post(&instance->machine, START);
}

void instance_doom(struct instance *instance, const char *why)
{
	if (!instance->doom &&
	    (instance->worker || instance->machine.state == INTRODUCING))
		instance->doom = strdup(why);
	machine_post(&instance->machine, HUB_LOST);
}

void instance_clean_folder(struct instance *instance)
{
	cleanup_free char *dir = instance_path(instance, NULL);

	if (dir)
		process_clean(dir);
}

char *instance_definition_path(const struct instance *instance)
{
	char *path;

	if (instance->transient)
		return instance_path(instance, "transient" STORE_SUFFIX);
	if (asprintf(&path, "%s/%s" STORE_SUFFIX,
		     instance->manager->paths->state_dir,
		     instance->def.uuid) < 0)
		return NULL;
	return path;
}

/* ---- what it takes -------------------------------------------------- */

unsigned instance_weight(const struct instance *instance)
{
	uint32_t shares = instance->type ? instance->type->shares : 1;

	if (instance->def.weight)
		return instance->def.weight;
	shares = MIN(shares, VGPU_WEIGHT_MAX);
	return MAX(shares, 1u);
}

void instance_settle(struct instance *instance, struct parent *parent,
		     struct parent_type *type)
{
	parent_take(parent, type, instance->def.weight);
	instance->parent = parent;
	instance->type = type;
}

void instance_unsettle(struct instance *instance)
{
	if (instance->parent)
		parent_release(instance->parent, instance->type,
			       instance->def.weight);
	instance->parent = NULL;
	instance->type = NULL;
}

int instance_adopt(struct instance *instance)
{
	cleanup_free char *dir = instance_path(instance, NULL);
	struct process_config config = worker_config(instance, dir);
	struct manager *m = instance->manager;
	int err = -ENOMEM;

	if (dir)
		err = process_adopt(&config, &worker_ops, instance,
				    &instance->worker);
	if (err)
		return err;
	machine_hold(&m->queue);
	machine_enter(&instance->machine, RUNNING);
	machine_release(&m->queue);
	return 0;
}
