/* SPDX-License-Identifier: MIT */
/*
 * A guest of a refgpu vGPU that does anything: its page tables, ring, batches
 * and registers are the input. The rig (tests/unit/refgpu-half-rig.h) is the
 * core and the parent half, and insists on what must hold: no table of the
 * hardware's has a page that is not pinned, no job has a command that was not
 * checked, nobody waits for a kick that never comes, nothing is pinned in the
 * end.
 *
 * Input: records of a byte (what) and what it takes. RAM is small, and tables
 * may be anywhere in it, so random numbers meet.
 */
#include <string.h>

#include "fuzz.h"
#include "../unit/refgpu-half-rig.h"
#include "rig/clock.h"

#define PAGE	4096ull
#define MAX_OPS 400u

/* Pages of RAM that hold tables at first; data lies behind them */
enum { ROOT = 0, MID = 2, LEAF = 3, FIRST = 32 };

#define RING_SIZE 4096u
#define CTL_VA	  (8 * PAGE)
#define RING_VA	  (16 * PAGE)

struct fuzz {
	struct vgpu_core *core;
	struct input in;
	uint32_t tail;
};

#define RW (REFGPU_PTE_VALID | REFGPU_PTE_READ | REFGPU_PTE_WRITE)

static void start(struct fuzz *f)
{
	struct vgpu_core *c = f->core;

	rig_ram64(c, ROOT, 0,
		  REFGPU_PTE_SYSTEM | (RAM_BASE + MID * PAGE) |
			  REFGPU_PTE_VALID);
	rig_ram64(c, MID, 0,
		  REFGPU_PTE_SYSTEM | (RAM_BASE + LEAF * PAGE) |
			  REFGPU_PTE_VALID);
	for (unsigned i = 0; i < 64; i++)
		rig_ram64(c, LEAF, i,
			  REFGPU_PTE_SYSTEM | (RAM_BASE + (FIRST + i) * PAGE) |
				  RW);
}

static void enable(struct fuzz *f, unsigned ctx, uint64_t root, uint8_t engine)
{
	struct vgpu_core *c = f->core;

	rig_write64(c, REFGPU_CTX(ctx, REFGPU_CTX_ROOT_LO), root);
	rig_write64(c, REFGPU_CTX(ctx, REFGPU_CTX_RING_LO), RING_VA);
	rig_write(c, REFGPU_CTX(ctx, REFGPU_CTX_RING_SIZE), RING_SIZE);
	rig_write64(c, REFGPU_CTX(ctx, REFGPU_CTX_CTL_LO), CTL_VA);
	rig_write(c, REFGPU_CTX(ctx, REFGPU_CTX_CONTROL),
		  REFGPU_CTX_ENABLE | (uint32_t)engine % 4
					      << REFGPU_CTX_ENGINE_SHIFT);
	f->tail = 0;
}

static void emit(struct fuzz *f, uint32_t dword)
{
	memcpy(f->core->ram + FIRST * PAGE + RING_VA + f->tail, &dword, 4);
	f->tail = (f->tail + 4) % RING_SIZE;
}

/* An entry that is likely to lead somewhere */
static uint64_t entry(struct fuzz *f)
{
	uint64_t v = take(&f->in, 8);
	uint64_t page = (v >> 12) % (RAM_PAGES + 8);

	if ((v >> 56) == 0xff)
		return v; /* anything */
	if (v & REFGPU_PTE_SYSTEM)
		page += RAM_BASE / PAGE;
	return (v & 0x1f) | page << 12 | (v & 1ull << 63);
}

static void client(struct fuzz *f, uint8_t what)
{
	struct vgpu_core *c = f->core;
	unsigned page = (unsigned)(take(&f->in, 2) % RAM_PAGES);
	unsigned n = 1 + (unsigned)(take(&f->in, 1) % 64);

	if (n > RAM_PAGES - page)
		n = RAM_PAGES - page;
	for (unsigned i = page; i < page + n; i++)
		c->unmapped[i] = what & 1;
	if (what & 1)
		c->ops->dma_unmap(c->dev, RAM_BASE + page * PAGE, n * PAGE);
}

