/* SPDX-License-Identifier: MIT */
/* Descriptors beside bytes: what is sent, what is taken, what is closed. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/fds.h"

static bool hang;
static unsigned n_closed; /* behind the scenes */

bool __wrap_foreign_fds_hang(void);
void __real_foreign_fd_close(int fd);
void __wrap_foreign_fd_close(int fd);

bool __wrap_foreign_fds_hang(void)
{
	return hang;
}

void __wrap_foreign_fd_close(int fd)
{
	n_closed++;
	__real_foreign_fd_close(fd);
}

static unsigned count_open(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static int setup(void **state)
{
	static int sock[2];

	hang = false;
	n_closed = 0;
	*state = sock;
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock);
}

static int teardown(void **state)
{
	int *sock = *state;

	close(sock[0]);
	close(sock[1]);
	return 0;
}

/* @text with @n times the same descriptor beside it */
static ssize_t send_many(int sock, const char *text, size_t n)
{
	struct iovec iov = { (void *)text, strlen(text) };
	int fds[FDS_MAX + 1], fd = eventfd(7, EFD_CLOEXEC);
	ssize_t ret;

	assert_true(fd >= 0);
	for (size_t i = 0; i < n; i++)
		fds[i] = fd;
	ret = fds_send(sock, &iov, 1, fds, n, MSG_DONTWAIT);
	close(fd);
	return ret;
}

static void close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(close(fds[i]), 0);
}

static void test_bytes_alone(void **state)
{
	int *sock = *state;
	struct iovec iov[2] = { { "ab", 2 }, { "cde", 3 } };
	size_t n_fds = 0;
	char buf[8];

	assert_int_equal(fds_receive(sock[1], buf, sizeof(buf), NULL, 0, &n_fds), -EAGAIN);
	assert_int_equal(fds_send(sock[0], iov, 2, NULL, 0, 0), 5);
	assert_int_equal(fds_receive(sock[1], buf, sizeof(buf), NULL, 0, &n_fds), 5);
	assert_memory_equal(buf, "abcde", 5);
	assert_int_equal(n_fds, 0);
	shutdown(sock[0], SHUT_WR);
	assert_int_equal(fds_receive(sock[1], buf, sizeof(buf), NULL, 0, &n_fds), 0);
}

static void test_they_are_kept_behind_those_that_are_there(void **state)
{
	int *sock = *state, fds[4] = { -2, -2, -2, -2 };
	unsigned open = count_open();
	size_t n_fds = 1;
	eventfd_t value;
	char buf[8];

	assert_int_equal(send_many(sock[0], "x", 2), 1);
	assert_int_equal(fds_receive(sock[1], buf, sizeof(buf), fds, 4, &n_fds), 1);
	assert_int_equal(n_fds, 3);
	assert_int_equal(fds[0], -2);
	assert_int_equal(fds[3], -2);
	for (size_t i = 1; i < 3; i++)
		assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
	assert_int_equal(eventfd_read(fds[1], &value), 0);
	assert_int_equal(value, 7);
	close_all(fds + 1, 2);
	assert_int_equal(count_open(), open);
}

static void test_a_call_ends_behind_what_came_with_some(void **state)
{
	int *sock = *state, fds[4];
	size_t n_fds = 0;
	char buf[8];

	assert_int_equal(send_many(sock[0], "one", 1), 3);
	assert_int_equal(send_many(sock[0], "two", 1), 3);
	assert_int_equal(fds_receive(sock[1], buf, sizeof(buf), fds, 4, &n_fds), 3);
	assert_int_equal(n_fds, 1);
	assert_int_equal(fds_receive(sock[1], buf, sizeof(buf), fds, 4, &n_fds), 3);
	assert_int_equal(n_fds, 2);
	close_all(fds, 2);
}

static void test_as_many_as_may(void **state)
{
	int *sock = *state, fds[FDS_MAX];
	unsigned open = count_open();
	size_t n_fds = 0;
	char buf[8];

	/* Also where the room of a control message is not a multiple of 8. */
	for (size_t max = 1; max <= 3; max++) {
		assert_int_equal(send_many(sock[0], "x", max), 1);
		assert_int_equal(fds_receive(sock[1], buf, sizeof(buf), fds, max, &n_fds), 1);
		assert_int_equal(n_fds, max);
		close_all(fds, n_fds);
		n_fds = 0;
	}
	assert_int_equal(send_many(sock[0], "x", FDS_MAX), 1);
	assert_int_equal(fds_receive(sock[1], buf, sizeof(buf), fds, FDS_MAX, &n_fds), 1);
	assert_int_equal(n_fds, FDS_MAX);
	close_all(fds, n_fds);
	assert_int_equal(send_many(sock[0], "x", FDS_MAX + 1), -E2BIG);
	assert_int_equal(count_open(), open);
	assert_int_equal(n_closed, 0);
}

