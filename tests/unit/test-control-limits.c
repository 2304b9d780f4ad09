/* SPDX-License-Identifier: MIT */
/* What a client may not: nonsense, too much, too many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "control-rig.h"

static void nonsense_ends_the_connection(void **state)
{
	struct fixture *f = *state;
	cleanup_fd int other = dial(f);

	for (int i = 0; i < 3; i++) {
		static const char *const bad[] = { "", "hello",
						   "{\"method\":1}" };
		cleanup_fd int fd = dial(f);

		say(fd, bad[i]);
		say(fd, ECHO_("not reached"));
		expect(f, fd, "");
	}
	assert_int_equal(f->calls, 0);
	say(other, ECHO_("alive"));
	expect(f, other, ECHOED("alive"));
}

static void a_depth_bomb_ends_the_connection(void **state)
{
	struct fixture *f = *state;
	cleanup_fd int fd = dial(f);
	static char bomb[32768];

	memset(bomb, '[', sizeof(bomb) - 1);
	say(fd, bomb);
	expect(f, fd, "");
}

static void a_message_without_end_is_cut_off(void **state)
{
	struct fixture *f = *state;
	cleanup_fd int fd = dial(f);
	char piece[4096];
	size_t sent = 0;
	ssize_t n;

	memset(piece, ' ', sizeof(piece));
	while (sent < 2 * CONTROL_MAX_REQUEST) {
		n = send(fd, piece, sizeof(piece), MSG_NOSIGNAL);
		if (n < 0) {
			assert_int_equal(errno, EPIPE);
			break;
		}
		sent += (size_t)n;
		spin(f);
	}
	assert_true(sent <= CONTROL_MAX_REQUEST + sizeof(piece));
	expect(f, fd, "");
}

static void the_longest_message_is_taken(void **state)
{
	struct fixture *f = *state;
	cleanup_fd int fd = dial(f);
	char *text = malloc(CONTROL_MAX_REQUEST);
	const char *call = ECHO_("x");

	memset(text, ' ', CONTROL_MAX_REQUEST);
	memcpy(text, call, strlen(call));
	text[CONTROL_MAX_REQUEST - 1] = '\0';
	put(fd, text, CONTROL_MAX_REQUEST);
	free(text);
	expect(f, fd, ECHOED("x"));
}

static void a_stream_nobody_reads_is_refused_more(void **state)
{
	struct fixture *f = *state;
	cleanup_fd int fd = dial(f);
	int err = 0;
	size_t n;

	say(fd, "{\"method\":\"org.example.test.Hold\",\"more\":true}");
	spin(f);
	for (n = 0; !err && n < 1000000; n++) {
		err = control_reply_more(f->held, json_object_new_object());
		loop_run_once(f->loop, 0);
	}
	assert_int_equal(err, -ENOBUFS);
	assert_true(n * 36 > CONTROL_MAX_STREAM);
	/* What was accepted does arrive, and then it goes on. */
	for (; n > 1; n--)
		expect(f, fd, "{\"parameters\":{},\"continues\":true}");
	assert_int_equal(control_reply_more(f->held, json_object_new_object()),
			 0);
	control_reply(f->held, json_object_new_object());
	expect(f, fd, "{\"parameters\":{},\"continues\":true}");
	expect(f, fd, "{\"parameters\":{}}");
}

static void big_replies_arrive_in_pieces(void **state)
{
	struct fixture *f = *state;
	cleanup_fd int fd = dial(f);
	const char *got;

	say(fd, "{\"method\":\"org.example.test.Big\","
		"\"parameters\":{\"size\":3000000}}");
	say(fd, ECHO_("behind it"));
	spin(f);
	assert_int_equal(f->calls, 0); /* not read from until it reads */
	got = hear(f, fd);
	assert_int_equal(strlen(got), 3000000 + strlen(ECHOED("")));
	expect(f, fd, ECHOED("behind it"));
}

static void what_is_queued_is_bounded(void **state)
{
	struct fixture *f = *state;
	int fds[12];
	int cut = 0;

	/* Nobody reads; all are alike, and each fits alone. */
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = dial(f);
		say(fds[i], "{\"method\":\"org.example.test.Big\","
			    "\"parameters\":{\"size\":8000000}}");
		spin(f);
	}
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		char c;

		if (recv(fds[i], &c, 1, MSG_PEEK) == 0)
			cut++;
		close(fds[i]);
	}
	assert_int_equal(cut, 12 - CONTROL_MAX_QUEUED / 8000000);
	spin(f);
	/* What they held is given back. */
	cleanup_fd int fd = dial(f);
	say(fd, "{\"method\":\"org.example.test.Big\","
		"\"parameters\":{\"size\":3000000}}");
	assert_true(strlen(hear(f, fd)) > 3000000);
}

static void the_idle_make_room(void **state)
{
	struct fixture *f = *state;
	int fds[CONTROL_MAX_CLIENTS + 1];

	for (int i = 0; i < CONTROL_MAX_CLIENTS; i++)
		fds[i] = dial(f);
	say(fds[0], ECHO_("here")); /* heard last: fds[1] is the oldest now */
	expect(f, fds[0], ECHOED("here"));
	fds[CONTROL_MAX_CLIENTS] = dial(f);
	expect(f, fds[1], "");
	say(fds[0], ECHO_("still here"));
	expect(f, fds[0], ECHOED("still here"));
	say(fds[CONTROL_MAX_CLIENTS], ECHO_("new"));
	expect(f, fds[CONTROL_MAX_CLIENTS], ECHOED("new"));
	for (int i = 0; i <= CONTROL_MAX_CLIENTS; i++)
		close(fds[i]);
	spin(f);
}

static void keep_last(struct control_call *call, struct json_object *params,
		      void *user)
{
	*(struct control_call **)user = call;
}

static void the_busy_are_kept(void **state)
{
	static const struct control_method_def wait[] = { { "Wait", NULL, 0 } };
	static const struct control_interface_def busy = {
		"org.example.busy", "interface org.example.busy\n", wait, 1
	};
	static const struct control_handler fn[] = { { "Wait", keep_last } };
	struct control_call *calls[CONTROL_MAX_CLIENTS], *last;
	struct fixture *f = *state;
	int fds[CONTROL_MAX_CLIENTS], sv[2];

	assert_int_equal(control_server_add(f->server, &busy, fn, 1, &last), 0);
	for (int i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		fds[i] = dial(f);
		say(fds[i], "{\"method\":\"org.example.busy.Wait\"}");
		spin(f);
		calls[i] = last;
	}
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
	assert_int_equal(control_server_accept(f->server, sv[1]), -EUSERS);
	expect(f, sv[0], "");
	close(sv[0]);
	for (int i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		control_reply(calls[i], json_object_new_object());
		expect(f, fds[i], "{\"parameters\":{}}");
		close(fds[i]);
	}
	spin(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nonsense_ends_the_connection),
		T(a_depth_bomb_ends_the_connection),
		T(a_message_without_end_is_cut_off),
		T(the_longest_message_is_taken),
		T(a_stream_nobody_reads_is_refused_more),
		T(big_replies_arrive_in_pieces),
		T(what_is_queued_is_bounded),
		T(the_idle_make_room),
		T(the_busy_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
