/* SPDX-License-Identifier: MIT */
/* The blocking client against a server on another thread, and against peers
 * that misbehave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/client.h"
#include "control/json.h"
#include "control/server.h"
#include "util/bytes.h"
#include "util/cleanup.h"

struct fixture {
	char dir[32];
	char path[64];
	int listen_fd;
	pthread_t thread;
	/* of the serving thread */
	struct loop *loop;
	struct control_server *server;
	/* a peer that answers with these bytes, whatever it is asked */
	const char *canned;
	size_t canned_len;
};

static void do_files(struct control_call *call, struct json_object *params,
		     void *user)
{
	int fds[2] = { memfd_create("one", MFD_CLOEXEC),
		       memfd_create("two", MFD_CLOEXEC) };
	struct json_object *out = json_object_new_object();

	json_set_uint(&out, "n", 2);
	control_reply_fds(call, out, fds, 2);
}

static void do_count(struct control_call *call, struct json_object *params,
		     void *user)
{
	for (unsigned i = 0; i < 3; i++) {
		struct json_object *out = json_object_new_object();

		json_set_uint(&out, "n", i);
		if (i < 2)
			assert_int_equal(control_reply_more(call, out), 0);
		else
			control_reply(call, out);
	}
}

static void do_big(struct control_call *call, struct json_object *params,
		   void *user)
{
	struct json_object *out = json_object_new_object();
	size_t size = 5000000;
	char *text = calloc(1, size + 1);

	memset(text, 'x', size);
	json_set_string(&out, "text", text);
	free(text);
	control_reply(call, out);
}

static const struct control_method_def methods[] = {
	{ "Files", NULL, 0 },
	{ "Count", NULL, 0 },
	{ "Big", NULL, 0 },
};
static const struct control_interface_def def = {
	"org.example.test", "interface org.example.test\n", methods,
	ARRAY_SIZE(methods)
};
static const struct control_handler handlers[] = {
	{ "Files", do_files },
	{ "Count", do_count },
	{ "Big", do_big },
};

static void on_listen(struct loop_source *src, uint32_t events, void *user)
{
	struct fixture *f = user;
	int fd =
		accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0)
		control_server_accept(f->server, fd);
}

static void *serve(void *user)
{
	static const struct control_server_config config = { "v", "p", "1",
							     "u" };
	struct fixture *f = user;
	struct loop_source *src;

	assert_int_equal(control_server_new(f->loop, &config, &f->server), 0);
	assert_int_equal(control_server_add(f->server, &def, handlers,
					    ARRAY_SIZE(handlers), f),
			 0);
	assert_int_equal(
		loop_add_fd(f->loop, f->listen_fd, EPOLLIN, on_listen, f, &src),
		0);
	assert_int_equal(loop_run(f->loop), 0);
	loop_remove(src);
	control_server_free(f->server);
	return NULL;
}

/* Answer one client with canned bytes and hang up. */
static void *serve_canned(void *user)
{
	struct fixture *f = user;
	cleanup_fd int fd = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	char buf[256];

	assert_true(recv(fd, buf, sizeof(buf), 0) > 0);
	assert_int_equal(send(fd, f->canned, f->canned_len, MSG_NOSIGNAL),
			 f->canned_len);
	return NULL;
}

