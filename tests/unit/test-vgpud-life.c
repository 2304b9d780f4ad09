/* SPDX-License-Identifier: MIT */
/*
 * The life of an instance, as programs/vgpud/instance-states.c has it: every
 * state with every event, for every request, and with every answer that the
 * conditions can give. The waits are the test's, and there is no process, no
 * disk and no clock but its own.
 *
 * With the argument "page" it prints the table of docs/life-cycle.md; else it
 * compares the two.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../programs/vgpud/instance-states.h"
#include "util/bytes.h"

#define PAGE_FROM "<!-- instance-states.c -->\n"
#define PAGE_TO	  "<!-- end -->\n"

enum request {
	NONE,
	DEFINE,
	CREATE_IT,
	START_IT,
	STOP_IT,
	REMOVE_IT,
	MODIFY_IT,
	N_REQUESTS
};

/* One instance of the test's. */
static struct {
	struct machine_queue queue;
	struct machine machine;
	enum request request;
	unsigned facts; /* what the conditions say, as bits */
	bool gone, worker, waits;
	unsigned deaths;
	unsigned answers, starts, cancels;
} it;

enum { TRANSIENT, OFFERED, HUB_READY, HUB_ENDED, POLICY_STOP, AGAIN, N_FACTS };

static bool fact(unsigned n)
{
	return it.facts & BIT(n);
}

/* ---- what the table asks and does ----------------------------------- */

#define IF(name, what)                                                         \
	bool instance_if_##name(struct machine *m)                             \
	{                                                                      \
		return what;                                                   \
	}
IF(asked, it.request != NONE)
IF(create, it.request == CREATE_IT)
IF(start, it.request == START_IT)
IF(stop, it.request == STOP_IT)
IF(remove, it.request == REMOVE_IT)
IF(stop_and_transient, it.request == STOP_IT && fact(TRANSIENT))
IF(offered, fact(OFFERED))
IF(hub_is_ready, fact(HUB_READY))
IF(hub_may_have_ended, fact(HUB_ENDED))
IF(policy_is_stop, fact(POLICY_STOP))
IF(policy_is_stop_and_transient, fact(POLICY_STOP) && fact(TRANSIENT))
IF(it_may_start_again, fact(AGAIN) && it.deaths < 3)

/* Whoever asked is answered, once. */
static void answer(void)
{
	assert_int_not_equal(it.request, NONE);
	it.request = NONE;
	it.answers++;
}

static void answer_if_asked(void)
{
	if (it.request != NONE)
		answer();
}

/* Only while nobody waits for an answer. */
static void nobody_asks(void)
{
	assert_int_equal(it.request, NONE);
}

#define TO(name, what)                                                         \
	void instance_do_##name(struct machine *m)                             \
	{                                                                      \
		what;                                                          \
	}
TO(say_defined, answer())
TO(say_not_stored, answer())
TO(say_created, answer())
TO(say_started, answer())
TO(say_restarted, nobody_asks())
TO(say_not_started, answer())
TO(say_modified, answer())
TO(say_not_modified, answer())
TO(say_not_removed, answer())
TO(say_stopped, answer_if_asked())
TO(say_removed, answer_if_asked())
TO(say_not_created, answer())
TO(say_failed, nobody_asks())
TO(say_not_offered, nobody_asks())
TO(forget_deaths, it.deaths = 0)
TO(count_death, it.deaths++)
TO(note_why, )
TO(note_not_stored, )
TO(note_not_offered, )
TO(note_hub, )
TO(judge, it.worker = false)

void instance_moved(struct machine *m, unsigned from)
{
	assert_false(it.waits); /* the last one is over, or called off */
	if (m->state == BOOTING)
		it.worker = true;
}

void instance_gone(struct machine *m)
{
	nobody_asks();
	it.gone = true;
}

static int start(struct await *wait)
{
	assert_false(it.waits);
	it.waits = true;
	it.starts++;
	return 0;
}

static void cancel(struct await *wait)
{
	assert_true(it.waits);
	it.waits = false;
	it.cancels++;
}

#define WAIT(name, what)                                                       \
	const struct await_kind wait_##name = { what, start, cancel }
WAIT(disk_write, "the disk");
WAIT(disk_remove, "the disk");
WAIT(hub, "its hub");
WAIT(turn, "its turn");
WAIT(introduction, "its hub's answer");
WAIT(ready, "its worker");
WAIT(verdict, "its hub's end");
WAIT(backoff, "time");
WAIT(end, "its worker's end");

/* What is waited for is there, or not. */
static void finish(int err)
{
	assert_true(it.waits);
	it.waits = false;
	await_done(&it.machine.wait, err, err ? "its test says so" : NULL);
}

/* ---- beginnings ----------------------------------------------------- */

static const unsigned disk = BIT(WRITING) | BIT(STORING) | BIT(MODIFYING) |
			     BIT(REMOVING);
