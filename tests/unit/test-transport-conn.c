/* SPDX-License-Identifier: MIT */
/* Bytes to messages and back: framing, pieces, file descriptors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/resource.h>

#include "transport-rig.h"

static uint8_t out[3 * VFIO_USER_MAX_MSG_SIZE];
static uint8_t in[3 * VFIO_USER_MAX_MSG_SIZE];

/* Send out[0, n) in pieces of at most @piece and get as much back. */
static void round_trip(struct rig *rig, size_t n, size_t piece)
{
	size_t sent = 0, got = 0;
	int idle = 0;

	while (got < n && idle < 3) {
		ssize_t k = sent < n ? peer_send(rig, out + sent,
						 MIN(piece, n - sent)) : 0;

		idle++;
		if (k > 0) {
			sent += (size_t)k;
			idle = 0;
		}
		rig_run(rig);
		k = recv(rig->peer, in + got, n - got, MSG_DONTWAIT);
		if (k > 0) {
			got += (size_t)k;
			idle = 0;
		}
	}
	assert_int_equal(sent, n);
	assert_int_equal(got, n);
}

/* What came back is what was sent, marked as replies. */
static void check_echo(size_t n)
{
	for (size_t p = 0; p < n; p += get_le32(out + p + 4)) {
		assert_int_equal(get_le32(in + p + 8), VFIO_USER_TYPE_REPLY);
		put_le32(in + p + 8, 0);
	}
	assert_memory_equal(in, out, n);
}

static void requests_cut_at_every_byte(void **state)
{
	struct rig *rig = *state;
	size_t n = make_message(out, 1, 36);

	n += make_message(out + n, 2, 16);
	n += make_message(out + n, 3, 77);
	for (size_t cut = 1; cut < n; cut++) {
		rig->messages = 0;
		assert_int_equal(peer_send(rig, out, cut), cut);
		rig_run(rig);
		assert_int_equal(rig->messages,
				 (cut >= 36) + (cut >= 36 + 16));
		assert_int_equal(peer_send(rig, out + cut, n - cut), n - cut);
		rig_run(rig);
		assert_int_equal(rig->messages, 3);
		assert_int_equal(recv(rig->peer, in, sizeof(in), MSG_DONTWAIT),
				 n);
		check_echo(n);
	}
	assert_int_equal(rig->closed, 0);
}

static void requests_byte_by_byte(void **state)
{
	struct rig *rig = *state;
	size_t n = make_message(out, 1, 100);

	n += make_message(out + n, 2, 16);
	n += make_message(out + n, 3, 1000);
	round_trip(rig, n, 1);
	check_echo(n);
	assert_int_equal(rig->messages, 3);
}

/* The reader's pace must not matter to what it reads. */
static void replies_read_in_pieces_of_any_size(void **state)
{
	struct rig *rig = *state;
	size_t n = 0;

	for (uint16_t i = 0; i < 5; i++)
		n += make_message(out + n, i, 16 + i * 9u);
	for (size_t piece = 1; piece <= n; piece++) {
		size_t got = 0;

		assert_int_equal(peer_send(rig, out, n), n);
		rig_run(rig);
		while (got < n) {
			ssize_t k = recv(rig->peer, in + got,
					 MIN(piece, n - got), MSG_DONTWAIT);

			assert_true(k > 0);
			got += (size_t)k;
		}
		check_echo(n);
	}
}

static void pipelined_2000(void **state)
{
	struct rig *rig = *state;
	struct conn_stats stats;
	uint32_t sum;
	size_t n = 0;

	for (uint16_t i = 0; i < 2000; i++)
		n += make_message(out + n, i, 16 + (i * 37u) % 400);
	sum = sum_bytes(0, out, n);
	round_trip(rig, n, 50000);
	check_echo(n);
	assert_int_equal(rig->messages, 2000);
	assert_int_equal(rig->sum, sum);
	conn_get_stats(rig->conn, &stats);
	assert_int_equal(stats.rx_messages, 2000);
	assert_int_equal(stats.tx_messages, 2000);
	assert_int_equal(stats.rx_bytes, n);
	assert_int_equal(stats.tx_bytes, n);
	/* As much as there is with one call: far from one a message */
	assert_true(stats.rx_calls < 200);
	assert_true(stats.tx_calls < 200);
}

