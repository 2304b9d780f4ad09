/* SPDX-License-Identifier: MIT */
/*
 * A listening UNIX socket.
 *
 * The socket is bound under a temporary name next to its path, gets its owner
 * and mode, listens, and only then takes its name by rename(): whoever finds
 * the path can connect, and nobody can before its permissions are right.
 *
 * Stale or alive? A socket file whose connect() is refused has no listener.
 * Between that look and the rename another starter could do the same, so both
 * happen under a lock on the directory (flock, gone with the process); where
 * nothing is in the way no lock is needed, as the rename itself refuses to
 * replace. Programs that unlink whatever they find can't be stopped by this.
 */
#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../util/cleanup.h"
#include "../util/log.h"

#define LISTENER_BACKLOG 16
/* After accept() failed for want of descriptors or memory */
#define LISTENER_PAUSE_MS 100
/* Somebody else replaces a socket in the same directory right now */
#define LISTENER_LOCK_TRIES    100
#define LISTENER_LOCK_PAUSE_MS 10
#define LISTENER_NAME_TRIES    16

struct listener {
	int fd;
	struct loop_source *io;
	struct loop_source *pause;
	listener_fn fn;
	void *user;
	char *path; /* absolute; NULL: inherited, the file is not ours */
	dev_t dev;
	ino_t ino;
};

static int address(const char *path, struct sockaddr_un *ret_addr)
{
	size_t len = strlen(path);

	if (!len)
		return -EINVAL;
	if (len >= sizeof(ret_addr->sun_path))
		return -ENAMETOOLONG;
	memset(ret_addr, 0, sizeof(*ret_addr));
	ret_addr->sun_family = AF_UNIX;
	memcpy(ret_addr->sun_path, path, len);
	return 0;
}

/* What is at @path? 0: nothing, or a socket without a listener; -EADDRINUSE,
 * -EEXIST: as listener_new() says. */
static int look(const char *path)
{
	struct sockaddr_un addr;
	cleanup_fd int fd = -1;
	struct stat st;
	int err = address(path, &addr);

	if (err)
		return err;
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return -EADDRINUSE;
	switch (errno) {
	case ECONNREFUSED:
	case ENOENT:
		return 0;
	case EAGAIN:     /* its backlog is full */
	case EPROTOTYPE: /* alive, though not a stream socket */
		return -EADDRINUSE;
	default:
		return -errno;
	}
}

/* A name in the same directory that is not longer than sun_path: @path with
 * a suffix, or with its last characters replaced. */
static int temporary_name(const char *path, char ret_name[PATH_MAX])
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
	const char *slash = strrchr(path, '/');
	size_t len = strlen(path);
	size_t base = slash ? (size_t)(slash + 1 - path) : 0;
	size_t start = len - base > 6 ? len - 6 : base;
	unsigned char r[6];

	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		return -errno;
	memcpy(ret_name, path, len + 1);
	if (len + 1 + sizeof(r) < sizeof(((struct sockaddr_un *)0)->sun_path)) {
		ret_name[len] = '.';
		start = len + 1;
		len += 1 + sizeof(r);
	}
	for (size_t i = start; i < len; i++)
		ret_name[i] = digits[r[i - start] % 32];
	ret_name[len] = 0;
	return 0;
}

/* Bind under a temporary name. */
static int bind_temporary(int fd, const char *path, char ret_name[PATH_MAX])
{
	struct sockaddr_un addr;
	int err;

	for (int i = 0; i < LISTENER_NAME_TRIES; i++) {
		err = temporary_name(path, ret_name);
		if (err)
			return err;
		err = address(ret_name, &addr);
		if (err)
			return err;
		if (!bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
			return 0;
		if (errno != EADDRINUSE)
			return -errno;
	}
	return -EADDRINUSE;
}

/* Lock the directory of @path. Return: an fd that holds the lock. */
static int lock_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *dir =
		slash ? strndup(path, (size_t)(slash + 1 - path)) : strdup(".");
	const struct timespec pause = {
		.tv_nsec = LISTENER_LOCK_PAUSE_MS * 1000000L,
	};
	cleanup_fd int fd = -1;

	if (!dir)
		return -ENOMEM;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (int i = 0; i < LISTENER_LOCK_TRIES; i++) {
		if (!flock(fd, LOCK_EX | LOCK_NB))
			return steal_fd(&fd);
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		nanosleep(&pause, NULL);
	}
	return -EBUSY;
}

