/* SPDX-License-Identifier: MIT */
#include "std-fds.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cleanup.h"

int std_fds_reserve(void)
{
	int fd;

	/* The lowest free number is taken first. */
	do {
		fd = open("/dev/null", O_RDWR);
		if (fd < 0)
			return -errno;
	} while (fd <= STDERR_FILENO);
	close_fd(fd);
	return 0;
}

void fds_raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	/* What can't be raised is as it was. */
	setrlimit(RLIMIT_NOFILE, &limit);
}
