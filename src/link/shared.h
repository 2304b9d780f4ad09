/* SPDX-License-Identifier: MIT */
/*
 * Memory that a worker and its parent both have mapped. The parent makes it;
 * its size is sealed, so that neither can take it away under the other.
 */
#ifndef LINK_SHARED_H
#define LINK_SHARED_H

#include <stddef.h>

/* @size: whole pages. The file is zeroed. */
int shared_file(const char *name, size_t size, int *ret_fd);

/* -EPROTO: it is shorter, or may become so. Undo by munmap(). */
int shared_map(int fd, size_t size, void **ret_ptr);

#endif
