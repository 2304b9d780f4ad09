/* SPDX-License-Identifier: MIT */
/* Calls and their answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "control-rig.h"

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
		T(answers_may_come_later),
		T(a_client_may_leave_before_the_answer),
		T(a_call_may_outlive_the_server),
		T(streams_end_with_the_last_reply),
		T(files_travel_with_a_reply),
		T(interfaces_are_checked_when_added),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
