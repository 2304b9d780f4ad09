/* SPDX-License-Identifier: MIT */
/* A busy connection is polled, and then watched again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "transport-flood.h"

#define STREAK 192

static bool streak_over;

/* There is always a next one, and after a streak of them a pause. */
static int answer_and_ask_again(struct rig *rig, struct conn_message *msg)
{
	int err = answer_echo(rig, msg);
	uint8_t p[16];

	if (err)
		return err;
	rig->arg++;
	if (streak_over) {
		loop_stop(rig->loop);
	} else if (rig->arg < STREAK) {
		assert_int_equal(peer_send(rig, p, make_message(p, 1, 16)), 16);
	} else {
		streak_over = true;
	}
	return 0;
}

static void on_pause_over(struct loop_source *src, void *user)
{
	struct rig *rig = user;
	uint8_t p[16];

	(void)src;
	if (!streak_over)
		return; /* still polling: the next time */
	assert_int_equal(peer_send(rig, p, make_message(p, 1, 16)), 16);
}

/* While it is busy it need not sleep; when it does, it is woken. */
static void busy_connection_is_polled_and_then_watched(void **state)
{
	struct rig *rig = *state;
	struct loop_source *timer;
	uint8_t p[16];

	streak_over = false;
	rig->answer = answer_and_ask_again;
	assert_int_equal(loop_add_timer(rig->loop, on_pause_over, rig, &timer),
			 0);
	assert_int_equal(loop_arm_timer(timer, 5000000, 5000000), 0);
	assert_int_equal(peer_send(rig, p, make_message(p, 1, 16)), 16);
	assert_int_equal(loop_run(rig->loop), 0);
	assert_true(streak_over && rig->arg > STREAK);
	loop_remove(timer);
}

static int answer_until_full(struct rig *rig, struct conn_message *msg)
{
	int err = answer_echo(rig, msg);

	if (err == -EAGAIN) {
		/* It must hear from epoll when the peer reads. */
		rig->arg = 1;
		loop_stop(rig->loop);
		return err;
	}
	if (!rig->arg)
		assert_int_equal(peer_send(rig, out, 4000), 4000);
	return err;
}

static void polled_connection_stalls_and_goes_on(void **state)
{
	struct rig *rig = *state;
	unsigned got = 0;

	make_message(out, 1, 4000);
	rig->answer = answer_until_full;
	assert_int_equal(peer_send(rig, out, 4000), 4000);
	assert_int_equal(loop_run(rig->loop), 0);
	assert_true(rig->messages > 64);
	assert_true(rig->conn->stalled);
	for (ssize_t k; (k = recv(rig->peer, in, 4000, MSG_DONTWAIT)) > 0;) {
		got += (unsigned)k;
		rig_run(rig);
	}
	assert_int_equal(got, rig->messages * 4000);
	assert_false(rig->conn->stalled);
}

/* The end of the stream is noticed while it is polled. */
static int answer_and_close(struct rig *rig, struct conn_message *msg)
{
	if (rig->messages < STREAK)
		assert_int_equal(peer_send(rig, msg->data, msg->size),
				 msg->size);
	else
		rig->peer = close_fd(rig->peer);
	return 0;
}

static void on_deadline(struct loop_source *src, void *user)
{
	struct rig *rig = user;

	(void)src;
	if (rig->closed)
		loop_stop(rig->loop);
}

static void polled_connection_ends(void **state)
{
	struct rig *rig = *state;
	struct loop_source *timer;

	rig->answer = answer_and_close;
	assert_int_equal(loop_add_timer(rig->loop, on_deadline, rig, &timer),
			 0);
	assert_int_equal(loop_arm_timer(timer, 5000000, 5000000), 0);
	assert_int_equal(peer_send(rig, out, make_message(out, 1, 20)), 20);
	assert_int_equal(loop_run(rig->loop), 0);
	assert_int_equal(rig->closed, 1);
	assert_int_equal(rig->closed_err, 0);
	assert_int_equal(rig->messages, STREAK + 1);
	loop_remove(timer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(busy_connection_is_polled_and_then_watched),
		RIG_TEST(polled_connection_stalls_and_goes_on),
		RIG_TEST(polled_connection_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
