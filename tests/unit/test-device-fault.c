/* SPDX-License-Identifier: MIT */
/*
 * Every step of an instance's life and of a client's that can fail does so
 * once: what the system refuses (memory, descriptors, mappings) reaches the
 * client as an error or ends its connection, nothing is lost, and the next
 * client is served.
 *
 * As in test-dma-fault.c the linker puts our functions in the place of the C
 * library's; the n-th of their calls fails, for n = 1, 2, ... until all gets
 * through.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "device/eventfd.h"
#include "rig/driver.h"
#include "dma/budget.h"
#include "rig/clock.h"
#include "session/private.h"
#include "vfio-user-build.h"

#define MIB	  (1u << 20)
#define MAX_CALLS 400
#define N_EVENTS  3

/* ------------------------------------------------------------------ */
/* Failures                                                            */
/* ------------------------------------------------------------------ */

static int fail_in; /* this many calls from now; 0: never */
static bool failed;

static bool fails(int err)
{
	if (!fail_in || --fail_in)
		return false;
	failed = true;
	errno = err;
	return true;
}

#define WRAP(type, name, params, args, err, bad)                               \
	type __real_##name params;                                             \
	type __wrap_##name params;                                             \
	type __wrap_##name params                                              \
	{                                                                      \
		return fails(err) ? (bad) : __real_##name args;                \
	}

WRAP(void *, malloc, (size_t n), (n), ENOMEM, NULL)
WRAP(void *, calloc, (size_t n, size_t size), (n, size), ENOMEM, NULL)
WRAP(void *, mmap64, (void *p, size_t n, int prot, int flags, int fd, off_t at),
     (p, n, prot, flags, fd, at), ENOMEM, MAP_FAILED)
WRAP(int, eventfd, (unsigned n, int flags), (n, flags), EMFILE, -1)
WRAP(int, ftruncate64, (int fd, off_t n), (fd, n), ENOSPC, -1)
WRAP(int, memfd_create, (const char *name, unsigned flags), (name, flags),
     EMFILE, -1)
WRAP(int, timerfd_create, (int clock, int flags), (clock, flags), EMFILE, -1)
WRAP(int, socketpair, (int domain, int type, int protocol, int *sv),
     (domain, type, protocol, sv), EMFILE, -1)
WRAP(int, getsockopt, (int fd, int level, int name, void *p, socklen_t *len),
     (fd, level, name, p, len), ENOBUFS, -1)
WRAP(ssize_t, readlink, (const char *path, char *buf, size_t n), (path, buf, n),
     ENOENT, -1)

/* Taking an fd out does not fail. */
int __real_epoll_ctl(int ep, int op, int fd, struct epoll_event *ev);
int __wrap_epoll_ctl(int ep, int op, int fd, struct epoll_event *ev);
int __wrap_epoll_ctl(int ep, int op, int fd, struct epoll_event *ev)
{
	if (op != EPOLL_CTL_DEL && fails(ENOSPC))
		return -1;
	return __real_epoll_ctl(ep, op, fd, ev);
}

int __real_fcntl64(int fd, int op, ...);
int __wrap_fcntl64(int fd, int op, ...);
int __wrap_fcntl64(int fd, int op, ...)
{
	va_list ap;
	long arg;

	va_start(ap, op);
	arg = va_arg(ap, long);
	va_end(ap);
	return fails(EMFILE) ? -1 : __real_fcntl64(fd, op, arg);
}

static size_t open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* What may be on a disk - and where the question failed, all may be - is closed
 * by a thread of its own, a moment later. */
static void assert_open_fds(size_t n)
{
	for (int i = 0; i < 5000 && open_fds() != n; i++)
		usleep(1000);
	assert_int_equal(open_fds(), n);
}

/* ------------------------------------------------------------------ */
/* An instance                                                         */
/* ------------------------------------------------------------------ */

static struct rig rig;
static struct dma_budgets *budgets;

static int create(struct vgpu_core **ret_core)
{
	struct device_config config = {
		.loop = rig.loop,
		.module = rig.module,
		.type = module_find_type(rig.module, "testdev"),
		.budgets = budgets,
	};

	return device_create(&config, ret_core);
}

