/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rig/clock.h"
#include "transport/listener.h"
#include "util/bytes.h"
#include "util/cleanup.h"

struct place {
	char dir[64];
	char path[96];
	struct loop *loop;
	struct listener *listener;
	int accepted;
	unsigned fds;
};

static unsigned count_entries(const char *dir)
{
	DIR *d = opendir(dir);
	unsigned n = 0;

	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.' || strlen(e->d_name) > 2;
	closedir(d);
	return n;
}

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	p->fds = count_entries("/proc/self/fd");
	strcpy(p->dir, "/tmp/vgpu-test-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->path, sizeof(p->path), "%s/s", p->dir);
	assert_int_equal(loop_new(&p->loop), 0);
	*state = p;
	return 0;
}

/* Nothing but what the test left on purpose (and removed) may be there. */
static int teardown(void **state)
{
	struct place *p = *state;

	listener_free(p->listener);
	loop_free(p->loop);
	assert_int_equal(count_entries(p->dir), 0);
	assert_int_equal(rmdir(p->dir), 0);
	assert_int_equal(count_entries("/proc/self/fd"), p->fds);
	free(p);
	return 0;
}

static void on_client(struct listener *listener, int fd, void *user)
{
	struct place *p = user;

	(void)listener;
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	p->accepted++;
	close(fd);
}

static int start_at(struct place *p, const char *path, struct listener **ret)
{
	struct listener_config config = {
		.path = path,
		.fd = -1,
		.mode = (mode_t)-1,
		.gid = (gid_t)-1,
	};

	return listener_new(p->loop, &config, on_client, p, ret);
}

static int try_connect(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), err = 0;

	memcpy(addr.sun_path, path, strlen(path)); /* at most 107, zeroed */
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* What a program that died leaves behind */
static void leave_stale(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 1), 0);
	close(fd);
	assert_int_equal(try_connect(path), -ECONNREFUSED);
}

static void serve(struct place *p, const char *path)
{
	int before = p->accepted;

	assert_int_equal(try_connect(path), 0);
	assert_int_equal(loop_run_once(p->loop, 0), 1);
	assert_int_equal(p->accepted, before + 1);
}

