/* SPDX-License-Identifier: MIT */
/* mdevctl's definitions: JSON files that stand for what vgpud has stored. */
#ifndef VGPU_TREE_DEFINITION_H
#define VGPU_TREE_DEFINITION_H

#include <stdbool.h>
#include <stddef.h>

struct host;
struct json_object;

/* Longest definition that is taken, bytes. */
#define DEFINITION_MAX 4096

/* 36 characters, 8-4-4-4-12 digits. */
bool definition_is_uuid(const char *text);

/* { "mdev_type": ..., "start": "auto" or "manual", "attrs": [] }. As
 * snprintf(). */
int definition_text(const struct host *host, struct json_object *instance,
		    char *buf, size_t size);

/**
 * definition_store() - define an instance, or change the one there is
 * @text: @len bytes, a whole definition or the beginning of one
 *
 * Return: 0; -EAGAIN: the rest is missing; -EINVAL: it makes no sense, or has
 * attributes, which vGPUs don't; as host_change().
 */
int definition_store(struct host *host, const char *parent, const char *uuid,
		     const char *text, size_t len);

#endif
