/* SPDX-License-Identifier: MIT */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/cleanup.h"

int pidfd_open_pid(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

int pidfd_kill(int pidfd, int signo)
{
	return syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0) < 0
		       ? -errno
		       : 0;
}

/* Async-signal-safe: it runs between fork() and exec. */
static void write_record(int fd)
{
	char buf[16];
	size_t at = sizeof(buf);
	unsigned long pid = (unsigned long)getpid();

	buf[--at] = '\n';
	do {
		buf[--at] = (char)('0' + pid % 10);
		pid /= 10;
	} while (pid);
	if (write(fd, buf + at, sizeof(buf) - at) < 0)
		_exit(SPAWN_EXEC_FAILED);
}

__attribute__((noreturn)) static void child(const struct spawn *s)
{
	static const char failed[] = "vgpud: cannot execute ";
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	setsid();
	for (int signo = 1; signo < NSIG; signo++)
		signal(signo, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (s->record_fd >= 0)
		write_record(s->record_fd);
	if (null < 0 || dup2(null, 0) < 0 ||
	    dup2(s->out_fd >= 0 ? s->out_fd : null, 1) < 0 ||
	    (s->err_fd >= 0 && dup2(s->err_fd, 2) < 0))
		_exit(SPAWN_EXEC_FAILED);
	close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
	if (s->pass_fd >= 0 && fcntl(s->pass_fd, F_SETFD, 0) < 0)
		_exit(SPAWN_EXEC_FAILED);
	execve(s->argv[0], (char *const *)s->argv, (char *const *)s->envp);
	if (write(2, failed, sizeof(failed) - 1) > 0 &&
	    write(2, s->argv[0], strlen(s->argv[0])) > 0 &&
	    write(2, "\n", 1) > 0)
		_exit(SPAWN_EXEC_FAILED);
	_exit(SPAWN_EXEC_FAILED);
}

int spawn_start(const struct spawn *s, pid_t *ret_pid, int *ret_pidfd)
{
	pid_t pid = fork();
	int pidfd;

	if (pid < 0)
		return -errno;
	if (!pid)
		child(s);
	/* Nobody else reaps: the number can't be somebody else's yet. */
	pidfd = pidfd_open_pid(pid);
	if (pidfd < 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return pidfd;
	}
	*ret_pid = pid;
	*ret_pidfd = pidfd;
	return 0;
}

int pidfd_reap(int pidfd, char *buf, size_t size, int *ret_status)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	siginfo_t info = { 0 };
	const char *name;

	if (poll(&p, 1, 0) <= 0)
		return -EAGAIN;
	if (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) <
		    0 ||
	    !info.si_pid)
		/* Started by the daemon before this one: init reaps it. */
		return -ECHILD;
	if (info.si_code == CLD_EXITED) {
		snprintf(buf, size, "exited with status %d", info.si_status);
		*ret_status = info.si_status;
		return 0;
	}
	*ret_status = -1;
	name = sigabbrev_np(info.si_status);
	snprintf(buf, size, "was killed by SIG%s%s", name ? name : "?",
		 info.si_code == CLD_DUMPED ? ", core dumped" : "");
	return 0;
}