static const unsigned with_worker = BIT(BOOTING) | BIT(STORING) | BIT(RUNNING) |
				    BIT(UNCLEAR) | BIT(ENDING);

/* May it be in @state for @request? */
static bool can_be(unsigned state, enum request request)
{
	switch (state) {
	case WRITING:
		return request == DEFINE;
	case STORING:
		return request == CREATE_IT;
	case MODIFYING:
		return request == MODIFY_IT;
	case REMOVING:
		return request == REMOVE_IT;
	case ENDING:
		return request != DEFINE && request != MODIFY_IT;
	case AT_HUB:
	case IN_QUEUE:
	case INTRODUCING:
	case BOOTING:
	case UNCLEAR:
		return request == NONE || request == CREATE_IT ||
		       request == START_IT;
	default:
		return request == NONE;
	}
}

/* @back: where MODIFYING and REMOVING come from. */
static void begin(unsigned state, unsigned back, enum request request,
		  unsigned facts)
{
	memset(&it, 0, sizeof(it));
	machine_queue_init(&it.queue);
	it.facts = facts;
	it.request = request;
	it.worker =
		BIT(state == MODIFYING || state == REMOVING ? back : state) &
		with_worker;
	machine_init(&it.machine, &it.queue, &instance_table, back);
	machine_hold(&it.queue);
	machine_enter(&it.machine, state);
	machine_release(&it.queue);
}

static void event(unsigned event)
{
	static const enum request kinds[] = { [START] = START_IT,
					      [STOP] = STOP_IT,
					      [REMOVE] = REMOVE_IT,
					      [MODIFY] = MODIFY_IT };
	enum request before = it.request;
	int err;

	switch (event) {
	case DONE:
	case FAILED:
		if (it.waits)
			finish(event == DONE ? 0 : -1);
		return;
	case START:
	case STOP:
	case REMOVE:
	case MODIFY:
		machine_hold(&it.queue);
		err = machine_request(&it.machine, event);
		if (before != NONE)
			assert_true(err);
		if (!err)
			it.request = kinds[event];
		machine_release(&it.queue);
		return;
	default:
		machine_post(&it.machine, event);
	}
}

/* All that it waits for comes, or all fails, or in turns: it comes to rest, and
 * whoever asked has his answer. */
static void settle(unsigned how)
{
	unsigned n = 0;

	/* Who could not be waited for ends all the same. */
	if (it.machine.state == ENDING && !it.waits)
		machine_post(&it.machine, ENDED);
	while (!it.gone && it.waits) {
		bool fail = how == 1 || (how == 2 && n & 1);

		assert_true(n++ < 100);
		/* That a worker ends can't fail. */
		if (it.machine.state == ENDING)
			fail = false;
		/* A hub that is never ready has its waits fail, in time. */
		if (it.machine.state == AT_HUB && n > 50)
			fail = true;
		finish(fail ? -1 : 0);
	}
	if (!it.gone) {
		assert_true(BIT(it.machine.state) &
			    (BIT(DEFINED) | BIT(RUNNING) | BIT(BROKEN_DOWN)));
		assert_int_equal(it.machine.pending, 0);
		assert_int_equal(it.machine.kept, 0);
	}
	assert_int_equal(it.request, NONE);
	machine_fini(&it.machine);
	assert_false(it.waits);
}

/* Each beginning there is, as @fn's arguments. */
static void each(void (*fn)(unsigned state, unsigned back, enum request request,
			    unsigned facts))
{
	for (unsigned s = 0; s < GONE; s++)
		for (unsigned b = 0; b < GONE; b++)
			for (enum request r = 0; r < N_REQUESTS; r++)
				for (unsigned f = 0; f < BIT(N_FACTS); f++) {
					bool between = instance_table.states[s]
							       .between;

					if (!can_be(s, r) ||
					    (between ? BIT(b) & disk
						     : b != DEFINED))
						continue;
					fn(s, b, r, f);
				}
}

/* ---- tests ---------------------------------------------------------- */

/* One row without a condition for each pair, the last; no row in vain. */
static void every_pair_is_defined(void **state)
{
	const struct machine_table *t = &instance_table;
	bool used[256] = { false };

	assert_true(t->n_arcs <= ARRAY_SIZE(used));
	for (unsigned s = 0; s < t->n_states; s++) {
		unsigned events = t->states[s].choice ? BIT(AT_ONCE)
						      : BIT(t->n_events) - 1;

		if (s == t->last)
			events = 0;
		for (unsigned e = 0; e < 32; e++) {
			unsigned always = 0;

			for (unsigned i = 0; i < t->n_arcs; i++) {
				const struct arc *a = &t->arcs[i];

				if (!(a->from & BIT(s)) ||
				    !(a->events & BIT(e)))
					continue;
				assert_true(events & BIT(e));
				used[i] |= !always;
				always += !a->holds;
			}
			if (events & BIT(e) && always < 1)
				fail_msg("%s, %s: undefined", t->states[s].name,
					 e < t->n_events ? t->events[e] : "");
		}
	}
	for (unsigned i = 0; i < t->n_arcs; i++)
		if (!used[i])
			fail_msg("row %u is never reached", i);
}

