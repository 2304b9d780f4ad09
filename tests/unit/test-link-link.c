/* SPDX-License-Identifier: MIT */
/* The framing between vgpu-device and vgpu-parent: pieces, floods, garbage. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "link/link.h"
#include "util/loop.h"

struct rig {
	struct loop *loop;
	struct link *link;
	int peer;
	unsigned messages, sum;
	size_t last_len;
	int answer; /* what the handler returns */
	bool free_in_message;
	int broken, n_broken;
};

static int on_message(struct link *link, const struct wire_header *header,
		      const void *payload, size_t len, void *user)
{
	struct rig *r = user;

	assert_int_equal((uintptr_t)payload % 8, 0);
	assert_int_equal(header->size, sizeof(*header) + len);
	r->messages++;
	r->last_len = len;
	for (size_t i = 0; i < len; i++)
		r->sum += ((const uint8_t *)payload)[i];
	if (r->free_in_message) {
		link_free(link);
		r->link = NULL;
	}
	return r->answer;
}

static void on_broken(struct link *link, int err, void *user)
{
	struct rig *r = user;

	r->broken = err;
	r->n_broken++;
	link_free(link);
	r->link = NULL;
}

static const struct link_ops ops = { .message = on_message,
				     .broken = on_broken };

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	int fds[2];

	assert_non_null(r);
	assert_int_equal(loop_new(&r->loop), 0);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	r->peer = fds[1];
	assert_int_equal(link_new(r->loop, fds[0], &ops, r, &r->link), 0);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	link_free(r->link);
	close(r->peer);
	loop_free(r->loop);
	free(r);
	return 0;
}

static void turn(struct rig *r)
{
	while (loop_run_once(r->loop, 0) > 0)
		;
}

static size_t frame(uint8_t *to, size_t len)
{
	struct wire_header h = { .size = (uint32_t)(sizeof(h) + len),
				 .kind = WIRE_MESSAGE };

	memcpy(to, &h, sizeof(h));
	memset(to + sizeof(h), 1, len);
	return h.size;
}

static void test_byte_by_byte(void **state)
{
	struct rig *r = *state;
	uint8_t buf[256];
	size_t n = frame(buf, 40);

	n += frame(buf + n, 0);
	n += frame(buf + n, 7);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(write(r->peer, buf + i, 1), 1);
		turn(r);
	}
	assert_int_equal(r->messages, 3);
	assert_int_equal(r->sum, 47);
	assert_int_equal(r->n_broken, 0);
}

static void test_many_at_once(void **state)
{
	struct rig *r = *state;
	static uint8_t buf[100000];
	size_t n = 0, at = 0, len = 0;
	unsigned sent = 0;

	while (n + 2 * WIRE_MAX_SIZE < sizeof(buf)) {
		n += frame(buf + n, len);
		len = (len + 997) % (WIRE_MAX_PAYLOAD + 1);
		sent++;
	}
	n += frame(buf + n, WIRE_MAX_PAYLOAD);
	while (at < n) {
		ssize_t k = write(r->peer, buf + at, n - at);

		if (k > 0)
			at += (size_t)k;
		turn(r);
	}
	assert_int_equal(r->messages, sent + 1);
	assert_int_equal(r->last_len, WIRE_MAX_PAYLOAD);
}

static void test_bad_headers(void **state)
{
	static const struct wire_header bad[] = {
		{ .size = 0, .kind = WIRE_MESSAGE },
		{ .size = sizeof(bad[0]) - 1, .kind = WIRE_MESSAGE },
		{ .size = WIRE_MAX_SIZE + 1, .kind = WIRE_MESSAGE },
		{ .size = UINT32_MAX, .kind = WIRE_MESSAGE },
		{ .size = sizeof(bad[0]), .flags = 1 },
		{ .size = sizeof(bad[0]), .reserved = 1 },
	};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct rig *r;
		void *own;
		uint8_t good[32];
		size_t n = frame(good, 1);

		setup(&own);
		r = own;
		/* What came before it counts. */
		assert_int_equal(write(r->peer, good, n), n);
		assert_int_equal(write(r->peer, &bad[i], sizeof(bad[i])),
				 sizeof(bad[i]));
		turn(r);
		assert_int_equal(r->messages, 1);
		assert_int_equal(r->n_broken, 1);
		assert_int_equal(r->broken, -EPROTO);
		teardown(&own);
	}
	(void)state;
}

