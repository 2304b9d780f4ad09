/* SPDX-License-Identifier: MIT */
/* Starting processes that may outlive the daemon. */
#ifndef VGPUD_SPAWN_H
#define VGPUD_SPAWN_H

#include <sys/types.h>

/**
 * struct spawn - what to start
 * @argv: NULL-terminated; argv[0] is the path of the program
 * @envp: NULL-terminated
 * @out_fd: its stdout; -1: /dev/null
 * @err_fd: its stderr; -1: ours
 * @record_fd: where the child writes "PID\n" before the program begins, so
 *             that no process ever runs that is not on record; -1: nowhere
 * @pass_fd: stays open under its number; -1: none
 */
struct spawn {
	const char *const *argv;
	const char *const *envp;
	int out_fd, err_fd, record_fd, pass_fd;
};

/**
 * spawn_start() - start a process in a session of its own
 * @ret_pidfd: readable when it has ended; to be closed
 *
 * It gets no other descriptor but 0, 1 and 2, and default signals. That a
 * program can't be executed shows as exit status SPAWN_EXEC_FAILED, with a line
 * on its stderr.
 *
 * Return: 0; errno of fork(), pidfd_open().
 */
#define SPAWN_EXEC_FAILED 127
int spawn_start(const struct spawn *spawn, pid_t *ret_pid, int *ret_pidfd);

/* As the kernel's calls; negative errno. */
int pidfd_open_pid(pid_t pid);
int pidfd_kill(int pidfd, int signo);

/**
 * pidfd_reap() - why did it end?
 * @buf: @size bytes, for a sentence such as "was killed by SIGSEGV, core
 * dumped"
 * @ret_status: what it exited with; -1: a signal ended it
 *
 * Return: 0: it ended, and is reaped; -EAGAIN: it runs; -ECHILD: it ended, but
 * was not our child: nobody tells us why, and the outputs are left alone.
 */
int pidfd_reap(int pidfd, char *buf, size_t size, int *ret_status);

#endif
