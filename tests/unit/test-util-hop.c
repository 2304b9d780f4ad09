/* SPDX-License-Identifier: MIT */
/* A thread that goes to another cpu by itself, and where it must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>

#include "util/hop.h"

static cpu_set_t mine(void)
{
	cpu_set_t set;

	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	return set;
}

static int first_of(const cpu_set_t *set)
{
	int cpu = 0;

	while (!CPU_ISSET(cpu, set))
		cpu++;
	return cpu;
}

/* Alone on a machine of two it would be somewhere else; whatever else runs,
 * it may go everywhere afterwards. */
static void it_may_go_everywhere_afterwards(void **state)
{
	cpu_set_t before = mine(), after;
	unsigned cpus = hop_cpus();

	(void)state;
	if (cpus < 2 || cpus > HOP_MAX_CPUS ||
	    (unsigned)CPU_COUNT(&before) < cpus)
		skip();
	for (int i = 0; i < 20; i++) {
		assert_true(hop_away(cpus));
		after = mine();
		assert_true(CPU_EQUAL(&before, &after));
	}
}

/* What somebody has set stays as it is. */
static void who_is_pinned_stays(void **state)
{
	cpu_set_t before = mine(), one, after;
	int cpu = first_of(&before);

	(void)state;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	for (unsigned cpus = 0; cpus < 4; cpus++) {
		assert_false(hop_away(cpus));
		after = mine();
		assert_true(CPU_EQUAL(&one, &after));
		assert_int_equal(sched_getcpu(), cpu);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

static void who_may_use_some_stays(void **state)
{
	cpu_set_t before = mine(), after;

	(void)state;
	/* As if there were one more than it may use */
	assert_false(hop_away((unsigned)CPU_COUNT(&before) + 1));
	assert_false(hop_away(0));
	assert_false(hop_away(1));
	assert_false(hop_away(HOP_MAX_CPUS + 1));
	after = mine();
	assert_true(CPU_EQUAL(&before, &after));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_may_go_everywhere_afterwards),
		cmocka_unit_test(who_is_pinned_stays),
		cmocka_unit_test(who_may_use_some_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
