/* SPDX-License-Identifier: MIT */
/* Scoped cleanup: locals that release themselves, values that move out. */
#ifndef UTIL_CLEANUP_H
#define UTIL_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Close @fd if it is one, keep errno, and return -1: `fd = close_fd(fd);` */
static inline int close_fd(int fd)
{
	if (fd >= 0)
		close(fd); /* EINTR: Linux has closed it all the same */
	return -1;
}

static inline void cleanup_fd_(int *fd)
{
	close_fd(*fd);
}

static inline void cleanup_free_(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_file_(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define cleanup_fd   __attribute__((cleanup(cleanup_fd_)))
#define cleanup_free __attribute__((cleanup(cleanup_free_)))
#define cleanup_file __attribute__((cleanup(cleanup_file_)))

/* Move a pointer or an fd out of a local with a cleanup attribute. */
#define steal_ptr(p)                          \
	__extension__({                       \
		__typeof__(p) stolen_ = (p);  \
		(p) = NULL;                   \
		stolen_;                      \
	})

static inline int steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

#endif