static void test_more_than_may(void **state)
{
	int *sock = *state, fds[4];
	unsigned open = count_open();
	char buf[8];

	for (size_t max = 0; max <= 3; max++) {
		size_t n_fds = 0;

		n_closed = 0;
		assert_int_equal(send_many(sock[0], "x", max + 1), 1);
		assert_int_equal(fds_receive(sock[1], buf, sizeof(buf), fds, max, &n_fds), -EMSGSIZE);
		assert_int_equal(n_fds, 0);
		assert_int_equal(n_closed, max);
		assert_int_equal(count_open(), open);
	}
	/* Those that were there before stay. */
	fds[0] = -2;
	size_t one = 1;

	assert_int_equal(send_many(sock[0], "x", 2), 1);
	assert_int_equal(fds_receive(sock[1], buf, sizeof(buf), fds, 2, &one), -EMSGSIZE);
	assert_int_equal(one, 1);
	assert_int_equal(fds[0], -2);
	assert_int_equal(count_open(), open);
}

static void test_no_descriptors_left(void **state)
{
	int *sock = *state, fds[8], last = dup(sock[0]);
	unsigned open = count_open();
	struct rlimit old, few;
	size_t n_fds = 0;
	char buf[8];

	assert_int_equal(send_many(sock[0], "x", 8), 1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = (rlim_t)last + 4; /* room for three of the eight */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(fds_receive(sock[1], buf, sizeof(buf), fds, 8, &n_fds), -EMSGSIZE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(n_fds, 0);
	assert_int_equal(n_closed, 3);
	assert_int_equal(count_open(), open);
	close(last);
}

static void test_none_while_others_hang(void **state)
{
	int *sock = *state, fds[4];
	unsigned open = count_open();
	size_t n_fds = 0;
	char buf[8];

	hang = true;
	assert_int_equal(send_many(sock[0], "x", 1), 1);
	assert_int_equal(fds_receive(sock[1], buf, sizeof(buf), fds, 4, &n_fds), -EMFILE);
	assert_int_equal(n_fds, 0);
	assert_int_equal(count_open(), open);
	/* Who sends none is served. */
	assert_int_equal(send_many(sock[0], "yz", 0), 2);
	assert_int_equal(fds_receive(sock[1], buf, sizeof(buf), fds, 4, &n_fds), 2);
	hang = false;
	assert_int_equal(send_many(sock[0], "x", 1), 1);
	assert_int_equal(fds_receive(sock[1], buf, sizeof(buf), fds, 4, &n_fds), 1);
	assert_int_equal(n_fds, 1);
	close_all(fds, 1);
}

static void test_sending_to_nobody(void **state)
{
	int *sock = *state, fds[1] = { sock[0] };
	struct iovec iov = { "x", 1 };

	shutdown(sock[1], SHUT_RD);
	assert_int_equal(fds_send(sock[0], &iov, 1, fds, 1, 0), -EPIPE); /* and no SIGPIPE */
}

static void test_a_full_socket(void **state)
{
	static char much[1 << 20];
	int *sock = *state, fds[1] = { sock[0] };
	struct iovec iov = { much, sizeof(much) };
	ssize_t n = fds_send(sock[0], &iov, 1, NULL, 0, MSG_DONTWAIT);

	assert_in_range(n, 1, sizeof(much) - 1);
	while (n > 0)
		n = fds_send(sock[0], &iov, 1, fds, 1, MSG_DONTWAIT);
	assert_int_equal(n, -EAGAIN);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_bytes_alone),
		TEST(test_they_are_kept_behind_those_that_are_there),
		TEST(test_a_call_ends_behind_what_came_with_some),
		TEST(test_as_many_as_may),
		TEST(test_more_than_may),
		TEST(test_no_descriptors_left),
		TEST(test_none_while_others_hang),
		TEST(test_sending_to_nobody),
		TEST(test_a_full_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
