/* SPDX-License-Identifier: MIT */
/*
 * Commands out of rings and batches, flat and checked. Each dword is copied
 * out of the guest's memory once, into a window; what is checked there is what
 * goes into the job.
 */
#ifndef RG_STREAM_H
#define RG_STREAM_H

#include "early.h"
#include "jobs.h"
#include "space.h"

#define RG_HEAD_EVERY 32u   /* ring commands between two stores of head */
#define RG_WINDOW     1024u /* dwords of commands that are copied at once */

/* The registers of a context, each where it is on the bus, and as it reads but
 * for what the parent half counts. Those that are only written stay 0. */
struct rg_ctx {
	uint32_t control, state;
	uint64_t root, ring;
	uint32_t ring_size, reserved;
	uint64_t ctl;
	uint32_t head, event;
	uint64_t fault_va;
	uint32_t fault, error, resume, reserved2;
	uint64_t inv;
	uint32_t inv_pages, reserved3;
	uint64_t time; /* when TIME_LO was read */
	uint32_t cookie, reserved4;
};

_Static_assert(offsetof(struct rg_ctx, cookie) == REFGPU_CTX_COOKIE,
	       "its place");

/* enum refgpu_engine, or another number */
static inline unsigned rg_ctx_engine(const struct rg_ctx *regs)
{
	return regs->control >> REFGPU_CTX_ENGINE_SHIFT & 15;
}

/* Where a context stands in its commands */
struct rg_position {
	uint32_t fetch;	   /* ring: byte of the next command */
	uint32_t tail;	   /* as last read */
	unsigned depth;	   /* 0: in the ring, k: in level[k - 1] */
	unsigned unstored; /* ring commands since head was stored last */
	struct rg_level {
		uint64_t va;
		uint32_t n, pos; /* dwords */
	} level[REFGPU_BATCH_NESTING];
};

/* What comes next when all that was sent is over, or need not be */
struct rg_pending {
	enum {
		RG_PENDING_NONE = 0,
		RG_PENDING_INVALIDATE, /* then go on */
		RG_PENDING_COMMANDS, /* that follow may be written: likewise */
		RG_PENDING_FAULT,    /* commands can't be read */
		RG_PENDING_ERROR,
	} what;
	uint32_t code; /* enum refgpu_fault or refgpu_error */
	uint64_t va, n;
};

/* A job while it is made; one is enough for all contexts of a vGPU. */
struct rg_draft {
	/* Commands on their way: copies, one window for each level */
	struct rg_window {
		uint32_t at, n; /* dwords of its level that it has */
		uint32_t dwords[RG_WINDOW];
	} window[1 + REFGPU_BATCH_NESTING];
	struct {
		struct rg_job r; /* its .n: dwords */
		uint32_t dwords[RG_JOB_DWORDS];
	} job;
	uint32_t irqs;
};

struct rg_stream {
	const struct rg_ctx *regs;
	struct rg_position *at;
	struct rg_pending *pending;
	struct rg_space *space;
	struct rg_early *early;
	struct rg_draft *draft;
};

/* Return: false: something is pending now. */
bool rg_stream_read_tail(struct rg_stream *s, uint32_t *ret_tail);

/*
 * Fills the draft's job. It ends where it is full, where commands are, or
 * before what is pending from then on. Return: dwords, the last command of
 * which stores head; 0: there is nothing to be run.
 */
uint32_t rg_stream_build(struct rg_stream *s);

/* All that is known to be there is sent. */
static inline bool rg_stream_at_rest(const struct rg_stream *s)
{
	return !s->at->depth && s->at->fetch == s->at->tail && !s->at->unstored;
}

#endif
