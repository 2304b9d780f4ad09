/* SPDX-License-Identifier: MIT */
/*
 * Commands out of rings and batches, flat and checked. Each dword is copied
 * out of the guest's memory once, into a window; what is checked there is what
 * goes into the job.
 */
#include <string.h>

#include "instance.h"

#define CTL_TAIL offsetof(struct refgpu_ctl, tail)
#define CTL_HEAD offsetof(struct refgpu_ctl, head)

#define FENCE_LEN 5u

/* What ends a job before its time */
enum end {
	GO_ON = 0,
	END_FULL,    /* the job; the next one goes on here */
	END_EMPTY,   /* no commands are left */
	END_SYNC,    /* tables are to be compared first */
	END_PENDING, /* what s->st->pending says comes first */
};

static uint32_t ring_mask(const struct rg_slot *s)
{
	return rg_ctx_of(s)->ring_size - 1;
}

static enum end pend(struct rg_slot *s, enum rg_pending what, uint64_t va,
		     uint32_t code)
{
	s->st->pending = what;
	s->st->pending_va = va;
	s->st->pending_code = code;
	return END_PENDING;
}

static enum end fault(struct rg_slot *s, uint64_t va, unsigned code)
{
	return pend(s, RG_PENDING_FAULT, va & ~(REFGPU_PAGE - 1), code);
}

static enum end error(struct rg_slot *s, unsigned code)
{
	return pend(s, RG_PENDING_ERROR, 0, code);
}

/* Return: 0, or enum refgpu_error or what was found to be pending. */
unsigned rg_stream_read_tail(struct rg_slot *s, uint32_t *ret_tail)
{
	const struct rg_ctx *c = rg_ctx_of(s);
	uint64_t va = c->ctl + CTL_TAIL;
	uint32_t tail;
	unsigned code = rg_space_load32(s, va, &tail);

	if (code)
		return fault(s, va, code);
	if (tail % 4 || tail >= c->ring_size)
		return error(s, REFGPU_ERROR_RING);
	*ret_tail = tail;
	return 0;
}

/* ------------------------------------------------------------------ */
/* Windows                                                             */
/* ------------------------------------------------------------------ */

/* Dwords from the next command on to the end of its level */
static uint32_t available(const struct rg_slot *s)
{
	const struct rg_stream *st = &s->st->stream;

	if (st->depth) {
		const struct rg_level *l = &st->level[st->depth - 1];

		return l->n - l->pos;
	}
	return ((st->tail - st->fetch) & ring_mask(s)) / 4;
}

/* Of a ring, dwords that lie before it wraps */
static size_t read_ring(struct rg_slot *s, uint32_t *to, size_t n,
			uint64_t *ret_va, unsigned *ret_code)
{
	const struct rg_ctx *c = rg_ctx_of(s);
	uint32_t at = s->st->stream.fetch;
	size_t before = (c->ring_size - at) / 4, done, more;

	if (before > n)
		before = n;
	*ret_code = rg_space_read(s, c->ring + at, to, before * 4, &done);
	*ret_va = c->ring + at + done;
	if (*ret_code || before == n)
		return done / 4;
	*ret_code =
		rg_space_read(s, c->ring, to + before, (n - before) * 4, &more);
	*ret_va = c->ring + more;
	return before + more / 4;
}

/* May jobs under way write to the next @n dwords? */
static bool is_written(struct rg_slot *s, uint32_t n)
{
	const struct rg_stream *st = &s->st->stream;
	const struct rg_ctx *c = rg_ctx_of(s);
	uint64_t bytes = n * 4ull, before = c->ring_size - st->fetch;

	if (st->depth) {
		const struct rg_level *l = &st->level[st->depth - 1];

		return rg_early_reads(s, l->va + l->pos * 4ull, bytes);
	}
	if (before > bytes)
		before = bytes;
	return rg_early_reads(s, c->ring + st->fetch, before) ||
	       rg_early_reads(s, c->ring, bytes - before);
}

/* Copy what follows, as much as goes; at least @need dwords. */
static enum end fill(struct rg_slot *s, uint32_t need)
{
	struct rg_stream *st = &s->st->stream;
	struct rg_window *w = &s->rg->window[st->depth];
	uint32_t n = available(s);
	uint64_t va;
	unsigned code;
	size_t done;

	if (n > RG_WINDOW)
		n = RG_WINDOW;
	w->at = w->n = 0;
	if (rg_early_is(s) && is_written(s, n))
		return pend(s, RG_PENDING_COMMANDS, 0, 0);
	if (st->depth) {
		const struct rg_level *l = &st->level[st->depth - 1];

		va = l->va + l->pos * 4ull;
		code = rg_space_read(s, va, w->dwords, n * 4ull, &done);
		va += done;
		done /= 4;
	} else {
		done = read_ring(s, w->dwords, n, &va, &code);
	}
	w->n = (uint32_t)done;
	return done < need ? fault(s, va, code) : GO_ON;
}

/* The next command's dwords from its header on, at least @need */
static enum end look(struct rg_slot *s, uint32_t need, const uint32_t **ret_cmd)
{
	struct rg_window *w = &s->rg->window[s->st->stream.depth];
	enum end end = GO_ON;

	if (w->n - w->at < need)
		end = fill(s, need);
	*ret_cmd = w->dwords + w->at;
	return end;
}

