/* SPDX-License-Identifier: MIT */
#include "std-fds.h"

#include <errno.h>
#include <fcntl.h>
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
