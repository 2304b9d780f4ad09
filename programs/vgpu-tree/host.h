/* SPDX-License-Identifier: MIT */
/*
 * What vgpud has, as the tree shows it: fetched when it is looked at, and kept
 * as long as vgpud tells of no event. One thread.
 */
#ifndef VGPU_TREE_HOST_H
#define VGPU_TREE_HOST_H

#include <stdbool.h>
#include <stddef.h>

struct host;
struct json_object;

/* What may change without an event (the parents do, when vgpud reads its
 * configuration again) is asked for again after this time. */
#define HOST_MAX_AGE_NS 1000000000ull

/* A type's or a driver's name; longer ones are not shown. */
#define HOST_NAME_MAX 200

/* @path: of vgpud's control socket; must outlive it. Does not connect. */
int host_new(const char *path, int timeout_ms, struct host **ret_host);
/* NULL is fine. */
void host_free(struct host *host);

/**
 * host_refresh() - have the present state
 *
 * Return: 0; -EIO: vgpud does not answer; -EACCES: not to us. What follows
 * is valid until the next call.
 */
int host_refresh(struct host *host);

/* Arrays, as io.vgpud.Manager describes them. */
struct json_object *host_parents(const struct host *host);
struct json_object *host_types(const struct host *host);
struct json_object *host_instances(const struct host *host);

struct json_object *host_find_parent(const struct host *host, const char *name);
struct json_object *host_find_instance(const struct host *host,
				       const char *uuid);
/* By the name that the tree has for it, "DRIVER-TYPE". */
struct json_object *host_find_type(const struct host *host, const char *parent,
				   const char *tree_name);

/* "DRIVER-TYPE" of a type; @buf has HOST_NAME_MAX bytes. Return: false: it
 * can't be a file's name. */
bool host_type_name(const struct host *host, struct json_object *type,
		    char *buf);

/* It has a device in the tree: it runs, or is about to. */
bool host_is_running(struct json_object *instance);

/**
 * host_change() - call a method that changes something
 * @params: taken
 *
 * Return: 0; else the negative errno that the kernel's tree has for it:
 * -EINVAL, -EEXIST, -EUSERS; -EBUSY: in use; -ENODEV: no such type or parent;
 * -ENOENT; -EACCES; -EIO: anything else, which was logged.
 */
int host_change(struct host *host, const char *method,
		struct json_object *params);

#endif
