/* SPDX-License-Identifier: MIT */
/* Contexts: their registers, and what writing them sets off. */
#include <string.h>

#include "arbiter.h"
#include "context.h"
#include "engine.h"
#include "mmu.h"
#include "section.h"

#define RING_MIN  4096u
#define RING_MAX  (1u << 20)
#define CTL_ALIGN 128u
#define CONTROL_BITS                                                           \
	(REFGPU_CTX_ENABLE | REFGPU_CTX_HOST_RING | REFGPU_CTX_PRIV |          \
	 0xfu << REFGPU_CTX_ENGINE_SHIFT)

static struct engine *engine_of(struct refgpu_hw *hw, const struct context *c)
{
	unsigned id = context_engine(c);

	return id < REFGPU_NUM_ENGINES ? &hw->engine[id] : NULL;
}

void context_event(struct refgpu_hw *hw, struct context *c, uint32_t bits)
{
	if (!(bits & ~atomic_fetch_or(&c->event, bits)))
		return;
	hw->ctx_events[c->id / 32] |= 1u << c->id % 32;
	hw_irq(hw, REFGPU_VECTOR_EVENT);
}

static void event_ack(struct refgpu_hw *hw, struct context *c, uint32_t bits)
{
	if (!(atomic_fetch_and(&c->event, ~bits) & ~bits))
		hw->ctx_events[c->id / 32] &= ~(1u << c->id % 32);
}

/* As if ENABLE had become 0; nothing runs it. */
static void clear(struct refgpu_hw *hw, struct context *c)
{
	c->control &= ~REFGPU_CTX_ENABLE;
	memset(&c->s, 0, sizeof(c->s));
	atomic_store(&c->rung, false);
	atomic_store(&c->state, REFGPU_STATE_OFF);
	atomic_store(&c->head, 0);
	atomic_store(&c->cookie, 0);
	c->fault = REFGPU_FAULT_NONE;
	c->fault_va = 0;
	c->error = REFGPU_ERROR_NONE;
	event_ack(hw, c, ~0u);
	mmu_forget(hw, c);
}

void context_reset(struct refgpu_hw *hw, struct context *c)
{
	clear(hw, c);
	c->control = 0;
	c->root = c->ring = c->ctl = c->inv = 0;
	c->ring_size = 0;
	c->time = 0;
}

static void disable(struct refgpu_hw *hw, struct context *c)
{
	struct engine *e = engine_of(hw, c);

	c->dying = true;
	if (e) {
		arbiter_remove(e, c);
		if (e->next == c)
			host_drop_next(e);
		while (atomic_load(&e->cur) == c) {
			engine_request(e, REQUEST_STOP);
			pthread_cond_wait(&hw->left, &hw->lock);
		}
	}
	clear(hw, c);
	c->dying = false;
	pthread_cond_broadcast(&hw->left);
}

/* What is wrong with the registers that say where the commands are. */
static enum refgpu_error check(const struct refgpu_hw *hw,
			       const struct context *c)
{
	uint64_t end = c->control & REFGPU_CTX_HOST_RING ? hw->config.vram_size
							 : REFGPU_VA_SIZE;

	if (context_engine(c) >= REFGPU_NUM_ENGINES)
		return REFGPU_ERROR_ENGINE;
	if (c->ring_size < RING_MIN || c->ring_size > RING_MAX ||
	    (c->ring_size & (c->ring_size - 1)) || c->ring % REFGPU_PAGE ||
	    c->ring >= end || c->ring_size > end - c->ring ||
	    c->ctl % CTL_ALIGN || c->ctl >= end)
		return REFGPU_ERROR_RING;
	return REFGPU_ERROR_NONE;
}

static void enable(struct refgpu_hw *hw, struct context *c)
{
	clear(hw, c);
	c->control |= REFGPU_CTX_ENABLE;
	c->error = check(hw, c);
	if (!c->error) {
		atomic_store(&c->state, REFGPU_STATE_IDLE);
		return;
	}
	atomic_store(&c->state, REFGPU_STATE_ERROR);
	context_event(hw, c, REFGPU_EVENT_ERROR);
}

