/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "../audit.h"
#include "stream.h"

#define CTL_TAIL offsetof(struct refgpu_ctl, tail)
#define CTL_HEAD offsetof(struct refgpu_ctl, head)

#define FENCE_LEN 5u

/* What ends a job before its time */
enum end {
	GO_ON = 0,
	END_FULL,    /* the job; the next one goes on here */
	END_EMPTY,   /* no commands are left */
	END_SYNC,    /* tables are to be compared first */
	END_PENDING, /* what is pending comes first */
};

static uint32_t ring_mask(const struct rg_stream *s)
{
	return s->regs->ring_size - 1;
}

static enum end pend(struct rg_stream *s, unsigned what, uint64_t va,
		     uint32_t code)
{
	*s->pending = (struct rg_pending){ what, code, va, 0 };
	return END_PENDING;
}

static enum end fault(struct rg_stream *s, uint64_t va, unsigned code)
{
	return pend(s, RG_PENDING_FAULT, va & ~(REFGPU_PAGE - 1), code);
}

static enum end error(struct rg_stream *s, unsigned code)
{
	return pend(s, RG_PENDING_ERROR, 0, code);
}

bool rg_stream_read_tail(struct rg_stream *s, uint32_t *ret_tail)
{
	const struct rg_ctx *c = s->regs;
	uint64_t va = c->ctl + CTL_TAIL;
	uint32_t tail;
	unsigned code = rg_space_load32(s->space, va, &tail);

	if (code) {
		fault(s, va, code);
		return false;
	}
	if (tail % 4 || tail >= c->ring_size) {
		error(s, REFGPU_ERROR_RING);
		return false;
	}
	*ret_tail = tail;
	return true;
}

/* ------------------------------------------------------------------ */
/* Windows                                                             */
/* ------------------------------------------------------------------ */

/* Dwords from the next command on to the end of its level */
static uint32_t available(const struct rg_stream *s)
{
	const struct rg_position *at = s->at;

	if (at->depth) {
		const struct rg_level *l = &at->level[at->depth - 1];

		return l->n - l->pos;
	}
	return ((at->tail - at->fetch) & ring_mask(s)) / 4;
}

/* Where the dword @skip from the next command on is; *@n: of so many, those
 * that follow it before the ring wraps */
static uint64_t where(const struct rg_stream *s, uint32_t skip, uint32_t *n)
{
	const struct rg_position *at = s->at;
	uint32_t byte = (at->fetch + skip * 4) & ring_mask(s);

	if (at->depth) {
		const struct rg_level *l = &at->level[at->depth - 1];

		return l->va + (l->pos + skip) * 4ull;
	}
	if (*n > (s->regs->ring_size - byte) / 4)
		*n = (s->regs->ring_size - byte) / 4;
	return s->regs->ring + byte;
}

/* Copy what follows, as much as goes; at least @need dwords. */
static enum end fill(struct rg_stream *s, uint32_t need)
{
	struct rg_window *w = &s->draft->window[s->at->depth];
	uint32_t n = available(s), some;
	uint64_t va = 0;
	unsigned code = 0;
	size_t bytes;

	if (n > RG_WINDOW)
		n = RG_WINDOW;
	w->at = w->n = 0;
	/* Jobs under way may write to it. */
	for (uint32_t i = 0; rg_early_is(s->early) && i < n; i += some) {
		some = n - i;
		va = where(s, i, &some);
		if (rg_early_reads(s->early, va, some * 4ull))
			return pend(s, RG_PENDING_COMMANDS, 0, 0);
	}
	while (w->n < n && !code) {
		some = n - w->n;
		va = where(s, w->n, &some);
		code = rg_space_read(s->space, va, w->dwords + w->n,
				     some * 4ull, &bytes);
		va += bytes;
		w->n += (uint32_t)bytes / 4;
	}
	return w->n < need ? fault(s, va, code) : GO_ON;
}

/* The next command's dwords from its header on, at least @need */
static enum end look(struct rg_stream *s, uint32_t need,
		     const uint32_t **ret_cmd)
{
	struct rg_window *w = &s->draft->window[s->at->depth];
	enum end end = GO_ON;

	if (w->n - w->at < need)
		end = fill(s, need);
	*ret_cmd = w->dwords + w->at;
	return end;
}

/* Over a command of @len dwords */
static void step(struct rg_stream *s, uint32_t len)
{
	struct rg_position *at = s->at;
	struct rg_window *w = &s->draft->window[at->depth];

	if (at->depth)
		at->level[at->depth - 1].pos += len;
	else
		at->fetch = (at->fetch + len * 4) & ring_mask(s);
	if (len < w->n - w->at)
		w->at += len;
	else
		w->at = w->n = 0;
}

/* ------------------------------------------------------------------ */
/* Commands                                                            */
/* ------------------------------------------------------------------ */

