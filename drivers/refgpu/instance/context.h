/* SPDX-License-Identifier: MIT */
/*
 * Contexts: their life, their faults and errors, and what became of their
 * jobs. pump.h makes the jobs.
 */
#ifndef RG_CONTEXT_H
#define RG_CONTEXT_H

#include "early.h"
#include "jobs.h"
#include "queue.h"
#include "report.h"
#include "space.h"
#include "stream.h"

#define RG_SAME_FAULTS 16u   /* in a row, mended in vain: the bus fails */
#define RG_MAX_DROPS   4096u /* of a shadow, for one fault: the bus fails */
/* For the parent, in a register write that promises what only the parent can
 * do. The one wait of this half: short, so that a guest notices nothing. */
#define RG_PATIENCE_NS 20000000u

/* Where a context stands, beside its registers: what they show when it is
 * asked, and what whoever goes on with it has to know. */
struct rg_place {
	bool open;    /* the parent half has it */
	bool waits;   /* it will, once that has our video memory */
	bool rung;    /* the tail is to be looked at */
	bool stopped; /* the parent has been told that the guest has to act */
	bool faulted; /* a fault of the hardware has no answer yet */
	struct rg_position at;
	struct rg_pending pending;
	struct rg_jobs jobs;
	struct {
		uint64_t va, seq;
		uint32_t code;
		unsigned same; /* likewise before it */
	} fault;
	uint32_t generation;
	uint64_t time_seen, time; /* the parent's count, ours */
};

struct rg_context {
	unsigned id;
	struct rg_ctx *regs;	/* of the device's state */
	struct rg_place *place; /* likewise */
	struct rg_report *report;
	struct rg_queue *queue;
	struct rg_space *space;
	/* What can be made anew from its place and the guest's tables */
	struct rg_early early;
	struct rg_stream stream;
	uint32_t generations; /* that were opened */
	unsigned drops;	      /* of shadows, for the fault that has no answer */
	uint64_t fault_after; /* position in the ring before the next try */
	uint64_t opened_at;   /* likewise, before which its status is not its */
};

/* The pointers up to .space are there; @draft is all contexts'. */
void rg_context_init(struct rg_context *c, struct rg_draft *draft);

/* Its registers say what to start. */
void rg_context_start(struct rg_context *c);
/* The parent half has our video memory, or has refused it. */
void rg_context_ready(struct rg_context *c);
/* @n of them, which may be off, end; nothing of them runs any more. */
void rg_contexts_end(struct rg_context *c, unsigned n);

/* See how far the parent half has come. */
void rg_context_update(struct rg_context *c);
/* The register HEAD */
uint32_t rg_context_head(struct rg_context *c);

/* It has stopped, and the guest is told why. */
void rg_context_fault(struct rg_context *c, uint64_t va, uint32_t code);
void rg_context_error(struct rg_context *c, uint32_t error);

/* The parent half has a message about it. */
void rg_context_notice(struct rg_context *c, const struct rg_notice *n);
/* The hardware stands at a fault: try to mend it. */
void rg_context_answer_fault(struct rg_context *c);
/* The guest has mended it. */
void rg_context_resume(struct rg_context *c);
/* INVALIDATE by register: done when this returns. Tables that take too long to
 * compare are dropped. */
void rg_context_invalidate(struct rg_context *c, uint64_t va, uint64_t pages);

#endif
