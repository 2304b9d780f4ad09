/* SPDX-License-Identifier: MIT */
#include "foreign-fd.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "cleanup.h"
#include "log.h"
#include "loop.h"

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

/* ---- closing -------------------------------------------------------- */

struct waiting {
	struct waiting *next;
	int fd;
};

/* The process's, as descriptors are. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct waiting *first; /* under @lock, as what follows */
static unsigned n_waiting;
static uint64_t progress_ns;	   /* when one was begun, or had an end */
static _Atomic unsigned n_threads; /* written under @lock */

/* The next one that waits; -1: there is none, and one thread less. */
static int take_next(void)
{
	struct waiting *w;
	int fd = -1;

	pthread_mutex_lock(&lock);
	progress_ns = loop_now_ns();
	w = first;
	if (w) {
		fd = w->fd;
		first = w->next;
		n_waiting--;
		free(w);
	} else {
		n_threads--;
	}
	pthread_mutex_unlock(&lock);
	return fd;
}

static void *close_some(void *user)
{
	for (int fd = (int)(intptr_t)user; fd >= 0; fd = take_next())
		close_fd(fd);
	return NULL;
}

/* Under @lock. */
static int start_thread(int fd)
{
	sigset_t all, old;
	pthread_t thread;
	int err;

	/* Signals are for the threads that expect them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = -pthread_create(&thread, NULL, close_some, (void *)(intptr_t)fd);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		return err;
	pthread_detach(thread);
	n_threads++;
	progress_ns = loop_now_ns();
	return 0;
}

/* Under @lock. */
static int enqueue(int fd)
{
	struct waiting *w = malloc(sizeof(*w));

	if (!w)
		return -ENOMEM;
	*w = (struct waiting){ first, fd };
	first = w;
	n_waiting++;
	return 0;
}

static int close_on_a_thread(int fd)
{
	int err = -EAGAIN;

	pthread_mutex_lock(&lock);
	if (n_threads < FOREIGN_MAX_CLOSING)
		err = start_thread(fd);
	if (err && n_threads)
		err = enqueue(fd);
	pthread_mutex_unlock(&lock);
	return err;
}

bool foreign_fds_hang(void)
{
	bool hang;

	if (n_threads < FOREIGN_MAX_CLOSING)
		return false;
	pthread_mutex_lock(&lock);
	hang = n_threads == FOREIGN_MAX_CLOSING &&
	       (n_waiting >= FOREIGN_MAX_WAITING ||
		loop_now_ns() - progress_ns > FOREIGN_PATIENCE_NS);
	pthread_mutex_unlock(&lock);
	return hang;
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
			    "a descriptor that somebody has sent stays open: "
			    "there is no thread to close it: %s",
			    strerror(-err));
}
