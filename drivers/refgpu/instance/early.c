/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "../audit.h"
#include "early.h"

/* Jobs behind an INVALIDATE that are looked through: with the next one it will
 * have been worth it. */
#define NOTE_JOBS 64u
/* Pages and commands that are looked at for a job */
#define NOTE_WORK 8192u

/* ------------------------------------------------------------------ */
/* What commands store to                                              */
/* ------------------------------------------------------------------ */

struct range {
	uint64_t va, len;
};

/* @h rows of @w; none: nothing. Numbers of 32 bits; too many are all. */
static uint64_t rows(uint64_t stride, uint64_t w, uint64_t h)
{
	uint64_t len = w && h ? stride * (h - 1) + w : 0;

	return len < REFGPU_VA_SIZE ? len : REFGPU_VA_SIZE;
}

static struct range of_rect(const uint32_t *cmd, uint32_t xy, uint32_t wh)
{
	uint64_t stride = cmd[3];

	return (struct range){
		rg_u64(cmd + 1) + stride * (xy >> 16) + 4ull * (xy & 0xffff),
		rows(stride, 4ull * (wh & 0xffff), wh >> 16),
	};
}

static bool of_dispatch(uint32_t kernel, const uint32_t *a, struct range *ret)
{
	const uint64_t groups =
		(a[0] + REFGPU_REDUCE_GROUP - 1ull) / REFGPU_REDUCE_GROUP;

	switch (kernel) {
	case REFGPU_KERNEL_SAXPY:
		*ret = (struct range){ rg_u64(a + 4), 4ull * a[0] };
		return true;
	case REFGPU_KERNEL_SGEMM:
		*ret = (struct range){ rg_u64(a + 12),
				       4 * rows(a[5], a[1], a[0]) };
		return true;
	case REFGPU_KERNEL_MANDELBROT:
		*ret = (struct range){ rg_u64(a),
				       rows(a[2], 4ull * a[3], a[4]) };
		return true;
	case REFGPU_KERNEL_REDUCE:
		*ret = (struct range){ rg_u64(a + 4), 4 * groups };
		return true;
	case REFGPU_KERNEL_HISTOGRAM:
		*ret = (struct range){ rg_u64(a + 4), 4 * 256 };
		return true;
	case REFGPU_KERNEL_SPIN:
		*ret = (struct range){ 0, 0 };
		return true;
	default:
		return false;
	}
}

/* Of a command that was audited. False: it may be anywhere. */
static bool stores_of(const uint32_t *cmd, struct range *ret)
{
	uint64_t va = rg_u64(cmd + 1);

	switch (REFGPU_CMD_OP(cmd[0])) {
	case REFGPU_OP_IRQ:
		*ret = (struct range){ 0, 0 };
		return true;
	case REFGPU_OP_FENCE:
	case REFGPU_OP_SEM_ADD:
		*ret = (struct range){ va, 8 };
		return true;
	case REFGPU_OP_TIMESTAMP:
		*ret = (struct range){ va, 16 };
		return true;
	case REFGPU_OP_FILL:
		*ret = (struct range){ va, rg_u64(cmd + 3) };
		return true;
	case REFGPU_OP_COPY:
		*ret = (struct range){ va, rg_u64(cmd + 5) };
		return true;
	case REFGPU_OP_RECT_FILL:
		*ret = of_rect(cmd, cmd[4], cmd[5]);
		return true;
	case REFGPU_OP_RECT_COPY:
	case REFGPU_OP_RECT_BLEND:
		*ret = of_rect(cmd, cmd[7], cmd[9]);
		return true;
	case REFGPU_OP_DISPATCH:
		return of_dispatch(cmd[1], cmd + RG_DISPATCH_ARGS, ret);
	default: /* SEM_WAIT, too: who lets it go on may have changed tables */
		return false;
	}
}

/* ------------------------------------------------------------------ */
/* Jobs that are under way                                             */
/* ------------------------------------------------------------------ */

/* Those that are over don't store any more. */
static void age(struct rg_early *e)
{
	if (e->sent->done >= e->jobs[0].seq) {
		e->jobs[0] = e->jobs[1];
		memset(&e->jobs[1], 0, sizeof(e->jobs[1]));
	}
	if (e->sent->done >= e->jobs[0].seq)
		memset(&e->jobs[0], 0, sizeof(e->jobs[0]));
}

void rg_early_note(struct rg_early *e, const uint32_t *dwords, uint32_t n)
{
	struct vgpu_shadow_stores *st;
	uint64_t work = 0;
	struct range r;

	age(e);
	/* The first ones are over before the others. */
	st = &e->jobs[e->jobs[0].seq != 0].stores;
	e->jobs[e->jobs[0].seq != 0].seq = e->sent->seq + 1;
	if (!e->n_notes) {
		st->anywhere = true;
		return;
	}
	e->n_notes--;
	for (uint32_t i = 0; i < n && !st->anywhere;
	     i += REFGPU_CMD_LEN(dwords[i])) {
		if (!stores_of(dwords + i, &r)) {
			st->anywhere = true;
			break;
		}
		work += 1 + r.len / REFGPU_PAGE;
		if (work > NOTE_WORK)
			st->anywhere = true;
		vgpu_shadow_note_stores(e->space->shadow, r.va, r.len, st);
	}
}

bool rg_early_may(struct rg_early *e)
{
	if (rg_jobs_over(e->sent))
		return true;
	age(e);
	return e->sent->done >= e->refused && !e->jobs[0].stores.anywhere &&
	       !e->jobs[1].stores.anywhere;
}

void rg_early_invalidate(struct rg_early *e, uint64_t va, uint64_t n)
{
	rg_space_invalidate(e->space, va, n);
	e->n_notes = NOTE_JOBS;
	e->check = !rg_jobs_over(e->sent);
	e->va = va;
	e->n = n;
}

bool rg_early_check(struct rg_early *e)
{
	if (!e->check)
		return true;
	e->check = false;
	age(e);
	for (unsigned i = 0; i < 2; i++)
		if (vgpu_shadow_stores_reach(e->space->shadow,
					     &e->jobs[i].stores)) {
			e->refused = e->sent->seq;
			return false;
		}
	e->until = e->sent->seq;
	return true;
}

bool rg_early_is(const struct rg_early *e)
{
	return e->sent->done < e->until;
}

bool rg_early_reads(struct rg_early *e, uint64_t va, uint64_t len)
{
	struct vgpu_device *dev = e->space->all->dev;
	bool meet = false;

	if (!rg_early_is(e))
		return false;
	for (uint64_t end = va + len, next; !meet && va < end; va = next) {
		const void *p;

		if (va >= REFGPU_VA_SIZE)
			break; /* nothing is */

		next = (va | (REFGPU_PAGE - 1)) + 1;
		if (next > end)
			next = end;
		/* Where nothing is, reading says so. */
		vgpu_dma_enter(dev);
		p = rg_space_ptr(e->space, va, next - va);
		meet = p && (vgpu_shadow_stores_meet(&e->jobs[0].stores, p,
						     next - va) ||
			     vgpu_shadow_stores_meet(&e->jobs[1].stores, p,
						     next - va));
		vgpu_dma_leave(dev);
	}
	return meet;
}
