/* SPDX-License-Identifier: MIT */
/*
 * The control server: a client sends the input, in pieces where the input has
 * a 0xff (which is no UTF-8), and hangs up. Whatever it was, what comes back
 * are whole replies, and a second client is served as ever.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/json.h"
#include "control/server.h"
#include "fuzz.h"
#include "util/bytes.h"
#include "util/log.h"

#define ROUNDS 4000 /* of the loop: more than any input needs */

static const struct control_field in_all[] = {
	{ "b", CONTROL_BOOL, true },  { "i", CONTROL_INT, true },
	{ "f", CONTROL_FLOAT, true }, { "s", CONTROL_STRING, true },
	{ "a", CONTROL_ARRAY, true }, { "o", CONTROL_OBJECT, true },
};
static const struct control_method_def methods[] = {
	{ "All", in_all, ARRAY_SIZE(in_all) },
	{ "Hold", NULL, 0 },
	{ "Stream", NULL, 0 },
};
static const struct control_interface_def def = { "a.b", "interface a.b\n",
						  methods,
						  ARRAY_SIZE(methods) };

static struct control_call *held;

static void do_all(struct control_call *call, struct json_object *params,
		   void *user)
{
	REQUIRE(!control_check_inputs(&methods[0], params));
	control_reply(call, params ? json_object_get(params)
				   : json_object_new_object());
}

/* Answered when the next one comes, or at the end. */
static void do_hold(struct control_call *call, struct json_object *params,
		    void *user)
{
	if (held)
		control_reply(held, json_object_new_object());
	held = call;
}

static void do_stream(struct control_call *call, struct json_object *params,
		      void *user)
{
	for (int i = 0; control_call_wants_more(call) && i < 3; i++)
		if (control_reply_more(call, json_object_new_object()))
			break;
	control_reply_invalid(call, "enough");
}

static void let_run(struct loop *loop)
{
	for (int i = 0; i < ROUNDS; i++) {
		int n = loop_run_once(loop, 0);

		REQUIRE(n >= 0);
		if (!n)
			return;
	}
	REQUIRE(!"an end of its work");
}

static int dial(struct control_server *server)
{
	int sv[2];

	REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv));
	REQUIRE(!control_server_accept(server, sv[1]));
	return sv[0];
}

/* What is there now; all of it must be replies. Return: how many. */
static size_t read_replies(int fd)
{
	static char buf[1 << 20];
	size_t len = 0, n = 0, at = 0;
	ssize_t got;

	while ((got = recv(fd, buf + len, sizeof(buf) - len, 0)) > 0)
		len += (size_t)got;
	while (at < len) {
		char *nul = memchr(buf + at, '\0', len - at);
		struct json_object *reply;

		REQUIRE(nul);
		REQUIRE(!control_parse(buf + at, (size_t)(nul - buf) - at,
				       &reply));
		REQUIRE(json_member(reply, "parameters"));
		json_object_put(reply);
		at = (size_t)(nul - buf) + 1;
		n++;
	}
	return n;
}

static void send_pieces(struct loop *loop, int fd, const uint8_t *data,
			size_t size)
{
	while (size) {
		const uint8_t *end = memchr(data, 0xff, size);
		size_t len = end ? (size_t)(end - data) : size;

		/* Full or closed: the rest is lost, as it may be. */
		if (len && send(fd, data, len, MSG_NOSIGNAL) < 0)
			break;
		let_run(loop);
		if (held && len % 2) {
			control_reply(held, json_object_new_object());
			held = NULL;
			let_run(loop);
		}
		read_replies(fd);
		len += end != NULL;
		data += len;
		size -= len;
	}
}

static void quiet(enum log_level level, const char *subject, const char *line)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct control_server_config config = { "v", "p", "1",
							     "u" };
	static const struct control_handler handlers[] = {
		{ "All", do_all },
		{ "Hold", do_hold },
		{ "Stream", do_stream },
	};
	static const char hello[] =
		"{\"method\":\"org.varlink.service.GetInfo\"}";
	struct control_server *server;
	struct loop *loop;
	int fd, other;

	log_setup(quiet, LOG_LEVEL_DEBUG);
	REQUIRE(!loop_new(&loop));
	REQUIRE(!control_server_new(loop, &config, &server));
	REQUIRE(!control_server_add(server, &def, handlers,
				    ARRAY_SIZE(handlers), NULL));
	fd = dial(server);
	send_pieces(loop, fd, data, size);
	other = dial(server);
	REQUIRE(send(other, hello, sizeof(hello), 0) == sizeof(hello));
	let_run(loop);
	REQUIRE(read_replies(other) == 1);
	close(fd);
	let_run(loop);
	REQUIRE(!held || !control_call_alive(held));
	control_server_free(server);
	if (held)
		control_reply(held, json_object_new_object());
	held = NULL;
	close(other);
	loop_free(loop);
	return 0;
}
