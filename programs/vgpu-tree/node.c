/* SPDX-License-Identifier: MIT */
#include "node.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/json.h"
#include "definition.h"

#define MAX_DEPTH 8

/* Folders that are always there, a parent before what is in it. */
static const char *const static_folders[] = {
	"",
	"bus",
	"bus/mdev",
	"bus/mdev/devices",
	"class",
	"class/mdev_bus",
	"devices",
	"devices/vgpud",
	"etc",
	"etc/mdevctl.d",
	"etc/mdevctl.d/scripts.d",
	"etc/mdevctl.d/scripts.d/callouts",
	"etc/mdevctl.d/scripts.d/notifiers",
	"usr",
	"usr/lib",
	"usr/lib/mdevctl",
	"usr/lib/mdevctl/scripts.d",
	"usr/lib/mdevctl/scripts.d/callouts",
	"usr/lib/mdevctl/scripts.d/notifiers",
};

static const char *const type_files[] = { "available_instances", "description",
					  "device_api", "name" };

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static bool is_static(const char *path)
{
	for (size_t i = 0; i < COUNT(static_folders); i++)
		if (!strcmp(path, static_folders[i]))
			return true;
	return false;
}

static bool is_of(struct json_object *instance, const char *parent)
{
	return !strcmp(json_get_string(instance, "parent", ""), parent);
}

/* A name that can be a file's, and is not mistaken for ours. */
static bool is_parent_name(const char *name)
{
	return *name && !strchr(name, '/') && *name != '.' &&
	       strcmp(name, "scripts.d");
}

/* ---- paths ---------------------------------------------------------- */

/* A path cut at its slashes. */
struct parts {
	char buf[512];
	const char *at[MAX_DEPTH];
	size_t n;
};

static int cut(const char *path, struct parts *p)
{
	char *save, *word;

	if (strlen(path) >= sizeof(p->buf))
		return -ENAMETOOLONG;
	strcpy(p->buf, path);
	p->n = 0;
	for (word = strtok_r(p->buf, "/", &save); word;
	     word = strtok_r(NULL, "/", &save)) {
		if (p->n == MAX_DEPTH)
			return -ENOENT;
		p->at[p->n++] = word;
	}
	return 0;
}

static bool begins(const struct parts *p, const char *a, const char *b)
{
	return p->n >= 2 && !strcmp(p->at[0], a) && !strcmp(p->at[1], b);
}

/* devices/vgpud/PARENT/mdev_supported_types/... */
static int find_type(const struct host *host, const struct parts *p,
		     struct node *node)
{
	if (p->n == 4) {
		node->kind = NODE_TYPES;
		return 0;
	}
	node->type = host_find_type(host, p->at[2], p->at[4]);
	if (!node->type)
		return -ENOENT;
	if (p->n == 5) {
		node->kind = NODE_TYPE;
		return 0;
	}
	if (!strcmp(p->at[5], "devices")) {
		node->kind = NODE_TYPE_DEVICES;
		if (p->n == 6)
			return 0;
		node->kind = NODE_TYPE_LINK;
		node->instance = host_find_instance(host, p->at[6]);
		if (p->n > 7 || !node->instance ||
		    !host_is_running(node->instance) ||
		    !is_of(node->instance, p->at[2]) ||
		    strcmp(json_get_string(node->instance, "type", ""),
			   json_get_string(node->type, "name", "")))
			return -ENOENT;
		return 0;
	}
	if (p->n > 6)
		return -ENOENT;
	node->kind = NODE_CREATE;
	if (!strcmp(p->at[5], "create"))
		return 0;
	node->kind = NODE_TYPE_FILE;
	for (size_t i = 0; i < COUNT(type_files); i++)
		if (!strcmp(p->at[5], type_files[i]))
			return 0;
	return -ENOENT;
}

/* devices/vgpud/PARENT/... */
static int find_device(const struct host *host, const struct parts *p,
		       struct node *node)
{
	node->kind = NODE_PARENT;
	node->parent = host_find_parent(host, p->at[2]);
	if (!node->parent || !is_parent_name(p->at[2]))
		return -ENOENT;
	if (p->n == 3)
		return 0;
	if (!strcmp(p->at[3], "mdev_supported_types"))
		return find_type(host, p, node);
	node->kind = NODE_DEVICE;
	node->instance = host_find_instance(host, p->at[3]);
	if (!node->instance || !host_is_running(node->instance) ||
	    !is_of(node->instance, p->at[2]))
		return -ENOENT;
	if (p->n == 4)
		return 0;
	node->kind = NODE_REMOVE;
	if (p->n == 5 && !strcmp(p->at[4], "remove"))
		return 0;
	node->kind = NODE_DEVICE_TYPE;
	return p->n == 5 && !strcmp(p->at[4], "mdev_type") ? 0 : -ENOENT;
}

/* etc/mdevctl.d/PARENT/UUID */
static int find_definition(const struct host *host, const struct parts *p,
			   struct node *node)
{
	struct json_object *i;

