/* SPDX-License-Identifier: MIT */
/*
 * The shape of the tree: which paths there are, and what they are.
 *
 * It is that of the kernel's mediated devices in sysfs
 * (Documentation/ABI/testing/sysfs-bus-vfio-mdev of Linux), with the folders
 * around it that mdevctl wants below MDEVCTL_ENV_ROOT:
 *
 *   class/mdev_bus/PARENT -> the parent's folder
 *   bus/mdev/devices/UUID -> the device's folder
 *   devices/vgpud/PARENT/mdev_supported_types/DRIVER-TYPE/create ...
 *   devices/vgpud/PARENT/UUID/remove, mdev_type
 *   etc/mdevctl.d/PARENT/UUID: what is defined, as mdevctl writes it
 *   sys -> .
 */
#ifndef VGPU_TREE_NODE_H
#define VGPU_TREE_NODE_H

#include <stdbool.h>

#include "host.h"

/* Longest text of a file or link, bytes. */
#define NODE_TEXT_MAX 4096

enum node_kind {
	NODE_STATIC, /* a folder that is always there */
	NODE_SYS,    /* the link "sys" */
	NODE_CLASS_LINK,
	NODE_BUS_LINK,
	NODE_PARENT,
	NODE_TYPES,
	NODE_TYPE,
	NODE_TYPE_FILE, /* but "create" */
	NODE_CREATE,
	NODE_TYPE_DEVICES,
	NODE_TYPE_LINK,
	NODE_DEVICE,
	NODE_REMOVE,
	NODE_DEVICE_TYPE, /* the link mdev_type */
	NODE_DEFINITIONS, /* etc/mdevctl.d/PARENT */
	NODE_DEFINITION,
	NODE_NEW_DEFINITION, /* could be there: it is about to be written */
};

/**
 * struct node - a path that was found
 * @name: its last part
 * @parent, @type, @instance: what it belongs to; NULL: to none. Valid until
 *                            the host is refreshed.
 */
struct node {
	enum node_kind kind;
	const char *name;
	char path[512]; /* without a slash at either end */
	struct json_object *parent, *type, *instance;
};

/* Return: 0; -ENOENT; -ENAMETOOLONG. Refresh @host before. */
int node_find(const struct host *host, const char *path, struct node *ret_node);

bool node_is_folder(const struct node *node);
bool node_is_link(const struct node *node);

/* Text of a file that can be read, or target of a link; @buf has
 * NODE_TEXT_MAX bytes. Return: bytes without the NUL, or negative errno. */
int node_text(const struct host *host, const struct node *node, char *buf);

/* Call @fn for each entry of a folder, until it returns true. */
void node_list(const struct host *host, const struct node *node,
	       bool (*fn)(const char *name, void *user), void *user);

#endif
