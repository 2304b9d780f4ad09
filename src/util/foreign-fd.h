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

/* So many descriptors are closed behind the scenes at once; others wait. */
#define FOREIGN_MAX_CLOSING 16
/* So many may wait for that, ... */
#define FOREIGN_MAX_WAITING 256
/* ... and so long all of those being closed may take: then they hang. */
#define FOREIGN_PATIENCE_NS (1000ull * 1000000ull)

/* Is it a file in memory (tmpfs, memfd, hugetlbfs)? Those never wait. */
bool foreign_fd_is_memory(int fd);

/* Type, device, inode and size, as the kernel has them already. 0 or errno. */
int foreign_fd_stat(int fd, struct stat *ret_stat);

/* Close @fd if it is one: on a thread, if it may take long. Any thread. */
void foreign_fd_close(int fd);

/**
 * foreign_fds_hang() - do the limits above hold for what is being closed?
 *
 * While they do, nobody's descriptors are to be taken from a socket: a receive
 * call without room for them makes the kernel drop them, which does not wait,
 * and tells by MSG_CTRUNC who sent some. Any thread; cheap.
 */
bool foreign_fds_hang(void);

static inline void cleanup_foreign_fd_(int *fd)
{
	foreign_fd_close(*fd);
}

#define cleanup_foreign_fd __attribute__((cleanup(cleanup_foreign_fd_)))

#endif
