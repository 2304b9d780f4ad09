/* SPDX-License-Identifier: MIT */
/* BAR 0: registers, as docs/refgpu.md has them, without host scheduling. */
#include <string.h>

#include "../clock.h"
#include "instance.h"

/* ------------------------------------------------------------------ */
/* Contexts                                                            */
/* ------------------------------------------------------------------ */

/* What the parent half knows better, while it has work of it */
static uint32_t read_state(struct rg_context *c)
{
	uint32_t there;

	if (c->regs->state != REFGPU_STATE_IDLE || !rg_pump_busy(c))
		return c->regs->state;
	if (!c->place->open)
		return REFGPU_STATE_READY;
	there = __atomic_load_n(&c->queue->shared->slots[c->id].state,
				__ATOMIC_RELAXED);
	return there == REFGPU_STATE_RUNNING || there == REFGPU_STATE_WAITING
		       ? there
		       : (uint32_t)REFGPU_STATE_READY;
}

static uint32_t ctx_read(struct rg_context *c, uint32_t reg)
{
	struct rg_ctx *r = c->regs;

	rg_context_update(c);
	switch (reg) {
	case REFGPU_CTX_STATE:
		return read_state(c);
	case REFGPU_CTX_HEAD:
		return rg_context_head(c);
	case REFGPU_CTX_TIME_LO:
		r->time = c->place->time;
		break;
	}
	return reg < sizeof(*r) ? rg_reg_load(r, reg) : 0;
}

#define CONTROL_BITS (REFGPU_CTX_ENABLE | 15u << REFGPU_CTX_ENGINE_SHIFT)

static void write_control(struct rg_context *c, uint32_t value)
{
	if (c->regs->control & value & REFGPU_CTX_ENABLE)
		return;
	if (c->regs->control & REFGPU_CTX_ENABLE)
		rg_contexts_end(c, 1);
	c->regs->control = value & CONTROL_BITS;
	if (value & REFGPU_CTX_ENABLE)
		rg_context_start(c);
}

static void ctx_write(struct rg *rg, struct rg_context *c, uint32_t reg,
		      uint32_t value)
{
	struct rg_ctx *r = c->regs;

	switch (reg) {
	case REFGPU_CTX_CONTROL:
		write_control(c, value);
		break;
	case REFGPU_CTX_EVENT:
		rg_context_update(c);
		r->event &= ~value;
		break;
	case REFGPU_CTX_RESUME:
		if (value != 1 || r->state != REFGPU_STATE_FAULT)
			break;
		rg_context_resume(c);
		rg_pump(&rg->pump, c);
		break;
	case REFGPU_CTX_INV_LO:
	case REFGPU_CTX_INV_HI:
		rg_reg_store(r, reg, value);
		break;
	case REFGPU_CTX_INV_PAGES:
		rg_context_invalidate(c, r->inv, value);
		break;
	case REFGPU_CTX_ROOT_LO:
	case REFGPU_CTX_ROOT_HI:
	case REFGPU_CTX_RING_LO:
	case REFGPU_CTX_RING_HI:
	case REFGPU_CTX_RING_SIZE:
	case REFGPU_CTX_CTL_LO:
	case REFGPU_CTX_CTL_HI:
		/* They stay as they are while the context is enabled. */
		if (!(r->control & REFGPU_CTX_ENABLE))
			rg_reg_store(r, reg, value);
		break;
	}
}

/* ------------------------------------------------------------------ */
/* The device                                                          */
/* ------------------------------------------------------------------ */

static uint32_t ctx_events(struct rg *rg, unsigned word)
{
	uint32_t bits = 0;

	for (unsigned i = 0; i < 32 && word * 32 + i < RG_CONTEXTS; i++) {
		struct rg_context *c = &rg->contexts[word * 32 + i];

		rg_context_update(c);
		if (c->regs->event)
			bits |= 1u << i;
	}
	return bits;
}

static uint32_t engines_busy(struct rg *rg)
{
	uint32_t bits = 0;

	for (unsigned i = 0; i < RG_CONTEXTS; i++) {
		struct rg_context *c = &rg->contexts[i];

		if (!c->place->open)
			continue;
		rg_context_update(c);
		if (read_state(c) == REFGPU_STATE_RUNNING)
			bits |= 1u << rg_ctx_engine(c->regs);
	}
	return bits;
}

void rg_regs_reset(struct rg *rg)
{
	rg_contexts_end(rg->contexts, RG_CONTEXTS);
	memset(rg->state, 0, sizeof(*rg->state));
	rg_display_reset(&rg->display);
}