static void try_each_event(unsigned state, unsigned back, enum request request,
			   unsigned facts)
{
	for (unsigned e = 0; e < N_INSTANCE_EVENTS; e++)
		for (unsigned how = 0; how < 3; how++) {
			begin(state, back, request, facts);
			event(e);
			if (it.gone)
				machine_fini(&it.machine);
			else
				settle(how);
		}
}

static void from_any_state_any_event_leads_to_rest(void **state)
{
	each(try_each_event);
}

/* Two events, and what was waited for comes late. */
static void try_two_events(unsigned state, unsigned back, enum request request,
			   unsigned facts)
{
	for (unsigned e = 0; e < N_INSTANCE_EVENTS; e++)
		for (unsigned f = 0; f < N_INSTANCE_EVENTS; f++) {
			begin(state, back, request, facts);
			machine_hold(&it.queue);
			if (e >= HUB_LOST)
				event(e);
			if (f >= HUB_LOST)
				event(f);
			machine_release(&it.queue);
			if (!it.gone && e < HUB_LOST)
				event(e);
			if (!it.gone && f < HUB_LOST)
				event(f);
			if (it.gone)
				machine_fini(&it.machine);
			else
				settle((e + f) % 3);
		}
}

static void two_events_at_a_time_do_no_harm(void **state)
{
	each(try_two_events);
}

/* The daemon ends at any time: nothing is heard of what is called off. */
static void try_calling_off(unsigned state, unsigned back, enum request request,
			    unsigned facts)
{
	unsigned before;

	begin(state, back, request, facts);
	before = it.cancels;
	machine_fini(&it.machine);
	assert_false(it.waits);
	assert_null(it.machine.wait.kind);
	assert_int_equal(it.cancels - before,
			 !!instance_table.states[state].wait);
	assert_true(list_empty(&it.queue.list));
}

static void waits_can_be_called_off(void **state)
{
	each(try_calling_off);
}

/* ---- the page ------------------------------------------------------- */

static void put_names(FILE *f, uint32_t bits, bool events)
{
	const char *sep = "";

	for (unsigned i = 0; i < 32; i++)
		if (bits & BIT(i)) {
			fprintf(f, "%s%s", sep,
				!events	       ? instance_table.states[i].name
				: i == AT_ONCE ? "at once"
					       : instance_table.events[i]);
			sep = ", ";
		}
}

static void put_words(FILE *f, const char *name, const char *none)
{
	if (!strcmp(name, none))
		return;
	for (; *name; name++)
		fputc(*name == '_' ? ' ' : *name, f);
}

static char *make_page(void)
{
	static const char *const ways[] = { "stays", "back", "kept", "busy",
					    "already" };
	const struct machine_table *t = &instance_table;
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	fputs("\n| State | waits for |\n|---|---|\n", f);
	for (unsigned s = 0; s < t->n_states; s++)
		if (!t->states[s].choice)
			fprintf(f, "| %s | %s |\n", t->states[s].name,
				t->states[s].wait ? t->states[s].wait->name
						  : "");
	fputs("\n| In | when | if | does | then |\n|---|---|---|---|---|\n", f);
	for (unsigned i = 0; i < t->n_arcs; i++) {
		const struct arc *a = &t->arcs[i];

		fputs("| ", f);
		put_names(f, a->from, false);
		fputs(" | ", f);
		put_names(f, a->events, true);
		fputs(" | ", f);
		put_words(f, a->condition, "always");
		fputs(" | ", f);
		put_words(f, a->action, "nothing");
		fprintf(f, " | %s |\n",
			a->to >= STAY ? ways[a->to - STAY]
				      : t->states[a->to].name);
	}
	fputc('\n', f);
	fclose(f);
	return text;
}

static void the_page_agrees(void **state)
{
	const char *path = getenv("LIFE_PAGE");
	FILE *f = fopen(path ? path : "docs/life-cycle.md", "re");
	char *page = make_page(), *text = calloc(1, 1 << 20), *from, *to;

	assert_non_null(f);
	assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
	fclose(f);
	from = strstr(text, PAGE_FROM);
	assert_non_null(from);
	from += strlen(PAGE_FROM);
	to = strstr(from, PAGE_TO);
	assert_non_null(to);
	*to = '\0';
	assert_string_equal(from, page);
	free(text);
	free(page);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pair_is_defined),
		cmocka_unit_test(from_any_state_any_event_leads_to_rest),
		cmocka_unit_test(two_events_at_a_time_do_no_harm),
		cmocka_unit_test(waits_can_be_called_off),
		cmocka_unit_test(the_page_agrees),
	};

	if (argc > 1 && !strcmp(argv[1], "page")) {
		char *page = make_page();

		fputs(page, stdout);
		free(page);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
