/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/json.h"
#include "control/server.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#define ROUNDS 2000 /* of the loop, at most, to see something happen */

struct fixture {
	struct loop *loop;
	struct control_server *server;
	struct control_call *held; /* by Hold or Stream */
	int gone;
	int calls;
};

static void do_echo(struct control_call *call, struct json_object *params,
		    void *user)
{
	struct fixture *f = user;
	struct json_object *out = json_object_new_object();

	f->calls++;
	json_set_string(&out, "text", json_get_string(params, "text", NULL));
	control_reply(call, out);
}

static void on_gone(struct control_call *call, void *user)
{
	struct fixture *f = user;

	f->gone++;
}

static void do_hold(struct control_call *call, struct json_object *params,
		    void *user)
{
	struct fixture *f = user;

	assert_null(f->held);
	f->held = call;
	control_call_on_gone(call, on_gone, f);
}

static void do_big(struct control_call *call, struct json_object *params,
		   void *user)
{
	size_t size = (size_t)json_get_int(params, "size", 0);
	struct json_object *out = json_object_new_object();
	char *text = calloc(1, size + 1);

	assert_non_null(text);
	memset(text, 'x', size);
	json_set_string(&out, "text", text);
	free(text);
	control_reply(call, out);
}

static void do_files(struct control_call *call, struct json_object *params,
		     void *user)
{
	int fds[2] = { memfd_create("one", MFD_CLOEXEC),
		       memfd_create("two", MFD_CLOEXEC) };

	assert_int_equal(write(fds[0], "1", 1), 1);
	assert_int_equal(write(fds[1], "2", 1), 1);
	control_reply_fds(call, json_object_new_object(), fds, 2);
}

static const struct control_field text_in[] = { { "text", CONTROL_STRING,
						  false } };
static const struct control_field size_in[] = { { "size", CONTROL_INT,
						  false } };
static const struct control_method_def methods[] = {
	{ "Echo", text_in, 1 }, { "Hold", NULL, 0 },  { "Big", size_in, 1 },
	{ "Files", NULL, 0 },	{ "Empty", NULL, 0 },
};
static const struct control_interface_def def = {
	.name = "org.example.test",
	.text = "interface org.example.test\n",
	.methods = methods,
	.n_methods = ARRAY_SIZE(methods),
};
static const struct control_handler handlers[] = {
	{ "Echo", do_echo },
	{ "Hold", do_hold },
	{ "Big", do_big },
	{ "Files", do_files },
};

static int setup(void **state)
{
	static const struct control_server_config config = {
		"the vendor", "the product", "1.2", "https://example.org"
	};
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(loop_new(&f->loop), 0);
	assert_int_equal(control_server_new(f->loop, &config, &f->server), 0);
	assert_int_equal(control_server_add(f->server, &def, handlers,
					    ARRAY_SIZE(handlers), f),
			 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	control_server_free(f->server);
	loop_free(f->loop);
	free(f);
	return 0;
}

/* The client's end of a new connection; non-blocking. */
static int dial(struct fixture *f)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX,
				    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
				    0, sv),
			 0);
	assert_int_equal(control_server_accept(f->server, sv[1]), 0);
	return sv[0];
}

static void put(int fd, const char *bytes, size_t len)
{
	assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
}

/* A string and its NUL */
static void say(int fd, const char *text)
{
	put(fd, text, strlen(text) + 1);
}

static void spin(struct fixture *f)
{
	for (int i = 0; i < ROUNDS && loop_run_once(f->loop, 0) > 0; i++)
		;
}

