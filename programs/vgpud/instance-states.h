/* SPDX-License-Identifier: MIT */
/*
 * The life of an instance as a table: instance-states.c, and the same as a page
 * in docs/life-cycle.md. Here is what the table needs from elsewhere.
 */
#ifndef VGPUD_INSTANCE_STATES_H
#define VGPUD_INSTANCE_STATES_H

#include "machine.h"

enum instance_place {
	WRITING,
	DEFINED,
	AT_HUB,
	IN_QUEUE,
	INTRODUCING,
	BOOTING,
	STORING,
	RUNNING,
	UNCLEAR,
	PAUSING,
	MODIFYING,
	REMOVING,
	ENDING,
	BROKEN_DOWN,
	GONE,
	/* Choices */
	ITS_TURN,
	OVER,
	N_PLACES,
};

enum instance_event {
	START = N_COMMON_EVENTS, /* requests */
	STOP,
	REMOVE,
	MODIFY,
	HUB_LOST, /* its hub has ended, or is about to */
	LOST,	  /* the configuration was read again, and does not offer it */
	FOUND,	  /* it was, and does */
	ENDED,	  /* its worker has */
	N_INSTANCE_EVENTS,
};

extern const struct machine_table instance_table;

/* instance-waits.c */
extern const struct await_kind wait_disk_write, wait_disk_remove, wait_hub,
	wait_turn, wait_introduction, wait_ready, wait_verdict, wait_backoff,
	wait_end;

/* instance-steps.c: what rows ask, */
machine_ask instance_if_asked, instance_if_create, instance_if_start,
	instance_if_stop, instance_if_remove, instance_if_stop_and_transient,
	instance_if_offered, instance_if_hub_is_ready,
	instance_if_hub_may_have_ended, instance_if_policy_is_stop,
	instance_if_policy_is_stop_and_transient,
	instance_if_it_may_start_again;
/* ... and what they do. */
machine_act instance_do_say_defined, instance_do_say_not_stored,
	instance_do_say_created, instance_do_say_started,
	instance_do_say_restarted, instance_do_say_not_started,
	instance_do_say_modified, instance_do_say_not_modified,
	instance_do_say_not_removed, instance_do_say_stopped,
	instance_do_say_removed, instance_do_say_not_created,
	instance_do_say_failed, instance_do_say_not_offered,
	instance_do_forget_deaths, instance_do_count_death,
	instance_do_note_why, instance_do_note_not_stored,
	instance_do_note_not_offered, instance_do_note_hub, instance_do_judge;

/* instance.c */
void instance_moved(struct machine *m, unsigned from);
void instance_gone(struct machine *m);

#endif
