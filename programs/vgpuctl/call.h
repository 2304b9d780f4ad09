/* SPDX-License-Identifier: MIT */
/* Asking the vgpu-device, and saying well what goes wrong. */
#ifndef VGPUCTL_CALL_H
#define VGPUCTL_CALL_H

#include "control/client.h"
#include "verbs.h"

#define IO_VGPUD_DEVICE "io.vgpud.Device."

/**
 * ctl_call() - ask, and wait for the answer
 * @parameters: taken; NULL: none
 * @ret_result: an answer that is no error; to be control_result_release()d
 *
 * Return: 0, or an exit code; what went wrong was said.
 */
int ctl_call(struct ctl *ctl, const char *method,
	     struct json_object *parameters, struct control_result *ret_result);

/* "vgpuctl: ..." on stderr. Return: @code. */
__attribute__((format(printf, 2, 3))) int ctl_fail(int code, const char *fmt,
						   ...);

/* Print an object as JSON. Return: an exit code. */
int ctl_print_json(struct json_object *obj);

/* Print a line. Control characters are replaced: who knows who has chosen
 * what is in it. */
__attribute__((format(printf, 1, 2))) void ctl_print_line(const char *fmt, ...);

/* Print "name  value", or nothing for a NULL value. */
void ctl_print_field(const char *name, const char *value);

/* Flush stdout. Return: an exit code. */
int ctl_flush(void);

#endif