/* The next message; "" at the end of the connection, NULL: nothing came. */
static const char *hear_fds(struct fixture *f, int fd, int *fds, size_t *n_fds)
{
	static char buf[4 << 20];
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * CONTROL_MAX_FDS)];
	} control;
	size_t len = 0;

	for (int i = 0; i < ROUNDS; i++) {
		struct iovec iov;
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
		ssize_t n;

		spin(f);
		/* Look how far the message goes, and take that. */
		while ((n = recv(fd, buf + len, sizeof(buf) - len, MSG_PEEK)) >
		       0) {
			char *nul = memchr(buf + len, '\0', (size_t)n);
			struct cmsghdr *c;

			iov.iov_base = buf + len;
			iov.iov_len = nul ? (size_t)(nul + 1 - buf) - len
					  : (size_t)n;
			msg.msg_control = control.buf;
			msg.msg_controllen = sizeof(control.buf);
			n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
			assert_int_equal(n, iov.iov_len);
			c = CMSG_FIRSTHDR(&msg);
			if (c && fds) {
				*n_fds = (c->cmsg_len - CMSG_LEN(0)) /
					 sizeof(int);
				memcpy(fds, CMSG_DATA(c), *n_fds * sizeof(int));
			}
			len += (size_t)n;
			if (nul)
				return buf;
			assert_true(len < sizeof(buf));
			spin(f);
		}
		if (n == 0 || errno == ECONNRESET)
			return "";
		assert_int_equal(errno, EAGAIN);
	}
	return NULL;
}

static const char *hear(struct fixture *f, int fd)
{
	return hear_fds(f, fd, NULL, NULL);
}

static void expect(struct fixture *f, int fd, const char *want)
{
	const char *got = hear(f, fd);

	assert_non_null(got);
	assert_string_equal(got, want);
}

#define ECHO_(text)                                                            \
	"{\"method\":\"org.example.test.Echo\",\"parameters\":{\"text\":"      \
	"\"" text "\"}}"
#define ECHOED(text) "{\"parameters\":{\"text\":\"" text "\"}}"
#define HOLD	     "{\"method\":\"org.example.test.Hold\"}"

static void a_call_is_answered(void **state)
{
	struct fixture *f = *state;
	cleanup_fd int fd = dial(f);

	say(fd, ECHO_("hi"));
	expect(f, fd, ECHOED("hi"));
	say(fd, ECHO_("again"));
	expect(f, fd, ECHOED("again"));
}

static void bytes_may_come_one_by_one(void **state)
{
	struct fixture *f = *state;
	cleanup_fd int fd = dial(f);
	const char *text = ECHO_("slowly");

	for (size_t i = 0; i <= strlen(text); i++) {
		assert_int_equal(f->calls, 0);
		put(fd, text + i, 1);
		spin(f);
	}
	expect(f, fd, ECHOED("slowly"));
}

static void calls_may_come_in_one_piece(void **state)
{
	struct fixture *f = *state;
	cleanup_fd int fd = dial(f);
	char text[32 * 256], one[256], want[64];
	size_t len = 0;

	for (int i = 0; i < 32; i++) {
		snprintf(one, sizeof(one),
			 "{\"method\":\"org.example.test.Echo\","
			 "\"parameters\":{\"text\":\"%d\"}}",
			 i);
		memcpy(text + len, one, strlen(one) + 1);
		len += strlen(one) + 1;
	}
	put(fd, text, len);
	for (int i = 0; i < 32; i++) {
		snprintf(want, sizeof(want),
			 "{\"parameters\":{\"text\":\"%d\"}}", i);
		expect(f, fd, want);
	}
}

static void oneway_calls_are_not_answered(void **state)
{
	struct fixture *f = *state;
	cleanup_fd int fd = dial(f);

	say(fd, "{\"method\":\"org.example.test.Echo\",\"oneway\":true,"
		"\"parameters\":{\"text\":\"x\"}}");
	say(fd, ECHO_("next"));
	expect(f, fd, ECHOED("next"));
	assert_int_equal(f->calls, 2);
}

static void oneway_calls_outlive_their_client(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	say(fd, "{\"method\":\"org.example.test.Echo\",\"oneway\":true,"
		"\"parameters\":{\"text\":\"x\"}}");
	close(fd);
	spin(f);
	assert_int_equal(f->calls, 1);
}

