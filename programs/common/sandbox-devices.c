/* SPDX-License-Identifier: MIT */
/*
 * Which descriptors are hardware: character devices, and what their drivers
 * have handed out (a VFIO device is an anonymous inode).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox.h"
#include "util/bytes.h"

/* Nobody's hardware */
static const char *const ordinary[] = {
	"/dev/null",
	"anon_inode:[eventfd]",
	"anon_inode:[eventpoll]",
	"anon_inode:[timerfd]",
	"anon_inode:[signalfd]",
	"anon_inode:[pidfd]",
};

static bool is_device(int dir, const char *name)
{
	static const char anonymous[] = "anon_inode:";
	struct stat st;
	char target[256];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

	if (n < 0 || fstatat(dir, name, &st, 0) < 0)
		return false;
	target[n] = '\0';
	for (unsigned i = 0; i < ARRAY_SIZE(ordinary); i++)
		if (!strcmp(target, ordinary[i]))
			return false;
	return S_ISCHR(st.st_mode) ||
	       !strncmp(target, anonymous, sizeof(anonymous) - 1);
}

int sandbox_find_devices(int ret_fds[SANDBOX_MAX_DEVICES])
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	int n = 0;

	if (!d)
		return -errno;
	while ((e = readdir(d)) && n >= 0) {
		int fd = atoi(e->d_name); /* "." and ".." are 0 */

		if (fd <= 2 || fd == dirfd(d) ||
		    !is_device(dirfd(d), e->d_name))
			continue;
		if (n < SANDBOX_MAX_DEVICES)
			ret_fds[n++] = fd;
		else
			n = -E2BIG;
	}
	closedir(d);
	return n;
}
