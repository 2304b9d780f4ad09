/* SPDX-License-Identifier: MIT */
#include "call.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/json.h"
#include "control/message.h"
#include "util/cleanup.h"
#include "util/text.h"

__attribute__((format(printf, 2, 0))) static void
print(FILE *to, const char *fmt, va_list ap)
{
	cleanup_free char *text = NULL;

	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	if (text)
		text_make_printable(text);
	fprintf(to, "%s\n", text ? text : strerror(ENOMEM));
}

int ctl_fail(int code, const char *fmt, ...)
{
	va_list ap;

	fputs("vgpuctl: ", stderr);
	va_start(ap, fmt);
	print(stderr, fmt, ap);
	va_end(ap);
	return code;
}

void ctl_print_line(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print(stdout, fmt, ap);
	va_end(ap);
}

void ctl_print_field(const char *name, const char *value)
{
	if (value)
		ctl_print_line("%-12s  %s", name, value);
}

static int say_unreachable(const struct ctl *ctl, int err)
{
	const char *why;

	switch (err) {
	case -ENOENT:
		why = "there is no such socket: was vgpu-device started with "
		      "this --control-path?";
		break;
	case -ECONNREFUSED:
		why = "nobody listens there: the vgpu-device has ended";
		break;
	case -EACCES:
	case -EPERM:
		why = "permission denied: the socket is for the user who "
		      "started vgpu-device, and for root";
		break;
	case -ENOTSOCK:
		why = "that is not a socket";
		break;
	case -EPROTOTYPE:
		why = "that is not a control socket";
		break;
	case -ENAMETOOLONG:
		why = "the path of a socket has 107 bytes at most";
		break;
	case -ETIMEDOUT:
		why = "it does not answer: vgpu-device hangs, or is stopped";
		break;
	case -ECONNRESET:
		why = "it hung up without an answer: is that the control "
		      "socket, and not the one for the VMM (--socket-path)?";
		break;
	case -EBADMSG:
		why = "what answers there does not speak varlink";
		break;
	default:
		why = strerror(-err);
	}
	return ctl_fail(EXIT_UNREACHABLE, "%s: %s", ctl->control_path, why);
}

static int say_error(const char *method, const struct control_result *res)
{
	const char *message = json_get_string(res->parameters, "message", NULL);
	const char *what = json_get_string(res->parameters, "parameter", "?");

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
				"no vgpu-device",
				method, VGPU_VERSION);
	if (!strcmp(res->error, CONTROL_ERR_PERMISSION))
		return ctl_fail(EXIT_FAILED, "%s: permission denied", method);
	return ctl_fail(EXIT_FAILED, "%s: %s", method, res->error);
}

int ctl_call(struct ctl *ctl, const char *method,
	     struct json_object *parameters, struct control_result *ret_result)
{
	struct control_result res = { 0 };
	int code = EXIT_OK, err;

	err = control_call(ctl->control_path, method, parameters,
			   ctl->timeout_ms, &res);
	json_object_put(parameters);
	if (err)
		return say_unreachable(ctl, err);
	if (res.error) {
		code = say_error(method, &res);
		control_result_release(&res);
		return code;
	}
	*ret_result = res;
	return 0;
}

int ctl_print_json(struct json_object *obj)
{
	const char *text = json_object_to_json_string_ext(
		obj, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
			     JSON_C_TO_STRING_NOSLASHESCAPE);

	if (!text)
		return ctl_fail(EXIT_FAILED, "%s", strerror(ENOMEM));
	puts(text);
	return ctl_flush();
}

int ctl_flush(void)
{
	if (fflush(stdout) || ferror(stdout))
		return ctl_fail(EXIT_FAILED, "cannot write to stdout: %s",
				strerror(errno));
	return EXIT_OK;
}