static void a_half_closed_client_is_answered(void **state)
{
	struct fixture *f = *state;
	cleanup_fd int fd = dial(f);

	say(fd, ECHO_("last"));
	shutdown(fd, SHUT_WR);
	expect(f, fd, ECHOED("last"));
	expect(f, fd, "");
}

static void the_service_describes_itself(void **state)
{
	struct fixture *f = *state;
	cleanup_fd int fd = dial(f);

	say(fd, "{\"method\":\"org.varlink.service.GetInfo\"}");
	expect(f, fd,
	       "{\"parameters\":{\"vendor\":\"the vendor\","
	       "\"product\":\"the product\",\"version\":\"1.2\","
	       "\"url\":\"https://example.org\",\"interfaces\":"
	       "[\"org.varlink.service\",\"org.example.test\"]}}");
	say(fd, "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
		"\"parameters\":{\"interface\":\"org.example.test\"}}");
	expect(f, fd,
	       "{\"parameters\":{\"description\":"
	       "\"interface org.example.test\\n\"}}");
	say(fd, "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
		"\"parameters\":{\"interface\":\"org.varlink.service\"}}");
	assert_non_null(strstr(hear(f, fd), "method GetInfo() -> ("));
	say(fd, "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
		"\"parameters\":{\"interface\":\"org.nobody\"}}");
	expect(f, fd,
	       "{\"error\":\"org.varlink.service.InterfaceNotFound\","
	       "\"parameters\":{\"interface\":\"org.nobody\"}}");
}

#define ERR(name, key, value)                                                  \
	"{\"error\":\"org.varlink.service." name "\",\"parameters\":{\"" key   \
	"\":\"" value "\"}}"

static void wrong_calls_get_errors(void **state)
{
	static const struct {
		const char *call, *answer;
	} t[] = {
		{ "{\"method\":\"Echo\"}",
		  ERR("InterfaceNotFound", "interface", "Echo") },
		{ "{\"method\":\"\"}",
		  ERR("InterfaceNotFound", "interface", "") },
		{ "{\"method\":\".\"}",
		  ERR("InterfaceNotFound", "interface", "") },
		{ "{\"method\":\"org.example.tes.Echo\"}",
		  ERR("InterfaceNotFound", "interface", "org.example.tes") },
		{ "{\"method\":\"org.example.test.echo\"}",
		  ERR("MethodNotFound", "method", "org.example.test.echo") },
		{ "{\"method\":\"org.example.test.\"}",
		  ERR("MethodNotFound", "method", "org.example.test.") },
		{ "{\"method\":\"org.example.test.Empty\"}",
		  ERR("MethodNotImplemented", "method",
		      "org.example.test.Empty") },
		{ "{\"method\":\"org.example.test.Echo\"}",
		  ERR("InvalidParameter", "parameter", "text") },
		{ "{\"method\":\"org.example.test.Echo\","
		  "\"parameters\":{\"text\":7}}",
		  ERR("InvalidParameter", "parameter", "text") },
		{ "{\"method\":\"org.example.test.Hold\","
		  "\"parameters\":{\"t\":7}}",
		  ERR("InvalidParameter", "parameter", "t") },
		{ "{\"method\":\"org.example.test.Hold\",\"upgrade\":true}",
		  ERR("InvalidParameter", "parameter", "upgrade") },
	};
	struct fixture *f = *state;
	cleanup_fd int fd = dial(f);

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		say(fd, t[i].call);
		expect(f, fd, t[i].answer);
	}
	say(fd, ECHO_("alive"));
	expect(f, fd, ECHOED("alive"));
}

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

