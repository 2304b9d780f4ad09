/* SPDX-License-Identifier: MIT */
/* Slow readers, bounds, and the order of bytes on the way out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/resource.h>

#include "transport-flood.h"

static void slow_reader(struct rig *rig, size_t size)
{
	size_t part;
	unsigned n = flood(rig, size, &part), served = rig->messages;
	uint64_t waiting = rig->st->tx_end - rig->st->tx_pos;
	uint8_t *want = out + size;
	struct conn_stats stats;

	assert_true(waiting <= CONN_TX_SIZE);
	assert_true(waiting >= CONN_TX_SIZE / 4);
	/* Nothing more is read, and the loop can sleep. */
	assert_true(served < n);
	assert_int_equal(loop_run_once(rig->loop, 0), 0);
	clock_run(rig->loop, 10 * S);
	assert_int_equal(rig->messages, served);
	conn_get_stats(rig->conn, &stats);
	assert_true(stats.stalls > 0);
	/* Then it reads: not one reply is missing or out of order. */
	make_message(want, 0, size);
	for (unsigned i = 0; i < n; i++) {
		read_reply(rig, (uint16_t)i, size);
		assert_memory_equal(in + 16, want + 16, size - 16);
	}
	assert_int_equal(rig->messages, n);
	if (part) {
		while (part < size) {
			ssize_t k = peer_send(rig, out + part, size - part);

			assert_true(k > 0);
			part += (size_t)k;
			rig_run(rig);
		}
		read_reply(rig, (uint16_t)n, size);
	}
	assert_int_equal(recv(rig->peer, in, 1, MSG_DONTWAIT), -1);
	assert_int_equal(rig->closed, 0);
}

static void slow_reader_of_small_replies(void **state)
{
	slow_reader(*state, 36);
}

static void slow_reader_of_odd_replies(void **state)
{
	slow_reader(*state, 4099);
}

static void slow_reader_of_64k_replies(void **state)
{
	slow_reader(*state, 65568);
}

static void slow_reader_of_the_largest_replies(void **state)
{
	slow_reader(*state, VFIO_USER_MAX_MSG_SIZE);
}

static void slow_reader_of_data_from_elsewhere(void **state)
{
	static const size_t sizes[] = { 4099, 65568, 200000,
					VFIO_USER_MAX_MSG_SIZE };
	struct rig *rig = *state;

	rig->answer = answer_echo_data;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		rig->messages = 0;
		slow_reader(rig, sizes[i]);
	}
}

/* At the start of a message a reader sees a whole header or nothing, however
 * full the socket was when it was sent. */
static void no_header_in_two_pieces(void **state)
{
	static const size_t sizes[] = { 17,   36,    1000,  16,	   9000,
					8191, 40000, 32768, 32767, 100,
					23,   65568, 200000 };
	struct rig *rig = *state;
	unsigned sent = 0, got = 0, rounds = 0;
	size_t done = 0, size = 0;

	make_message(out, 0, 1 << 20);
	while (got < 3000 && rounds++ < 1000000) {
		uint8_t head[16];
		ssize_t k;

		/* Keep it full: send as long as it is taken. */
		while (sent < 3000) {
			if (!done) {
				size = sizes[(sent * 7 + sent / 13) %
					     ARRAY_SIZE(sizes)];
				make_message(out, (uint16_t)sent, size);
			}
			k = peer_send(rig, out + done, size - done);
			if (k <= 0)
				break;
			done += (size_t)k;
			if (done == size) {
				done = 0;
				sent++;
			}
		}
		rig_run(rig);
		k = recv(rig->peer, head, sizeof(head),
			 MSG_DONTWAIT | MSG_PEEK);
		if (k < 0)
			continue;
		assert_int_equal(k, sizeof(head));
		assert_int_equal(get_le16(head), got);
		for (size_t left = get_le32(head + 4); left;) {
			k = recv(rig->peer, in, left, MSG_DONTWAIT);
			if (k > 0)
				left -= (size_t)k;
			else
				rig_run(rig);
		}
		got++;
	}
	assert_int_equal(got, 3000);
}

static void no_header_of_data_in_two_pieces(void **state)
{
	struct rig *rig = *state;

	rig->answer = answer_echo_data;
	no_header_in_two_pieces(state);
}