static int setup(void **state)
{
	(void)state;
	fail_in = 0;
	assert_int_equal(loop_new(&rig.loop), 0);
	assert_int_equal(module_from(&vgpu_driver_module, &rig.module), 0);
	assert_int_equal(dma_budgets_new(64 * MIB, &budgets), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dma_budgets_free(budgets);
	module_close(rig.module);
	loop_free(rig.loop);
	return 0;
}

static void an_instance_is_made_whole_or_not_at_all(void **state)
{
	size_t before = open_fds();
	int n = 1;

	(void)state;
	for (;; n++) {
		struct vgpu_core *core = NULL;
		int err;

		assert_true(n < MAX_CALLS);
		failed = false;
		fail_in = n;
		err = create(&core);
		fail_in = 0;
		if (!failed) {
			assert_int_equal(err, 0);
			device_destroy(core);
			break;
		}
		if (err) {
			assert_true(err < 0);
			assert_null(core);
		} else {
			device_destroy(core); /* it could do without */
		}
		loop_run_once(rig.loop, 0);
		assert_open_fds(before);
	}
	assert_true(n > 20);
	assert_open_fds(before);
}

/* ------------------------------------------------------------------ */
/* A conversation                                                      */
/* ------------------------------------------------------------------ */

static struct build b;
static uint8_t in[VFIO_USER_MAX_MSG_SIZE];
static int ram, events[N_EVENTS];
static uint16_t next_id;

static void run(void)
{
	while (loop_run_once(rig.loop, 0) > 0)
		;
}

/* Send what was built, and let it be served. */
static void say(int peer, const int *fds, size_t n_fds)
{
	char control[CMSG_SPACE(N_EVENTS * sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = b.bytes };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	finish(&b);
	poke(&b, 0, next_id++, 2);
	iov.iov_len = b.len;
	if (n_fds) {
		struct cmsghdr *c;

		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	/* The connection may be over; hear() will see. */
	if (sendmsg(peer, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		assert_true(errno == EPIPE || errno == ECONNRESET);
	run();
}

static void say_set_irqs(int peer, unsigned index, unsigned flags, size_t count)
{
	start(&b, VFIO_USER_DEVICE_SET_IRQS);
	put(&b, 20, 4);
	put(&b, flags, 4);
	put(&b, index, 4);
	put(&b, 0, 4);
	put(&b, count, 4);
	say(peer, events, flags & VFIO_USER_IRQ_SET_DATA_EVENTFD ? count : 0);
}

/* One of each that needs something of the system */
static void say_all(int peer)
{
	static const char caps[] = "{\"capabilities\":{\"twin_socket\":"
				   "{\"supported\":true}}}";

	start(&b, VFIO_USER_VERSION);
	put(&b, 0, 2);
	put(&b, 1, 2);
	put_bytes(&b, caps, sizeof(caps));
	say(peer, NULL, 0);
	start(&b, VFIO_USER_DMA_MAP);
	put(&b, 32, 4);
	put(&b, 3, 4);
	put(&b, 0, 8);
	put(&b, 0, 8);
	put(&b, MIB, 8);
	say(peer, &ram, 1);
	for (unsigned i = 0; i < VGPU_NUM_REGIONS; i++) {
		start(&b, VFIO_USER_DEVICE_GET_REGION_INFO);
		put(&b, 4096, 4);
		put(&b, 0, 4);
		put(&b, i, 4);
		put(&b, 0, 20);
		say(peer, NULL, 0);
		start(&b, VFIO_USER_DEVICE_GET_REGION_IO_FDS);
		put(&b, 4096, 4);
		put(&b, 0, 4);
		put(&b, i, 4);
		put(&b, 0, 4);
		say(peer, NULL, 0);
	}
	say_set_irqs(peer, VGPU_IRQ_INTX, 0x24, 1);
	say_set_irqs(peer, VGPU_IRQ_INTX, 0x14, 1);
	say_set_irqs(peer, VGPU_IRQ_MSIX, 0x24, N_EVENTS);
	start(&b, VFIO_USER_DEVICE_RESET);
	say(peer, NULL, 0);
	start(&b, VFIO_USER_DMA_UNMAP);
	put(&b, 24, 4);
	put(&b, 0, 4);
	put(&b, 0, 8);
	put(&b, MIB, 8);
	say(peer, NULL, 0);
}

/* Replies with the ids of the requests, in their order, each good or an error;
 * none is missing unless the connection is over. Return: errors. */
static unsigned hear_all(int peer, unsigned asked)
{
	char control[CMSG_SPACE(16 * sizeof(int))];
	unsigned errors = 0, replies = 0;
	size_t have = 0;
	bool over = false;

	while (!over) {
		struct iovec iov = { in + have, sizeof(in) - have };
		struct msghdr msg = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control),
		};
		ssize_t n = recvmsg(peer, &msg, MSG_DONTWAIT);

		if (n <= 0) {
			over = n == 0 || errno == ECONNRESET;
			break;
		}
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c;
		     c = CMSG_NXTHDR(&msg, c))
			for (size_t i = 0;
			     CMSG_LEN(i * sizeof(int)) < c->cmsg_len; i++)
				close(((int *)CMSG_DATA(c))[i]);
		have += (size_t)n;
	}
	for (size_t at = 0; at < have; replies++) {
		size_t size = peek(in, at + 4, 4);
		uint32_t flags = (uint32_t)peek(in, at + 8, 4);

		assert_true(size >= 16 && size <= have - at);
		assert_int_equal(peek(in, at, 2),
				 (uint16_t)(next_id - asked + replies));
		assert_int_equal(flags & VFIO_USER_TYPE_MASK,
				 VFIO_USER_TYPE_REPLY);
		if (flags & VFIO_USER_ERROR) {
			assert_true(peek(in, at + 12, 4) != 0);
			errors++;
		}
		at += size;
	}
	if (!over)
		assert_int_equal(replies, asked);
	return over ? errors + 1 : errors;
}

/* A client comes, speaks and leaves. Return: what was refused to it. */
static unsigned visit(struct session_server *server, int n)
{
	uint16_t first = next_id;
	unsigned errors;
	int sv[2], err;

	fail_in = 0;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv),
			 0);
	failed = false;
	fail_in = n;
	err = session_server_accept(server, sv[0]);
	if (err) {
		assert_null(server->core->client);
		errors = 1;
	} else {
		say_all(sv[1]);
		errors = hear_all(sv[1], (uint16_t)(next_id - first));
	}
	close(sv[1]);
	run();
	fail_in = 0;
	/* What could not leave at once has a time limit. */
	clock_run(rig.loop, 10 * S);
	assert_null(server->core->client);
	run();
	return errors;
}

