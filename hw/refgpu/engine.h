/* SPDX-License-Identifier: MIT */
/* An engine: a thread that runs contexts. */
#ifndef ENGINE_H
#define ENGINE_H

#include <time.h>

#include "model.h"

int engine_start(struct refgpu_hw *hw, unsigned id);
/* Stops what runs, and the thread. */
void engine_stop(struct engine *e);

/* There is something to run; lock. */
void engine_kick(struct engine *e);
/* Ask the run of the present context to end; lock. Wait with hw->left. */
void engine_request(struct engine *e, enum request request);

/* ns, by the clock that contexts' TIME counts: it stands while the engine does,
 * which is while its thread has no CPU. Any thread; it has been started. */
uint64_t engine_worked(const struct engine *e);

/* Within something long: does somebody want it to end at once? */
static inline bool engine_cut(const struct engine *e)
{
	return atomic_load_explicit(&e->request, memory_order_relaxed) &
	       REQUEST_NOW;
}

/* stream.c: the next command into c->s; the present one is over. In a section.
 */
enum step stream_fetch(struct engine *e, struct context *c);
enum step stream_retire(struct engine *e, struct context *c);
/* END, or the end of a batch: its BATCH command is to be retired. */
void stream_pop(struct context *c);

/* exec.c: do (a part of) the command in c->s. In a section, also on return; it
 * may have been another in between. */
enum step exec_command(struct engine *e, struct context *c);
enum step exec_error(struct engine *e, enum refgpu_error why);

#endif