/* With the socket full, descriptors wait with their message. */
static int answer_one_fd(struct rig *rig, struct conn_message *msg)
{
	uint8_t *p = conn_reply(rig->conn, msg->size);
	int fds[2], err;

	if (!p)
		return -EAGAIN;
	memcpy(p, msg->data, msg->size);
	if (msg->header.id % 16)
		return conn_commit(rig->conn, msg->size, NULL, 0);
	assert_int_equal(pipe(fds), 0);
	err = conn_commit(rig->conn, msg->size, fds, 1);
	close(fds[0]);
	close(fds[1]);
	return err;
}

static void fds_wait_for_room(void **state)
{
	struct rig *rig = *state;
	size_t part;
	unsigned n;

	rig->answer = answer_one_fd;
	n = flood(rig, 1000, &part);
	assert_true(rig->st->tx_fds.n > 0);
	assert_true(rig->messages > 16 * rig->st->tx_fds.n);
	for (unsigned i = 0; i < n; i++) {
		size_t n_fds, got = 0;

		while (got < 1000) {
			ssize_t k = recv_fds(rig->peer, in + got, 1000 - got,
					     &n_fds);

			if (k < 0) {
				rig_run(rig);
				continue;
			}
			assert_int_equal(n_fds, !got && !(i % 16));
			got += (size_t)k;
		}
		assert_int_equal(get_le16(in), i & 0xffff);
	}
	assert_int_equal(rig->st->tx_fds.n, 0);
}

/* More descriptors wait than may: the same as no room. */
static int answer_100_fds(struct rig *rig, struct conn_message *msg)
{
	uint8_t *p = conn_reply(rig->conn, msg->size);
	int fds[100];

	if (!p)
		return -EAGAIN;
	for (int i = 0; i < 100; i++)
		fds[i] = rig->peer; /* not a file: that is closed later */
	memcpy(p, msg->data, msg->size);
	return conn_commit(rig->conn, msg->size, fds, 100);
}

static void waiting_fds_are_bounded(void **state)
{
	struct rig *rig = *state;
	size_t part, n_fds;
	unsigned n;

	rig->answer = answer_100_fds;
	n = flood(rig, 16384, &part);
	assert_true(rig->st->tx_fds.n <= CONN_FDS_WAITING);
	assert_int_equal(rig->closed, 0);
	for (unsigned i = 0; i < n; i++)
		for (size_t got = 0; got < 16384;) {
			ssize_t k =
				recv_fds(rig->peer, in, 16384 - got, &n_fds);

			if (k < 0) {
				rig_run(rig);
				continue;
			}
			assert_int_equal(n_fds, got ? 0 : 100);
			got += (size_t)k;
		}
}

/* ---- replies outside of message() ---- */

static void push(struct rig *rig)
{
	for (;;) {
		uint8_t *p = conn_reply(rig->conn, 100000);

		if (!p)
			return;
		make_message(p, (uint16_t)rig->arg++, 100000);
		assert_int_equal(conn_commit(rig->conn, 100000, NULL, 0), 0);
		if (rig->arg == 40) {
			rig->room = NULL;
			return;
		}
	}
}

static void room_is_announced(void **state)
{
	struct rig *rig = *state;

	rig->room = push;
	push(rig);
	assert_true(rig->arg > 1 && rig->arg < 40);
	for (unsigned i = 0; i < 40; i++)
		read_reply(rig, (uint16_t)i, 100000);
	assert_int_equal(rig->arg, 40);
}

static void a_reply_outside_leaves_at_once(void **state)
{
	struct rig *rig = *state;
	uint8_t *p = conn_reply(rig->conn, 100);

	make_message(p, 5, 40);
	assert_int_equal(conn_commit(rig->conn, 40, NULL, 0), 0);
	assert_int_equal(recv(rig->peer, in, 100, MSG_DONTWAIT), 40);
}

