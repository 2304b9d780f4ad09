/* SPDX-License-Identifier: MIT */
/* A control server with an interface of the tests, and clients' ends of
 * connections to it. Include after cmocka.h. */
#ifndef TESTS_CONTROL_RIG_H
#define TESTS_CONTROL_RIG_H

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

static inline void do_echo(struct control_call *call,
			   struct json_object *params, void *user)
{
	struct fixture *f = user;
	struct json_object *out = json_object_new_object();

	f->calls++;
	json_set_string(&out, "text", json_get_string(params, "text", NULL));
	control_reply(call, out);
}

static inline void on_gone(struct control_call *call, void *user)
{
	struct fixture *f = user;

	f->gone++;
}

static inline void do_hold(struct control_call *call,
			   struct json_object *params, void *user)
{
	struct fixture *f = user;

	assert_null(f->held);
	f->held = call;
	control_call_on_gone(call, on_gone, f);
}

static inline void do_big(struct control_call *call, struct json_object *params,
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

static inline void do_files(struct control_call *call,
			    struct json_object *params, void *user)
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

static inline int setup(void **state)
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

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	control_server_free(f->server);
	loop_free(f->loop);
	free(f);
	return 0;
}

/* The client's end of a new connection; non-blocking. */
static inline int dial(struct fixture *f)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX,
				    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
				    0, sv),
			 0);
	assert_int_equal(control_server_accept(f->server, sv[1]), 0);
	return sv[0];
}

static inline void put(int fd, const char *bytes, size_t len)
{
	assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
}

/* A string and its NUL */
static inline void say(int fd, const char *text)
{
	put(fd, text, strlen(text) + 1);
}

static inline void spin(struct fixture *f)
{
	for (int i = 0; i < ROUNDS && loop_run_once(f->loop, 0) > 0; i++)
		;
}

/* The next message; "" at the end of the connection, NULL: nothing came. */
static inline const char *hear_fds(struct fixture *f, int fd, int *fds,
				   size_t *n_fds)
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

static inline const char *hear(struct fixture *f, int fd)
{
	return hear_fds(f, fd, NULL, NULL);
}

static inline void expect(struct fixture *f, int fd, const char *want)
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

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

#endif
