/* SPDX-License-Identifier: MIT */
/* BAR 0: registers, as docs/refgpu.md has them, without host scheduling. */
#include <string.h>

#include "instance.h"

void rg_raise(struct rg *rg, uint32_t irq)
{
	rg->state->irq_status |= irq;
	for (unsigned v = 0; v < REFGPU_NUM_VECTORS; v++)
		if (irq & rg->state->irq_enable & 1u << v)
			vgpu_irq_signal(&rg->dev, VGPU_IRQ_MSIX, v);
}

void rg_event(struct rg_slot *s, uint32_t events)
{
	struct rg_ctx *c = rg_ctx_of(s);
	uint32_t fresh = events & ~c->event;

	c->event |= events;
	if (fresh)
		rg_raise(s->rg, REFGPU_IRQ_EVENT);
}

/* ------------------------------------------------------------------ */
/* Contexts                                                            */
/* ------------------------------------------------------------------ */

static uint32_t low(uint64_t v)
{
	return (uint32_t)v;
}

static uint32_t high(uint64_t v)
{
	return (uint32_t)(v >> 32);
}

static void set_low(uint64_t *v, uint32_t value)
{
	*v = (*v & ~0xffffffffull) | value;
}

static void set_high(uint64_t *v, uint32_t value)
{
	*v = (*v & 0xffffffffull) | (uint64_t)value << 32;
}

/* What the parent half knows better, while it has work of it */
static uint32_t read_state(struct rg_slot *s)
{
	const struct rg_ctx *c = rg_ctx_of(s);
	uint32_t there;

	if (c->state != REFGPU_STATE_IDLE || !rg_slot_busy(s))
		return c->state;
	there = __atomic_load_n(&s->rg->shared->slots[s->id].state,
				__ATOMIC_RELAXED);
	return there == REFGPU_STATE_RUNNING || there == REFGPU_STATE_WAITING
		       ? there
		       : (uint32_t)REFGPU_STATE_READY;
}

static uint32_t ctx_read(struct rg_slot *s, uint32_t reg)
{
	struct rg_ctx *c = rg_ctx_of(s);

	rg_slot_update(s);
	switch (reg) {
	case REFGPU_CTX_CONTROL:
		return c->control;
	case REFGPU_CTX_STATE:
		return read_state(s);
	case REFGPU_CTX_ROOT_LO:
		return low(c->root);
	case REFGPU_CTX_ROOT_HI:
		return high(c->root);
	case REFGPU_CTX_RING_LO:
		return low(c->ring);
	case REFGPU_CTX_RING_HI:
		return high(c->ring);
	case REFGPU_CTX_RING_SIZE:
		return c->ring_size;
	case REFGPU_CTX_CTL_LO:
		return low(c->ctl);
	case REFGPU_CTX_CTL_HI:
		return high(c->ctl);
	case REFGPU_CTX_HEAD:
		return rg_slot_head(s);
	case REFGPU_CTX_EVENT:
		return c->event;
	case REFGPU_CTX_FAULT_LO:
		return low(c->fault_va);
	case REFGPU_CTX_FAULT_HI:
		return high(c->fault_va);
	case REFGPU_CTX_FAULT:
		return c->fault;
	case REFGPU_CTX_ERROR:
		return c->error;
	case REFGPU_CTX_INV_LO:
		return low(c->inv);
	case REFGPU_CTX_INV_HI:
		return high(c->inv);
	case REFGPU_CTX_TIME_LO:
		c->time_hi = high(s->st->time);
		return low(s->st->time);
	case REFGPU_CTX_TIME_HI:
		return c->time_hi;
	case REFGPU_CTX_COOKIE:
		return c->cookie;
	default:
		return 0;
	}
}

/* Those that stay as they are while the context is enabled */
static void write_fixed(struct rg_ctx *c, uint32_t reg, uint32_t value)
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

/* Done when this returns. Tables that take too long to compare are dropped. */
static void invalidate(struct rg_slot *s, uint64_t va, uint32_t pages)
{
	struct rg *rg = s->rg;
	uint64_t before = rg->tail;

	if (!s->st->open)
		return;
	rg_slot_update(s);
	rg_slot_invalidate(s, va, pages);
	if (!s->st->n_jobs)
		return; /* nothing runs: before the next job is soon enough */
	if (rg_space_sync(s, RG_INVALIDATE_NS)) {
		vgpu_shadow_clear(s->shadow);
		rg_space_mend(rg);
	}
	if (rg->tail != before && !rg_ring_wait(rg, rg->tail, RG_PATIENCE_NS))
		vgpu_log(&rg->dev, VGPU_LOG_DEBUG,
			 "context %u: the parent is late to invalidate", s->id);
}

static void ctx_write(struct rg_slot *s, uint32_t reg, uint32_t value)
{
	struct rg_ctx *c = rg_ctx_of(s);

	switch (reg) {
	case REFGPU_CTX_CONTROL:
		rg_slot_write_control(s, value);
		break;
	case REFGPU_CTX_EVENT:
		rg_slot_update(s);
		c->event &= ~value;
		break;
	case REFGPU_CTX_RESUME:
		if (value == 1)
			rg_slot_resume(s);
		break;
	case REFGPU_CTX_INV_LO:
		set_low(&c->inv, value);
		break;
	case REFGPU_CTX_INV_HI:
		set_high(&c->inv, value);
		break;
	case REFGPU_CTX_INV_PAGES:
		invalidate(s, c->inv, value);
		break;
	default:
		write_fixed(c, reg, value);
	}
}

