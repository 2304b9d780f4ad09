/* SPDX-License-Identifier: MIT */
/* The end of a connection, and what a successor would find. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "transport-flood.h"

/* ---- what a successor would find ---- */

static int answer_look(struct rig *rig, struct conn_message *msg)
{
	const struct conn_state *st = rig->st;
	int err;

	/* received and begun, not applied, no reply yet */
	assert_int_equal(st->rx_begun, st->rx_pos + msg->size);
	assert_true(st->rx_end >= st->rx_begun);
	assert_int_equal(st->tx_end, st->tx_before);
	err = answer_echo(rig, msg);
	assert_int_equal(st->tx_end, st->tx_before + msg->size);
	return err;
}

static void state_tells_how_far_it_is(void **state)
{
	struct rig *rig = *state;
	size_t n = make_message(out, 1, 36);

	n += make_message(out + n, 2, 100);
	n += make_message(out + n, 3, 50);
	rig->answer = answer_look;
	assert_int_equal(peer_send(rig, out, n - 20), n - 20);
	rig_run(rig);
	assert_int_equal(rig->messages, 2);
	assert_int_equal(rig->st->rx_end, n - 20);
	assert_int_equal(rig->st->rx_pos, n - 50);
	assert_int_equal(rig->st->rx_begun, rig->st->rx_pos);
	assert_int_equal(rig->st->tx_end, n - 50);
	assert_int_equal(rig->st->tx_pos, n - 50);
	/* The unfinished one's bytes can be found in the block. */
	void *rx;
	assert_int_equal(arena_block(rig->arena, "conn.rx", CONN_STATE_VERSION,
				     CONN_RX_SIZE, &rx),
			 0);
	assert_memory_equal((uint8_t *)rx + rig->st->rx_pos - rig->st->rx_base,
			    out + n - 50, 30);
}

/* ---- the end ---- */

static int answer_and_shut_down(struct rig *rig, struct conn_message *msg)
{
	int err = answer_echo(rig, msg);

	conn_shutdown(rig->conn, -EPERM);
	assert_null(conn_reply(rig->conn, 16));
	return err;
}

/* A client that is still sending must read our last words and the end of the
 * stream, and never a reset. */
static void shutdown_drains(void **state)
{
	struct rig *rig = *state;
	size_t n = 0;

	rig->answer = answer_and_shut_down;
	for (uint16_t i = 0; i < 100; i++)
		n += make_message(out + n, i, 1000);
	assert_int_equal(peer_send(rig, out, n), n);
	rig_run(rig);
	assert_int_equal(rig->messages, 1);
	assert_int_equal(rig->closed, 0);
	assert_int_equal(peer_send(rig, out, 500), 500);
	rig_run(rig);
	assert_int_equal(peer_send(rig, out, 500), 500);
	assert_int_equal(recv(rig->peer, in, sizeof(in), MSG_DONTWAIT), 1000);
	assert_int_equal(recv(rig->peer, in, sizeof(in), MSG_DONTWAIT), 0);
	/* It never closes; its time runs out. */
	rig_run_closed(rig);
	assert_int_equal(rig->closed, 1);
	assert_int_equal(rig->closed_err, -EPERM);
	assert_int_equal(recv(rig->peer, in, sizeof(in), MSG_DONTWAIT), 0);
}

static void shutdown_ends_early_when_the_peer_closes(void **state)
{
	struct rig *rig = *state;

	conn_shutdown(rig->conn, -EPERM);
	rig_run(rig);
	assert_int_equal(rig->closed, 0);
	rig->peer = close_fd(rig->peer);
	rig_run(rig); /* no wait for the timer */
	assert_int_equal(rig->closed, 1);
	assert_int_equal(rig->closed_err, -EPERM);
}

/* Its replies don't fit into the socket; it goes on sending, then reads. */
static void shutdown_sends_what_is_queued(void **state)
{
	struct rig *rig = *state;
	size_t part;
	unsigned served;

	flood(rig, 10000, &part);
	served = rig->messages;
	conn_shutdown(rig->conn, 0);
	for (unsigned i = 0; i < served; i++)
		read_reply(rig, (uint16_t)i, 10000);
	rig_run(rig);
	assert_int_equal(recv(rig->peer, in, sizeof(in), MSG_DONTWAIT), 0);
	assert_int_equal(rig->messages, served);
	rig_run_closed(rig);
	assert_int_equal(rig->closed_err, 0);
}

static void shutdown_of_a_client_that_never_reads(void **state)
{
	struct rig *rig = *state;
	size_t part;

	flood(rig, 10000, &part);
	conn_shutdown(rig->conn, -ETIMEDOUT);
	rig_run_closed(rig);
	assert_int_equal(rig->closed_err, -ETIMEDOUT);
}

/* It shuts down its sending side only and still gets its answers. */
static void half_closed_peer_is_answered(void **state)
{
	struct rig *rig = *state;
	size_t n = make_message(out, 1, VFIO_USER_MAX_MSG_SIZE), sent = 0;

	while (sent < n) {
		ssize_t k = peer_send(rig, out + sent, n - sent);

		if (k > 0)
			sent += (size_t)k;
		if (sent == n)
			assert_int_equal(shutdown(rig->peer, SHUT_WR), 0);
		rig_run(rig);
	}
	read_reply(rig, 1, n);
	rig_run_closed(rig);
	assert_int_equal(recv(rig->peer, in, sizeof(in), MSG_DONTWAIT), 0);
	assert_int_equal(rig->closed_err, 0);
}

