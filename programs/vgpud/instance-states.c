/* SPDX-License-Identifier: MIT */
/*
 * The life of an instance. docs/life-cycle.md has the same tables with words
 * around them, and test-vgpud-life compares the two and tries every pair.
 */
#include "instance-states.h"

#include "util/bytes.h"

static const struct machine_state states[] = {
	[WRITING] = { "writing", &wait_disk_write },
	[DEFINED] = { "defined" },
	[AT_HUB] = { "at hub", &wait_hub },
	[IN_QUEUE] = { "in queue", &wait_turn },
	[INTRODUCING] = { "introducing", &wait_introduction },
	[BOOTING] = { "booting", &wait_ready },
	[STORING] = { "storing", &wait_disk_write },
	[RUNNING] = { "running" },
	[UNCLEAR] = { "unclear", &wait_verdict },
	[PAUSING] = { "pausing", &wait_backoff },
	[MODIFYING] = { "modifying", &wait_disk_write, .between = true },
	[REMOVING] = { "removing", &wait_disk_remove, .between = true },
	[ENDING] = { "ending", &wait_end },
	[BROKEN_DOWN] = { "failed" },
	[GONE] = { "gone" },
	[ITS_TURN] = { "its turn", .choice = true },
	[OVER] = { "over", .choice = true },
};

static const char *const events[] = {
	[DONE] = "done",	 [FAILED] = "failed", [START] = "start",
	[STOP] = "stop",	 [REMOVE] = "remove", [MODIFY] = "modify",
	[HUB_LOST] = "hub lost", [LOST] = "lost",     [FOUND] = "found",
	[ENDED] = "ended",
};

#define S(state) BIT(state)
#define E(event) BIT(event)
/* The store has its definition in hand. */
#define DISK (S(WRITING) | S(STORING) | S(MODIFYING) | S(REMOVING))
#define IDLE (S(DEFINED) | S(BROKEN_DOWN))
/* It is to run, and has no worker yet. */
#define COMING (S(AT_HUB) | S(IN_QUEUE) | S(INTRODUCING) | S(PAUSING))
/* It has a worker. */
#define LIVE	 (S(BOOTING) | S(RUNNING) | S(UNCLEAR) | S(ENDING))
#define ALL	 (DISK | IDLE | COMING | LIVE)
#define REQUESTS (E(START) | E(STOP) | E(REMOVE) | E(MODIFY))
#define WAITED	 (E(DONE) | E(FAILED))
#define NOW	 BIT(AT_ONCE)

#define instance_if_always  NULL
#define instance_do_nothing NULL
#define ARC(from, event, condition, action, to)                                \
	{                                                                      \
		from, event, instance_if_##condition, #condition,              \
			instance_do_##action, #action, to                      \
	}

