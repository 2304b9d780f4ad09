/* SPDX-License-Identifier: MIT */
/* BAR0 and BAR4: which register it is. */
#include "arbiter.h"
#include "context.h"
#include "display.h"
#include "engine.h"

#define ENG_END	 REFGPU_ENG(REFGPU_NUM_ENGINES, 0)
#define DISP_END (REFGPU_DISP_EDID + 256u)

static bool in_contexts(const struct refgpu_hw *hw, uint32_t offset)
{
	return offset >= REFGPU_CTX_BASE &&
	       (offset - REFGPU_CTX_BASE) / REFGPU_CTX_STRIDE <
		       hw->config.contexts;
}

static struct context *context_at(struct refgpu_hw *hw, uint32_t offset)
{
	return &hw->ctx[(offset - REFGPU_CTX_BASE) / REFGPU_CTX_STRIDE];
}

static struct engine *engine_at(struct refgpu_hw *hw, uint32_t offset)
{
	return &hw->engine[(offset - REFGPU_ENG(0, 0)) / 0x40];
}

static bool in_engines(uint32_t offset)
{
	return offset >= REFGPU_ENG(0, 0) && offset < ENG_END;
}

/* ------------------------------------------------------------------ */
/* Reading                                                             */
/* ------------------------------------------------------------------ */

static uint32_t status(const struct refgpu_hw *hw)
{
	uint32_t bits = 0;

	for (unsigned i = 0; i < REFGPU_NUM_ENGINES; i++)
		if (atomic_load(&hw->engine[i].cur) ||
		    hw->engine[i].queue.first)
			bits |= 1u << i;
	return bits;
}

static uint32_t read_engine(struct engine *e, uint32_t reg)
{
	switch (reg) {
	case REFGPU_ENG_MODE:
		return e->mode;
	case REFGPU_ENG_STATUS:
		return host_status(e);
	case REFGPU_ENG_EVENT:
		return host_take_event(e);
	default:
		return 0;
	}
}

static uint32_t read_time(struct refgpu_hw *hw)
{
	uint64_t now = hw_now() - hw->power_on;

	hw->time_hi = (uint32_t)(now >> 32);
	return (uint32_t)now;
}

static uint32_t read_global(struct refgpu_hw *hw, uint32_t offset)
{
	switch (offset) {
	case REFGPU_ID:
		return REFGPU_ID_VALUE;
	case REFGPU_VERSION_REG:
		return REFGPU_VERSION;
	case REFGPU_CAPS:
		return REFGPU_CAP_HOST |
		       (hw->config.xres ? REFGPU_CAP_DISPLAY : 0);
	case REFGPU_CONTEXTS:
		return hw->config.contexts;
	case REFGPU_VRAM_SIZE_LO:
		return (uint32_t)hw->config.vram_size;
	case REFGPU_VRAM_SIZE_HI:
		return (uint32_t)(hw->config.vram_size >> 32);
	case REFGPU_TIME_LO:
		return read_time(hw);
	case REFGPU_TIME_HI:
		return hw->time_hi;
	case REFGPU_STATUS:
		return status(hw);
	case REFGPU_IRQ_STATUS:
		return atomic_load(&hw->irq_status);
	case REFGPU_IRQ_ENABLE:
		return hw->irq_enable;
	default:
		break;
	}
	if (offset >= REFGPU_CTX_EVENTS(0) &&
	    offset < REFGPU_CTX_EVENTS(REFGPU_MAX_CONTEXTS / 32))
		return hw->ctx_events[(offset - REFGPU_CTX_EVENTS(0)) / 4];
	return 0;
}

