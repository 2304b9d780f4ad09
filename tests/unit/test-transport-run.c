/* SPDX-License-Identifier: MIT */
/* Messages that are handed over many in one call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "transport-rig.h"

static uint8_t out[64 << 10];
static unsigned runs, taken;

/* Whole messages from the front up to the first that has an odd number */
static void take_even(struct rig *rig, struct conn_run *run)
{
	const uint8_t *p = run->data;
	size_t left = run->len;

	runs++;
	while (!run->over && left >= 16 && !(get_le16(p) & 1)) {
		size_t size = get_le32(p + 4);
		uint64_t before = rig->st->rx_pos;

		if (size > left)
			return;
		conn_run_begin(run, size);
		/* received and begun, not applied, no reply */
		assert_int_equal(rig->st->rx_pos, before);
		assert_int_equal(rig->st->rx_begun, before + size);
		assert_true(rig->st->rx_end >= rig->st->rx_begun);
		assert_int_equal(rig->st->tx_before, rig->st->tx_end);
		rig->sum = sum_bytes(rig->sum, p, size);
		taken++;
		if (rig->arg == (int)taken)
			conn_shutdown(rig->conn, -EPERM);
		if (rig->arg == -(int)taken) {
			conn_free(rig->conn);
			rig->conn = NULL;
		}
		conn_run_done(run);
		assert_int_equal(rig->st->rx_pos, before + size);
		p += size;
		left -= size;
	}
}

static size_t make_messages(const uint16_t *ids, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
		len += make_message(out + len, ids[i], 20 + ids[i] % 60);
	return len;
}

static int run_setup(void **state)
{
	int err = rig_setup(state);
	struct rig *rig = *state;

	runs = taken = 0;
	rig->run = take_even;
	return err;
}

#define RUN_TEST(f) cmocka_unit_test_setup_teardown(f, run_setup, rig_teardown)

/* In order, each once, whichever way it went, however the bytes come */
static void both_ways_in_order(void **state)
{
	static const uint16_t ids[] = { 2, 4, 1, 6, 8, 10, 3, 5, 12, 7, 14 };
	struct rig *rig = *state;
	size_t n = make_messages(ids, ARRAY_SIZE(ids));
	struct conn_stats stats;

	assert_int_equal(peer_send(rig, out, n), n);
	rig_run(rig);
	assert_int_equal(taken, 7);
	assert_int_equal(rig->messages, 4);
	assert_int_equal(rig->sum, sum_bytes(0, out, n));
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(peer_send(rig, out + i, 1), 1);
		rig_run(rig);
	}
	assert_int_equal(taken, 14);
	assert_int_equal(rig->messages, 8);
	assert_int_equal(rig->sum, sum_bytes(sum_bytes(0, out, n), out, n));
	assert_int_equal(rig->st->rx_pos, 2 * n);
	assert_int_equal(rig->st->rx_begun, 2 * n);
	conn_get_stats(rig->conn, &stats);
	assert_int_equal(stats.rx_messages, 22);
}

/* What comes with a message is that message's, so each is looked at. */
static void not_while_descriptors_wait(void **state)
{
	static const uint16_t ids[] = { 2, 4, 6 };
	struct rig *rig = *state;
	size_t n = make_messages(ids, ARRAY_SIZE(ids));

	assert_int_equal(send_fds(rig->peer, out, n, &rig->peer, 1), n);
	rig_run(rig);
	assert_int_equal(runs, 1); /* at the end, when there is nothing */
	assert_int_equal(taken, 0);
	assert_int_equal(rig->messages, 3);
	assert_int_equal(rig->fds_seen[0] + rig->fds_seen[1], 0);
	assert_int_equal(rig->fds_seen[2], 1);
}

static void ends_at_a_shutdown(void **state)
{
	static const uint16_t ids[] = { 2, 4, 6, 8 };
	struct rig *rig = *state;
	size_t n = make_messages(ids, ARRAY_SIZE(ids));

	rig->arg = 2;
	assert_int_equal(peer_send(rig, out, n), n);
	rig_run_closed(rig);
	assert_int_equal(rig->closed_err, -EPERM);
	assert_int_equal(taken, 2);
	assert_int_equal(rig->messages, 0);
}

static void ends_when_it_is_freed(void **state)
{
	static const uint16_t ids[] = { 2, 4, 6, 8 };
	struct rig *rig = *state;
	size_t n = make_messages(ids, ARRAY_SIZE(ids));

	rig->arg = -3;
	assert_int_equal(peer_send(rig, out, n), n);
	rig_run(rig);
	assert_int_equal(taken, 3);
	assert_int_equal(rig->messages, 0);
	assert_int_equal(rig->closed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUN_TEST(both_ways_in_order),
		RUN_TEST(not_while_descriptors_wait),
		RUN_TEST(ends_at_a_shutdown),
		RUN_TEST(ends_when_it_is_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