static void write_control(struct refgpu_hw *hw, struct context *c,
			  uint32_t value)
{
	while (c->dying)
		pthread_cond_wait(&hw->left, &hw->lock);
	if (c->control & REFGPU_CTX_ENABLE) {
		if (value & REFGPU_CTX_ENABLE)
			return;
		disable(hw, c);
	}
	c->control = value & CONTROL_BITS & ~REFGPU_CTX_ENABLE;
	if (value & REFGPU_CTX_ENABLE)
		enable(hw, c);
}

static void resume(struct refgpu_hw *hw, struct context *c)
{
	struct engine *e = engine_of(hw, c);

	if (atomic_load(&c->state) != REFGPU_STATE_FAULT || c->dying)
		return;
	c->fault = REFGPU_FAULT_NONE;
	c->fault_va = 0;
	atomic_store(&c->state, REFGPU_STATE_READY);
	if (e->mode == REFGPU_MODE_ARBITER)
		arbiter_enqueue(e, c);
}

/* All of them are forgotten, however many were named. */
static void invalidate(struct refgpu_hw *hw, struct context *c)
{
	struct engine *e = engine_of(hw, c);

	mmu_forget(hw, c);
	if (!e)
		return;
	/* Sections are short, but others need not wait for their end. */
	hw_unlock(hw);
	section_sync(e);
	hw_lock(hw);
}

void context_doorbell(struct refgpu_hw *hw, struct context *c)
{
	struct engine *e = engine_of(hw, c);
	uint32_t state = atomic_load(&c->state);

	if (c->dying || hw->resetting || !e)
		return;
	if (atomic_load(&e->cur) == c)
		atomic_store(&c->rung, true);
	else if (e->mode == REFGPU_MODE_ARBITER &&
		 (state == REFGPU_STATE_IDLE || state == REFGPU_STATE_WAITING))
		arbiter_enqueue(e, c);
}

static void set_low(uint64_t *reg, uint32_t value)
{
	*reg = (*reg & ~0xffffffffull) | value;
}

static void set_high(uint64_t *reg, uint32_t value)
{
	*reg = (*reg & 0xffffffffull) | (uint64_t)value << 32;
}

/* Those that stay as they are while the context is enabled. */
static void write_fixed(struct context *c, uint32_t reg, uint32_t value)
{
	if (c->control & REFGPU_CTX_ENABLE)
		return;
	switch (reg) {
	case REFGPU_CTX_ROOT_LO:
		set_low(&c->root, value);
		break;
	case REFGPU_CTX_ROOT_HI:
		set_high(&c->root, value);
		break;
	case REFGPU_CTX_RING_LO:
		set_low(&c->ring, value);
		break;
	case REFGPU_CTX_RING_HI:
		set_high(&c->ring, value);
		break;
	case REFGPU_CTX_RING_SIZE:
		c->ring_size = value;
		break;
	case REFGPU_CTX_CTL_LO:
		set_low(&c->ctl, value);
		break;
	case REFGPU_CTX_CTL_HI:
		set_high(&c->ctl, value);
		break;
	}
}

/* ------------------------------------------------------------------ */
/* How much of a command is done                                       */
/* ------------------------------------------------------------------ */

/* Nobody but who holds the lock uses its stream, and it is at the host's
 * disposal. */
static bool stands(struct refgpu_hw *hw, const struct context *c)
{
	const struct engine *e = engine_of(hw, c);

	return c->control & REFGPU_CTX_ENABLE &&
	       c->control & REFGPU_CTX_HOST_RING && e &&
	       atomic_load(&e->cur) != c;
}

static uint32_t read_progress(struct refgpu_hw *hw, const struct context *c,
			      uint32_t reg)
{
	const struct stream *s = &c->s;

	/* In a batch it is the batch's command that is at HEAD. */
	if (!stands(hw, c) || s->depth ||
	    (s->phase != PHASE_EXEC && !s->loaded))
		return 0;
	switch (reg) {
	case REFGPU_CTX_DONE_LO:
		return (uint32_t)s->done;
	case REFGPU_CTX_DONE_HI:
		return (uint32_t)(s->done >> 32);
	case REFGPU_CTX_PART:
		return s->part;
	default:
		return s->group[(reg - REFGPU_CTX_GROUP_X) / 4];
	}
}

