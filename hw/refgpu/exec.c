/* SPDX-License-Identifier: MIT */
/* Commands that are not rectangles or dispatches. */
#include <string.h>

#include "blit.h"
#include "commands.h"
#include "context.h"
#include "engine.h"
#include "kernels/kernels.h"
#include "mmu.h"
#include "section.h"

enum step exec_error(struct engine *e, enum refgpu_error why)
{
	e->error = why;
	return STEP_ERROR;
}

static enum step batch(struct engine *e, struct context *c, const uint32_t *d)
{
	if (c->s.depth == REFGPU_BATCH_NESTING)
		return exec_error(e, REFGPU_ERROR_NESTING);
	c->s.level[c->s.depth++] =
		(struct level){ .va = command_u64(d + 1), .n = d[3] };
	c->s.phase = PHASE_FETCH;
	return STEP_DONE;
}

static enum step end(struct engine *e, struct context *c)
{
	if (!c->s.depth)
		return exec_error(e, REFGPU_ERROR_COMMAND);
	stream_pop(c);
	return STEP_DONE;
}

/* 8 bytes, aligned: in one page. */
static _Atomic uint64_t *word(struct engine *e, const uint32_t *d,
			      unsigned prot)
{
	size_t len = 8;

	return mmu_ptr(e, command_u64(d + 1), prot, &len);
}

static enum step fence(struct engine *e, const uint32_t *d)
{
	_Atomic uint64_t *p = word(e, d, PROT_WRITE_);

	if (!p)
		return STEP_FAULT;
	atomic_store_explicit(p, command_u64(d + 3), memory_order_release);
	e->stored = true;
	return STEP_DONE;
}

static enum step sem_add(struct engine *e, const uint32_t *d)
{
	_Atomic uint64_t *p = word(e, d, PROT_READ_ | PROT_WRITE_);

	if (!p)
		return STEP_FAULT;
	atomic_fetch_add(p, command_u64(d + 3));
	e->stored = true;
	return STEP_DONE;
}

static enum step sem_wait_(struct engine *e, struct context *c,
			   const uint32_t *d)
{
	_Atomic uint64_t *p;

	/* A store from now on means another look, and so does a doorbell. */
	e->stores_seen = atomic_load(&e->hw->stores);
	atomic_exchange(&c->rung, false);
	p = word(e, d, PROT_READ_);
	if (!p)
		return STEP_FAULT;
	return atomic_load(p) >= command_u64(d + 3) ? STEP_DONE : STEP_WAIT;
}

static enum step irq(struct engine *e, struct context *c, const uint32_t *d)
{
	section_end(e);
	hw_lock(e->hw);
	atomic_store(&c->cookie, d[1]);
	context_event(e->hw, c, REFGPU_EVENT_USER);
	hw_unlock(e->hw);
	section_begin(e);
	return STEP_DONE;
}

static enum step timestamp(struct engine *e, struct context *c,
			   const uint32_t *d)
{
	uint64_t va = command_u64(d + 1), now = hw_now();
	size_t len = 8;
	_Atomic uint64_t *a = mmu_ptr(e, va, PROT_WRITE_, &len);
	_Atomic uint64_t *b = a ? mmu_ptr(e, mmu_add(va, 8), PROT_WRITE_, &len)
				: NULL;

	if (!b)
		return STEP_FAULT;
	atomic_store_explicit(a, now - e->hw->power_on, memory_order_release);
	/* .time changes when a run ends, and .start_clock when one begins. */
	atomic_store_explicit(b, c->time + (engine_worked(e) - e->start_clock),
			      memory_order_release);
	return STEP_DONE;
}

static enum step invalidate(struct engine *e, struct context *c)
{
	mmu_forget(e->hw, c);
	section_renew(e);
	return STEP_DONE;
}

static enum step fill(struct engine *e, struct context *c, const uint32_t *d)
{
	uint64_t va = command_u64(d + 1), bytes = command_u64(d + 3);

	for (size_t n, left = CHUNK; left && c->s.done < bytes; left -= n) {
		uint32_t *p;

		n = bytes - c->s.done < left ? (size_t)(bytes - c->s.done)
					     : left;
		p = mmu_ptr(e, mmu_add(va, c->s.done), PROT_WRITE_, &n);
		if (!p)
			return STEP_FAULT;
		e->hw->ops->fill(p, d[5], n / 4);
		c->s.done += n;
	}
	return c->s.done < bytes ? STEP_AGAIN : STEP_DONE;
}

typedef void *(*resolve)(struct engine *e, uint64_t at, unsigned prot,
			 size_t *len);

/* A page at a time: the next one is looked up while this one is on its way.
 * memmove: they may be the same memory. Sums don't wrap: an address behind 2^40
 * faults at its first byte. */
