/* SPDX-License-Identifier: MIT */
/* Asking vgpud or a vgpu-device, and saying well what goes wrong. */
#ifndef VGPUCTL_CALL_H
#define VGPUCTL_CALL_H

#include "control/client.h"
#include "verbs.h"

#define IO_VGPUD_DEVICE	 "io.vgpud.Device."
#define IO_VGPUD_MANAGER "io.vgpud.Manager."

/**
 * ctl_call() - ask, and wait for the answer
 * @method: of IO_VGPUD_MANAGER: vgpud is asked, else the vgpu-device
 * @parameters: taken; NULL: none
 * @ret_result: an answer that is no error; to be control_result_release()d
 *
 * Return: 0, or an exit code; what went wrong was said.
 */
int ctl_call(struct ctl *ctl, const char *method,
	     struct json_object *parameters, struct control_result *ret_result);

/* The socket of whom @method belongs to. */
const char *ctl_path(const struct ctl *ctl, const char *method);

/* Say why there is no answer from whom @method belongs to, or what the error
 * in @result means. Return: an exit code. (errors.c) */
int ctl_say_unreachable(const struct ctl *ctl, const char *method, int err);
int ctl_say_error(const char *method, const struct control_result *result);

/* Call a vgpu-device that may well be gone, silently. Return: 0, or negative
 * errno; -EREMOTEIO: an error was the answer. */
int ctl_try(const struct ctl *ctl, const char *path, const char *method,
	    struct control_result *ret_result);

/* "vgpuctl: ..." on stderr. Return: @code. */
__attribute__((format(printf, 2, 3))) int ctl_fail(int code, const char *fmt,
						   ...);

/* Print an object as JSON. Return: an exit code. */
int ctl_print_json(struct json_object *obj);

/* The same on one line, which is not flushed: for many of them. */
int ctl_print_json_line(struct json_object *obj);

/* Print a line. Control characters are replaced: who knows who has chosen
 * what is in it. */
__attribute__((format(printf, 1, 2))) void ctl_print_line(const char *fmt, ...);

/* Print "name  value", or nothing for a NULL value. */
void ctl_print_field(const char *name, const char *value);

/* Print a line that says how something stands. On stderr, so that what is to
 * be pasted or parsed remains alone. */
__attribute__((format(printf, 1, 2))) void ctl_note(const char *fmt, ...);

/**
 * ctl_find() - settle whom a verb asks, before it runs
 *
 * For ASKS_DEVICE with an operand that is vgpud's answer.
 * Return: 0, or an exit code; what went wrong was said.
 */
int ctl_find(struct ctl *ctl, const struct cmd_verb *verb);

/* Flush stdout. Return: an exit code. */
int ctl_flush(void);

#endif
