/* SPDX-License-Identifier: MIT */
/* The file system's operations, over libfuse; one thread. */
#ifndef VGPU_TREE_OPS_H
#define VGPU_TREE_OPS_H

#define FUSE_USE_VERSION 31
#include <fuse.h>

#include "host.h"
#include "node.h"
#include "util/list.h"

/**
 * struct tree - what is mounted: the operations' private data
 * @creating: open files that were created, and aren't stored by vgpud yet
 */
struct tree {
	struct host *host;
	struct list creating;
};

extern const struct fuse_operations tree_ops;

static inline struct tree *the_tree(void)
{
	return fuse_get_context()->private_data;
}

/* Find a path in the present state. Return: 0 or negative errno. */
int tree_look(const char *path, struct node *ret_node);
mode_t tree_mode(const struct node *node);

/* A definition that somebody is writing (files.c). */
bool tree_is_new(const struct tree *tree, const char *path);

int tree_open(const char *path, struct fuse_file_info *fi);
int tree_create(const char *path, mode_t mode, struct fuse_file_info *fi);
int tree_read(const char *path, char *buf, size_t size, off_t offset,
	      struct fuse_file_info *fi);
int tree_write(const char *path, const char *buf, size_t size, off_t offset,
	       struct fuse_file_info *fi);
int tree_release(const char *path, struct fuse_file_info *fi);
int tree_truncate(const char *path, off_t size, struct fuse_file_info *fi);

#endif
