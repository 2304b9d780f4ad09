/* SPDX-License-Identifier: MIT */
/* Ways of waiting. How one waits costs more than all the rest. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "util/wait.h"

void fail(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what,
		strerror(errno));
	exit(1);
}

/* On one cpu of those that we may use; on two cpus a hub has the third one, or
 * where there is none the client's. */
void pin(enum place place, enum role role)
{
	cpu_set_t all, one;
	int cpus[3], n = 0;

	if (place == PLACE_FREE)
		return;
	if (sched_getaffinity(0, sizeof(all), &all) < 0)
		fail("sched_getaffinity");
	for (int i = 0; i < CPU_SETSIZE && n < 3; i++)
		if (CPU_ISSET(i, &all))
			cpus[n++] = i;
	CPU_ZERO(&one);
	CPU_SET(cpus[place == PLACE_TWO && (int)role < n ? (int)role : 0],
		&one);
	if (sched_setaffinity(0, sizeof(one), &one) < 0)
		fail("sched_setaffinity");
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

/* Nothing was there. Give the other side a chance; sleep when it is time to. */
static void pause_for(enum way way, int fd, short events, uint64_t *since)
{
	static struct wait wait; /* a process has one loop */
	struct pollfd p = { .fd = fd, .events = events };
	uint64_t now;
	bool again;

	if (way == WAY_SPIN)
		return;
	now = now_ns();
	if (!*since)
		*since = wait.came = now;
	again = way == WAY_LOOP ? wait_again(&wait, now)
				: now - *since < YIELD_NS;
	if (!again && poll(&p, 1, -1) < 0)
		fail("poll");
	if (again && way == WAY_YIELD)
		sched_yield();
}

ssize_t way_recv(enum way way, int sock, void *buf, size_t len)
{
	uint64_t since = 0;

	for (;;) {
		ssize_t n = recv(sock, buf, len,
				 way == WAY_BLOCK ? 0 : MSG_DONTWAIT);

		if (n >= 0)
			return n;
		if (errno == ECONNRESET)
			return 0;
		if (errno != EAGAIN)
			fail("recv");
		pause_for(way, sock, POLLIN, &since);
	}
}

ssize_t way_recv_fd(enum way way, int sock, void *buf, size_t len, int *fd)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	uint64_t since = 0;

	*fd = -1;
	for (;;) {
		struct msghdr msg = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control),
		};
		ssize_t n =
			recvmsg(sock, &msg,
				MSG_CMSG_CLOEXEC |
					(way == WAY_BLOCK ? 0 : MSG_DONTWAIT));
		struct cmsghdr *c;

		if (n >= 0) {
			c = CMSG_FIRSTHDR(&msg);
			if (c)
				memcpy(fd, CMSG_DATA(c), sizeof(*fd));
			return n;
		}
		if (errno != EAGAIN)
			fail("recvmsg");
		pause_for(way, sock, POLLIN, &since);
	}
}

void way_recv_all(enum way way, int sock, void *buf, size_t len)
{
	while (len) {
		ssize_t n = way_recv(way, sock, buf, len);

		if (!n) {
			errno = ECONNRESET;
			fail("the server closed");
		}
		buf = (char *)buf + n;
		len -= (size_t)n;
	}
}

void way_send_all(enum way way, int sock, const void *buf, size_t len)
{
	uint64_t since = 0;

	while (len) {
		ssize_t n = send(sock, buf, len,
				 MSG_NOSIGNAL |
					 (way == WAY_BLOCK ? 0 : MSG_DONTWAIT));

		if (n < 0) {
			if (errno != EAGAIN)
				fail("send");
			pause_for(way, sock, POLLOUT, &since);
			continue;
		}
		since = 0;
		buf = (const char *)buf + n;
		len -= (size_t)n;
	}
}

int way_eventfd(enum way way)
{
	int fd =
		eventfd(0, EFD_CLOEXEC | (way == WAY_BLOCK ? 0 : EFD_NONBLOCK));

	if (fd < 0)
		fail("eventfd");
	return fd;
}

void way_wait_event(enum way way, int event)
{
	uint64_t n, since = 0;

	while (read(event, &n, sizeof(n)) < 0) {
		if (errno != EAGAIN)
			fail("eventfd");
		pause_for(way, event, POLLIN, &since);
	}
}