	node->kind = NODE_DEFINITIONS;
	node->parent = host_find_parent(host, p->at[2]);
	if (!node->parent || !is_parent_name(p->at[2]))
		return -ENOENT;
	if (p->n == 3)
		return 0;
	i = host_find_instance(host, p->at[3]);
	node->kind = NODE_DEFINITION;
	if (p->n > 4)
		return -ENOENT;
	if (i && is_of(i, p->at[2]) && !json_get_bool(i, "transient", false)) {
		node->instance = i;
		return 0;
	}
	node->kind = NODE_NEW_DEFINITION;
	return definition_is_uuid(p->at[3]) ? 0 : -ENOENT;
}

static int find_link(const struct host *host, const struct parts *p,
		     struct node *node)
{
	if (p->n != (node->kind == NODE_CLASS_LINK ? 3 : 4))
		return -ENOENT;
	if (node->kind == NODE_CLASS_LINK) {
		node->parent = host_find_parent(host, p->at[2]);
		return node->parent && is_parent_name(p->at[2]) ? 0 : -ENOENT;
	}
	if (strcmp(p->at[2], "devices"))
		return -ENOENT;
	node->instance = host_find_instance(host, p->at[3]);
	return node->instance && host_is_running(node->instance) ? 0 : -ENOENT;
}

int node_find(const struct host *host, const char *path, struct node *ret_node)
{
	struct node node = { .kind = NODE_STATIC };
	struct parts parts;
	const char *slash;
	int err;

	while (*path == '/')
		path++;
	if (strlen(path) >= sizeof(node.path))
		return -ENAMETOOLONG;
	strcpy(node.path, path);
	err = cut(path, &parts);
	if (err)
		return err;
	if (is_static(path))
		err = 0;
	else if (!strcmp(path, "sys"))
		node.kind = NODE_SYS;
	else if (begins(&parts, "devices", "vgpud"))
		err = find_device(host, &parts, &node);
	else if (begins(&parts, "etc", "mdevctl.d"))
		err = find_definition(host, &parts, &node);
	else if (begins(&parts, "class", "mdev_bus"))
		node.kind = NODE_CLASS_LINK;
	else if (begins(&parts, "bus", "mdev"))
		node.kind = NODE_BUS_LINK;
	else
		err = -ENOENT;
	if (!err &&
	    (node.kind == NODE_CLASS_LINK || node.kind == NODE_BUS_LINK))
		err = find_link(host, &parts, &node);
	if (err)
		return err;
	*ret_node = node;
	slash = strrchr(ret_node->path, '/');
	ret_node->name = slash ? slash + 1 : ret_node->path;
	return 0;
}

bool node_is_link(const struct node *node)
{
	return node->kind == NODE_SYS || node->kind == NODE_CLASS_LINK ||
	       node->kind == NODE_BUS_LINK || node->kind == NODE_TYPE_LINK ||
	       node->kind == NODE_DEVICE_TYPE;
}

bool node_is_folder(const struct node *node)
{
	switch (node->kind) {
	case NODE_STATIC:
	case NODE_PARENT:
	case NODE_TYPES:
	case NODE_TYPE:
	case NODE_TYPE_DEVICES:
	case NODE_DEVICE:
	case NODE_DEFINITIONS:
		return true;
	default:
		return false;
	}
}

/* ---- texts ---------------------------------------------------------- */

static int type_text(const struct node *node, char *buf)
{
	const char *name = json_get_string(node->type, "name", "");

	if (!strcmp(node->name, "available_instances"))
		return snprintf(buf, NODE_TEXT_MAX, "%" PRId64 "\n",
				json_get_int(node->type, "available", 0));
	if (!strcmp(node->name, "device_api"))
		return snprintf(buf, NODE_TEXT_MAX, "vfio-pci\n");
	if (!strcmp(node->name, "name"))
		return snprintf(buf, NODE_TEXT_MAX, "%s\n", name);
	return snprintf(buf, NODE_TEXT_MAX, "%s\n",
			json_get_string(node->type, "description", ""));
}

static int device_type_text(const struct host *host, const struct node *node,
			    char *buf)
{
	struct json_object *types = host_types(host);
	const char *type = json_get_string(node->instance, "type", "");
	const char *parent = json_get_string(node->instance, "parent", "");
	char name[HOST_NAME_MAX];

	for (size_t i = 0; i < json_object_array_length(types); i++) {
		struct json_object *t = json_object_array_get_idx(types, i);

		if (!strcmp(json_get_string(t, "name", ""), type) &&
		    is_of(t, parent) && host_type_name(host, t, name))
			return snprintf(buf, NODE_TEXT_MAX,
					"../mdev_supported_types/%s", name);
	}
	return -ENOENT;
}