/* clang-format off */
static const struct arc arcs[] = {
	/* from,     event,    if,     do,     to */

	/* What people ask for. One thing at a time. */
	ARC(ALL,              REQUESTS,  asked,             nothing,          BUSY),
	ARC(DISK,             REQUESTS,  always,            nothing,          BUSY),
	ARC(IDLE | COMING,    E(START),  always,            forget_deaths,    AT_HUB),
	ARC(LIVE,             E(START),  always,            nothing,          ALREADY),
	ARC(COMING | LIVE,    E(STOP),   always,            forget_deaths,    ENDING),
	ARC(S(BROKEN_DOWN),   E(STOP),   offered,           forget_deaths,    ENDING),
	ARC(IDLE,             E(STOP),   always,            nothing,          ALREADY),
	ARC(IDLE|COMING|LIVE, E(MODIFY), always,            nothing,          MODIFYING),
	ARC(IDLE|COMING|LIVE, E(REMOVE), always,            nothing,          REMOVING),

	/* Its definition. */
	ARC(S(WRITING),       E(DONE),   always,            say_defined,      DEFINED),
	ARC(S(WRITING),       E(FAILED), always,            say_not_stored,   GONE),
	ARC(S(STORING),       E(DONE),   always,            say_created,      RUNNING),
	ARC(S(STORING),       E(FAILED), always,            note_not_stored,  ENDING),
	ARC(S(MODIFYING),     E(DONE),   always,            say_modified,     BACK),
	ARC(S(MODIFYING),     E(FAILED), always,            say_not_modified, BACK),
	ARC(S(REMOVING),      E(DONE),   always,            forget_deaths,    ENDING),
	ARC(S(REMOVING),      E(FAILED), always,            say_not_removed,  BACK),

	/* A worker comes. */
	ARC(S(AT_HUB),        E(DONE),   always,            nothing,          IN_QUEUE),
	ARC(S(IN_QUEUE),      E(DONE),   always,            nothing,          ITS_TURN),
	ARC(S(ITS_TURN),      NOW,       hub_is_ready,      nothing,          INTRODUCING),
	ARC(S(ITS_TURN),      NOW,       always,            nothing,          AT_HUB),
	ARC(S(INTRODUCING),   E(DONE),   always,            nothing,          BOOTING),
	ARC(S(BOOTING),       E(DONE),   create,            nothing,          STORING),
	ARC(S(BOOTING),       E(DONE),   start,             say_started,      RUNNING),
	ARC(S(BOOTING),       E(DONE),   always,            say_restarted,    RUNNING),
	ARC(S(AT_HUB) | S(IN_QUEUE) | S(INTRODUCING) | S(BOOTING),
			      E(FAILED), always,            note_why,         OVER),
	ARC(S(PAUSING),       E(DONE),   always,            nothing,          AT_HUB),
	ARC(S(PAUSING),       E(FAILED), always,            say_failed,       BROKEN_DOWN),

	/* A worker ends. */
	ARC(S(BOOTING) | S(RUNNING), E(ENDED), hub_may_have_ended, nothing,   UNCLEAR),
	ARC(S(BOOTING) | S(RUNNING) | S(ENDING),
			      E(ENDED),  always,            judge,            OVER),
	ARC(S(UNCLEAR),       WAITED | E(HUB_LOST), always, judge,            OVER),
	ARC(S(ENDING),        E(DONE),   always,            judge,            OVER),
	ARC(S(OVER),          NOW,       create,            say_not_created,  GONE),
	ARC(S(OVER),          NOW,       remove,            say_removed,      GONE),
	ARC(S(OVER),          NOW,       stop_and_transient, say_removed,     GONE),
	ARC(S(OVER),          NOW,       stop,              say_stopped,      DEFINED),
	ARC(S(OVER),          NOW,       start,             say_not_started,  BROKEN_DOWN),
	ARC(S(OVER),          NOW,       policy_is_stop_and_transient,
							    say_removed,      GONE),
	ARC(S(OVER),          NOW,       policy_is_stop,    say_stopped,      DEFINED),
	ARC(S(OVER),          NOW,       it_may_start_again, count_death,     PAUSING),
	ARC(S(OVER),          NOW,       always,            say_failed,       BROKEN_DOWN),

	/* Its hub ends. */
	ARC(S(INTRODUCING),   E(HUB_LOST), always,          note_hub,         OVER),
	ARC(S(BOOTING) | S(RUNNING),
			      E(HUB_LOST), always,          nothing,          ENDING),

	/* The configuration is another one. */
	ARC(COMING,           E(LOST),   asked,             note_not_offered, OVER),
	ARC(COMING | IDLE,    E(LOST),   always,            say_not_offered,  BROKEN_DOWN),
	ARC(S(BROKEN_DOWN),   E(FOUND),  always,            nothing,          DEFINED),

	/* What comes while the disk is asked. */
	ARC(S(MODIFYING) | S(REMOVING) | S(STORING),
			      E(ENDED) | E(HUB_LOST), always, nothing,        KEEP),
	ARC(S(MODIFYING) | S(REMOVING) | S(WRITING),
			      E(LOST) | E(FOUND), always,   nothing,          KEEP),

	/* What says nothing new. */
	ARC(IDLE | S(RUNNING), WAITED,   always,            nothing,          STAY),
	ARC(S(ENDING),        E(FAILED), always,            nothing,          STAY),
	ARC(S(WRITING) | IDLE | COMING | S(UNCLEAR),
			      E(ENDED),  always,            nothing,          STAY),
	ARC(S(WRITING) | IDLE | S(AT_HUB) | S(IN_QUEUE) | S(PAUSING) | S(ENDING),
			      E(HUB_LOST), always,          nothing,          STAY),
	ARC(LIVE | S(STORING), E(LOST) | E(FOUND), always,  nothing,          STAY),
	ARC(COMING | S(DEFINED), E(FOUND), always,          nothing,          STAY),
};
/* clang-format on */

const struct machine_table instance_table = {
	.states = states,
	.n_states = ARRAY_SIZE(states),
	.events = events,
	.n_events = ARRAY_SIZE(events),
	.arcs = arcs,
	.n_arcs = ARRAY_SIZE(arcs),
	.last = GONE,
	.moved = instance_moved,
	.ended = instance_gone,
};
