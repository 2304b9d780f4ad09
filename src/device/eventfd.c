/* SPDX-License-Identifier: MIT */
#include "eventfd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* There is no system call that asks; the kernel names anonymous inodes in
 * /proc/self/fd (fs/eventfd.c: "[eventfd]"). Without /proc, in a sandbox, at
 * least the file type tells it from files, pipes and sockets: anonymous
 * inodes have none. (Writing 0 would tell, but makes KVM's irqfd fire.) */
static bool is_eventfd(int fd)
{
	char path[32], target[64];
	struct stat st;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return !fstat(fd, &st) && !(st.st_mode & S_IFMT);
	target[n] = 0;
	return !strcmp(target, "anon_inode:[eventfd]");
}

bool eventfd_check(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || !is_eventfd(fd))
		return false;
	return (flags & O_NONBLOCK) || !fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

void eventfd_signal(int fd)
{
	uint64_t one = 1;
	ssize_t n;

	do
		n = write(fd, &one, sizeof(one));
	while (n < 0 && errno == EINTR);
	/* EAGAIN: the counter is full, so an event is pending already. */
}

bool eventfd_drain(int fd)
{
	uint64_t n;

	return read(fd, &n, sizeof(n)) == (ssize_t)sizeof(n);
}
