/* SPDX-License-Identifier: MIT */
/* What instances may have of their parent's process. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "hub/budget.h"
#include "hub/hub.h"

#define GIB (1ull << 30)
#define TIB (1ull << 40)

static struct hub_budget budget;

static int setup(void **state)
{
	budget = (struct hub_budget){ HUB_MORE_BYTES, 4 };
	*state = NULL;
	return 0;
}

/* The greedy take what is not promised; everybody's own is still theirs. */
static void bytes_are_promised(void **state)
{
	struct hub_share greedy = { .budget = &budget },
			    second = { .budget = &budget };
	struct hub_share others[HUB_MAX_INSTANCES - 2];

	assert_int_equal(hub_share_take(&greedy, UINT64_MAX), -EDQUOT);
	assert_int_equal(hub_share_take(&greedy, UINT64_MAX / 2), -EDQUOT);
	assert_int_equal(hub_share_take(&greedy, 65 * TIB), -EDQUOT);
	assert_int_equal(hub_share_take(&greedy, 64 * TIB), 0);
	assert_int_equal(hub_share_take(&greedy, 129 * GIB), -EDQUOT);
	assert_int_equal(hub_share_take(&greedy, 128 * GIB), 0);
	assert_int_equal(hub_share_take(&greedy, 1), -EDQUOT);
	assert_int_equal(budget.bytes, 0);
	assert_int_equal(hub_share_take(&second, 128 * GIB + 1), -EDQUOT);
	assert_int_equal(hub_share_take(&second, 128 * GIB), 0);
	for (unsigned i = 0; i < HUB_MAX_INSTANCES - 2; i++) {
		others[i] = (struct hub_share){ .budget = &budget };
		assert_int_equal(hub_share_take(&others[i], 100 * GIB), 0);
	}
	/* In another order than they were taken */
	hub_share_give(&greedy, 64 * TIB);
	assert_int_equal(budget.bytes, HUB_MORE_BYTES);
	assert_int_equal(hub_share_take(&second, TIB), 0);
	hub_share_give(&second, 128 * GIB);
	hub_share_give(&greedy, 128 * GIB);
	assert_int_equal(budget.bytes, HUB_MORE_BYTES - 896 * GIB);
	hub_share_give(&second, TIB);
	assert_int_equal(budget.bytes, HUB_MORE_BYTES);
	assert_int_equal(second.files + greedy.files, 0);
}

static void files_are_promised(void **state)
{
	struct hub_share greedy = { .budget = &budget },
			    other = { .budget = &budget };

	for (unsigned i = 0; i < HUB_OWN_FILES + 4; i++)
		assert_int_equal(hub_share_take(&greedy, 1), 0);
	assert_int_equal(hub_share_take(&greedy, 1), -EDQUOT);
	for (unsigned i = 0; i < HUB_OWN_FILES; i++)
		assert_int_equal(hub_share_take(&other, 1), 0);
	assert_int_equal(hub_share_take(&other, 1), -EDQUOT);
	hub_share_give(&greedy, 1);
	assert_int_equal(hub_share_take(&other, 1), 0);
	hub_share_give(&other, 1);
	for (unsigned i = 0; i < HUB_OWN_FILES + 3; i++)
		hub_share_give(&greedy, 1);
	assert_int_equal(budget.files, 4);
}

/* Fewer descriptors: first of all less beyond what is everybody's own */
static void descriptors_are_counted(void **state)
{
	struct rlimit old, low;

	getrlimit(RLIMIT_NOFILE, &old);
	low = old;
	low.rlim_cur = 100;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	hub_budget_init(&budget);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(budget.files, 0);
	assert_int_equal(budget.bytes, HUB_MORE_BYTES);
	hub_budget_init(&budget);
	assert_true(budget.files <= HUB_MORE_FILES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(bytes_are_promised, setup),
		cmocka_unit_test_setup(files_are_promised, setup),
		cmocka_unit_test_setup(descriptors_are_counted, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