static void forget_windows(struct rg *rg)
{
	for (unsigned i = 0; i <= REFGPU_BATCH_NESTING; i++)
		rg->window[i].at = rg->window[i].n = 0;
}

/* Over a command of @len dwords */
static void step(struct rg_slot *s, uint32_t len)
{
	struct rg_stream *st = &s->st->stream;
	struct rg_window *w = &s->rg->window[st->depth];

	if (st->depth)
		st->level[st->depth - 1].pos += len;
	else
		st->fetch = (st->fetch + len * 4) & ring_mask(s);
	if (len < w->n - w->at)
		w->at += len;
	else
		w->at = w->n = 0;
}

/* ------------------------------------------------------------------ */
/* Commands                                                            */
/* ------------------------------------------------------------------ */

struct job {
	uint32_t n; /* dwords */
};

/* Hardware stores head after each command; a job does so now and then. */
static void store_head(struct rg_slot *s, struct job *j)
{
	uint64_t va = rg_ctx_of(s)->ctl + CTL_HEAD;
	uint32_t *d = s->rg->job + j->n;

	d[0] = REFGPU_CMD(REFGPU_OP_FENCE, FENCE_LEN);
	d[1] = (uint32_t)va;
	d[2] = (uint32_t)(va >> 32);
	d[3] = s->st->stream.fetch;
	d[4] = 0; /* refgpu_ctl.reserved2 */
	j->n += FENCE_LEN;
	s->st->stream.unstored = 0;
}

static void ring_command(struct rg_slot *s, struct job *j, bool batch)
{
	if (++s->st->stream.unstored >= RG_HEAD_EVERY || batch)
		store_head(s, j);
}

static enum end call(struct rg_slot *s, const uint32_t *cmd)
{
	struct rg_stream *st = &s->st->stream;

	if (st->depth == REFGPU_BATCH_NESTING)
		return error(s, REFGPU_ERROR_NESTING);
	st->level[st->depth++] =
		(struct rg_level){ .va = rg_u64(cmd + 1), .n = cmd[3] };
	s->rg->window[st->depth].n = s->rg->window[st->depth].at = 0;
	return GO_ON;
}

/* Behind the BATCH that led here */
static void leave(struct rg_slot *s, struct job *j)
{
	s->st->stream.depth--;
	step(s, 4);
	if (!s->st->stream.depth)
		ring_command(s, j, true);
}

/* In order: what was written before may be in the tables. */
static enum end invalidate(struct rg_slot *s, struct job *j,
			   const uint32_t *cmd)
{
	if (!j->n && rg_early_may(s)) {
		rg_early_invalidate(s, rg_u64(cmd + 1), cmd[3]);
		return END_SYNC;
	}
	s->st->pending_n = cmd[3];
	return pend(s, RG_PENDING_INVALIDATE, rg_u64(cmd + 1), 0);
}

static void append(struct rg *rg, struct job *j, const uint32_t *cmd,
		   uint32_t len)
{
	if (REFGPU_CMD_OP(cmd[0]) == REFGPU_OP_NOP)
		return; /* it takes room for nothing */
	memcpy(rg->job + j->n, cmd, len * 4ull);
	j->n += len;
}

static enum end command(struct rg_slot *s, struct job *j)
{
	struct rg_stream *st = &s->st->stream;
	unsigned engine = rg_ctx_of(s)->control >> REFGPU_CTX_ENGINE_SHIFT & 15;
	const uint32_t *cmd;
	uint32_t len, n = available(s);
	unsigned code;
	enum end end;

	if (!n) {
		if (!st->depth)
			return END_EMPTY;
		leave(s, j);
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
		if (!st->depth)
			return error(s, REFGPU_ERROR_COMMAND);
		leave(s, j);
		return GO_ON;
	case REFGPU_OP_INVALIDATE:
		end = invalidate(s, j, cmd);
		break;
	case REFGPU_OP_IRQ:
		s->rg->job_irqs++;
		/* Whoever it wakes finds head behind what was before. */
		if (s->st->stream.unstored)
			store_head(s, j);
		append(s->rg, j, cmd, len);
		break;
	default:
		append(s->rg, j, cmd, len);
	}
	step(s, len);
	if (!st->depth)
		ring_command(s, j, false);
	return end;
}

/* Room that a command and what may follow it take */
#define RESERVE (RG_COMMAND_MAX + 3 * FENCE_LEN)

/* Commands that make no job are no reason to go on for ever: NOPs, calls. */
#define MAX_STEPS 65536u

/*
 * Fills rg->job. It ends where it is full, where commands are, or before what
 * is pending from then on. Return: dwords, the last command of which stores
 * head; 0: there is nothing to be run.
 */
uint32_t rg_stream_build(struct rg_slot *s)
{
	struct rg *rg = s->rg;
	struct job j = { 0 };
	enum end end = GO_ON;

	forget_windows(rg);
	rg->job_irqs = 0;
	for (unsigned i = 0; !end && i < MAX_STEPS; i++) {
		if (j.n > RG_JOB_DWORDS - RESERVE)
			end = END_FULL;
		else
			end = command(s, &j);
	}
	/* A job of nothing else would only make who waits for the end of those
	 * before it wait longer. */
	if (!j.n && end == END_PENDING &&
	    (s->st->pending == RG_PENDING_INVALIDATE ||
	     s->st->pending == RG_PENDING_COMMANDS))
		return 0;
	if (s->st->stream.unstored && end != END_SYNC)
		store_head(s, &j);
	return j.n;
}