static int setup(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/vgpu-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/control", f->dir);
	strcpy(addr.sun_path, f->path);
	f->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
		bind(f->listen_fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(f->listen_fd, 8), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close(f->listen_fd);
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

static int setup_server(void **state)
{
	struct fixture *f;

	setup(state);
	f = *state;
	assert_int_equal(loop_new(&f->loop), 0);
	return pthread_create(&f->thread, NULL, serve, f);
}

static int teardown_server(void **state)
{
	struct fixture *f = *state;

	loop_stop(f->loop);
	assert_int_equal(pthread_join(f->thread, NULL), 0);
	loop_free(f->loop);
	return teardown(state);
}

static void replies_and_errors_come_back(void **state)
{
	struct control_result res = { 0 };
	struct fixture *f = *state;

	assert_int_equal(control_call(f->path, "org.varlink.service.GetInfo",
				      NULL, 5000, &res),
			 0);
	assert_null(res.error);
	assert_string_equal(json_get_string(res.parameters, "vendor", ""), "v");
	control_result_release(&res);

	assert_int_equal(control_call(f->path, "org.example.test.None", NULL,
				      5000, &res),
			 0);
	assert_string_equal(res.error, CONTROL_ERR_NO_METHOD);
	assert_string_equal(json_get_string(res.parameters, "method", ""),
			    "org.example.test.None");
	control_result_release(&res);
}

static void files_come_with_their_reply(void **state)
{
	struct control_result res = { 0 };
	struct fixture *f = *state;
	int kept;

	assert_int_equal(control_call(f->path, "org.example.test.Files", NULL,
				      5000, &res),
			 0);
	assert_int_equal(res.n_fds, 2);
	kept = steal_fd(&res.fds[1]);
	control_result_release(&res);
	assert_int_equal(ftruncate(kept, 1), 0); /* it is ours, and open */
	close(kept);
}

static void streams_are_read_to_their_end(void **state)
{
	struct control_client *client;
	struct control_result res = { 0 };
	struct fixture *f = *state;

	assert_int_equal(control_client_connect(f->path, 5000, &client), 0);
	assert_int_equal(control_client_call(client, "org.example.test.Count",
					     NULL, true, &res),
			 0);
	for (int i = 0; i < 3; i++) {
		if (i)
			assert_int_equal(
				control_client_next(client, 5000, &res), 0);
		assert_int_equal(json_get_int(res.parameters, "n", -1), i);
		assert_int_equal(res.continues, i < 2);
		control_result_release(&res);
	}
	assert_int_equal(control_client_next(client, 1, &res), -ETIMEDOUT);
	control_client_free(client);
}

static void large_replies_are_put_together(void **state)
{
	struct control_result res = { 0 };
	struct fixture *f = *state;

	assert_int_equal(
		control_call(f->path, "org.example.test.Big", NULL, 5000, &res),
		0);
	assert_int_equal(strlen(json_get_string(res.parameters, "text", "")),
			 5000000);
	control_result_release(&res);
}

static void absence_is_told_apart(void **state)
{
	struct control_result res = { 0 };
	struct fixture *f = *state;
	char path[200];

	assert_int_equal(
		control_call("/nonexistent/path", "a.B", NULL, 5000, &res),
		-ENOENT);
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(control_call(path, "a.B", NULL, 5000, &res),
			 -ENAMETOOLONG);
	f->listen_fd = close_fd(f->listen_fd);
	assert_int_equal(control_call(f->path, "a.B", NULL, 5000, &res),
			 -ECONNREFUSED);
}

/* Somebody listens, and never accepts. */
static void patience_has_an_end(void **state)
{
	struct control_result res = { 0 };
	struct fixture *f = *state;
	struct control_client *held[64];
	size_t n = 0;

	assert_int_equal(control_call(f->path, "a.B", NULL, 1, &res),
			 -ETIMEDOUT);
	/* Nor when the backlog is full and connecting itself waits. */
	while (n < ARRAY_SIZE(held) &&
	       !control_client_connect(f->path, 1, &held[n]))
		n++;
	assert_true(n < ARRAY_SIZE(held));
	assert_int_equal(control_call(f->path, "a.B", NULL, 1, &res),
			 -ETIMEDOUT);
	while (n)
		control_client_free(held[--n]);
}

static int call_canned(struct fixture *f, const char *bytes, size_t len)
{
	struct control_result res = { 0 };
	int err;

	f->canned = bytes;
	f->canned_len = len;
	assert_int_equal(pthread_create(&f->thread, NULL, serve_canned, f), 0);
	err = control_call(f->path, "a.B", NULL, 5000, &res);
	assert_int_equal(pthread_join(f->thread, NULL), 0);
	control_result_release(&res);
	return err;
}

static void servers_may_misbehave(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(call_canned(f, "", 0), -ECONNRESET);
	assert_int_equal(call_canned(f, "{\"parameters\":", 14), -ECONNRESET);
	assert_int_equal(call_canned(f, "", 1), -EBADMSG);
	assert_int_equal(call_canned(f, "hello", 6), -EBADMSG);
	assert_int_equal(call_canned(f, "[]", 3), -EBADMSG);
	assert_int_equal(call_canned(f, "{\"parameters\":1}", 17), -EBADMSG);
	assert_int_equal(call_canned(f, "{\"error\":1}", 12), -EBADMSG);
	assert_int_equal(call_canned(f, "{}", 3), 0);
}

#define S(fn) cmocka_unit_test_setup_teardown(fn, setup_server, teardown_server)
#define P(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		S(replies_and_errors_come_back),
		S(files_come_with_their_reply),
		S(streams_are_read_to_their_end),
		S(large_replies_are_put_together),
		P(absence_is_told_apart),
		P(patience_has_an_end),
		P(servers_may_misbehave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
