/* SPDX-License-Identifier: MIT */
/* vgpuctl doctor: does QEMU know vfio-user-pci? */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "doctor.h"
#include "util/cleanup.h"

#define DEFAULT_QEMU "qemu-system-x86_64"

/* The first with vfio-user-pci, and the one that is tested. */
#define FIRST_MAJOR  10
#define FIRST_MINOR  1
#define TESTED_MAJOR 11
#define TESTED_MINOR 1

/* How long a QEMU may take to print something. */
#define QEMU_PATIENCE_MS 10000
#define OUTPUT_MAX	 (256u << 10)

extern char **environ;

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Read until its end; -ETIMEDOUT: it takes too long. */
static int read_all(int fd, char *buf, size_t size)
{
	int64_t end = now_ms() + QEMU_PATIENCE_MS;
	size_t n = 0;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = end - now_ms();
		ssize_t got;

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		if (n + 1 >= size)
			return -EFBIG;
		got = read(fd, buf + n, size - 1 - n);
		if (got < 0 && errno != EINTR)
			return -errno;
		if (!got) {
			buf[n] = '\0';
			return 0;
		}
		if (got > 0)
			n += (size_t)got;
	}
}

/* Run a program and take what it prints. Return: 0; -ENOENT; others. */
static int output_of(char *const argv[], char *buf, size_t size)
{
	posix_spawn_file_actions_t actions;
	int pipe_fds[2], err, status;
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC))
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], 1);
	posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], 2);
	err = -posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close_fd(pipe_fds[1]);
	if (!err) {
		err = read_all(pipe_fds[0], buf, size);
		if (err)
			kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	close_fd(pipe_fds[0]);
	return err;
}

static void check_device(struct doctor *d, const char *program, char *buf)
{
	char *argv[] = { (char *)program, (char *)"-device",
			 (char *)"vfio-user-pci,help", NULL };

	if (output_of(argv, buf, OUTPUT_MAX) || !strstr(buf, "socket"))
		doctor_say(d, FINDING_PROBLEM, "qemu",
			   "use one that was built with it (Debian's is)",
			   "%s has no vfio-user-pci", program);
}

void doctor_qemu(struct doctor *d, const char *program)
{
	const char *name = program ? program : DEFAULT_QEMU;
	char *argv[] = { (char *)name, (char *)"--version", NULL };
	cleanup_free char *buf = malloc(OUTPUT_MAX);
	unsigned major, minor;
	const char *version;
	int err = buf ? output_of(argv, buf, OUTPUT_MAX) : -ENOMEM;

	if (err) {
		doctor_say(d, program ? FINDING_PROBLEM : FINDING_WARNING,
			   "qemu", "install QEMU 10.1 or newer, or say --qemu",
			   "cannot run %s: %s", name, strerror(-err));
		return;
	}
	version = strstr(buf, "version ");
	if (!version || sscanf(version, "version %u.%u", &major, &minor) != 2)
		doctor_say(d, FINDING_PROBLEM, "qemu", "say --qemu",
			   "%s prints no version of QEMU's", name);
	else if (major < FIRST_MAJOR ||
		 (major == FIRST_MAJOR && minor < FIRST_MINOR))
		doctor_say(d, FINDING_PROBLEM, "qemu",
			   "10.1 is the first with vfio-user-pci; 11.1 is "
			   "tested (Debian 13: from trixie-backports)",
			   "QEMU %u.%u (%s) is too old", major, minor, name);
	else if (major < TESTED_MAJOR ||
		 (major == TESTED_MAJOR && minor < TESTED_MINOR))
		doctor_say(d, FINDING_WARNING, "qemu", "11.1 is tested",
			   "QEMU %u.%u (%s) is older than what is tested",
			   major, minor, name);
	else
		doctor_say(d, FINDING_OK, "qemu", NULL, "QEMU %u.%u (%s)",
			   major, minor, name);
	if (version && (major > FIRST_MAJOR ||
			(major == FIRST_MAJOR && minor >= FIRST_MINOR)))
		check_device(d, name, buf);
}
