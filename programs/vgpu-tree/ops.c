/* SPDX-License-Identifier: MIT */
#include "ops.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/json.h"

#define MANAGER "io.vgpud.Manager."

/* What sysfs says of the size of its files. */
#define ATTRIBUTE_SIZE 4096

int tree_look(const char *path, struct node *ret_node)
{
	int err = host_refresh(the_tree()->host);

	return err ? err : node_find(the_tree()->host, path, ret_node);
}

mode_t tree_mode(const struct node *node)
{
	if (node_is_folder(node))
		return S_IFDIR | 0755;
	if (node_is_link(node))
		return S_IFLNK | 0777;
	switch (node->kind) {
	case NODE_CREATE:
	case NODE_REMOVE:
		return S_IFREG | 0200;
	case NODE_DEFINITION:
	case NODE_NEW_DEFINITION:
		return S_IFREG | 0644;
	default:
		return S_IFREG | 0444;
	}
}

static void fill_stat(const struct node *node, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_mode = tree_mode(node);
	st->st_nlink = S_ISDIR(st->st_mode) ? 2 : 1;
	st->st_uid = geteuid();
	st->st_gid = getegid();
	if (S_ISREG(st->st_mode))
		st->st_size = ATTRIBUTE_SIZE;
}

static int tree_getattr(const char *path, struct stat *st,
			struct fuse_file_info *fi)
{
	char text[NODE_TEXT_MAX];
	struct node node;
	int err = tree_look(path, &node), n;

	/* Only who has made it sees a definition that is still to be written.
	 */
	if (!err && node.kind == NODE_NEW_DEFINITION &&
	    !tree_is_new(the_tree(), path))
		err = -ENOENT;
	if (err)
		return err;
	fill_stat(&node, st);
	if (node.kind == NODE_DEFINITION || node_is_link(&node)) {
		n = node_text(the_tree()->host, &node, text);
		if (n < 0)
			return n;
		st->st_size = n;
	}
	return 0;
}

static int tree_readlink(const char *path, char *buf, size_t size)
{
	char text[NODE_TEXT_MAX];
	struct node node;
	int n = tree_look(path, &node);

	if (n)
		return n;
	if (!node_is_link(&node))
		return -EINVAL;
	n = node_text(the_tree()->host, &node, text);
	if (n < 0)
		return n;
	if ((size_t)n >= size)
		return -ENAMETOOLONG;
	memcpy(buf, text, (size_t)n + 1);
	return 0;
}

struct listing {
	void *buf;
	fuse_fill_dir_t fill;
};

static bool list_one(const char *name, void *user)
{
	const struct listing *l = user;

	return l->fill(l->buf, name, NULL, 0, 0);
}

static int tree_readdir(const char *path, void *buf, fuse_fill_dir_t fill,
			off_t offset, struct fuse_file_info *fi,
			enum fuse_readdir_flags flags)
{
	struct listing listing = { buf, fill };
	struct node node;
	int err = tree_look(path, &node);

	if (err)
		return err;
	if (!node_is_folder(&node))
		return -ENOTDIR;
	fill(buf, ".", NULL, 0, 0);
	fill(buf, "..", NULL, 0, 0);
	node_list(the_tree()->host, &node, list_one, &listing);
	return 0;
}

/* ---- definitions come and go ---------------------------------------- */

static int tree_unlink(const char *path)
{
	struct json_object *params;
	struct node node;
	int err = tree_look(path, &node);

	if (err)
		return err;
	if (node.kind == NODE_NEW_DEFINITION)
		return -ENOENT;
	if (node.kind != NODE_DEFINITION)
		return -EPERM;
	/* To forget a vGPU must not end it. */
	if (host_is_running(node.instance))
		return -EBUSY;
	params = json_object_new_object();
	json_set_string(&params, "name",
			json_get_string(node.instance, "uuid", ""));
	return host_change(the_tree()->host, MANAGER "Remove", params);
}

/* The folders of parents are there. */
static int tree_mkdir(const char *path, mode_t mode)
{
	struct node node;
	int err = tree_look(path, &node);

	if (!err && node.kind != NODE_NEW_DEFINITION)
		return -EEXIST;
	return err && err != -ENOENT ? err : -EPERM;
}

static int tree_rmdir(const char *path)
{
	struct node node;
	int err = tree_look(path, &node);

	return err ? err : -EPERM;
}

static void *tree_init(struct fuse_conn_info *conn, struct fuse_config *cfg)
{
	/* vgpud changes things behind the kernel's back. */
	cfg->attr_timeout = 0;
	cfg->entry_timeout = 0;
	cfg->negative_timeout = 0;
	return fuse_get_context()->private_data;
}

const struct fuse_operations tree_ops = {
	.init = tree_init,
	.getattr = tree_getattr,
	.readlink = tree_readlink,
	.readdir = tree_readdir,
	.open = tree_open,
	.create = tree_create,
	.read = tree_read,
	.write = tree_write,
	.release = tree_release,
	.truncate = tree_truncate,
	.unlink = tree_unlink,
	.mkdir = tree_mkdir,
	.rmdir = tree_rmdir,
};