static void write_progress(struct refgpu_hw *hw, struct context *c,
			   uint32_t reg, uint32_t value)
{
	struct stream *s = &c->s;

	if (!stands(hw, c) || s->phase != PHASE_FETCH || s->depth ||
	    atomic_load(&c->head) ||
	    atomic_load(&c->state) != REFGPU_STATE_IDLE)
		return;
	s->loaded = true;
	switch (reg) {
	case REFGPU_CTX_DONE_LO:
		set_low(&s->done, value);
		break;
	case REFGPU_CTX_DONE_HI:
		set_high(&s->done, value);
		break;
	case REFGPU_CTX_PART:
		s->part = value;
		break;
	default:
		s->group[(reg - REFGPU_CTX_GROUP_X) / 4] = value;
	}
}

/* ------------------------------------------------------------------ */

void context_write(struct refgpu_hw *hw, struct context *c, uint32_t reg,
		   uint32_t value)
{
	switch (reg) {
	case REFGPU_CTX_CONTROL:
		write_control(hw, c, value);
		break;
	case REFGPU_CTX_EVENT:
		event_ack(hw, c, value);
		break;
	case REFGPU_CTX_RESUME:
		if (value == 1)
			resume(hw, c);
		break;
	case REFGPU_CTX_INV_LO:
		set_low(&c->inv, value);
		break;
	case REFGPU_CTX_INV_HI:
		set_high(&c->inv, value);
		break;
	case REFGPU_CTX_INV_PAGES:
		invalidate(hw, c);
		break;
	case REFGPU_CTX_DONE_LO ... REFGPU_CTX_PART:
		write_progress(hw, c, reg, value);
		break;
	default:
		write_fixed(c, reg, value);
	}
}

static uint32_t read_time(struct refgpu_hw *hw, struct context *c)
{
	const struct engine *e = engine_of(hw, c);
	uint64_t time = c->time;

	/* e->run: it has begun, so .start_clock is its. */
	if (e && e->run == c)
		time += engine_worked(e) - e->start_clock;
	c->time_hi = (uint32_t)(time >> 32);
	return (uint32_t)time;
}

uint32_t context_read(struct refgpu_hw *hw, struct context *c, uint32_t reg)
{
	switch (reg) {
	case REFGPU_CTX_CONTROL:
		return c->control;
	case REFGPU_CTX_STATE:
		return atomic_load(&c->state);
	case REFGPU_CTX_ROOT_LO:
		return (uint32_t)c->root;
	case REFGPU_CTX_ROOT_HI:
		return (uint32_t)(c->root >> 32);
	case REFGPU_CTX_RING_LO:
		return (uint32_t)c->ring;
	case REFGPU_CTX_RING_HI:
		return (uint32_t)(c->ring >> 32);
	case REFGPU_CTX_RING_SIZE:
		return c->ring_size;
	case REFGPU_CTX_CTL_LO:
		return (uint32_t)c->ctl;
	case REFGPU_CTX_CTL_HI:
		return (uint32_t)(c->ctl >> 32);
	case REFGPU_CTX_HEAD:
		return atomic_load(&c->head);
	case REFGPU_CTX_EVENT:
		return atomic_load(&c->event);
	case REFGPU_CTX_FAULT_LO:
		return (uint32_t)c->fault_va;
	case REFGPU_CTX_FAULT_HI:
		return (uint32_t)(c->fault_va >> 32);
	case REFGPU_CTX_FAULT:
		return c->fault;
	case REFGPU_CTX_ERROR:
		return c->error;
	case REFGPU_CTX_INV_LO:
		return (uint32_t)c->inv;
	case REFGPU_CTX_INV_HI:
		return (uint32_t)(c->inv >> 32);
	case REFGPU_CTX_TIME_LO:
		return read_time(hw, c);
	case REFGPU_CTX_TIME_HI:
		return c->time_hi;
	case REFGPU_CTX_COOKIE:
		return atomic_load(&c->cookie);
	case REFGPU_CTX_DONE_LO ... REFGPU_CTX_PART:
		return read_progress(hw, c, reg);
	default:
		return 0;
	}
}