static void wrong_commits(void **state)
{
	struct rig *rig = *state;
	uint8_t *p;

	assert_null(conn_reply(rig->conn, VFIO_USER_MAX_MSG_SIZE + 1));
	/* no room asked for */
	assert_int_equal(conn_commit(rig->conn, 16, NULL, 0), -EINVAL);
	p = conn_reply(rig->conn, 20);
	make_message(p, 1, 20);
	put_le32(p + 4, 19); /* not what the header says */
	assert_int_equal(conn_commit(rig->conn, 20, NULL, 0), -EINVAL);
	p = conn_reply(rig->conn, 20);
	make_message(p, 1, 20);
	assert_int_equal(conn_commit(rig->conn, 21, NULL, 0), -EINVAL);
	for (size_t len = 10; len <= 10000; len *= 1000) {
		p = conn_reply(rig->conn, 16 + len);
		make_message(p, 1, 16 + len - 1);
		assert_int_equal(conn_commit_data(rig->conn, 16, in, len),
				 -EINVAL);
		p = conn_reply(rig->conn, 16 + len - 1);
		make_message(p, 1, 16 + len);
		assert_int_equal(conn_commit_data(rig->conn, 16, in, len),
				 -EINVAL);
	}
	p = conn_reply(rig->conn, 20);
	assert_non_null(p);
	assert_int_equal(conn_commit(rig->conn, 0, NULL, 0), 0);
	assert_int_equal(recv(rig->peer, in, 100, MSG_DONTWAIT), -1);
}

/* One receive call each, but not one send call each for the replies. */
static void replies_to_descriptors_leave_together(void **state)
{
	struct rig *rig = *state;
	struct conn_stats before, after;
	uint8_t p[32];

	conn_get_stats(rig->conn, &before);
	for (int burst = 1; burst <= 3; burst++) {
		for (uint16_t i = 0; i < 10; i++)
			assert_int_equal(send_fds(rig->peer, p,
						  make_message(p, i, 20),
						  &rig->peer, 1),
					 20);
		rig_run(rig);
		assert_int_equal(rig->messages, 10 * burst);
		assert_int_equal(recv(rig->peer, out, sizeof(out), 0), 200);
		for (uint16_t i = 0; i < 10; i++)
			assert_int_equal(get_le16(out + i * 20), i);
	}
	for (size_t i = 0; i < ARRAY_SIZE(rig->fds_seen); i++)
		assert_int_equal(rig->fds_seen[i], 1);
	conn_get_stats(rig->conn, &after);
	assert_int_equal(after.rx_calls - before.rx_calls, 30);
	/* That there is more behind the first one has to be seen. */
	assert_in_range(after.tx_calls - before.tx_calls, 3, 6);
}

/* What was held leaves even if the message behind it is never finished. */
static void held_replies_do_not_wait_for_the_rest(void **state)
{
	struct rig *rig = *state;
	size_t n = make_message(out, 1, 20);

	n += make_message(out + n, 2, 1000);
	assert_int_equal(send_fds(rig->peer, out, 20, &rig->peer, 1), 20);
	assert_int_equal(send_fds(rig->peer, out, 20 + 100, &rig->peer, 1),
			 120);
	assert_int_equal(peer_send(rig, out + 120, 100), 100);
	rig_run(rig);
	assert_int_equal(rig->messages, 2);
	assert_int_equal(recv(rig->peer, out + n, 1000, MSG_DONTWAIT), 40);
	assert_int_equal(peer_send(rig, out + 220, n - 220), n - 220);
	rig_run(rig);
	assert_int_equal(rig->messages, 3);
	assert_int_equal(recv(rig->peer, out + n, 2000, MSG_DONTWAIT), 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(replies_to_descriptors_leave_together),
		RIG_TEST(held_replies_do_not_wait_for_the_rest),
		RIG_TEST(slow_reader_of_small_replies),
		RIG_TEST(slow_reader_of_odd_replies),
		RIG_TEST(slow_reader_of_64k_replies),
		RIG_TEST(slow_reader_of_the_largest_replies),
		RIG_TEST(slow_reader_of_data_from_elsewhere),
		RIG_TEST(no_header_in_two_pieces),
		RIG_TEST(no_header_of_data_in_two_pieces),
		RIG_TEST(fds_wait_for_room),
		RIG_TEST(waiting_fds_are_bounded),
		RIG_TEST(room_is_announced),
		RIG_TEST(a_reply_outside_leaves_at_once),
		RIG_TEST(wrong_commits),
	};

	/* For a user who isn't root this bounds descriptors under way, too. */
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return 1;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
