/* SPDX-License-Identifier: MIT */
/* A vGPU as vgpud tells of it. */
#ifndef VGPUCTL_INSTANCE_H
#define VGPUCTL_INSTANCE_H

#include "call.h"

/* Ask vgpud for one by name; the answer has it as "instance". As ctl_call(). */
int ctl_show(struct ctl *ctl, const char *name,
	     struct control_result *ret_result);

/* { "name": @name } */
struct json_object *ctl_named(const char *name);

/* Its label if it has one, or its UUID; valid as long as @instance. */
const char *instance_name(struct json_object *instance);

void instance_print(struct json_object *instance);

/* "16 MiB"; @buf has INSTANCE_BYTES_MAX bytes. Return: @buf. */
#define INSTANCE_BYTES_MAX 32
const char *bytes_text(char *buf, int64_t bytes);

#endif
