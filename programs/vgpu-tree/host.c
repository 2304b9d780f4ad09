/* SPDX-License-Identifier: MIT */
#include "host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/client.h"
#include "control/json.h"
#include "control/message.h"
#include "util/log.h"

#define MANAGER "io.vgpud.Manager."
#define NAME	"vgpu-tree"

/* Errno that an error of vgpud's may carry. */
#define MAX_ERRNO 133

enum { LIST_PARENTS, LIST_TYPES, LIST_INSTANCES, N_LISTS };

static const struct {
	const char *method, *key;
} lists[N_LISTS] = {
	[LIST_PARENTS] = { MANAGER "ListParents", "parents" },
	[LIST_TYPES] = { MANAGER "ListTypes", "types" },
	[LIST_INSTANCES] = { MANAGER "List", "instances" },
};

/* Calls and events have a connection each: calls wait for their replies. */
struct host {
	const char *path;
	int timeout_ms;
	struct control_client *calls, *events;
	struct json_object *lists[N_LISTS]; /* arrays */
	uint64_t time_ns;		    /* 0: stale */
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int host_new(const char *path, int timeout_ms, struct host **ret_host)
{
	struct host *host = calloc(1, sizeof(*host));

	if (!host)
		return -ENOMEM;
	host->path = path;
	host->timeout_ms = timeout_ms;
	*ret_host = host;
	return 0;
}

static void disconnect(struct host *host)
{
	control_client_free(host->calls);
	control_client_free(host->events);
	host->calls = host->events = NULL;
	host->time_ns = 0;
}

void host_free(struct host *host)
{
	if (!host)
		return;
	disconnect(host);
	for (size_t i = 0; i < N_LISTS; i++)
		json_object_put(host->lists[i]);
	free(host);
}

/* ---- keeping up ----------------------------------------------------- */

static int connect_both(struct host *host)
{
	struct control_result res = { 0 };
	int err = 0;

	if (!host->calls)
		err = control_client_connect(host->path, host->timeout_ms,
					     &host->calls);
	if (!err && !host->events) {
		err = control_client_connect(host->path, host->timeout_ms,
					     &host->events);
		if (!err)
			err = control_client_call(host->events,
						  MANAGER "Subscribe", NULL,
						  true, &res);
		if (!err && (res.error || !res.continues))
			err = -EPROTO;
		control_result_release(&res);
		host->time_ns = 0;
	}
	return err;
}

/* Take the events that have come. Each makes what is known stale. */
static int drain_events(struct host *host)
{
	for (;;) {
		struct control_result res = { 0 };
		int err = control_client_next(host->events, 0, &res);
		bool over = res.error || !res.continues;

		control_result_release(&res);
		if (err == -ETIMEDOUT)
			return 0;
		if (err)
			return err;
		host->time_ns = 0;
		if (over)
			return -ECONNRESET;
	}
}

static int fetch_all(struct host *host)
{
	for (size_t i = 0; i < N_LISTS; i++) {
		struct control_result res = { 0 };
		struct json_object *array;
		int err = control_client_call(host->calls, lists[i].method,
					      NULL, false, &res);

		if (err)
			return err;
		array = json_member(res.parameters, lists[i].key);
		if (json_object_is_type(array, json_type_array)) {
			json_object_put(host->lists[i]);
			host->lists[i] = json_object_get(array);
		} else {
			err = -EPROTO;
		}
		control_result_release(&res);
		if (err)
			return err;
	}
	host->time_ns = now_ns();
	return 0;
}

static int try_refresh(struct host *host)
{
	int err = connect_both(host);

	if (!err)
		err = drain_events(host);
	if (!err &&
	    (!host->time_ns || now_ns() - host->time_ns > HOST_MAX_AGE_NS))
		err = fetch_all(host);
	return err;
}

int host_refresh(struct host *host)
{
	int err = try_refresh(host);

	/* vgpud may have been replaced since we connected. */
	if (err) {
		disconnect(host);
		err = try_refresh(host);
	}
	if (!err)
		return 0;
	disconnect(host);
	log_debug(NAME, "vgpud at %s: %s", host->path, strerror(-err));
	return err == -EACCES || err == -ENOMEM ? err : -EIO;
}

/* ---- what there is -------------------------------------------------- */

struct json_object *host_parents(const struct host *host)
{
	return host->lists[LIST_PARENTS];
}

struct json_object *host_types(const struct host *host)
{
	return host->lists[LIST_TYPES];
}

struct json_object *host_instances(const struct host *host)
{
	return host->lists[LIST_INSTANCES];
}

static struct json_object *find(struct json_object *array, const char *key,
				const char *value)
{
	for (size_t i = 0; i < json_object_array_length(array); i++) {
		struct json_object *obj = json_object_array_get_idx(array, i);

		if (!strcmp(json_get_string(obj, key, ""), value))
			return obj;
	}
	return NULL;
}

struct json_object *host_find_parent(const struct host *host, const char *name)
{
	return *name ? find(host_parents(host), "name", name) : NULL;
}

struct json_object *host_find_instance(const struct host *host,
				       const char *uuid)
{
	return *uuid ? find(host_instances(host), "uuid", uuid) : NULL;
}

struct json_object *host_find_type(const struct host *host, const char *parent,
				   const char *tree_name)
{
	struct json_object *types = host_types(host);
	char name[HOST_NAME_MAX];

	for (size_t i = 0; i < json_object_array_length(types); i++) {
		struct json_object *type = json_object_array_get_idx(types, i);

		if (!strcmp(json_get_string(type, "parent", ""), parent) &&
		    host_type_name(host, type, name) &&
		    !strcmp(name, tree_name))
			return type;
	}
	return NULL;
}

/* A driver may be given as a file: its name is what counts then. */
bool host_type_name(const struct host *host, struct json_object *type,
		    char *buf)
{
	struct json_object *parent =
		host_find_parent(host, json_get_string(type, "parent", ""));
	const char *driver = json_get_string(parent, "driver", "vgpu");
	const char *name = json_get_string(type, "name", "");
	const char *slash = strrchr(driver, '/'), *dot;
	int len, n;

	driver = slash ? slash + 1 : driver;
	dot = strstr(driver, ".so");
	len = dot && dot > driver ? (int)(dot - driver) : (int)strlen(driver);
	n = snprintf(buf, HOST_NAME_MAX, "%.*s-%s", len, driver, name);
	return *name && !strchr(name, '/') && n > 0 && n < HOST_NAME_MAX;
}

bool host_is_running(struct json_object *instance)
{
	const char *state = json_get_string(instance, "state", "");

	return !strcmp(state, "starting") || !strcmp(state, "active") ||
	       !strcmp(state, "attached");
}

/* ---- changes -------------------------------------------------------- */

static int errno_of(const struct control_result *res)
{
	static const struct {
		const char *error;
		int err;
	} known[] = {
		{ MANAGER "NoSuchInstance", -ENOENT },
		{ MANAGER "NoSuchType", -ENODEV },
		{ MANAGER "NoSuchParent", -ENODEV },
		{ MANAGER "Attached", -EBUSY },
		{ MANAGER "WrongState", -EBUSY },
		{ CONTROL_ERR_INVALID, -EINVAL },
		{ CONTROL_ERR_PERMISSION, -EACCES },
	};
	int64_t err = json_get_int(res->parameters, "errno", 0);

	if (err > 0 && err <= MAX_ERRNO)
		return (int)-err;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (!strcmp(res->error, known[i].error))
			return known[i].err;
	return -EIO;
}

int host_change(struct host *host, const char *method,
		struct json_object *params)
{
	struct control_result res = { 0 };
	int err = params ? host_refresh(host) : -ENOMEM;

	if (!err) {
		err = control_client_call(host->calls, method, params, false,
					  &res);
		host->time_ns = 0;
		if (err) {
			log_warning(NAME, "%s: %s", method, strerror(-err));
			disconnect(host);
			err = -EIO;
		} else if (res.error) {
			err = errno_of(&res);
			log_warning(NAME, "%s: %s", method,
				    json_get_string(res.parameters, "message",
						    res.error));
		}
		control_result_release(&res);
	}
	json_object_put(params);
	return err;
}
