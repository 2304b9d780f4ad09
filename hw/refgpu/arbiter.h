/* SPDX-License-Identifier: MIT */
/*
 * Who runs on an engine: in arbiter mode contexts queue for slices; in host
 * mode the host submits them one by one. All of it under the lock.
 */
#ifndef ARBITER_H
#define ARBITER_H

#include "model.h"

/* The arbiter's lists */
void arbiter_enqueue(struct engine *e, struct context *c);
/* Wherever it is, it no longer is. */
void arbiter_remove(struct engine *e, struct context *c);
/* All that wait for semaphores look again. */
void arbiter_poll_waiters(struct engine *e);
/* The next one to run, or NULL. */
struct context *arbiter_pick(struct engine *e);
/* @c, that ran, waits for a semaphore, or is READY and has been preempted. */
void arbiter_left(struct engine *e, struct context *c, enum refgpu_stop why);
/* The mode becomes @mode. */
void arbiter_mode(struct engine *e, uint32_t mode);

/* Host mode */
void host_submit(struct engine *e, uint32_t ctx);
void host_preempt(struct engine *e);
void host_event(struct engine *e, const struct context *c,
		enum refgpu_stop why);
uint32_t host_take_event(struct engine *e);
uint32_t host_status(struct engine *e);
/* The running one has left: what is next, runs. */
void host_left(struct engine *e, struct context *c, enum refgpu_stop why);
/* @c is not to be next any more. */
void host_drop_next(struct engine *e);

#endif