/* Hardware stores head after each command; a job does so now and then. */
static void store_head(struct rg_stream *s)
{
	uint64_t va = s->regs->ctl + CTL_HEAD;
	uint32_t *d = s->draft->job.dwords + s->draft->job.r.n;

	d[0] = REFGPU_CMD(REFGPU_OP_FENCE, FENCE_LEN);
	d[1] = (uint32_t)va;
	d[2] = (uint32_t)(va >> 32);
	d[3] = s->at->fetch;
	d[4] = 0; /* refgpu_ctl.reserved2 */
	s->draft->job.r.n += FENCE_LEN;
	s->at->unstored = 0;
}

static void ring_command(struct rg_stream *s, bool batch)
{
	if (++s->at->unstored >= RG_HEAD_EVERY || batch)
		store_head(s);
}

static enum end call(struct rg_stream *s, const uint32_t *cmd)
{
	struct rg_position *at = s->at;

	if (at->depth == REFGPU_BATCH_NESTING)
		return error(s, REFGPU_ERROR_NESTING);
	at->level[at->depth++] =
		(struct rg_level){ .va = rg_u64(cmd + 1), .n = cmd[3] };
	s->draft->window[at->depth].n = s->draft->window[at->depth].at = 0;
	return GO_ON;
}

/* Behind the BATCH that led here */
static void leave(struct rg_stream *s)
{
	s->at->depth--;
	step(s, 4);
	if (!s->at->depth)
		ring_command(s, true);
}

/* In order: what was written before may be in the tables. */
static enum end invalidate(struct rg_stream *s, const uint32_t *cmd)
{
	if (!s->draft->job.r.n && rg_early_may(s->early)) {
		rg_early_invalidate(s->early, rg_u64(cmd + 1), cmd[3]);
		return END_SYNC;
	}
	pend(s, RG_PENDING_INVALIDATE, rg_u64(cmd + 1), 0);
	s->pending->n = cmd[3];
	return END_PENDING;
}

static void append(struct rg_draft *d, const uint32_t *cmd, uint32_t len)
{
	if (REFGPU_CMD_OP(cmd[0]) == REFGPU_OP_NOP)
		return; /* it takes room for nothing */
	memcpy(d->job.dwords + d->job.r.n, cmd, len * 4ull);
	d->job.r.n += len;
}

static enum end command(struct rg_stream *s)
{
	struct rg_position *at = s->at;
	unsigned engine = rg_ctx_engine(s->regs);
	const uint32_t *cmd;
	uint32_t len, n = available(s);
	unsigned code;
	enum end end;

	if (!n) {
		if (!at->depth)
			return END_EMPTY;
		leave(s);
		return GO_ON;
	}
	end = look(s, 1, &cmd);
	if (end)
		return end;
	code = rg_audit_head(cmd[0], n, engine, &len);
	if (code)
		return error(s, code);
	end = look(s, REFGPU_CMD_OP(cmd[0]) == REFGPU_OP_NOP ? 1 : len, &cmd);
	if (end)
		return end;
	code = rg_audit_body(cmd);
	if (code)
		return error(s, code);
	switch (REFGPU_CMD_OP(cmd[0])) {
	case REFGPU_OP_BATCH:
		return call(s, cmd);
	case REFGPU_OP_END:
		if (!at->depth)
			return error(s, REFGPU_ERROR_COMMAND);
		leave(s);
		return GO_ON;
	case REFGPU_OP_INVALIDATE:
		end = invalidate(s, cmd);
		break;
	case REFGPU_OP_IRQ:
		s->draft->irqs++;
		/* Whoever it wakes finds head behind what was before. */
		if (s->at->unstored)
			store_head(s);
		append(s->draft, cmd, len);
		break;
	default:
		append(s->draft, cmd, len);
	}
	step(s, len);
	if (!at->depth)
		ring_command(s, false);
	return end;
}

/* Room that a command and what may follow it take */
#define RESERVE (RG_COMMAND_MAX + 3 * FENCE_LEN)

/* Commands that make no job are no reason to go on for ever: NOPs, calls. */
#define MAX_STEPS 65536u

uint32_t rg_stream_build(struct rg_stream *s)
{
	struct rg_draft *d = s->draft;
	enum end end = GO_ON;

	for (unsigned i = 0; i <= REFGPU_BATCH_NESTING; i++)
		d->window[i].at = d->window[i].n = 0;
	d->job.r.n = d->irqs = 0;
	for (unsigned i = 0; !end && i < MAX_STEPS; i++) {
		if (d->job.r.n > RG_JOB_DWORDS - RESERVE)
			end = END_FULL;
		else
			end = command(s);
	}
	/* A job of nothing else would only make who waits for the end of those
	 * before it wait longer. */
	if (!d->job.r.n && end == END_PENDING &&
	    (s->pending->what == RG_PENDING_INVALIDATE ||
	     s->pending->what == RG_PENDING_COMMANDS))
		return 0;
	if (s->at->unstored && end != END_SYNC)
		store_head(s);
	return d->job.r.n;
}
