/* SPDX-License-Identifier: MIT */
/*
 * Doorbells between a worker and its parent: "look at what we share". Two
 * flags of a page that both map say whether a ring is pending and whether the
 * other side is looking anyway; only one who sleeps has to be woken, through a
 * pipe. So a ring costs no system call while the other side's loop is spinning,
 * and any number of them that were not seen yet are one.
 *
 * Pipes and not eventfds, since who has an eventfd can make it block (the flag
 * belongs to the file, which both sides have), and the parent must not be
 * blocked by a worker. What the worker does to the page makes it miss rings,
 * or be woken for nothing; nobody else.
 */
#ifndef LINK_BELL_H
#define LINK_BELL_H

#include "fds.h"

struct bell;
struct loop;

/* Who rings and is rung */
enum bell_side { BELL_PARENT, BELL_WORKER };

/* Descriptors of one side, in this order */
enum {
	BELL_FD_PAGE,
	BELL_FD_WAKE,  /* readable when this side has to wake up */
	BELL_FD_OTHER, /* wakes the other one */
	BELL_N_FDS,
};

/* Make both sides' descriptors. */
int bell_make(int ret_parent[BELL_N_FDS], int ret_worker[BELL_N_FDS]);

/**
 * bell_new() - one side
 * @fds: its own; the bell's from here on, also on failure
 * @rung: called on the loop; may free the bell
 */
int bell_new(struct loop *loop, enum bell_side side, const int fds[BELL_N_FDS],
	     void (*rung)(void *user), void *user, struct bell **ret_bell);

/* NULL is fine. Nobody rings it any more. */
void bell_free(struct bell *bell);

/* No @rung any more; bell_ring() goes on. NULL is fine. */
void bell_mute(struct bell *bell);

/* Any thread. What was stored before is seen by the other side's @rung. */
void bell_ring(struct bell *bell);

#endif