/* Replies to what came together leave together. */
static void one_send_for_a_batch(void **state)
{
	struct rig *rig = *state;
	struct conn_stats stats;
	size_t n = 0;

	for (uint16_t i = 0; i < 64; i++)
		n += make_message(out + n, i, 36);
	round_trip(rig, n, n);
	check_echo(n);
	conn_get_stats(rig->conn, &stats);
	assert_int_equal(stats.rx_calls, 1);
	assert_int_equal(stats.tx_calls, 1);
}

static void messages_of_all_sizes_up_to_the_largest(void **state)
{
	static const size_t sizes[] = {
		16, 4096, 65568, 65536 + 4096, 65568, 131072, 17,
		VFIO_USER_MAX_MSG_SIZE - 1, 100, VFIO_USER_MAX_MSG_SIZE, 16,
	};
	static const size_t pieces[] = { 1 << 20, 65536, 10007, 501 };
	struct rig *rig = *state;

	for (size_t p = 0; p < ARRAY_SIZE(pieces); p++) {
		size_t n = 0;

		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
			n += make_message(out + n, (uint16_t)i, sizes[i]);
		round_trip(rig, n, pieces[p]);
		check_echo(n);
	}
	assert_int_equal(rig->closed, 0);
}

static void data_from_elsewhere_of_all_sizes(void **state)
{
	struct rig *rig = *state;

	rig->answer = answer_echo_data;
	messages_of_all_sizes_up_to_the_largest(state);
}

static void bad_size(struct rig *rig, uint32_t size)
{
	size_t n = make_message(out, 1, 20);

	/* What came before it is answered, and then comes the end. */
	n += make_message(out + n, 2, 16);
	put_le32(out + 20 + 4, size);
	assert_int_equal(peer_send(rig, out, n), n);
	rig_run(rig);
	assert_int_equal(rig->messages, 1);
	assert_int_equal(recv(rig->peer, in, sizeof(in), MSG_DONTWAIT), 20);
	assert_int_equal(recv(rig->peer, in, sizeof(in), MSG_DONTWAIT), 0);
	rig->peer = close_fd(rig->peer);
	rig_run_closed(rig);
	assert_int_equal(rig->closed, 1);
	assert_int_equal(rig->closed_err, -EBADMSG);
}

static void size_below_a_header(void **state)
{
	bad_size(*state, 15);
}

static void size_zero(void **state)
{
	bad_size(*state, 0);
}

static void size_beyond_the_largest(void **state)
{
	bad_size(*state, VFIO_USER_MAX_MSG_SIZE + 1);
}

static void peer_gone_between_messages(void **state)
{
	struct rig *rig = *state;
	size_t n = make_message(out, 1, 20);

	rig->answer = answer_nothing;
	assert_int_equal(peer_send(rig, out, n), n);
	rig->peer = close_fd(rig->peer);
	rig_run_closed(rig);
	assert_int_equal(rig->messages, 1); /* posted, then gone: still done */
	assert_int_equal(rig->closed_err, 0);
}

static void peer_gone_at_every_byte(void **state)
{
	struct rig *rig = *state;
	size_t n = make_message(out, 1, 40);

	for (size_t cut = 1; cut < n; cut++) {
		assert_int_equal(peer_send(rig, out, cut), cut);
		rig->peer = close_fd(rig->peer);
		rig_run_closed(rig);
		assert_int_equal(rig->messages, 0);
		assert_int_equal(rig->closed, 1);
		assert_int_equal(rig->closed_err, -ECONNRESET);
		rig_connect(rig);
	}
}

/* ---- file descriptors ---- */

static void send_with_fds(struct rig *rig, size_t from, size_t to, size_t n_fds)
{
	int fds[CONN_MAX_FDS];

	for (size_t i = 0; i < n_fds; i++)
		fds[i] = STDERR_FILENO;
	assert_int_equal(send_fds(rig->peer, out + from, to - from, fds, n_fds),
			 to - from);
}

/* With whichever part of the message they come, and whatever was cut off
 * before: they arrive with it, and only once it is complete. */