/* ------------------------------------------------------------------ */
/* The device                                                          */
/* ------------------------------------------------------------------ */

static uint32_t ctx_events(struct rg *rg, unsigned word)
{
	uint32_t bits = 0;

	for (unsigned i = 0; i < 32 && word * 32 + i < RG_CONTEXTS; i++) {
		struct rg_slot *s = &rg->slots[word * 32 + i];

		rg_slot_update(s);
		if (rg_ctx_of(s)->event)
			bits |= 1u << i;
	}
	return bits;
}

static uint32_t engines_busy(struct rg *rg)
{
	uint32_t bits = 0;

	for (unsigned i = 0; i < RG_CONTEXTS; i++) {
		struct rg_slot *s = &rg->slots[i];

		if (!s->st->open)
			continue;
		rg_slot_update(s);
		if (read_state(s) == REFGPU_STATE_RUNNING)
			bits |= 1u << (rg_ctx_of(s)->control >>
					       REFGPU_CTX_ENGINE_SHIFT &
				       15);
	}
	return bits;
}

static void reset(struct rg *rg)
{
	rg_slots_close_all(rg);
	memset(rg->state, 0, sizeof(*rg->state));
	rg_display_reset(rg);
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
		return rg->type->xres ? REFGPU_CAP_DISPLAY : 0;
	case REFGPU_CONTEXTS:
		return RG_CONTEXTS;
	case REFGPU_VRAM_SIZE_LO:
		return low(rg->vram_size);
	case REFGPU_VRAM_SIZE_HI:
		return high(rg->vram_size);
	case REFGPU_TIME_LO:
		now = rg_now() - rg->state->power_on;
		st->time_hi = high(now);
		return low(now);
	case REFGPU_TIME_HI:
		return st->time_hi;
	case REFGPU_STATUS:
		return engines_busy(rg);
	case REFGPU_IRQ_STATUS:
		rg_display_catch_up(rg);
		return st->irq_status;
	case REFGPU_IRQ_ENABLE:
		return st->irq_enable;
	}
	if (reg >= REFGPU_CTX_EVENTS(0) && reg < REFGPU_CTX_EVENTS(32))
		return ctx_events(rg, (reg - REFGPU_CTX_EVENTS(0)) / 4);
	if (reg >= REFGPU_DISP_CONTROL &&
	    reg < REFGPU_DISP_EDID + VGPU_EDID_SIZE)
		return rg_display_read(rg, reg);
	return 0;
}

#define IRQ_BITS (REFGPU_IRQ_EVENT | REFGPU_IRQ_VBLANK)

static void global_write(struct rg *rg, uint32_t reg, uint32_t value)
{
	struct rg_state *st = rg->state;

	switch (reg) {
	case REFGPU_RESET:
		if (value == 1)
			reset(rg);
		break;
	case REFGPU_IRQ_STATUS:
		rg_display_catch_up(rg);
		st->irq_status &= ~value;
		break;
	case REFGPU_IRQ_ENABLE:
		rg_display_catch_up(rg);
		st->irq_enable = value & IRQ_BITS;
		rg_display_arm(rg);
		break;
	default:
		if (reg >= REFGPU_DISP_CONTROL && reg < REFGPU_DISP_EDID)
			rg_display_write(rg, reg, value);
	}
}

/* ------------------------------------------------------------------ */

/* The context of a register, or NULL: one of the device's. *@ret_reg: in it */
static struct rg_slot *slot_at(struct rg *rg, uint64_t offset,
			       uint32_t *ret_reg)
{
	uint64_t ctx = (offset - REFGPU_CTX_BASE) / REFGPU_CTX_STRIDE;

	*ret_reg = (uint32_t)((offset - REFGPU_CTX_BASE) % REFGPU_CTX_STRIDE);
	return ctx < RG_CONTEXTS ? &rg->slots[ctx] : NULL;
}

static uint64_t reg_read(struct vgpu_device *dev, void *data, uint64_t offset,
			 unsigned size)
{
	struct rg *rg = rg_of(dev);
	struct rg_slot *s;
	uint32_t reg;

	if (size != 4)
		return ~0ull;
	if (offset < REFGPU_CTX_BASE)
		return global_read(rg, (uint32_t)offset);
	s = slot_at(rg, offset, &reg);
	return s ? ctx_read(s, reg) : 0;
}

static void reg_write(struct vgpu_device *dev, void *data, uint64_t offset,
		      uint64_t value, unsigned size)
{
	struct rg *rg = rg_of(dev);
	struct rg_slot *s;
	uint32_t reg;

	if (size != 4)
		return;
	if (offset < REFGPU_CTX_BASE) {
		global_write(rg, (uint32_t)offset, (uint32_t)value);
		return;
	}
	s = slot_at(rg, offset, &reg);
	if (s)
		ctx_write(s, reg, (uint32_t)value);
}

const struct vgpu_mmio_ops rg_reg_ops = {
	.struct_size = sizeof(rg_reg_ops),
	.min_access = 1,
	.max_access = 8,
	.read = reg_read,
	.write = reg_write,
};
