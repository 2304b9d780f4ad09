/* SPDX-License-Identifier: MIT */
/* What the parts of the manager share. */
#ifndef VGPUD_INSTANCE_H
#define VGPUD_INSTANCE_H

#include "manager.h"

/* A new one in its place among the others; nothing of the parent is taken. */
int instance_new(struct manager *manager, const struct definition *def,
		 struct instance **ret_instance);
/* Gives back what it took of its parent; its process is left alone. */
void instance_free(struct instance *instance);

/* @fmt NULL: no reason */
void instance_set_state(struct instance *instance, enum state state,
			const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void instance_event(struct instance *instance, const char *kind,
		    const char *message);

/* The change that goes on is made, or not. Everything is settled before. */
void instance_done(struct instance *instance, int err, const char *message);

/* Start its worker when it is its turn: instance_started() or
 * instance_failed() follows. */
void instance_launch(struct instance *instance);
/* No turn is wanted any more. */
void instance_unqueue(struct instance *instance);
/* Supervise the worker that runs already. -ESRCH: none. */
int instance_adopt(struct instance *instance);

/* Its parent has made it a connection, which is taken; or @why not. */
void instance_introduced(struct instance *instance, int fd, const char *why);
/* Its parent knows what it may have now, or can't be told. */
void instance_terms_told(struct instance *instance);
/* A worker that says by its end that its parent has gone may end before its
 * parent does, as the kernel has it: the parent's reason is waited for, so
 * long. Meanwhile the worker counts as one that runs. */
#define INSTANCE_VERDICT_NS (2000ull * 1000000ull)
/* Without its parent it is none: end its worker, and say @why. */
void instance_doom(struct instance *instance, const char *why);

/* Take what it takes of them, and give it back: also with neither of them. */
void instance_settle(struct instance *instance, struct parent *parent,
		     struct parent_type *type);
void instance_unsettle(struct instance *instance);
/* Of the engine, 1 to VGPU_WEIGHT_MAX. */
unsigned instance_weight(const struct instance *instance);

/* In changes.c: what follows. */
void instance_started(struct instance *instance);

/* In policy.c: likewise. @why is a sentence's end: "its worker ...". */
/* The worker could not be started, or has ended before it was ready. */
void instance_failed(struct instance *instance, const char *why);
/* It ran, and has ended: as wanted, or by itself. */
void instance_ended(struct instance *instance, const char *why);
/* It ran, and nobody wanted it to end: its policy decides. */
void instance_died(struct instance *instance, const char *why);
/* No new worker comes by itself any more. */
void instance_calm(struct instance *instance);
/* The change is over, and so is the instance. */
void instance_vanish(struct instance *instance, int err, const char *message);

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
