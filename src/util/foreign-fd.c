/* SPDX-License-Identifier: MIT */
#include "foreign-fd.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "cleanup.h"
#include "log.h"

bool foreign_fd_is_memory(int fd)
{
	/* Seals are what only files in memory have; the file system itself is
	 * not asked. */
	return fcntl(fd, F_GET_SEALS) >= 0;
}

int foreign_fd_stat(int fd, struct stat *ret_stat)
{
	struct statx x;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS,
		  &x) < 0)
		return -errno;
	*ret_stat = (struct stat){
		.st_mode = x.stx_mode,
		.st_dev = makedev(x.stx_dev_major, x.stx_dev_minor),
		.st_ino = x.stx_ino,
		.st_size = x.stx_size > INT64_MAX ? -1 : (off_t)x.stx_size,
	};
	return 0;
}

/* Threads that are in close(); the process's, as descriptors are. */
static _Atomic int closing;

static void *close_one(void *fd)
{
	close_fd((int)(intptr_t)fd);
	atomic_fetch_sub(&closing, 1);
	return NULL;
}

static int close_on_a_thread(int fd)
{
	sigset_t all, old;
	pthread_t thread;
	int err;

	if (atomic_fetch_add(&closing, 1) >= FOREIGN_MAX_CLOSING) {
		atomic_fetch_sub(&closing, 1);
		return -EBUSY;
	}
	/* Signals are for the threads that expect them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = -pthread_create(&thread, NULL, close_one, (void *)(intptr_t)fd);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		atomic_fetch_sub(&closing, 1);
	else
		pthread_detach(thread);
	return err;
}

/* What belongs to a file system may tell it of the close, and wait. */
static bool may_wait(int fd)
{
	struct stat st;

	if (foreign_fd_is_memory(fd) || foreign_fd_stat(fd, &st))
		return false;
	return S_ISREG(st.st_mode) || S_ISDIR(st.st_mode);
}

void foreign_fd_close(int fd)
{
	int err;

	if (fd < 0)
		return;
	if (!may_wait(fd)) {
		close_fd(fd);
		return;
	}
	err = close_on_a_thread(fd);
	if (err)
		log_warning(NULL,
			    "a descriptor that somebody has sent stays open, "
			    "since closing it may take for ever: %s",
			    strerror(-err));
}
