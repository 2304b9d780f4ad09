/* SPDX-License-Identifier: MIT */
/* The thread of an engine: waits for a context, runs it, lets it go. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "arbiter.h"
#include "context.h"
#include "engine.h"
#include "kernels/kernels.h"
#include "section.h"

#define POLLS_PER_CLOCK 8u /* small commands between two looks at the clock */

void engine_kick(struct engine *e)
{
	atomic_fetch_add_explicit(&e->kicks, 1, memory_order_release);
	if (e->sleeping)
		pthread_cond_signal(&e->wake);
}

void engine_request(struct engine *e, enum request request)
{
	if (atomic_load(&e->cur))
		atomic_fetch_or(&e->request, request);
}

/* Should the context make way? @big: it has just done something long. */
static bool boundary(struct engine *e, bool big)
{
	if (atomic_load_explicit(&e->request, memory_order_relaxed))
		return true;
	if (!e->arbitrated ||
	    !atomic_load_explicit(&e->rivals, memory_order_relaxed) ||
	    (!big && ++e->polls % POLLS_PER_CLOCK))
		return false;
	return hw_now() - e->start >
	       (atomic_load_explicit(&e->hw->waiters, memory_order_relaxed)
			? SEM_POLL_NS
			: SLICE_NS);
}

/* A semaphore may have changed: those that wait look again. Who has looked
 * before and is not in line yet sees it by the count. */
static void wake_waiters(struct engine *e)
{
	struct refgpu_hw *hw = e->hw;

	e->stored = false;
	atomic_fetch_add(&hw->stores, 1);
	if (!atomic_load(&hw->waiters))
		return;
	hw_lock(hw);
	for (unsigned i = 0; i < REFGPU_NUM_ENGINES; i++)
		arbiter_poll_waiters(&hw->engine[i]);
	hw_unlock(hw);
}

/* One command, or a chunk of it, in one section. */
static enum step step(struct engine *e, struct context *c)
{
	enum step r = STEP_DONE;

	section_begin(e);
	if (c->s.phase == PHASE_FETCH)
		r = stream_fetch(e, c);
	if (!r && c->s.phase == PHASE_EXEC)
		r = exec_command(e, c);
	if (!r && c->s.phase == PHASE_RETIRE)
		r = stream_retire(e, c);
	section_end(e);
	return r;
}

static enum step run(struct engine *e, struct context *c)
{
	bool big = false;

	for (;;) {
		enum step r;

		if (boundary(e, big))
			return engine_cut(e) ? STEP_CUT : STEP_AGAIN;
		r = step(e, c);
		if (e->stored)
			wake_waiters(e);
		if (r != STEP_DONE && r != STEP_AGAIN)
			return r;
		big = r == STEP_AGAIN;
	}
}

/* The context stands; lock. Return: why. */
static enum refgpu_stop stand(struct engine *e, struct context *c, enum step r)
{
	uint32_t request = atomic_load(&e->request);

	if (c->dying || e->hw->resetting || (request & REQUEST_STOP))
		return REFGPU_STOP_DROPPED;
	if (request & REQUEST_RESET) {
		e->error = REFGPU_ERROR_RESET;
		r = STEP_ERROR;
	}
	switch (r) {
	case STEP_IDLE:
		atomic_store(&c->state, REFGPU_STATE_IDLE);
		return REFGPU_STOP_IDLE;
	case STEP_WAIT:
		if (e->mode == REFGPU_MODE_ARBITER &&
		    (atomic_load(&e->hw->stores) != e->stores_seen ||
		     atomic_load(&c->rung)))
			return REFGPU_STOP_PREEMPTED;
		atomic_store(&c->state, REFGPU_STATE_WAITING);
		return REFGPU_STOP_WAIT;
	case STEP_FAULT:
		c->fault = e->fault;
		c->fault_va = e->fault_va;
		atomic_store(&c->state, REFGPU_STATE_FAULT);
		context_event(e->hw, c, REFGPU_EVENT_FAULT);
		return REFGPU_STOP_FAULT;
	case STEP_ERROR:
		c->error = e->error;
		atomic_store(&c->state, REFGPU_STATE_ERROR);
		context_event(e->hw, c, REFGPU_EVENT_ERROR);
		return REFGPU_STOP_ERROR;
	default:
		atomic_store(&c->state, REFGPU_STATE_READY);
		return REFGPU_STOP_PREEMPTED;
	}
}

