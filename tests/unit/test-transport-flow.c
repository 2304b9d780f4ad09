/* SPDX-License-Identifier: MIT */
/* Slow readers, bounds, the order of bytes on the way out, and the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/resource.h>

#include "transport-rig.h"

static uint8_t out[2 * VFIO_USER_MAX_MSG_SIZE];
static uint8_t in[2 * VFIO_USER_MAX_MSG_SIZE];

/* Keep sending messages of @size until nothing is taken any more. Return: how
 * many whole ones went in. @ret_part: bytes of one more. */
static unsigned flood(struct rig *rig, size_t size, size_t *ret_part)
{
	unsigned n = 0, refused = 0;
	size_t done = 0;

	make_message(out, 0, size);
	while (refused < 3) {
		ssize_t k;

		put_le16(out, (uint16_t)n);
		k = peer_send(rig, out + done, size - done);
		refused = k > 0 ? 0 : refused + 1;
		if (k > 0)
			done += (size_t)k;
		if (done == size) {
			done = 0;
			n++;
		}
		rig_run(rig);
		assert_true(n < 1000000);
	}
	*ret_part = done;
	return n;
}

/* Read one reply of @size with the rest being delivered meanwhile. */
static void read_reply(struct rig *rig, uint16_t id, size_t size)
{
	size_t got = 0;
	int idle = 0;

	while (got < size && idle < 3) {
		ssize_t k = recv(rig->peer, in + got, size - got,
				 MSG_DONTWAIT);

		idle = k > 0 ? 0 : idle + 1;
		if (k > 0)
			got += (size_t)k;
		else
			rig_run(rig);
	}
	assert_int_equal(got, size);
	assert_int_equal(get_le16(in), id);
	assert_int_equal(get_le32(in + 4), size);
}

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
	assert_int_equal(loop_run_once(rig->loop, 10), 0);
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
	static const size_t sizes[] = { 17,   36,    1000,  16,    9000,
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
		fds[i] = STDERR_FILENO;
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
			ssize_t k = recv_fds(rig->peer, in, 16384 - got,
					     &n_fds);

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

/* ---- polling ---- */

#define STREAK (3 * (int)CONN_DETACH_AFTER)

static bool streak_over;

/* There is always a next one, and after a streak of them a pause. On a busy
 * machine the streak is interrupted: it goes on until polling has begun. */
static int answer_and_ask_again(struct rig *rig, struct conn_message *msg)
{
	int err = answer_echo(rig, msg);
	uint8_t p[16];

	if (err)
		return err;
	rig->arg++;
	if (streak_over) {
		loop_stop(rig->loop);
	} else if (rig->arg < STREAK ||
		   (!rig->conn->detached && rig->arg < 1000 * STREAK)) {
		assert_int_equal(peer_send(rig, p, make_message(p, 1, 16)), 16);
	} else {
		assert_true(rig->conn->detached);
		streak_over = true;
	}
	return 0;
}

static void on_pause_over(struct loop_source *src, void *user)
{
	struct rig *rig = user;
	uint8_t p[16];

	(void)src;
	if (!streak_over || rig->conn->detached)
		return; /* still polling: the next time */
	assert_int_equal(peer_send(rig, p, make_message(p, 1, 16)), 16);
}

/* While it is busy epoll is not told of what comes; when it sleeps, it is. */
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
	assert_true(rig->messages > CONN_DETACH_AFTER);
	assert_true(rig->conn->stalled);
	assert_false(rig->conn->detached);
	for (ssize_t k; (k = recv(rig->peer, in, 4000, MSG_DONTWAIT)) > 0;) {
		got += (unsigned)k;
		rig_run(rig);
	}
	assert_int_equal(got, rig->messages * 4000);
	assert_false(rig->conn->stalled);
}

/* The end of the stream is noticed while epoll looks away. */
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
				     CONN_RX_SIZE, &rx), 0);
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

	assert_int_equal(conn_peer(rig->conn, &pid, &uid), 0);
	assert_int_equal(pid, getpid());
	assert_int_equal(uid, getuid());
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
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
		RIG_TEST(busy_connection_is_polled_and_then_watched),
		RIG_TEST(polled_connection_stalls_and_goes_on),
		RIG_TEST(polled_connection_ends),
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

	/* For a user who isn't root this bounds descriptors under way, too. */
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return 1;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