static void a_client_is_served_whatever_failed_before(void **state)
{
	struct session_server *server;
	struct vgpu_core *core;
	unsigned refused = 0;
	size_t before;
	int n = 1;

	(void)state;
	ram = memfd_create("ram", MFD_CLOEXEC);
	assert_int_equal(ftruncate(ram, MIB), 0);
	for (int i = 0; i < N_EVENTS; i++)
		events[i] = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(create(&core), 0);
	assert_int_equal(session_server_new(core, &server), 0);
	/* The first one finds all as it was made, the others what was renewed,
	 * and tables that the first one has brought. */
	assert_int_equal(visit(server, 0), 0);
	before = open_fds();
	for (;; n++) {
		unsigned errors;

		assert_true(n < MAX_CALLS);
		errors = visit(server, n);
		assert_open_fds(before);
		if (!failed) {
			assert_int_equal(errors, 0);
			break;
		}
		refused += errors;
		assert_int_equal(visit(server, 0), 0);
		assert_open_fds(before);
	}
	assert_true(n > 30 && refused > 20);
	session_server_free(server);
	device_destroy(core);
	close(ram);
	for (int i = 0; i < N_EVENTS; i++)
		close(events[i]);
	free(b.bytes);
	b.bytes = NULL;
}

/* In a sandbox there is no /proc to ask. */
static void eventfds_are_known_without_proc(void **state)
{
	int event = eventfd(0, EFD_CLOEXEC), p[2];
	int file = memfd_create("file", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(pipe(p), 0);
	/* The first call that can fail is fcntl(), the second readlink(). */
	fail_in = 2;
	assert_true(eventfd_check(event));
	fail_in = 2;
	assert_false(eventfd_check(p[0]));
	fail_in = 2;
	assert_false(eventfd_check(file));
	fail_in = 0;
	assert_false(eventfd_check(p[1]));
	assert_false(eventfd_check(-1));
	close(event);
	close(file);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			an_instance_is_made_whole_or_not_at_all, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			a_client_is_served_whatever_failed_before, setup,
			teardown),
		cmocka_unit_test(eventfds_are_known_without_proc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
