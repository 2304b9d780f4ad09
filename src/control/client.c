/* SPDX-License-Identifier: MIT */
#include "client.h"

#include <errno.h>
#include <stdlib.h>

#include "../util/loop.h"

/* A caller on a loop that runs while somebody waits. */
struct control_client {
	struct loop *loop;
	struct control_caller *caller;
	int timeout_ms;	 /* of a call */
	bool answered;	 /* @err, @result are there, and no more is read */
	int err;
	struct control_result result;
};

void control_client_free(struct control_client *client)
{
	if (!client)
		return;
	control_caller_free(client->caller);
	control_result_release(&client->result);
	loop_free(client->loop);
	free(client);
}

int control_client_connect(const char *path, int timeout_ms,
			   struct control_client **ret_client)
{
	struct control_client *client = calloc(1, sizeof(*client));
	int err, fd;

	if (!client)
		return -ENOMEM;
	client->timeout_ms = timeout_ms;
	err = loop_new(&client->loop);
	if (err)
		goto fail;
	fd = control_connect(path, timeout_ms);
	err = control_caller_new(client->loop, fd, CONTROL_MAX_REPLY,
				 CONTROL_MAX_FDS, &client->caller);
	if (err)
		goto fail;
	*ret_client = client;
	return 0;
fail:
	control_client_free(client);
	return err == -EAGAIN ? -ETIMEDOUT : err;
}

static void on_answer(int err, struct control_result *result, void *user)
{
	struct control_client *client = user;

	client->answered = true;
	client->err = err;
	if (err)
		return;
	client->result = *result;
	*result = (struct control_result){ 0 };
	control_caller_pause(client->caller);
}

/* Run the loop until there is an answer, or @timeout_ms are over (-1: never).
 */
static int wait_answer(struct control_client *client, int timeout_ms,
		       struct control_result *ret_result)
{
	uint64_t end = loop_now_ns() + (uint64_t)timeout_ms * 1000000 + 1;

	control_caller_resume(client->caller);
	while (!client->answered) {
		uint64_t now = loop_now_ns();
		int ms = -1, n;

		if (timeout_ms >= 0)
			ms = now < end ? (int)((end - now) / 1000000 + 1) : 0;
		n = loop_run_once(client->loop, ms);
		if (n < 0)
			return n;
		if (!n && !ms)
			return -ETIMEDOUT;
	}
	client->answered = false;
	if (client->err)
		return client->err;
	*ret_result = client->result;
	client->result = (struct control_result){ 0 };
	return 0;
}

int control_client_call(struct control_client *client, const char *method,
			struct json_object *parameters, bool more,
			struct control_result *ret_result)
{
	int err = control_caller_call(client->caller, method, parameters, more,
				      0, on_answer, client);

	return err ? err
		   : wait_answer(client, client->timeout_ms, ret_result);
}

int control_client_next(struct control_client *client, int timeout_ms,
			struct control_result *ret_result)
{
	return wait_answer(client, timeout_ms, ret_result);
}

int control_call(const char *path, const char *method,
		 struct json_object *parameters, int timeout_ms,
		 struct control_result *ret_result)
{
	struct control_client *client;
	int err = control_client_connect(path, timeout_ms, &client);

	if (err)
		return err;
	err = control_client_call(client, method, parameters, false,
				  ret_result);
	control_client_free(client);
	return err;
}