static uint32_t global_read(struct rg *rg, uint32_t reg)
{
	struct rg_state *st = rg->state;
	uint64_t now;

	switch (reg) {
	case REFGPU_ID:
		return REFGPU_ID_VALUE;
	case REFGPU_VERSION_REG:
		return REFGPU_VERSION;
	case REFGPU_CAPS:
		return rg->dev.type->xres ? REFGPU_CAP_DISPLAY : 0;
	case REFGPU_CONTEXTS:
		return RG_CONTEXTS;
	case REFGPU_VRAM_SIZE_LO:
		return (uint32_t)rg->dev.type->vram_size;
	case REFGPU_VRAM_SIZE_HI:
		return (uint32_t)(rg->dev.type->vram_size >> 32);
	case REFGPU_TIME_LO:
		now = rg_now() - rg->state->power_on;
		st->time_hi = (uint32_t)(now >> 32);
		return (uint32_t)now;
	case REFGPU_TIME_HI:
		return st->time_hi;
	case REFGPU_STATUS:
		return engines_busy(rg);
	case REFGPU_IRQ_STATUS:
		rg_display_catch_up(&rg->display);
		return st->irqs.status;
	case REFGPU_IRQ_ENABLE:
		return st->irqs.enable;
	}
	if (reg >= REFGPU_CTX_EVENTS(0) && reg < REFGPU_CTX_EVENTS(32))
		return ctx_events(rg, (reg - REFGPU_CTX_EVENTS(0)) / 4);
	if (reg >= REFGPU_DISP_CONTROL &&
	    reg < REFGPU_DISP_EDID + VGPU_EDID_SIZE)
		return rg_display_read(&rg->display, reg);
	return 0;
}

#define IRQ_BITS (REFGPU_IRQ_EVENT | REFGPU_IRQ_VBLANK)

static void global_write(struct rg *rg, uint32_t reg, uint32_t value)
{
	struct rg_state *st = rg->state;

	switch (reg) {
	case REFGPU_RESET:
		if (value == 1)
			rg_regs_reset(rg);
		break;
	case REFGPU_IRQ_STATUS:
		rg_display_catch_up(&rg->display);
		st->irqs.status &= ~value;
		break;
	case REFGPU_IRQ_ENABLE:
		rg_display_catch_up(&rg->display);
		st->irqs.enable = value & IRQ_BITS;
		rg_display_arm(&rg->display);
		break;
	default:
		if (reg >= REFGPU_DISP_CONTROL && reg < REFGPU_DISP_EDID)
			rg_display_write(&rg->display, reg, value);
	}
}

/* ------------------------------------------------------------------ */

/* The context of a register, or NULL: there is none. *@ret_reg: in it */
static struct rg_context *context_at(struct rg *rg, uint64_t offset,
				     uint32_t *ret_reg)
{
	uint64_t ctx = (offset - REFGPU_CTX_BASE) / REFGPU_CTX_STRIDE;

	*ret_reg = (uint32_t)((offset - REFGPU_CTX_BASE) % REFGPU_CTX_STRIDE);
	return ctx < RG_CONTEXTS ? &rg->contexts[ctx] : NULL;
}

static uint64_t reg_read(struct vgpu_device *dev, void *data, uint64_t offset,
			 unsigned size)
{
	struct rg *rg = rg_of(dev);
	struct rg_context *c;
	uint32_t reg;

	if (size != 4)
		return ~0ull;
	if (offset < REFGPU_CTX_BASE)
		return global_read(rg, (uint32_t)offset);
	c = context_at(rg, offset, &reg);
	return c ? ctx_read(c, reg) : 0;
}

static void reg_write(struct vgpu_device *dev, void *data, uint64_t offset,
		      uint64_t value, unsigned size)
{
	struct rg *rg = rg_of(dev);
	struct rg_context *c;
	uint32_t reg;

	if (size != 4)
		return;
	if (offset < REFGPU_CTX_BASE) {
		global_write(rg, (uint32_t)offset, (uint32_t)value);
		return;
	}
	c = context_at(rg, offset, &reg);
	if (c)
		ctx_write(rg, c, reg, (uint32_t)value);
}

const struct vgpu_mmio_ops rg_reg_ops = {
	.min_access = 1,
	.max_access = 8,
	.read = reg_read,
	.write = reg_write,
};

/* Each doorbell is an area of its own, so that a client may turn it into an
 * eventfd. */
static void bell_write(struct vgpu_device *dev, void *data, uint64_t offset,
		       uint64_t value, unsigned size)
{
	rg_pump_ring(&rg_of(dev)->pump, data);
}

const struct vgpu_mmio_ops rg_doorbell_ops = {
	.min_access = 4,
	.max_access = 4,
	.flags = VGPU_MMIO_NO_PARTIAL_WRITE,
	.write = bell_write,
};