static void fds_wait_for_their_message(void **state)
{
	struct rig *rig = *state;
	size_t n = make_message(out, 1, 20);

	n += make_message(out + n, 2, 48);
	n += make_message(out + n, 3, 20);
	for (size_t cut = 21; cut < 20 + 48; cut++) {
		for (int late = 0; late < 2; late++) {
			rig->messages = 0;
			if (late) {
				assert_int_equal(peer_send(rig, out, cut), cut);
				send_with_fds(rig, cut, 20 + 48, 2);
			} else {
				assert_int_equal(peer_send(rig, out, 20), 20);
				send_with_fds(rig, 20, cut, 2);
			}
			rig_run(rig);
			assert_int_equal(rig->messages, 1 + late);
			if (!late)
				assert_int_equal(peer_send(rig, out + cut,
							   20 + 48 - cut),
						 20 + 48 - cut);
			assert_int_equal(peer_send(rig, out + 20 + 48, 20), 20);
			rig_run(rig);
			assert_int_equal(rig->messages, 3);
			assert_int_equal(rig->fds_seen[0], 0);
			assert_int_equal(rig->fds_seen[1], 2);
			assert_int_equal(rig->fds_seen[2], 0);
			assert_int_equal(rig->st->rx_fds.n, 0);
			assert_true(recv(rig->peer, in, sizeof(in),
					 MSG_DONTWAIT) > 0);
		}
	}
}

/* All that Linux brings with one receive ends behind the piece with
 * descriptors: an earlier message in the same receive must not get them. */
static void fds_belong_to_the_last_message_received(void **state)
{
	struct rig *rig = *state;
	size_t n = make_message(out, 1, 20);

	n += make_message(out + n, 2, 20);
	n += make_message(out + n, 3, 20);
	assert_int_equal(peer_send(rig, out, 20), 20);
	send_with_fds(rig, 20, 40, 3);
	assert_int_equal(peer_send(rig, out + 40, 20), 20);
	rig_run(rig);
	assert_int_equal(rig->messages, 3);
	assert_int_equal(rig->fds_seen[0], 0);
	assert_int_equal(rig->fds_seen[1], 3);
	assert_int_equal(rig->fds_seen[2], 0);
}

/* The end of one message and the start of the next, both with some */
static void fds_of_two_messages_in_a_row(void **state)
{
	struct rig *rig = *state;
	size_t n = make_message(out, 1, 30);

	n += make_message(out + n, 2, 30);
	send_with_fds(rig, 0, 10, 1);
	rig_run(rig);
	send_with_fds(rig, 10, 30, 2);
	send_with_fds(rig, 30, 40, 4);
	rig_run(rig);
	assert_int_equal(rig->messages, 1);
	assert_int_equal(rig->fds_seen[0], 3);
	assert_int_equal(peer_send(rig, out + 40, 20), 20);
	rig_run(rig);
	assert_int_equal(rig->messages, 2);
	assert_int_equal(rig->fds_seen[1], 4);
}

static void as_many_fds_as_linux_sends(void **state)
{
	struct rig *rig = *state;

	make_message(out, 1, 30);
	send_with_fds(rig, 0, 30, CONN_MAX_FDS);
	rig_run(rig);
	assert_int_equal(rig->messages, 1);
	assert_int_equal(rig->fds_seen[0], CONN_MAX_FDS);
}

static int answer_take_first(struct rig *rig, struct conn_message *msg)
{
	rig->arg = msg->fds[0];
	msg->fds[0] = -1;
	return 0;
}

static void a_taken_fd_stays_open(void **state)
{
	struct rig *rig = *state;
	int flags;

	rig->answer = answer_take_first;
	make_message(out, 1, 30);
	send_with_fds(rig, 0, 30, 2);
	rig_run(rig);
	flags = fcntl(rig->arg, F_GETFD);
	assert_true(flags >= 0);
	assert_true(flags & FD_CLOEXEC);
	close(rig->arg); /* the other one: rig_teardown() counts */
}

static void more_fds_than_a_message_may_have(void **state)
{
	struct rig *rig = *state;

	make_message(out, 1, 30);
	send_with_fds(rig, 0, 10, CONN_MAX_FDS);
	send_with_fds(rig, 10, 20, 1);
	rig_run(rig);
	assert_int_equal(peer_send(rig, out + 20, 10), 10);
	rig_run(rig);
	rig->peer = close_fd(rig->peer);
	rig_run_closed(rig);
	assert_int_equal(rig->messages, 0);
	assert_int_equal(rig->closed_err, -EMSGSIZE);
}

