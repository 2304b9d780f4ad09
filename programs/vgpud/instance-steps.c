/* SPDX-License-Identifier: MIT */
/* What the rows of instance-states.c ask, and what they do. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "control/caller.h"
#include "fault.h"
#include "hub.h"
#include "instance.h"
#include "process.h"
#include "registry.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "../common/cmdline.h"

static struct instance *of(struct machine *m)
{
	return list_entry(m, struct instance, machine);
}

/* ---- conditions ----------------------------------------------------- */

bool instance_if_asked(struct machine *m)
{
	return of(m)->request;
}

bool instance_if_create(struct machine *m)
{
	return of(m)->request == REQUEST_CREATE;
}

bool instance_if_start(struct machine *m)
{
	return of(m)->request == REQUEST_START;
}

bool instance_if_stop(struct machine *m)
{
	return of(m)->request == REQUEST_STOP;
}

bool instance_if_remove(struct machine *m)
{
	return of(m)->request == REQUEST_REMOVE;
}

bool instance_if_stop_and_transient(struct machine *m)
{
	return instance_if_stop(m) && of(m)->transient;
}

bool instance_if_offered(struct machine *m)
{
	return of(m)->parent;
}

bool instance_if_hub_is_ready(struct machine *m)
{
	return !hub_needed(of(m)) || hub_is_ready(of(m));
}

/* It says, or may say, that it ended since its hub has: but the kernel closes a
 * process's connections before it tells that the process has ended. */
bool instance_if_hub_may_have_ended(struct machine *m)
{
	struct instance *instance = of(m);
	int status = process_exit_status(instance->worker);

	return (status == EXIT_CODE_PARENT || status == PROCESS_UNKNOWN) &&
	       hub_needed(instance);
}

bool instance_if_policy_is_stop(struct machine *m)
{
	return of(m)->def.policy == POLICY_STOP;
}

bool instance_if_policy_is_stop_and_transient(struct machine *m)
{
	return instance_if_policy_is_stop(m) && of(m)->transient;
}

static unsigned deaths_in_window(const struct instance *instance)
{
	const struct config *c = instance->manager->config;
	uint64_t past = loop_now_ns() - instance->window_ns;

	return past > (uint64_t)c->restart_window_s * 1000000000ull
		       ? 0
		       : instance->deaths;
}

/*
 * The place of the successor: a keeper that holds the dead worker's descriptors
 * would have started one with --adopt by now, and its client would have noticed
 * nothing; it would be found here as a new process on record (process_adopt()),
 * before any policy is asked.
 */
bool instance_if_it_may_start_again(struct machine *m)
{
	const struct instance *instance = of(m);

	return instance->def.policy == POLICY_RESTART && instance->parent &&
	       deaths_in_window(instance) <
		       instance->manager->config->restart_limit;
}

/* ---- the definition ------------------------------------------------- */

static const char *cannot_store(const struct instance *instance, char *buf,
				size_t size)
{
	snprintf(buf, size, "its definition can't be stored in %s: %s",
		 instance->transient ? instance->manager->paths->runtime_dir
				     : instance->manager->paths->state_dir,
		 strerror(-instance->machine.wait.err));
	return buf;
}

void instance_do_say_defined(struct machine *m)
{
	instance_event(of(m), "defined", NULL);
	instance_answer(of(m), 0, NULL);
}

void instance_do_say_not_stored(struct machine *m)
{
	char message[512];

	cannot_store(of(m), message, sizeof(message));
	log_error(of(m)->def.uuid, "%s", message);
	instance_answer(of(m), m->wait.err, message);
}

void instance_do_note_not_stored(struct machine *m)
{
	char message[512];

	instance_set_reason(of(m),
			    cannot_store(of(m), message, sizeof(message)));
	log_error(of(m)->def.uuid, "%s", message);
}

void instance_do_say_created(struct machine *m)
{
	instance_event(of(m), "created", NULL);
	instance_event(of(m), "started", NULL);
	instance_answer(of(m), 0, NULL);
}

void instance_do_say_modified(struct machine *m)
{
	struct instance *instance = of(m);
	const struct definition *wanted = &instance->wanted;
	bool retell = wanted->weight != instance->def.weight ||
		      wanted->cap != instance->def.cap;
	struct parent *parent = instance->parent;
	struct parent_type *type = instance->type;

	if (parent && strcmp(wanted->type, instance->def.type))
		type = parent_find_type(parent, wanted->type);
	instance_unsettle(instance);
	instance->def = *wanted;
	if (type)
		instance_settle(instance, parent, type);
	if (retell && instance->worker && hub_needed(instance))
		hub_tell(instance);
	instance_event(instance, "modified", NULL);
	instance_answer(instance, 0, NULL);
}

void instance_do_say_not_modified(struct machine *m)
{
	char message[512];

	cannot_store(of(m), message, sizeof(message));
	instance_answer(of(m), m->wait.err, message);
}

/* Nothing of it was changed. */
void instance_do_say_not_removed(struct machine *m)
{
	cleanup_free char *path = instance_definition_path(of(m));
	const char *advice = "";
	int err = m->wait.err;
	char message[512];

	if (err == -EROFS)
		advice =
			"; make that file system writable, and remove it again";
	else if (err == -EACCES || err == -EPERM)
		advice = "; let vgpud's user write in that folder, and remove "
			 "it again";
	snprintf(message, sizeof(message),
		 "it is not removed: its definition %s can't be deleted: %s%s",
		 path ? path : "", strerror(-err), advice);
	instance_answer(of(m), err, message);
}