int node_text(const struct host *host, const struct node *node, char *buf)
{
	int n;

	switch (node->kind) {
	case NODE_SYS:
		n = snprintf(buf, NODE_TEXT_MAX, ".");
		break;
	case NODE_CLASS_LINK:
		n = snprintf(buf, NODE_TEXT_MAX, "../../devices/vgpud/%s",
			     node->name);
		break;
	case NODE_BUS_LINK:
		n = snprintf(buf, NODE_TEXT_MAX, "../../../devices/vgpud/%s/%s",
			     json_get_string(node->instance, "parent", ""),
			     node->name);
		break;
	case NODE_TYPE_LINK:
		n = snprintf(buf, NODE_TEXT_MAX, "../../../%s", node->name);
		break;
	case NODE_DEVICE_TYPE:
		n = device_type_text(host, node, buf);
		break;
	case NODE_TYPE_FILE:
		n = type_text(node, buf);
		break;
	case NODE_DEFINITION:
		n = definition_text(host, node->instance, buf, NODE_TEXT_MAX);
		break;
	case NODE_NEW_DEFINITION:
		return 0;
	default:
		return -EINVAL;
	}
	return n < NODE_TEXT_MAX ? n : -EOVERFLOW;
}

/* ---- folders -------------------------------------------------------- */

typedef bool (*list_fn)(const char *name, void *user);

static bool list_static(const char *path, list_fn fn, void *user)
{
	size_t len = strlen(path);

	for (size_t i = 1; i < COUNT(static_folders); i++) {
		const char *f = static_folders[i];
		const char *rest = len ? f + len + 1 : f;

		if (len && (strncmp(f, path, len) || f[len] != '/'))
			continue;
		if (!strchr(rest, '/') && fn(rest, user))
			return true;
	}
	return !len && fn("sys", user);
}

static void list_parents(const struct host *host, list_fn fn, void *user)
{
	struct json_object *parents = host_parents(host);

	for (size_t i = 0; i < json_object_array_length(parents); i++) {
		const char *name = json_get_string(
			json_object_array_get_idx(parents, i), "name", "");

		if (is_parent_name(name) && fn(name, user))
			return;
	}
}

static void list_types(const struct host *host, const char *parent, list_fn fn,
		       void *user)
{
	struct json_object *types = host_types(host);
	char name[HOST_NAME_MAX];

	for (size_t i = 0; i < json_object_array_length(types); i++) {
		struct json_object *t = json_object_array_get_idx(types, i);

		if (is_of(t, parent) && host_type_name(host, t, name) &&
		    fn(name, user))
			return;
	}
}

/* Which instances; NULL: of any. */
struct which {
	const char *parent, *type;
	bool running; /* else those that are stored */
};

static void list_instances(const struct host *host, struct which which,
			   list_fn fn, void *user)
{
	struct json_object *all = host_instances(host);

	for (size_t i = 0; i < json_object_array_length(all); i++) {
		struct json_object *one = json_object_array_get_idx(all, i);
		const char *type = json_get_string(one, "type", "");

		if (which.parent && !is_of(one, which.parent))
			continue;
		if (which.type && strcmp(type, which.type))
			continue;
		if (which.running ? !host_is_running(one)
				  : json_get_bool(one, "transient", false))
			continue;
		if (fn(json_get_string(one, "uuid", "?"), user))
			return;
	}
}

static void list_names(const char *const *names, size_t n, list_fn fn,
		       void *user)
{
	for (size_t i = 0; i < n; i++)
		if (fn(names[i], user))
			return;
}

void node_list(const struct host *host, const struct node *node, list_fn fn,
	       void *user)
{
	static const char *const of_type[] = { "create", "devices" };
	static const char *const of_device[] = { "mdev_type", "remove" };
	const char *parent = json_get_string(node->parent, "name", "");
	const char *type = json_get_string(node->type, "name", "");

	switch (node->kind) {
	case NODE_STATIC:
		if (list_static(node->path, fn, user))
			return;
		if (!strcmp(node->path, "class/mdev_bus") ||
		    !strcmp(node->path, "devices/vgpud") ||
		    !strcmp(node->path, "etc/mdevctl.d"))
			list_parents(host, fn, user);
		else if (!strcmp(node->path, "bus/mdev/devices"))
			list_instances(host, (struct which){ .running = true },
				       fn, user);
		break;
	case NODE_PARENT:
		if (!fn("mdev_supported_types", user))
			list_instances(host,
				       (struct which){ .parent = parent,
						       .running = true },
				       fn, user);
		break;
	case NODE_TYPES:
		list_types(host, parent, fn, user);
		break;
	case NODE_TYPE:
		list_names(of_type, COUNT(of_type), fn, user);
		list_names(type_files, COUNT(type_files), fn, user);
		break;
	case NODE_TYPE_DEVICES:
		list_instances(host,
			       (struct which){ .parent = parent,
					       .type = type,
					       .running = true },
			       fn, user);
		break;
	case NODE_DEVICE:
		list_names(of_device, COUNT(of_device), fn, user);
		break;
	case NODE_DEFINITIONS:
		list_instances(host, (struct which){ .parent = parent }, fn,
			       user);
		break;
	default:
		break;
	}
}