/* Give the socket at @name its place at @path. */
static int take_place(const char *name, const char *path)
{
	cleanup_fd int lock = -1;
	int err;

	if (!renameat2(AT_FDCWD, name, AT_FDCWD, path, RENAME_NOREPLACE))
		return 0;
	/* EINVAL: a file system that can't; then under the lock as well */
	if (errno != EEXIST && errno != EINVAL)
		return -errno;
	lock = lock_directory(path);
	if (lock < 0)
		return lock;
	err = look(path);
	if (err)
		return err;
	if (rename(name, path) < 0)
		return -errno;
	return 0;
}

/* A socket at @config->path that listens. */
static int listen_at(struct listener *l, const struct listener_config *config)
{
	char name[PATH_MAX];
	struct sockaddr_un addr;
	struct stat st;
	int err;

	/* First, so that nothing was touched when the answer is no. */
	err = address(config->path, &addr);
	if (err)
		return err;
	err = look(config->path);
	if (err)
		return err;
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return -errno;
	err = bind_temporary(l->fd, config->path, name);
	if (err)
		return err;
	if ((config->gid != (gid_t)-1 &&
	     lchown(name, (uid_t)-1, config->gid) < 0) ||
	    (config->mode != (mode_t)-1 && chmod(name, config->mode) < 0) ||
	    lstat(name, &st) < 0 || listen(l->fd, LISTENER_BACKLOG) < 0) {
		err = -errno;
		goto fail;
	}
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	err = take_place(name, config->path);
	if (err)
		goto fail;
	/* Absolute, so that it is found again after a chdir(). */
	l->path = realpath(config->path, NULL);
	if (!l->path) {
		err = -errno;
		unlink(config->path);
		return err;
	}
	return 0;
fail:
	unlink(name);
	return err;
}

static int socket_option(int fd, int option)
{
	int value;
	socklen_t len = sizeof(value);

	if (getsockopt(fd, SOL_SOCKET, option, &value, &len) < 0)
		return -errno;
	return value;
}

/* Is an inherited fd what it has to be? */
static int take_over(struct listener *l, int fd)
{
	int flags, value;

	l->fd = fd;
	value = socket_option(fd, SO_DOMAIN);
	if (value < 0)
		return value;
	if (value != AF_UNIX)
		return -EAFNOSUPPORT;
	value = socket_option(fd, SO_TYPE);
	if (value < 0)
		return value;
	if (value != SOCK_STREAM)
		return -EPROTOTYPE;
	value = socket_option(fd, SO_ACCEPTCONN);
	if (value < 0)
		return value;
	if (!value)
		return -EINVAL;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	return 0;
}

static void on_pause_over(struct loop_source *src, void *user)
{
	struct listener *l = user;

	if (loop_set_events(l->io, EPOLLIN) < 0)
		(void)loop_arm_timer(src, LISTENER_PAUSE_MS * 1000000ull, 0);
}

static void on_io(struct loop_source *src, uint32_t events, void *user)
{
	struct listener *l = user;
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int err = errno;

	if (fd >= 0) {
		l->fn(l, fd, l->user); /* may free the listener */
		return;
	}
	if (err == EAGAIN || err == ECONNABORTED || err == EINTR)
		return;
	/* The connection stays in the backlog and epoll would report it for
	 * ever: look away for a while. */
	log_debug(NULL, "accept: %s; trying again in %d ms", strerror(err),
		  LISTENER_PAUSE_MS);
	if (!loop_arm_timer(l->pause, LISTENER_PAUSE_MS * 1000000ull, 0))
		(void)loop_set_events(l->io, 0);
}

int listener_new(struct loop *loop, const struct listener_config *config,
		 listener_fn fn, void *user, struct listener **ret_listener)
{
	struct listener *l = calloc(1, sizeof(*l));
	int err;

	if (!l) {
		close_fd(config->fd);
		return -ENOMEM;
	}
	l->fd = -1;
	l->fn = fn;
	l->user = user;
	err = config->path ? listen_at(l, config) : take_over(l, config->fd);
	if (err)
		goto fail;
	err = loop_add_timer(loop, on_pause_over, l, &l->pause);
	if (err)
		goto fail;
	err = loop_add_fd(loop, l->fd, EPOLLIN, on_io, l, &l->io);
	if (err)
		goto fail;
	*ret_listener = l;
	return 0;
fail:
	listener_free(l);
	return err;
}

void listener_free(struct listener *l)
{
	struct stat st;

	if (!l)
		return;
	loop_remove(l->io);
	loop_remove(l->pause);
	/* While it still listens nobody takes it for stale and replaces it
	 * between the look and the unlink. */
	if (l->path && !lstat(l->path, &st) && st.st_dev == l->dev &&
	    st.st_ino == l->ino)
		unlink(l->path);
	close_fd(l->fd);
	free(l->path);
	free(l);
}
