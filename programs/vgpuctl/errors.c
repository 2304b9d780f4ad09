/* SPDX-License-Identifier: MIT */
/* What went wrong, in sentences. */
#include <errno.h>
#include <string.h>

#include "call.h"
#include "control/json.h"
#include "control/message.h"

#define MAX_MATCHES 8 /* shown of an ambiguous name */
#define MIN_DIGITS  4 /* of a UUID, to be a name */

static bool is_manager(const char *method)
{
	return !strncmp(method, IO_VGPUD_MANAGER, strlen(IO_VGPUD_MANAGER));
}

/* What to do about it, where that depends on who was asked. */
static const char *why_unreachable(bool manager, int err)
{
	switch (err) {
	case -ENOENT:
		return manager ? "there is no such socket: vgpud does not run. "
				 "Start it (as yourself: 'vgpud &'; for the "
				 "system: systemctl start vgpud), or name its "
				 "socket with --vgpud"
			       : "there is no such socket: was vgpu-device "
				 "started with this --control-path?";
	case -ECONNREFUSED:
		return manager ? "nobody listens there: vgpud has ended"
			       : "nobody listens there: the vgpu-device has "
				 "ended";
	case -EACCES:
	case -EPERM:
		return manager ? "permission denied: the socket is for its "
				 "owner, its group (you may have to join it) "
				 "and root"
			       : "permission denied: the socket is for the "
				 "user who started vgpu-device, and for root";
	case -ENOTSOCK:
		return "that is not a socket";
	case -EPROTOTYPE:
		return "that is not a control socket";
	case -ENAMETOOLONG:
		return "the path of a socket has 107 bytes at most";
	case -ETIMEDOUT:
		return manager ? "it does not answer: vgpud hangs, or is busy "
				 "for longer than --timeout"
			       : "it does not answer: vgpu-device hangs, or "
				 "is stopped";
	case -ECONNRESET:
		return manager ? "it hung up without an answer"
			       : "it hung up without an answer: is that the "
				 "control socket, and not the one for the VMM "
				 "(--socket-path)?";
	case -EBADMSG:
		return "what answers there does not speak varlink";
	default:
		return strerror(-err);
	}
}

int ctl_say_unreachable(const struct ctl *ctl, const char *method, int err)
{
	return ctl_fail(EXIT_UNREACHABLE, "%s: %s", ctl_path(ctl, method),
			why_unreachable(is_manager(method), err));
}

static int say_ambiguous(struct json_object *p)
{
	size_t n = json_array_len(p, "matches");

	ctl_fail(0, "'%s' may be each of these; say more of it:",
		 json_get_string(p, "name", "?"));
	for (size_t i = 0; i < n && i < MAX_MATCHES; i++)
		ctl_fail(
			0, "  %s",
			json_object_get_string(json_array_at(p, "matches", i)));
	if (n > MAX_MATCHES)
		ctl_fail(0, "  and %zu more", n - MAX_MATCHES);
	return EXIT_NOT_FOUND;
}

static int say_wrong_state(struct json_object *p)
{
	const char *uuid = json_get_string(p, "uuid", "?");
	const char *state = json_get_string(p, "state", "?");

	if (!strcmp(state, "defined") || !strcmp(state, "failed"))
		return ctl_fail(EXIT_FAILED,
				"%s does not run (it is %s): 'vgpuctl start' "
				"starts it",
				uuid, state);
	return ctl_fail(EXIT_FAILED,
			"%s runs (it is %s): 'vgpuctl stop' stops it", uuid,
			state);
}

static int say_no_instance(const char *name)
{
	bool digits = strlen(name) < MIN_DIGITS &&
		      strspn(name, "0123456789abcdefABCDEF") == strlen(name);

	return ctl_fail(EXIT_NOT_FOUND,
			"there is no vGPU '%s': 'vgpuctl list' lists them%s",
			name,
			digits ? " (of a UUID, say 4 digits at least)" : "");
}

/* Errors of io.vgpud.Manager that bring no sentence of their own. Return: an
 * exit code, -1: it is none of them. */
static int say_manager_error(const char *error, struct json_object *p)
{
	if (strncmp(error, IO_VGPUD_MANAGER, strlen(IO_VGPUD_MANAGER)))
		return -1;
	error += strlen(IO_VGPUD_MANAGER);
	if (!strcmp(error, "NoSuchInstance"))
		return say_no_instance(json_get_string(p, "name", "?"));
	if (!strcmp(error, "NoSuchType"))
		return ctl_fail(EXIT_NOT_FOUND,
				"there is no type '%s': 'vgpuctl types' lists "
				"them",
				json_get_string(p, "type", "?"));
	if (!strcmp(error, "NoSuchParent"))
		return ctl_fail(EXIT_NOT_FOUND,
				"there is no parent '%s': 'vgpuctl parents' "
				"lists them",
				json_get_string(p, "parent", "?"));
	if (!strcmp(error, "AmbiguousName"))
		return say_ambiguous(p);
	if (!strcmp(error, "WrongState"))
		return say_wrong_state(p);
	if (!strcmp(error, "Attached"))
		return ctl_fail(EXIT_FAILED,
				"%s is in use by process %lld, which would "
				"lose its device: --force does it all the same",
				json_get_string(p, "uuid", "?"),
				(long long)json_get_int(p, "pid", -1));
	return -1;
}

int ctl_say_error(const char *method, const struct control_result *res)
{
	const char *message = json_get_string(res->parameters, "message", NULL);
	const char *what = json_get_string(res->parameters, "parameter", "?");
	int code = say_manager_error(res->error, res->parameters);

	if (code >= 0)
		return code;
	if (message)
		return ctl_fail(EXIT_FAILED, "%s", message);
	if (!strcmp(res->error, CONTROL_ERR_INVALID))
		return ctl_fail(EXIT_FAILED, "%s: a bad value for '%s'", method,
				what);
	if (!strcmp(res->error, CONTROL_ERR_NO_INTERFACE) ||
	    !strcmp(res->error, CONTROL_ERR_NO_METHOD) ||
	    !strcmp(res->error, CONTROL_ERR_NOT_IMPL))
		return ctl_fail(EXIT_FAILED,
				"%s is not known there: it is "
				"another version than this vgpuctl (%s), or "
				"no %s",
				method, VGPU_VERSION,
				is_manager(method) ? "vgpud" : "vgpu-device");
	if (!strcmp(res->error, CONTROL_ERR_PERMISSION))
		return ctl_fail(EXIT_FAILED, "%s: permission denied", method);
	return ctl_fail(EXIT_FAILED, "%s: %s", method, res->error);
}