static void fresh_path(void **state)
{
	struct place *p = *state;
	struct stat st;

	assert_int_equal(start_at(p, p->path, &p->listener), 0);
	assert_int_equal(count_entries(p->dir), 1);
	serve(p, p->path);
	assert_int_equal(stat(p->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	listener_free(p->listener);
	p->listener = NULL;
	assert_int_equal(lstat(p->path, &st), -1);
	assert_int_equal(loop_run_once(p->loop, 0), 0);
}

static void mode_and_group(void **state)
{
	struct place *p = *state;
	struct listener_config config = {
		.path = p->path,
		.fd = -1,
		.mode = 0640,
		.gid = getuid() ? getgid() : 4321,
	};
	struct stat st;

	assert_int_equal(listener_new(p->loop, &config, on_client, p,
				      &p->listener), 0);
	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_gid, config.gid);
}

static void stale_path_is_replaced(void **state)
{
	struct place *p = *state;

	leave_stale(p->path);
	assert_int_equal(start_at(p, p->path, &p->listener), 0);
	assert_int_equal(count_entries(p->dir), 1);
	serve(p, p->path);
}

static void live_path_is_not(void **state)
{
	struct place *p = *state;
	struct listener *second = NULL;
	struct stat before, after;

	assert_int_equal(start_at(p, p->path, &p->listener), 0);
	assert_int_equal(stat(p->path, &before), 0);
	assert_int_equal(start_at(p, p->path, &second), -EADDRINUSE);
	assert_null(second);
	assert_int_equal(stat(p->path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(count_entries(p->dir), 1);
	assert_int_equal(loop_run_once(p->loop, 0), 1); /* the look */
	serve(p, p->path);
}

/* Nobody accepts and its backlog is full: alive all the same. */
static void busy_path_is_not(void **state)
{
	struct place *p = *state;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int queued[2];

	strcpy(addr.sun_path, p->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(queued); i++) {
		queued[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(queued[i], (struct sockaddr *)&addr,
			    sizeof(addr)) < 0)
			assert_int_equal(errno, EAGAIN);
	}
	assert_int_equal(start_at(p, p->path, &p->listener), -EADDRINUSE);
	for (size_t i = 0; i < ARRAY_SIZE(queued); i++)
		close(queued[i]);
	close(fd);
	unlink(p->path);
}

static void dgram_socket_is_not(void **state)
{
	struct place *p = *state;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, p->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(start_at(p, p->path, &p->listener), -EADDRINUSE);
	close(fd);
	unlink(p->path);
}

static void other_files_are_kept(void **state)
{
	struct place *p = *state;
	struct stat st;
	char target[112];

	close(open(p->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(start_at(p, p->path, &p->listener), -EEXIST);
	assert_int_equal(unlink(p->path), 0);

	assert_int_equal(mkdir(p->path, 0700), 0);
	assert_int_equal(start_at(p, p->path, &p->listener), -EEXIST);
	assert_int_equal(rmdir(p->path), 0);

	/* A symbolic link, be it to a stale socket */
	snprintf(target, sizeof(target), "%s/t", p->dir);
	leave_stale(target);
	assert_int_equal(symlink(target, p->path), 0);
	assert_int_equal(start_at(p, p->path, &p->listener), -EEXIST);
	assert_int_equal(lstat(target, &st), 0);
	unlink(p->path);
	unlink(target);
	assert_int_equal(count_entries(p->dir), 0);
}

/* Somebody put something else there: that is not ours to remove. */
static void only_our_own_is_removed(void **state)
{
	struct place *p = *state;
	struct stat st;

	assert_int_equal(start_at(p, p->path, &p->listener), 0);
	assert_int_equal(unlink(p->path), 0);
	leave_stale(p->path);
	listener_free(p->listener);
	p->listener = NULL;
	assert_int_equal(lstat(p->path, &st), 0);
	unlink(p->path);
}

static void path_lengths(void **state)
{
	struct place *p = *state;
	char path[110];

	for (size_t len = 95; len <= 108; len++) {
		memset(path, 'x', sizeof(path));
		memcpy(path, p->dir, strlen(p->dir));
		path[strlen(p->dir)] = '/';
		path[len] = 0;
		if (len == 108) {
			assert_int_equal(start_at(p, path, &p->listener),
					 -ENAMETOOLONG);
			break;
		}
		assert_int_equal(start_at(p, path, &p->listener), 0);
		serve(p, path);
		listener_free(p->listener);
		p->listener = NULL;
	}
	assert_int_equal(start_at(p, "", &p->listener), -EINVAL);
	assert_int_equal(start_at(p, "/nonexistent/s", &p->listener), -ENOENT);
}

static void relative_path(void **state)
{
	struct place *p = *state;
	int cwd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(chdir(p->dir), 0);
	leave_stale("s");
	assert_int_equal(start_at(p, "s", &p->listener), 0);
	assert_int_equal(fchdir(cwd), 0);
	close(cwd);
	serve(p, p->path);
	/* ... and is found again: teardown() looks */
}

static int take(struct place *p, int fd)
{
	struct listener_config config = { .fd = fd };

	return listener_new(p->loop, &config, on_client, p, &p->listener);
}

static void inherited_socket(void **state)
{
	struct place *p = *state;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(addr.sun_path, p->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(take(p, fd), 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	serve(p, p->path);
	listener_free(p->listener);
	p->listener = NULL;
	assert_int_equal(unlink(p->path), 0); /* whoever bound it removes it */
}

static void wrong_inherited_sockets(void **state)
{
	struct place *p = *state;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	close(fds[1]);
	assert_int_equal(take(p, fds[0]), -ENOTSOCK);
	assert_int_equal(take(p, fds[0]), -EBADF);
	assert_int_equal(take(p, socket(AF_INET, SOCK_STREAM, 0)),
			 -EAFNOSUPPORT);
	assert_int_equal(take(p, socket(AF_UNIX, SOCK_DGRAM, 0)), -EPROTOTYPE);
	assert_int_equal(take(p, socket(AF_UNIX, SOCK_STREAM, 0)), -EINVAL);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	close(fds[1]);
	assert_int_equal(take(p, fds[0]), -EINVAL);
}

/* Without descriptors the waiting connection must not turn into a busy loop;
 * it is served when there are some again. */
static void no_descriptors_left(void **state)
{
	struct place *p = *state;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct rlimit old, tight;

	assert_int_equal(start_at(p, p->path, &p->listener), 0);
	strcpy(addr.sun_path, p->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)),
			 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	tight = old;
	tight.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	assert_int_equal(loop_run_once(p->loop, 0), 1);
	assert_int_equal(loop_run_once(p->loop, 0), 0); /* looks away */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	clock_run(p->loop, 1 * S); /* and again, now and then */
	assert_true(p->accepted);
	close(fd);
}

#define STARTERS 8
#define ROUNDS   10

/* Many find the same stale path at the same time: one gets it, and it is the
 * one that clients reach. */
static void one_of_many_starters_wins(void **state)
{
	struct place *p = *state;

	for (int round = 0; round < ROUNDS; round++) {
		int go[2], done[2], stay[2], winners = 0;
		char c;

		assert_int_equal(pipe(go), 0);
		assert_int_equal(pipe(done), 0);
		assert_int_equal(pipe(stay), 0);
		leave_stale(p->path);
		for (int i = 0; i < STARTERS; i++) {
			if (fork())
				continue;
			close(go[1]);
			close(stay[1]);
			(void)!read(go[0], &c, 1); /* end of file: go */
			int err = start_at(p, p->path, &p->listener);

			c = !err ? 'y' : err == -EADDRINUSE ? 'n' : '?';
			(void)!write(done[1], &c, 1);
			(void)!read(stay[0], &c, 1);
			listener_free(p->listener);
			_exit(0);
		}
		close(go[0]);
		close(go[1]);
		close(stay[0]);
		for (int i = 0; i < STARTERS; i++) {
			assert_int_equal(read(done[0], &c, 1), 1);
			assert_int_not_equal(c, '?');
			winners += c == 'y';
		}
		assert_int_equal(winners, 1);
		assert_int_equal(try_connect(p->path), 0);
		close(stay[1]);
		close(done[0]);
		close(done[1]);
		while (wait(NULL) > 0)
			;
		assert_int_equal(count_entries(p->dir), 0);
	}
}

#define PLACE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLACE_TEST(fresh_path),
		PLACE_TEST(mode_and_group),
		PLACE_TEST(stale_path_is_replaced),
		PLACE_TEST(live_path_is_not),
		PLACE_TEST(busy_path_is_not),
		PLACE_TEST(dgram_socket_is_not),
		PLACE_TEST(other_files_are_kept),
		PLACE_TEST(only_our_own_is_removed),
		PLACE_TEST(path_lengths),
		PLACE_TEST(relative_path),
		PLACE_TEST(inherited_socket),
		PLACE_TEST(wrong_inherited_sockets),
		PLACE_TEST(no_descriptors_left),
		PLACE_TEST(one_of_many_starters_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
