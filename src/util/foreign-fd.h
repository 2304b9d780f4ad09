/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that somebody else has sent. One may be of a file whose file
 * system is a program of his (FUSE) that never answers: then stat, statfs and
 * even close wait for ever. These do not.
 */
#ifndef UTIL_FOREIGN_FD_H
#define UTIL_FOREIGN_FD_H

#include <stdbool.h>
#include <sys/stat.h>

/* So many descriptors may be closing behind the scenes at once. What comes on
 * top stays open. */
#define FOREIGN_MAX_CLOSING 16

/* Is it a file in memory (tmpfs, memfd, hugetlbfs)? Those never wait. */
bool foreign_fd_is_memory(int fd);

/* Type, device, inode and size, as the kernel has them already. 0 or errno. */
int foreign_fd_stat(int fd, struct stat *ret_stat);

/* Close @fd if it is one, on a thread of its own if it may take long. */
void foreign_fd_close(int fd);

static inline void cleanup_foreign_fd_(int *fd)
{
	foreign_fd_close(*fd);
}

#define cleanup_foreign_fd __attribute__((cleanup(cleanup_foreign_fd_)))

#endif
