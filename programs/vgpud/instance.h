/* SPDX-License-Identifier: MIT */
/* What the parts of the manager share. */
#ifndef VGPUD_INSTANCE_H
#define VGPUD_INSTANCE_H

#include "instance-states.h"
#include "manager.h"

/* A new one in its place among the others; nothing of the parent is taken. */
int instance_new(struct manager *manager, const struct definition *def,
		 struct instance **ret_instance);
/* Gives back what it took of its parent; its process is left alone. Who waits
 * for a change is told that vgpud ends. */
void instance_free(struct instance *instance);

/* Copied; NULL: none. */
void instance_set_reason(struct instance *instance, const char *reason);
void instance_set_why(struct instance *instance, const char *why);
void instance_event(struct instance *instance, const char *kind,
		    const char *message);
/* What was asked for is done, or not. */
void instance_answer(struct instance *instance, int err, const char *message);

/* Start it since the daemon does. */
void instance_launch(struct instance *instance);
/* Supervise the worker that runs already. -ESRCH: none. */
int instance_adopt(struct instance *instance);
/* A process for it; its connection is taken. */
int instance_start_worker(struct instance *instance);
/* With its worker, its client has gone. */
void instance_client_left(struct instance *instance);
void instance_clean_folder(struct instance *instance);
/* Where its definition lies; to be freed. */
char *instance_definition_path(const struct instance *instance);

/* Its hub knows what it may have now, or can't be told. */
void instance_terms_told(struct instance *instance);
/* A worker that says by its end that its hub has gone may end before its hub
 * does, as the kernel has it: the hub's reason is waited for, so long.
 * Meanwhile the worker counts as one that runs. */
#define INSTANCE_VERDICT_NS (2000ull * 1000000ull)
/* Without its hub it is none: end its worker, and say @why. */
void instance_doom(struct instance *instance, const char *why);

/* Take what it takes of them, and give it back: also with neither of them. */
void instance_settle(struct instance *instance, struct parent *parent,
		     struct parent_type *type);
void instance_unsettle(struct instance *instance);
/* Of the engine, 1 to VGPU_WEIGHT_MAX. */
unsigned instance_weight(const struct instance *instance);

/* A sentence that 'vgpuctl doctor' shows, too. */
void manager_problem(struct manager *manager, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* What a worker may have pinned until it is known whose client it has. */
void manager_first_lease(struct instance *instance);
/* So many bytes. */
uint64_t manager_first_part(const struct manager *manager);
/* A user's vGPUs have changed: share his budget among them anew. */
void manager_lease(struct manager *manager, uid_t uid);

#endif
