/* SPDX-License-Identifier: MIT */
/* Open files: what is read from them, and what writing does. */
#include "ops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/json.h"
#include "definition.h"

#define MANAGER "io.vgpud.Manager."

/**
 * struct handle - an open file
 * @link: in the tree's list of those that are being created
 * @path: of such a one; NULL: it was there
 * @text: what a reader gets, fixed at open; or what was written so far
 */
struct handle {
	struct list link;
	char *path;
	char *text;
	size_t len;
};

static struct handle *handle_of(const struct fuse_file_info *fi)
{
	return (struct handle *)(uintptr_t)fi->fh;
}

bool tree_is_new(const struct tree *tree, const char *path)
{
	list_for_each(l, &tree->creating)
		if (!strcmp(list_entry(l, struct handle, link)->path, path))
			return true;
	return false;
}

static void free_handle(struct handle *h)
{
	list_remove(&h->link);
	free(h->path);
	free(h->text);
	free(h);
}

/* @path: of one that is being created; else NULL. */
static int new_handle(struct fuse_file_info *fi, const char *text, size_t len,
		      const char *path)
{
	struct handle *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	list_init(&h->link);
	h->text = malloc(len + 1);
	h->path = path ? strdup(path) : NULL;
	if (!h->text || (path && !h->path)) {
		free_handle(h);
		return -ENOMEM;
	}
	memcpy(h->text, text, len);
	h->len = len;
	if (path)
		list_insert(&the_tree()->creating, &h->link);
	fi->fh = (uint64_t)(uintptr_t)h;
	/* No size is known before it is read, and nothing may be kept. */
	fi->direct_io = 1;
	return 0;
}

int tree_open(const char *path, struct fuse_file_info *fi)
{
	bool writes = (fi->flags & O_ACCMODE) != O_RDONLY;
	char text[NODE_TEXT_MAX];
	struct node node;
	int n = tree_look(path, &node);

	if (n)
		return n;
	if (node.kind == NODE_NEW_DEFINITION)
		return -ENOENT;
	if (writes)
		return tree_mode(&node) & 0200 ? new_handle(fi, "", 0, NULL)
					       : -EACCES;
	if (!(tree_mode(&node) & 0400))
		return -EACCES;
	n = node_text(the_tree()->host, &node, text);
	return n < 0 ? n : new_handle(fi, text, (size_t)n, NULL);
}

int tree_create(const char *path, mode_t mode, struct fuse_file_info *fi)
{
	struct node node;
	int err = tree_look(path, &node);

	if (err == -ENOENT)
		return -EPERM; /* files appear here in one way only */
	if (err)
		return err;
	if (node.kind != NODE_NEW_DEFINITION)
		return tree_open(path, fi);
	return new_handle(fi, "", 0, path);
}

int tree_read(const char *path, char *buf, size_t size, off_t offset,
	      struct fuse_file_info *fi)
{
	const struct handle *h = handle_of(fi);

	if (offset < 0 || (uint64_t)offset >= h->len)
		return 0;
	if (size > h->len - (size_t)offset)
		size = h->len - (size_t)offset;
	memcpy(buf, h->text + offset, size);
	return (int)size;
}

/* A UUID, with or without a newline, and nothing else: as the kernel has it. */
static int create_instance(const struct node *node, const char *text,
			   size_t len)
{
	const char *type = json_get_string(node->type, "name", "");
	const char *parent = json_get_string(node->parent, "name", "");
	struct json_object *params, *known;
	char uuid[37];

	if (len == 37 && text[36] == '\n')
		len--;
	if (len != 36)
		return -EINVAL;
	memcpy(uuid, text, 36);
	uuid[36] = '\0';
	if (!definition_is_uuid(uuid))
		return -EINVAL;
	for (char *p = uuid; *p; p++)
		*p |= *p >= 'A' && *p <= 'F' ? 0x20 : 0;
	params = json_object_new_object();
	known = host_find_instance(the_tree()->host, uuid);
	if (known && !host_is_running(known) &&
	    !strcmp(json_get_string(known, "type", ""), type) &&
	    !strcmp(json_get_string(known, "parent", ""), parent)) {
		json_set_string(&params, "name", uuid);
		return host_change(the_tree()->host, MANAGER "Start", params);
	}
	json_set_string(&params, "type", type);
	json_set_string(&params, "parent", parent);
	json_set_string(&params, "uuid", uuid);
	json_set_bool(&params, "transient", true);
	return host_change(the_tree()->host, MANAGER "Create", params);
}

static int remove_instance(const struct node *node, const char *text,
			   size_t len)
{
	struct json_object *params;
	char number[16], *end;
	unsigned long value;

	if (!len || len >= sizeof(number))
		return -EINVAL;
	memcpy(number, text, len);
	number[len] = '\0';
	value = strtoul(number, &end, 0);
	end += *end == '\n';
	if (end == number || *end || *number == '-')
		return -EINVAL;
	if (!value)
		return 0;
	params = json_object_new_object();
	json_set_string(&params, "name",
			json_get_string(node->instance, "uuid", ""));
	return host_change(the_tree()->host, MANAGER "Stop", params);
}

/* A definition comes in one write or in several. It is stored when it is
 * whole, by then: what close() fails with is not noticed by many. */
static int write_definition(const struct node *node, struct handle *h,
			    const char *buf, size_t size, off_t offset)
{
	char *text;
	int err;

	if (offset < 0 || (uint64_t)offset != h->len)
		return -EINVAL;
	if (size > DEFINITION_MAX - h->len)
		return -EFBIG;
	text = realloc(h->text, h->len + size + 1);
	if (!text)
		return -ENOMEM;
	h->text = text;
	memcpy(text + h->len, buf, size);
	err = definition_store(the_tree()->host,
			       json_get_string(node->parent, "name", ""),
			       node->name, text, h->len + size);
	if (err && err != -EAGAIN)
		return err;
	h->len += size;
	return 0;
}

int tree_write(const char *path, const char *buf, size_t size, off_t offset,
	       struct fuse_file_info *fi)
{
	struct node node;
	int err = tree_look(path, &node);

	if (err)
		return err;
	if (node.kind == NODE_CREATE)
		err = create_instance(&node, buf, size);
	else if (node.kind == NODE_REMOVE)
		err = remove_instance(&node, buf, size);
	else if (node.kind == NODE_DEFINITION ||
		 node.kind == NODE_NEW_DEFINITION)
		err = write_definition(&node, handle_of(fi), buf, size, offset);
	else
		err = -EACCES;
	return err ? err : (int)size;
}

int tree_release(const char *path, struct fuse_file_info *fi)
{
	free_handle(handle_of(fi));
	return 0;
}

/* Before a new text comes: the old one stays until that is whole. */
int tree_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
	struct node node;
	int err = tree_look(path, &node);

	if (err)
		return err;
	return !size && tree_mode(&node) & 0200 ? 0 : -EINVAL;
}