static void fds_without_end(void **state)
{
	struct rig *rig = *state;

	make_message(out, 1, 30);
	for (size_t i = 0; i < 3; i++)
		send_with_fds(rig, i, i + 1, CONN_MAX_FDS);
	rig_run(rig);
	rig->peer = close_fd(rig->peer);
	rig_run_closed(rig);
	assert_int_equal(rig->closed_err, -EMSGSIZE);
}

/* The kernel can't give us all: those that came are not lost track of. */
static void fds_cut_off(void **state)
{
	struct rig *rig = *state;
	struct rlimit old, tight;

	make_message(out, 1, 30);
	send_with_fds(rig, 0, 30, 20);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	tight = old;
	tight.rlim_cur = count_fds() + 5;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	rig_run(rig);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(rig->messages, 0);
	rig->peer = close_fd(rig->peer);
	rig_run_closed(rig);
	assert_int_equal(rig->closed_err, -EMSGSIZE);
}

static void fds_of_a_message_that_never_ends(void **state)
{
	struct rig *rig = *state;

	make_message(out, 1, 30);
	send_with_fds(rig, 0, 10, 5);
	rig_run(rig);
	assert_int_equal(rig->st->rx_fds.n, 5);
	rig->peer = close_fd(rig->peer);
	rig_run_closed(rig);
	assert_int_equal(rig->closed_err, -ECONNRESET);
}

/* Replies around one with descriptors: they come with its first byte. */
static int answer_fds(struct rig *rig, struct conn_message *msg)
{
	uint8_t *p = conn_reply(rig->conn, msg->size);
	int fds[2] = { STDERR_FILENO, STDERR_FILENO };
	size_t n = msg->header.id % 3 == 1 ? 2 : 0;

	if (!p)
		return -EAGAIN;
	memcpy(p, msg->data, msg->size);
	return conn_commit(rig->conn, msg->size, fds, n);
}

static void fds_of_replies(void **state)
{
	struct rig *rig = *state;
	size_t n = 0;

	rig->answer = answer_fds;
	for (uint16_t i = 0; i < 9; i++)
		n += make_message(out + n, i, 16 + i * 10u);
	assert_int_equal(peer_send(rig, out, n), n);
	rig_run(rig);
	for (uint16_t i = 0; i < 9; i++) {
		size_t n_fds, rest;

		/* As QEMU does: the header first */
		assert_int_equal(recv_fds(rig->peer, in, 16, &n_fds), 16);
		assert_int_equal(get_le16(in), i);
		assert_int_equal(n_fds, i % 3 == 1 ? 2 : 0);
		rest = get_le32(in + 4) - 16;
		if (!rest)
			continue;
		assert_int_equal(recv_fds(rig->peer, in, rest, &n_fds), rest);
		assert_int_equal(n_fds, 0);
	}
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(requests_cut_at_every_byte),
		RIG_TEST(requests_byte_by_byte),
		RIG_TEST(replies_read_in_pieces_of_any_size),
		RIG_TEST(pipelined_2000),
		RIG_TEST(one_send_for_a_batch),
		RIG_TEST(messages_of_all_sizes_up_to_the_largest),
		RIG_TEST(data_from_elsewhere_of_all_sizes),
		RIG_TEST(size_below_a_header),
		RIG_TEST(size_zero),
		RIG_TEST(size_beyond_the_largest),
		RIG_TEST(peer_gone_between_messages),
		RIG_TEST(peer_gone_at_every_byte),
		RIG_TEST(fds_wait_for_their_message),
		RIG_TEST(fds_belong_to_the_last_message_received),
		RIG_TEST(fds_of_two_messages_in_a_row),
		RIG_TEST(as_many_fds_as_linux_sends),
		RIG_TEST(a_taken_fd_stays_open),
		RIG_TEST(more_fds_than_a_message_may_have),
		RIG_TEST(fds_without_end),
		RIG_TEST(fds_cut_off),
		RIG_TEST(fds_of_a_message_that_never_ends),
		RIG_TEST(fds_of_replies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
