/* SPDX-License-Identifier: MIT */
#include "deeds.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int device = -1;

int deed_prepare(void)
{
	device = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	return device < 0 ? -errno : 0;
}

static int try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		return -1;
	return close(fd);
}

static int try_socket(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -1 : close(fd);
}

static int try_fork(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	return pid < 0 ? -1 : waitpid(pid, NULL, 0);
}

static int try_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -1 : munmap(p, 4096);
}

/* A memory file, and opening it again. */
static int try_memory(void)
{
	int err, fd = memfd_create("culprit", MFD_CLOEXEC);
	char path[32];

	if (fd < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	err = try_open(path, O_RDONLY);
	close(fd);
	return err;
}

static int try_limit(void)
{
	const struct rlimit core = { 1 << 20, 1 << 20 };

	return setrlimit(RLIMIT_CORE, &core);
}

static int try_execve(void)
{
	char *argv[] = { "/bin/true", NULL }, *envp[] = { NULL };

	return execve(argv[0], argv, envp);
}

static int try_other_ioctl(void)
{
	unsigned char flags;
	int err, fd = memfd_create("culprit", MFD_CLOEXEC);

	if (fd < 0)
		return -1;
	/* Of a file that is no device: ENOTTY where it may be asked. */
	err = ioctl(fd, TIOCGPTPEER, &flags);
	if (err && errno == ENOTTY)
		err = 0;
	close(fd);
	return err;
}

static int try_device_ioctl(void)
{
	int entropy;

	return ioctl(device, RNDGETENTCNT, &entropy);
}

static int commit(enum deed deed)
{
	switch (deed) {
	case DEED_EXECVE:
		return try_execve();
	case DEED_INET_SOCKET:
		return try_socket(AF_INET);
	case DEED_UNIX_SOCKET:
		return try_socket(AF_UNIX);
	case DEED_READ_PASSWD:
		return try_open("/etc/passwd", O_RDONLY);
	case DEED_WRITE_TMP:
		return try_open("/tmp", O_WRONLY | O_TMPFILE);
	case DEED_FORK:
		return try_fork();
	case DEED_CODE:
		return try_code();
	case DEED_PTRACE:
		return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	case DEED_SIGNAL:
		return kill(getppid(), 0);
	case DEED_RAISE_LIMIT:
		return try_limit();
	case DEED_CHMOD:
		return chmod("/tmp/vgpu-no-such-file", 0777);
	case DEED_HARMLESS:
		return try_memory();
	case DEED_OTHER_IOCTL:
		return try_other_ioctl();
	case DEED_DEVICE_IOCTL:
		return try_device_ioctl();
	case DEED_CRASH:
		abort();
	}
	errno = EINVAL;
	return -1;
}

int deed_commit(enum deed deed)
{
	return commit(deed) < 0 ? errno : 0;
}