/* Neither a signal nor a busy loop */
static void peer_gone_with_replies_unsent(void **state)
{
	struct rig *rig = *state;
	size_t part;

	flood(rig, 10000, &part);
	rig->peer = close_fd(rig->peer);
	rig_run_closed(rig);
	assert_int_equal(rig->closed, 1);
	assert_int_equal(rig->closed_err, -ECONNRESET);
}

static int answer_after_peer_is_gone(struct rig *rig, struct conn_message *msg)
{
	rig->peer = close_fd(rig->peer);
	return answer_echo(rig, msg);
}

static void peer_gone_while_it_is_answered(void **state)
{
	struct rig *rig = *state;
	size_t n = make_message(out, 1, 20);

	rig->answer = answer_after_peer_is_gone;
	assert_int_equal(peer_send(rig, out, n), n);
	rig_run_closed(rig);
	assert_int_equal(rig->messages, 1);
	assert_int_equal(rig->closed_err, -ECONNRESET);
}

static int answer_error(struct rig *rig, struct conn_message *msg)
{
	(void)rig;
	(void)msg;
	return -EPROTO;
}

static void an_error_ends_it(void **state)
{
	struct rig *rig = *state;
	size_t n = make_message(out, 1, 20);

	n += make_message(out + n, 2, 20);
	rig->answer = answer_error;
	assert_int_equal(peer_send(rig, out, n), n);
	rig_run(rig);
	assert_int_equal(rig->messages, 1);
	rig->peer = close_fd(rig->peer);
	rig_run_closed(rig);
	assert_int_equal(rig->closed_err, -EPROTO);
}

static int answer_again(struct rig *rig, struct conn_message *msg)
{
	(void)msg;
	rig->arg++;
	return -EAGAIN;
}

/* -EAGAIN with nothing to wait for: an end, not a wait for ever. */
static void waiting_for_nothing_ends_it(void **state)
{
	struct rig *rig = *state;
	size_t n = make_message(out, 1, 20);

	rig->answer = answer_again;
	assert_int_equal(peer_send(rig, out, n), n);
	rig_run(rig);
	assert_int_equal(rig->arg, 2);
	rig->peer = close_fd(rig->peer);
	rig_run_closed(rig);
	assert_int_equal(rig->closed_err, -EPROTO);
}

static int answer_free(struct rig *rig, struct conn_message *msg)
{
	(void)msg;
	conn_free(rig->conn);
	rig->conn = NULL;
	return 0;
}

static void freed_in_its_own_callback(void **state)
{
	struct rig *rig = *state;
	size_t n = make_message(out, 1, 20);
	int fd = STDERR_FILENO;

	rig->answer = answer_free;
	n += make_message(out + n, 2, 20);
	assert_int_equal(send_fds(rig->peer, out, n, &fd, 1), n);
	rig_run(rig);
	assert_int_equal(rig->messages, 1);
	assert_int_equal(rig->closed, 0);
	assert_int_equal(recv(rig->peer, in, 1, MSG_DONTWAIT), 0);
}

/* Who comes next finds nothing of who was there before. */
static void next_connection_begins_afresh(void **state)
{
	struct rig *rig = *state;
	size_t n = make_message(out, 1, 50);
	int fd = STDERR_FILENO;

	assert_int_equal(send_fds(rig->peer, out, 40, &fd, 1), 40);
	rig_run(rig);
	rig->peer = close_fd(rig->peer);
	rig_run_closed(rig);
	rig_connect(rig);
	assert_int_equal(rig->st->rx_end, 0);
	assert_int_equal(rig->st->rx_fds.n, 0);
	assert_int_equal(peer_send(rig, out, n), n);
	rig_run(rig);
	assert_int_equal(rig->messages, 1);
	assert_int_equal(rig->fds_seen[0], 0);
}

static void peer_is_known(void **state)
{
	struct rig *rig = *state;
	pid_t pid;
	uid_t uid;

	assert_int_equal(conn_peer(rig->conn->fd, &pid, &uid), 0);
	assert_int_equal(pid, getpid());
	assert_int_equal(uid, getuid());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(state_tells_how_far_it_is),
		RIG_TEST(shutdown_drains),
		RIG_TEST(shutdown_ends_early_when_the_peer_closes),
		RIG_TEST(shutdown_sends_what_is_queued),
		RIG_TEST(shutdown_of_a_client_that_never_reads),
		RIG_TEST(half_closed_peer_is_answered),
		RIG_TEST(peer_gone_with_replies_unsent),
		RIG_TEST(peer_gone_while_it_is_answered),
		RIG_TEST(an_error_ends_it),
		RIG_TEST(waiting_for_nothing_ends_it),
		RIG_TEST(freed_in_its_own_callback),
		RIG_TEST(next_connection_begins_afresh),
		RIG_TEST(peer_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
