/* SPDX-License-Identifier: MIT */
#include "record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spawn.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "process.h"

/* Before the loop runs: an orphan has so long to end by itself. */
#define ORPHAN_PATIENCE_MS 2000

int record_create(const char *dir)
{
	cleanup_free char *path = NULL;
	int fd;

	if (asprintf(&path, "%s/" PROCESS_RECORD, dir) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		  0644);
	return fd < 0 ? -errno : fd;
}

static ssize_t read_file(const char *path, char *buf, size_t size)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (n >= 0)
		buf[n] = '\0';
	return n;
}

/* Between fork and exec it still has our command line. */
bool record_names(pid_t pid, const char *word)
{
	char path[48], cmdline[8192];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	n = read_file(path, cmdline, sizeof(cmdline));
	for (char *p = cmdline; n > 0 && p < cmdline + n; p += strlen(p) + 1)
		if (!strcmp(p, word))
			return true;
	return false;
}

int record_find(const char *dir, const char *key, pid_t *ret_pid,
		int *ret_pidfd)
{
	cleanup_free char *path = NULL;
	cleanup_fd int pidfd = -1;
	struct pollfd p;
	char text[32];
	long pid;

	if (asprintf(&path, "%s/" PROCESS_RECORD, dir) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (read_file(path, text, sizeof(text)) <= 0)
		return -ESRCH;
	pid = strtol(text, NULL, 10);
	if (pid <= 1)
		return -ESRCH;
	pidfd = pidfd_open_pid((pid_t)pid);
	if (pidfd < 0)
		return pidfd == -EINVAL ? -ESRCH : pidfd;
	/* The pidfd first: if it still runs then, what /proc says is its. */
	p = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	if (!record_names((pid_t)pid, key) || poll(&p, 1, 0))
		return -ESRCH;
	*ret_pid = (pid_t)pid;
	*ret_pidfd = steal_fd(&pidfd);
	return 0;
}

void process_end_orphan(const char *dir, const char *key, const char *name)
{
	cleanup_fd int pidfd = -1;
	struct pollfd p;
	pid_t pid;

	if (record_find(dir, key, &pid, &pidfd))
		return;
	log_notice(name, "process %d belongs to nothing that is defined: ended",
		   (int)pid);
	pidfd_kill(pidfd, SIGTERM);
	p = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	if (poll(&p, 1, ORPHAN_PATIENCE_MS) > 0)
		return;
	pidfd_kill(pidfd, SIGKILL);
	poll(&p, 1, ORPHAN_PATIENCE_MS);
}

void process_clean(const char *dir)
{
	cleanup_fd int fd =
		open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct dirent *e;
	DIR *d;

	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return;
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			unlinkat(fd, e->d_name, 0);
	fd = -1; /* the DIR's */
	closedir(d);
	if (rmdir(dir) < 0 && errno != ENOENT)
		log_warning(NULL, "%s: cannot be removed: %s", dir,
			    strerror(errno));
}