static void test_garbage(void **state)
{
	srandom(7);
	for (unsigned i = 0; i < 300; i++) {
		struct rig *r;
		void *own;
		uint8_t buf[512];

		setup(&own);
		r = own;
		for (unsigned k = 0; k < sizeof(buf); k++)
			buf[k] = (uint8_t)random();
		if (i % 2) /* a size that may be right */
			memcpy(buf, &(uint32_t){ 16 + i }, 4);
		assert_int_equal(write(r->peer, buf, sizeof(buf)), sizeof(buf));
		turn(r);
		close(r->peer);
		r->peer = -1;
		turn(r);
		assert_int_equal(r->n_broken, 1);
		teardown(&own);
	}
	(void)state;
}

static void test_the_end(void **state)
{
	struct rig *r = *state;
	uint8_t buf[64];
	size_t n = frame(buf, 3);

	assert_int_equal(write(r->peer, buf, n), n);
	close(r->peer);
	r->peer = -1;
	turn(r);
	assert_int_equal(r->messages, 1);
	assert_int_equal(r->n_broken, 1);
	assert_int_equal(r->broken, -ENOTCONN);
}

static void test_handler_refuses(void **state)
{
	struct rig *r = *state;
	uint8_t buf[64];
	size_t n = frame(buf, 3);

	n += frame(buf + n, 3);
	r->answer = -EFAULT;
	assert_int_equal(write(r->peer, buf, n), n);
	turn(r);
	assert_int_equal(r->messages, 1);
	assert_int_equal(r->broken, -EFAULT);
}

static void test_freed_in_its_handler(void **state)
{
	struct rig *r = *state;
	uint8_t buf[64];
	size_t n = frame(buf, 3);

	n += frame(buf + n, 3);
	r->free_in_message = true;
	assert_int_equal(write(r->peer, buf, n), n);
	turn(r);
	assert_int_equal(r->messages, 1);
	assert_int_equal(r->n_broken, 0);
}

static void test_a_peer_that_does_not_read(void **state)
{
	struct rig *r = *state;
	static uint8_t payload[4096];
	unsigned sent = 0;
	int err = 0;

	while (!err && sent < 100000) {
		err = link_send(r->link, WIRE_MESSAGE, 0, payload,
				sizeof(payload), NULL);
		sent++;
	}
	assert_int_equal(err, -ENOTCONN);
	/* Not from within the send; and no more than the limit was kept. */
	assert_int_equal(r->n_broken, 0);
	assert_true(sent >= LINK_MAX_QUEUED / 4200);
	turn(r);
	assert_int_equal(r->n_broken, 1);
	assert_int_equal(r->broken, -ENOBUFS);
}

static void test_a_peer_that_reads_late(void **state)
{
	struct rig *r = *state;
	static uint8_t payload[4096], in[65536];
	size_t sent = 0, got = 0;

	/* More than the socket takes, less than the limit. */
	while (sent < 350000) {
		payload[0] = (uint8_t)(sent >> 12);
		assert_int_equal(link_send(r->link, WIRE_MESSAGE, 0, payload,
					   sizeof(payload), NULL),
				 0);
		sent += sizeof(payload) + sizeof(struct wire_header);
	}
	while (got < sent) {
		ssize_t n = read(r->peer, in, sizeof(in));

		if (n > 0)
			got += (size_t)n;
		turn(r);
		assert_int_equal(r->n_broken, 0);
	}
	assert_int_equal(got, sent);
	assert_int_equal(read(r->peer, in, sizeof(in)), -1);
}

static void test_descriptors(void **state)
{
	struct rig *r = *state;
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE((WIRE_MAX_FDS + 1) * sizeof(int))];
	} control = { 0 };
	uint8_t buf[64];
	struct iovec iov = { buf, frame(buf, 3) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int fds[WIRE_MAX_FDS + 1] = { 0 }, before = dup(0), after;

	close(before);
	*c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
			       .cmsg_type = SCM_RIGHTS,
			       .cmsg_len = CMSG_LEN(sizeof(fds)) };
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	/* More than anybody sends, and none of them stays. */
	assert_true(sendmsg(r->peer, &msg, 0) > 0);
	turn(r);
	assert_int_equal(r->broken, -EPROTO);
	after = dup(0);
	close(after);
	assert_true(after <= before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
		TEST(test_byte_by_byte),
		TEST(test_many_at_once),
		TEST(test_bad_headers),
		TEST(test_garbage),
		TEST(test_the_end),
		TEST(test_handler_refuses),
		TEST(test_freed_in_its_handler),
		TEST(test_a_peer_that_does_not_read),
		TEST(test_a_peer_that_reads_late),
		TEST(test_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