static void answers_may_come_later(void **state)
{
	struct fixture *f = *state;
	cleanup_fd int fd = dial(f), other = dial(f);
	struct json_object *out = json_object_new_object();

	say(fd, HOLD);
	say(fd, ECHO_("behind it"));
	spin(f);
	assert_non_null(f->held);
	assert_int_equal(f->calls, 0);
	say(other, ECHO_("other")); /* others are not held up */
	expect(f, other, ECHOED("other"));
	assert_int_equal(control_call_peer(f->held)->pid, getpid());

	json_set_bool(&out, "done", true);
	control_reply(f->held, out);
	expect(f, fd, "{\"parameters\":{\"done\":true}}");
	expect(f, fd, ECHOED("behind it"));
}

static void a_client_may_leave_before_the_answer(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	say(fd, HOLD);
	spin(f);
	assert_true(control_call_alive(f->held));
	close(fd);
	spin(f);
	assert_int_equal(f->gone, 1);
	assert_false(control_call_alive(f->held));
	control_reply(f->held, json_object_new_object());
	spin(f);
}

static void a_call_may_outlive_the_server(void **state)
{
	struct fixture *f = *state;
	cleanup_fd int fd = dial(f);

	say(fd, HOLD);
	spin(f);
	control_server_free(f->server);
	f->server = NULL;
	assert_int_equal(f->gone, 1);
	control_reply(f->held, json_object_new_object());
	expect(f, fd, "");
}

static void streams_end_with_the_last_reply(void **state)
{
	struct fixture *f = *state;
	cleanup_fd int fd = dial(f);

	say(fd, "{\"method\":\"org.example.test.Hold\",\"more\":true}");
	spin(f);
	assert_true(control_call_wants_more(f->held));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(
			control_reply_more(f->held, json_object_new_object()),
			0);
		expect(f, fd, "{\"parameters\":{},\"continues\":true}");
	}
	control_reply(f->held, json_object_new_object());
	expect(f, fd, "{\"parameters\":{}}");
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

static void files_travel_with_a_reply(void **state)
{
	struct fixture *f = *state;
	cleanup_fd int fd = dial(f);
	int fds[CONTROL_MAX_FDS];
	size_t n_fds = 0;
	char c;

	say(fd, "{\"method\":\"org.example.test.Files\"}");
	assert_string_equal(hear_fds(f, fd, fds, &n_fds),
			    "{\"parameters\":{}}");
	assert_int_equal(n_fds, 2);
	for (size_t i = 0; i < n_fds; i++) {
		assert_int_equal(pread(fds[i], &c, 1, 0), 1);
		assert_int_equal(c, '1' + (int)i);
		close(fds[i]);
	}
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

static void interfaces_are_checked_when_added(void **state)
{
	static const struct control_handler stray[] = { { "No", do_echo } };
	static const struct control_interface_def other = {
		"org.example.other", "interface org.example.other\n", methods, 1
	};
	struct fixture *f = *state;

	assert_int_equal(control_server_add(f->server, &def, NULL, 0, f),
			 -EEXIST);
	assert_int_equal(control_server_add(f->server, &other, stray, 1, f),
			 -EINVAL);
	assert_int_equal(control_server_add(f->server, &other, NULL, 0, f), 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_call_is_answered),
		T(bytes_may_come_one_by_one),
		T(calls_may_come_in_one_piece),
		T(oneway_calls_are_not_answered),
		T(oneway_calls_outlive_their_client),
		T(a_half_closed_client_is_answered),
		T(the_service_describes_itself),
		T(wrong_calls_get_errors),
		T(nonsense_ends_the_connection),
		T(a_depth_bomb_ends_the_connection),
		T(a_message_without_end_is_cut_off),
		T(the_longest_message_is_taken),
		T(answers_may_come_later),
		T(a_client_may_leave_before_the_answer),
		T(a_call_may_outlive_the_server),
		T(streams_end_with_the_last_reply),
		T(a_stream_nobody_reads_is_refused_more),
		T(big_replies_arrive_in_pieces),
		T(what_is_queued_is_bounded),
		T(files_travel_with_a_reply),
		T(the_idle_make_room),
		T(the_busy_are_kept),
		T(interfaces_are_checked_when_added),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