/* ---- a worker comes ------------------------------------------------- */

void instance_do_say_started(struct machine *m)
{
	instance_event(of(m), "started", NULL);
	instance_answer(of(m), 0, NULL);
}

void instance_do_say_restarted(struct machine *m)
{
	if (!of(m)->deaths)
		return;
	of(m)->restarts++;
	instance_event(of(m), "restarted", NULL);
}

void instance_do_note_why(struct machine *m)
{
	instance_set_why(of(m), m->wait.why);
}

void instance_do_note_hub(struct machine *m)
{
	instance_set_why(of(m), of(m)->doom);
	free(steal_ptr(of(m)->doom));
}

void instance_do_note_not_offered(struct machine *m)
{
	const struct definition *d = &of(m)->def;
	char why[256];

	snprintf(why, sizeof(why),
		 "parent '%s' does not offer type '%s' (any more)", d->parent,
		 d->type);
	instance_set_why(of(m), why);
}

void instance_do_say_not_offered(struct machine *m)
{
	if (of(m)->broken)
		return;
	instance_do_note_not_offered(m);
	instance_set_reason(of(m), of(m)->why);
}

void instance_do_forget_deaths(struct machine *m)
{
	of(m)->deaths = 0;
	if (m->state == REMOVING)
		fault_point("remove-done");
}

/* ---- a worker ends -------------------------------------------------- */

/* "did not start": what people are told who had asked for it. */
static const char *not_started(struct instance *instance, char *buf,
			       size_t size)
{
	snprintf(buf, size, "it did not start: %s; the daemon's log says more",
		 instance->why ? instance->why : "");
	return buf;
}

void instance_do_say_not_started(struct machine *m)
{
	char message[1024];

	instance_set_reason(of(m),
			    not_started(of(m), message, sizeof(message)));
	instance_event(of(m), "failed", message);
	instance_answer(of(m), -EIO, message);
}

/* Its worker never came, died before the definition was stored, or had to go
 * since it could not be. */
void instance_do_say_not_created(struct machine *m)
{
	struct instance *instance = of(m);
	char message[1024];

	instance_clean_folder(instance);
	instance_answer(instance, -EIO,
			instance->reason ? instance->reason
					 : not_started(instance, message,
						       sizeof(message)));
}

void instance_do_say_stopped(struct machine *m)
{
	instance_clean_folder(of(m));
	instance_event(of(m), "stopped", of(m)->request ? NULL : of(m)->why);
	instance_answer(of(m), 0, NULL);
}

void instance_do_say_removed(struct machine *m)
{
	instance_clean_folder(of(m));
	if (!instance_if_remove(m))
		instance_event(of(m), "stopped",
			       of(m)->request ? NULL : of(m)->why);
	instance_event(of(m), "removed", NULL);
	instance_answer(of(m), 0, NULL);
}

void instance_do_count_death(struct machine *m)
{
	struct instance *instance = of(m);

	if (!deaths_in_window(instance)) {
		instance->window_ns = loop_now_ns();
		instance->deaths = 0;
	}
	instance->deaths++;
	instance_set_reason(instance, instance->why);
	instance_event(instance, "failed", instance->why);
}

void instance_do_say_failed(struct machine *m)
{
	struct instance *instance = of(m);
	char message[1024];

	if (instance->def.policy == POLICY_RESTART && instance->parent)
		snprintf(message, sizeof(message),
			 "%s; %u died in %u s: no more are started",
			 instance->why ? instance->why : "", instance->deaths,
			 instance->manager->config->restart_window_s);
	else
		snprintf(message, sizeof(message), "%s",
			 instance->why ? instance->why : "");
	instance_set_reason(instance, message);
	instance_event(instance, "failed", message);
}

/*
 * Why it ended is, in this order: what the daemon did to it; what its hub's end
 * says, if that was first (both are @doom); its own end, as process.h has it.
 */
void instance_do_judge(struct machine *m)
{
	struct instance *instance = of(m);
	struct process *worker = steal_ptr(instance->worker);
	cleanup_free char *doom = steal_ptr(instance->doom);
	bool wanted = instance_if_stop(m) || instance_if_remove(m);
	const char *why = worker ? process_end(worker) : NULL;
	char text[512], said[256] = "";

	if (!worker)
		return;
	if (!process_is_ready(worker)) /* no guest has been heard */
		process_last_line(worker, said, sizeof(said));
	snprintf(text, sizeof(text), "its worker %s%s%s", why,
		 *said ? ", and said: " : "", said);
	log_line(wanted ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, instance->def.uuid,
		 "worker %d %s", (int)process_pid(worker), why);
	if (!wanted)
		process_log_last_words(worker);
	if (process_exit_status(worker) == EXIT_CODE_PARENT && !doom)
		snprintf(text, sizeof(text),
			 "its parent '%s' has dropped it (its worker %s): the "
			 "logs of vgpud and of the vGPU say why",
			 instance->def.parent, why);
	if (!instance->why)
		instance_set_why(instance, doom ? doom : text);
	process_free(worker);
	control_caller_free(steal_ptr(instance->telling));
	instance_client_left(instance);
}
