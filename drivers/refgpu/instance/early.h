/* SPDX-License-Identifier: MIT */
/*
 * INVALIDATE, before what precedes it is done.
 *
 * It comes after the commands before it, since they may write to tables (and to
 * commands behind it). Waiting for their end leaves the engine without work
 * until the tables have been compared. Hardly any command does write to tables,
 * though; so jobs are looked through for where they may store to. If that is no
 * table, and nobody can tell whether the tables were compared before or after,
 * they are compared at once.
 *
 * Who can tell is who knows how far the commands have come and waits: at a
 * semaphore (its job is one that may do anything), or a fault (then everything
 * is compared anew, when the guest resumes).
 */
#ifndef RG_EARLY_H
#define RG_EARLY_H

#include "jobs.h"
#include "space.h"

/* What is known of a context's jobs under way */
struct rg_early {
	struct rg_space *space;
	const struct rg_jobs *sent;
	/* Where jobs up to .seq store to: the older ones, and the rest */
	struct rg_early_jobs {
		uint64_t seq; /* 0: there are none */
		struct vgpu_shadow_stores stores;
	} jobs[2];
	unsigned n_notes; /* jobs that will be looked through */
	bool check;	  /* an INVALIDATE of @n pages at @va is under way */
	uint64_t va, n;
	uint64_t refused; /* jobs that it has to wait for; and those that */
	uint64_t until;	  /* were under way when it didn't */
};

/* The next job is made of @n @dwords. */
void rg_early_note(struct rg_early *e, const uint32_t *dwords, uint32_t n);

/* May tables be compared for an INVALIDATE now? */
bool rg_early_may(struct rg_early *e);

/* They will be, with the next rg_space_sync(). */
void rg_early_invalidate(struct rg_early *e, uint64_t va, uint64_t n);

/* They have been. Was it too early, by what they say now? */
bool rg_early_check(struct rg_early *e);

/* Are commands before an INVALIDATE that was early not over yet? */
bool rg_early_is(const struct rg_early *e);

/* Likewise: may they change commands at [@va, @va + @len)? */
bool rg_early_reads(struct rg_early *e, uint64_t va, uint64_t len);

#endif
