/* SPDX-License-Identifier: MIT */
#include "call.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/json.h"
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

void ctl_note(const char *fmt, ...)
{
	va_list ap;

	fputs("# ", stderr);
	va_start(ap, fmt);
	print(stderr, fmt, ap);
	va_end(ap);
}

const char *ctl_path(const struct ctl *ctl, const char *method)
{
	return strncmp(method, IO_VGPUD_MANAGER, strlen(IO_VGPUD_MANAGER))
		       ? ctl->control_path
		       : ctl->vgpud_path;
}

int ctl_call(struct ctl *ctl, const char *method,
	     struct json_object *parameters, struct control_result *ret_result)
{
	struct control_result res = { 0 };
	int code = EXIT_OK, err;

	err = control_call(ctl_path(ctl, method), method, parameters,
			   ctl->timeout_ms, &res);
	json_object_put(parameters);
	if (err)
		return ctl_say_unreachable(ctl, method, err);
	if (res.error) {
		code = ctl_say_error(method, &res);
		control_result_release(&res);
		return code;
	}
	*ret_result = res;
	return 0;
}

int ctl_try(const struct ctl *ctl, const char *path, const char *method,
	    struct control_result *ret_result)
{
	struct control_result res = { 0 };
	int err;

	err = control_call(path, method, NULL, ctl->timeout_ms, &res);
	if (!err && res.error) {
		control_result_release(&res);
		return -EREMOTEIO;
	}
	if (!err)
		*ret_result = res;
	return err;
}

/* JSON is text, too: what could steer a terminal is escaped. */
static int put_json(struct json_object *obj, int flags)
{
	const char *text = json_object_to_json_string_ext(
		obj, flags | JSON_C_TO_STRING_NOSLASHESCAPE);
	cleanup_free char *ascii = NULL;
	size_t len;
	int err = -ENOMEM;

	if (text)
		err = text_json_to_ascii(text, strlen(text), &ascii, &len);
	if (err)
		return ctl_fail(EXIT_FAILED, "%s", strerror(-err));
	puts(ascii);
	return 0;
}

int ctl_print_json(struct json_object *obj)
{
	int code = put_json(obj,
			    JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED);

	return code ? code : ctl_flush();
}

int ctl_print_json_line(struct json_object *obj)
{
	return put_json(obj, JSON_C_TO_STRING_PLAIN);
}

int ctl_flush(void)
{
	if (fflush(stdout) || ferror(stdout))
		return ctl_fail(EXIT_FAILED, "cannot write to stdout: %s",
				strerror(errno));
	return EXIT_OK;
}