/* Those that are polled take no lock from those who work. */
static bool read_quickly(struct refgpu_hw *hw, uint32_t offset,
			 uint32_t *ret_value)
{
	const struct context *c;

	if (in_engines(offset)) {
		*ret_value = REFGPU_NO_EVENT;
		return offset % 0x40 == REFGPU_ENG_EVENT &&
		       !atomic_load(&engine_at(hw, offset)->n_events);
	}
	if (!in_contexts(hw, offset))
		return false;
	c = context_at(hw, offset);
	switch (offset % REFGPU_CTX_STRIDE) {
	case REFGPU_CTX_STATE:
		*ret_value = atomic_load(&c->state);
		return true;
	case REFGPU_CTX_HEAD:
		*ret_value = atomic_load(&c->head);
		return true;
	case REFGPU_CTX_EVENT:
		*ret_value = atomic_load(&c->event);
		return true;
	default:
		return false;
	}
}

uint32_t refgpu_hw_read(struct refgpu_hw *hw, uint32_t offset)
{
	uint32_t value = 0;

	if (offset % 4 || offset >= REFGPU_REGS_SIZE)
		return ~0u;
	if (read_quickly(hw, offset, &value))
		return value;
	value = 0;
	hw_lock(hw);
	if (in_contexts(hw, offset))
		value = context_read(hw, context_at(hw, offset),
				     offset % REFGPU_CTX_STRIDE);
	else if (in_engines(offset))
		value = read_engine(engine_at(hw, offset), offset % 0x40);
	else if (offset >= REFGPU_DISP_CONTROL && offset < DISP_END)
		value = display_read(hw, offset);
	else if (offset < REFGPU_ENG(0, 0))
		value = read_global(hw, offset);
	hw_unlock(hw);
	return value;
}

/* ------------------------------------------------------------------ */
/* Writing                                                             */
/* ------------------------------------------------------------------ */

static void write_engine(struct engine *e, uint32_t reg, uint32_t value)
{
	switch (reg) {
	case REFGPU_ENG_MODE:
		arbiter_mode(e, value);
		break;
	case REFGPU_ENG_SUBMIT:
		host_submit(e, value);
		break;
	case REFGPU_ENG_PREEMPT:
		if (value == 1)
			host_preempt(e);
		break;
	case REFGPU_ENG_RESET:
		if (value != 1)
			break;
		host_drop_next(e);
		engine_request(e, REQUEST_RESET);
		break;
	}
}

static void write_global(struct refgpu_hw *hw, uint32_t offset, uint32_t value)
{
	switch (offset) {
	case REFGPU_RESET:
		if (value == 1)
			hw_reset(hw);
		break;
	case REFGPU_IRQ_STATUS:
		atomic_fetch_and(&hw->irq_status, ~value);
		break;
	case REFGPU_IRQ_ENABLE:
		hw->irq_enable = value & ((1u << REFGPU_NUM_VECTORS) - 1);
		break;
	}
}

void hw_write(struct refgpu_hw *hw, uint32_t offset, uint32_t value,
	      const struct engine *self)
{
	hw_lock(hw);
	/* A reset waits for engines, so an engine can't wait for it. */
	while (hw->resetting && !self)
		pthread_cond_wait(&hw->left, &hw->lock);
	if (hw->resetting)
		goto out;
	if (in_contexts(hw, offset))
		context_write(hw, context_at(hw, offset),
			      offset % REFGPU_CTX_STRIDE, value);
	else if (in_engines(offset))
		write_engine(engine_at(hw, offset), offset % 0x40, value);
	else if (offset >= REFGPU_DISP_CONTROL && offset < DISP_END)
		display_write(hw, offset, value);
	else if (offset < REFGPU_ENG(0, 0))
		write_global(hw, offset, value);
out:
	hw_unlock(hw);
}

void refgpu_hw_write(struct refgpu_hw *hw, uint32_t offset, uint32_t value)
{
	if (offset % 4 || offset >= REFGPU_REGS_SIZE)
		return;
	hw_write(hw, offset, value, NULL);
}

void refgpu_hw_doorbell(struct refgpu_hw *hw, unsigned ctx)
{
	if (ctx >= hw->config.contexts)
		return;
	hw_lock(hw);
	context_doorbell(hw, &hw->ctx[ctx]);
	hw_unlock(hw);
}