static enum step copy_chunk(struct engine *e, struct context *c, uint64_t bytes,
			    uint64_t to, uint64_t from, resolve ptr)
{
	for (size_t n, left = CHUNK; left && c->s.done < bytes; left -= n) {
		uint64_t at = c->s.done;
		void *p;
		const void *q;

		n = bytes - at < left ? (size_t)(bytes - at) : left;
		q = ptr(e, from + at, PROT_READ_, &n);
		p = q ? ptr(e, to + at, PROT_WRITE_, &n) : NULL;
		if (!p)
			return STEP_FAULT;
		memmove(p, q, n);
		c->s.done += n;
	}
	return c->s.done < bytes ? STEP_AGAIN : STEP_DONE;
}

static enum step copy_chunks(struct engine *e, struct context *c,
			     uint64_t bytes, uint64_t to, uint64_t from,
			     resolve ptr)
{
	enum step r;
	unsigned n = 0;

	do
		r = copy_chunk(e, c, bytes, to, from, ptr);
	while (r == STEP_AGAIN && ++n < SECTION_CHUNKS && section_goes_on(e));
	return r;
}

static enum step copy(struct engine *e, struct context *c, const uint32_t *d)
{
	return copy_chunks(e, c, command_u64(d + 5), command_u64(d + 1),
			   command_u64(d + 3), mmu_ptr);
}

/* Which memory an address of PHYS_COPY is of: a bit that no sum reaches. */
#define PHYS_SYSTEM (1ull << 62)

static uint64_t phys_address(const uint32_t *d)
{
	uint64_t pte = command_u64(d);

	return (pte & REFGPU_PTE_ADDR) |
	       (pte & REFGPU_PTE_SYSTEM ? PHYS_SYSTEM : 0);
}

static void *phys_ptr(struct engine *e, uint64_t at, unsigned prot, size_t *len)
{
	return mmu_phys(e, at & PHYS_SYSTEM, at & ~PHYS_SYSTEM, prot, len);
}

static enum step phys_copy(struct engine *e, struct context *c,
			   const uint32_t *d)
{
	return copy_chunks(e, c, command_u64(d + 5), phys_address(d + 1),
			   phys_address(d + 3), phys_ptr);
}

/* Those that wait for an engine would wait for the one they run on. */
static bool waits(uint32_t reg)
{
	if (reg == REFGPU_RESET)
		return true;
	if (reg < REFGPU_CTX_BASE)
		return false;
	reg = (reg - REFGPU_CTX_BASE) % REFGPU_CTX_STRIDE;
	return reg == REFGPU_CTX_CONTROL || reg == REFGPU_CTX_INV_PAGES;
}

static enum step reg_write(struct engine *e, const uint32_t *d)
{
	if (d[1] % 4 || d[1] >= REFGPU_REGS_SIZE || waits(d[1]))
		return exec_error(e, REFGPU_ERROR_ARGUMENT);
	section_end(e);
	hw_write(e->hw, d[1], d[2], e);
	section_begin(e);
	return STEP_DONE;
}

static enum step execute(struct engine *e, struct context *c)
{
	const uint32_t *d = c->s.cmd;

	switch (REFGPU_CMD_OP(d[0])) {
	case REFGPU_OP_NOP:
		return STEP_DONE;
	case REFGPU_OP_BATCH:
		return batch(e, c, d);
	case REFGPU_OP_END:
		return end(e, c);
	case REFGPU_OP_FENCE:
		return fence(e, d);
	case REFGPU_OP_SEM_WAIT:
		return sem_wait_(e, c, d);
	case REFGPU_OP_SEM_ADD:
		return sem_add(e, d);
	case REFGPU_OP_IRQ:
		return irq(e, c, d);
	case REFGPU_OP_TIMESTAMP:
		return timestamp(e, c, d);
	case REFGPU_OP_INVALIDATE:
		return invalidate(e, c);
	case REFGPU_OP_FILL:
		return fill(e, c, d);
	case REFGPU_OP_COPY:
		return copy(e, c, d);
	case REFGPU_OP_RECT_FILL:
	case REFGPU_OP_RECT_COPY:
	case REFGPU_OP_RECT_BLEND:
		return blit_rect(e, c, d);
	case REFGPU_OP_DISPATCH:
		return kernels_dispatch(e, c, d);
	case REFGPU_OP_REG_WRITE:
		return reg_write(e, d);
	case REFGPU_OP_PHYS_COPY:
		return phys_copy(e, c, d);
	default: /* not one that stream_fetch() lets through */
		return exec_error(e, REFGPU_ERROR_COMMAND);
	}
}

enum step exec_command(struct engine *e, struct context *c)
{
	enum step r = execute(e, c);

	if (r == STEP_DONE && c->s.phase == PHASE_EXEC)
		c->s.phase = PHASE_RETIRE;
	return r;
}