uint64_t engine_worked(const struct engine *e)
{
	struct timespec t;

	clock_gettime(e->clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The run is over; lock. */
static void leave(struct engine *e, struct context *c, enum step r)
{
	enum refgpu_stop why = stand(e, c, r);
	bool host = e->mode == REFGPU_MODE_HOST;

	c->time += engine_worked(e) - e->start_clock;
	e->run = NULL;
	atomic_store(&e->request, 0);
	atomic_store(&e->cur, NULL);
	if (e->hw->resetting)
		;
	else if (host)
		host_left(e, c, why);
	else
		arbiter_left(e, c, why);
	pthread_cond_broadcast(&e->hw->left);
}

/* Runs e->cur; lock, which is released in between. */
static void run_context(struct engine *e, struct context *c)
{
	struct refgpu_hw *hw = e->hw;
	enum step r;

	e->run = c;
	e->arbitrated = e->mode == REFGPU_MODE_ARBITER;
	e->start = hw_now();
	e->start_clock = engine_worked(e);
	atomic_store(&c->state, REFGPU_STATE_RUNNING);
	kernels_forget(e);
	do {
		hw_unlock(hw);
		r = run(e, c);
		hw_lock(hw);
		/* A doorbell that rang until now is not forgotten. */
	} while (r == STEP_IDLE && atomic_load(&c->rung) &&
		 !atomic_load(&e->request));
	if (r == STEP_IDLE && atomic_load(&c->rung))
		r = STEP_AGAIN;
	leave(e, c, r);
}

/* For a moment look for work without sleeping; lock, released in between. */
static bool spin(struct engine *e)
{
	uint32_t kicks = atomic_load(&e->kicks);
	uint64_t end = hw_now() + SPIN_NS;

	hw_unlock(e->hw);
	while (atomic_load_explicit(&e->kicks, memory_order_acquire) == kicks &&
	       hw_now() < end)
		sched_yield();
	hw_lock(e->hw);
	return atomic_load(&e->kicks) != kicks;
}

static void sleep_(struct engine *e)
{
	struct timespec until;
	uint64_t end;

	e->sleeping = true;
	if (e->waiters.first) {
		end = e->polled + SEM_POLL_NS;
		until.tv_sec = (time_t)(end / 1000000000u);
		until.tv_nsec = (long)(end % 1000000000u);
		pthread_cond_timedwait(&e->wake, &e->hw->lock, &until);
	} else {
		pthread_cond_wait(&e->wake, &e->hw->lock);
	}
	e->sleeping = false;
}

static struct context *pick(struct engine *e)
{
	struct context *c = atomic_load(&e->cur);

	if (!c && e->mode == REFGPU_MODE_ARBITER && !e->hw->resetting) {
		c = arbiter_pick(e);
		atomic_store(&e->cur, c);
	}
	return c;
}

static void *engine_main(void *arg)
{
	struct engine *e = arg;
	bool spun = false;

	hw_lock(e->hw);
	while (!e->quit) {
		struct context *c = pick(e);

		if (c) {
			run_context(e, c);
			spun = false;
		} else if (!spun) {
			spun = !spin(e);
		} else {
			sleep_(e);
		}
	}
	hw_unlock(e->hw);
	return NULL;
}

static int engine_init(struct engine *e)
{
	pthread_condattr_t attr;

	e->tlb = calloc(TLB_ENTRIES, sizeof(*e->tlb));
	e->huge = calloc(TLB_HUGE_ENTRIES, sizeof(*e->huge));
	e->scratch = kernels_scratch();
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&e->wake, &attr);
	pthread_condattr_destroy(&attr);
	return e->tlb && e->huge && e->scratch ? 0 : -ENOMEM;
}

int engine_start(struct refgpu_hw *hw, unsigned id)
{
	struct engine *e = &hw->engine[id];
	int err;

	e->hw = hw;
	e->id = id;
	err = engine_init(e);
	if (err)
		return err;
	/* It finds its clock when it gets the lock. */
	hw_lock(hw);
	err = -pthread_create(&e->thread, NULL, engine_main, e);
	e->started = !err;
	if (!err)
		err = -pthread_getcpuclockid(e->thread, &e->clock);
	hw_unlock(hw);
	return err;
}

void engine_stop(struct engine *e)
{
	if (!e->hw)
		return; /* it never began */
	if (e->started) {
		hw_lock(e->hw);
		e->quit = true;
		engine_request(e, REQUEST_STOP);
		engine_kick(e);
		hw_unlock(e->hw);
		pthread_join(e->thread, NULL);
	}
	pthread_cond_destroy(&e->wake);
	free(e->tlb);
	free(e->huge);
	free(e->scratch);
}