static void step(struct fuzz *f)
{
	struct vgpu_core *c = f->core;
	uint8_t op = (uint8_t)take(&f->in, 1);
	unsigned ctx = op >> 6;
	uint64_t at;

	switch (op & 0x0f) {
	case 0: /* an entry of a table */
		at = take(&f->in, 2);
		rig_ram64(c, at % 8, (unsigned)(at >> 3) % 512, entry(f));
		break;
	case 1: /* commands */
		for (unsigned n = 1 + (op >> 4 & 3) * 3; n; n--)
			emit(f, (uint32_t)take(&f->in, 4));
		break;
	case 2: /* one whose length is right */
		at = take(&f->in, 2);
		emit(f, REFGPU_CMD(at & 0xff, at >> 8 & 0x1f));
		for (unsigned n = at >> 8 & 0x1f; n > 1; n--)
			emit(f, (uint32_t)take(&f->in, 2));
		break;
	case 3: /* to work */
		memcpy(c->ram + FIRST * PAGE + CTL_VA, &f->tail, 4);
		rig_doorbell(c, ctx);
		break;
	case 4: /* a register */
		at = take(&f->in, 1);
		rig_write(c, REFGPU_CTX(ctx, at % 0x20 * 4),
			  (uint32_t)take(&f->in, 4));
		break;
	case 5:
		at = take(&f->in, 2) % 0x1000;
		rig_write(c, (uint32_t)at & ~3u, (uint32_t)take(&f->in, 4));
		break;
	case 6:
		rig_read(c, (uint32_t)take(&f->in, 3) & 0x3fffc);
		break;
	case 7:
		enable(f, ctx,
		       op & 0x10 ? entry(f)
				 : REFGPU_PTE_SYSTEM | RAM_BASE |
					   REFGPU_PTE_VALID,
		       op >> 5 & 1);
		break;
	case 8: /* the parent half */
		rig_take(c, 1 + (op >> 4));
		break;
	case 9:
		rig_finish(c);
		break;
	case 10:
		rig_kick(c);
		break;
	case 11: /* a fault that was or was not */
		if (c->slots[ctx].open && !c->slots[ctx].stands)
			rig_fault(c, ctx, take(&f->in, 3) << 12, op & 0x10);
		break;
	case 12:
		client(f, op >> 4);
		break;
	case 13: /* bytes of a batch, or of anything */
		at = take(&f->in, 2) % 64 * PAGE + take(&f->in, 1) * 4;
		for (unsigned n = 8; n; n--, at += 4) {
			uint32_t v = (uint32_t)take(&f->in, 4);

			memcpy(c->ram + FIRST * PAGE + at, &v, 4);
		}
		break;
	case 14:
		c->max_pins = (unsigned)take(&f->in, 1) * 4;
		break;
	case 15:
		if (c->slow_pins && !(op & 0x10))
			rig_pins(c);
		else
			rig_timers(c);
		if ((op >> 4) == 15)
			c->ops->reset(c->dev, VGPU_RESET_FLR);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { .core = rig_new(), .in = { data, size } };

	uint8_t how = (uint8_t)take(&f.in, 1);

	f.core->eager = how & 1;
	f.core->slow_pins = how & 4;
	clock_tick(how & 2 ? RG_PUMP_NS / 3 : RIG_TICK);
	start(&f);
	enable(&f, 0, REFGPU_PTE_SYSTEM | RAM_BASE | REFGPU_PTE_VALID, 0);
	for (unsigned i = 0; i < MAX_OPS && f.in.len; i++)
		step(&f);
	/* Vblanks would go on. */
	rig_write(f.core, REFGPU_DISP_CONTROL, 0);
	rig_write(f.core, REFGPU_IRQ_ENABLE, 0);
	clock_tick(RG_PUMP_NS);
	rig_settle(f.core);
	rig_free(f.core);
	return 0;
}
