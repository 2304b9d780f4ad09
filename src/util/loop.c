/* SPDX-License-Identifier: MIT */
#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include "cleanup.h"
#include "list.h"

#define LOOP_MAX_EVENTS 64

enum source_kind { SOURCE_FD, SOURCE_TIMER, SOURCE_SIGNAL };

struct loop_source {
	struct list link;
	struct loop *loop;
	enum source_kind kind;
	int fd;
	bool owns_fd;
	bool dead;
	uint32_t events;
	union {
		loop_fd_fn fd;
		loop_timer_fn timer;
		loop_signal_fn signal;
	} fn;
	void *user;
};

struct loop {
	int epfd;
	int wake_fd;
	atomic_bool stop;
	struct list sources;
	struct list dead; /* removed in this round, freed after it */
	struct wait wait;
};

int loop_new(struct loop **ret_loop)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };
	struct loop *loop = calloc(1, sizeof(*loop));
	int err;

	if (!loop)
		return -ENOMEM;
	list_init(&loop->sources);
	list_init(&loop->dead);
	wait_init(&loop->wait);
	loop->wake_fd = -1;
	loop->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epfd < 0)
		goto fail;
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->wake_fd < 0)
		goto fail;
	if (epoll_ctl(loop->epfd, EPOLL_CTL_ADD, loop->wake_fd, &ev) < 0)
		goto fail;
	*ret_loop = loop;
	return 0;
fail:
	err = -errno;
	close_fd(loop->wake_fd);
	close_fd(loop->epfd);
	free(loop);
	return err;
}

static void reap(struct loop *loop)
{
	list_for_each_safe(n, &loop->dead) {
		list_remove(n);
		free(list_entry(n, struct loop_source, link));
	}
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	reap(loop);
	close_fd(loop->wake_fd);
	close_fd(loop->epfd);
	free(loop);
}

static int add_source(struct loop *loop, enum source_kind kind, int fd,
		      bool owns_fd, uint32_t events, void *user,
		      struct loop_source **ret_src)
{
	struct loop_source *src = calloc(1, sizeof(*src));
	struct epoll_event ev = { .events = events };

	if (!src)
		return -ENOMEM;
	src->loop = loop;
	src->kind = kind;
	src->fd = fd;
	src->owns_fd = owns_fd;
	src->user = user;
	src->events = events;
	ev.data.ptr = src;
	if (epoll_ctl(loop->epfd, EPOLL_CTL_ADD, fd, &ev) < 0) {
		int err = -errno;

		free(src);
		return err;
	}
	list_insert(&loop->sources, &src->link);
	*ret_src = src;
	return 0;
}

int loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_fn fn,
		void *user, struct loop_source **ret_src)
{
	int err = add_source(loop, SOURCE_FD, fd, false, events, user, ret_src);

	if (!err)
		(*ret_src)->fn.fd = fn;
	return err;
}

static int control(struct loop_source *src, int op)
{
	struct epoll_event ev = { .events = src->events, .data.ptr = src };

	return epoll_ctl(src->loop->epfd, op, src->fd, &ev) < 0 ? -errno : 0;
}

int loop_set_events(struct loop_source *src, uint32_t events)
{
	src->events = events;
	return control(src, EPOLL_CTL_MOD);
}

int loop_add_timer(struct loop *loop, loop_timer_fn fn, void *user,
		   struct loop_source **ret_src)
{
	cleanup_fd int fd =
		timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	int err;

	if (fd < 0)
		return -errno;
	err = add_source(loop, SOURCE_TIMER, fd, true, EPOLLIN, user, ret_src);
	if (err)
		return err;
	steal_fd(&fd);
	(*ret_src)->fn.timer = fn;
	return 0;
}

int loop_arm_timer(struct loop_source *src, uint64_t ns, uint64_t interval_ns)
{
	struct itimerspec its = {
		.it_value = { .tv_sec = (time_t)(ns / 1000000000ull),
			      .tv_nsec = (long)(ns % 1000000000ull) },
		.it_interval = { .tv_sec =
					 (time_t)(interval_ns / 1000000000ull),
				 .tv_nsec =
					 (long)(interval_ns % 1000000000ull) },
	};

	if (timerfd_settime(src->fd, 0, &its, NULL) < 0)
		return -errno;
	return 0;
}

int loop_add_signal(struct loop *loop, int signo, loop_signal_fn fn, void *user,
		    struct loop_source **ret_src)
{
	cleanup_fd int fd = -1;
	sigset_t set;
	int err;

	sigemptyset(&set);
	sigaddset(&set, signo);
	err = pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (err)
		return -err;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	err = add_source(loop, SOURCE_SIGNAL, fd, true, EPOLLIN, user, ret_src);
	if (err)
		return err;
	steal_fd(&fd);
	(*ret_src)->fn.signal = fn;
	return 0;
}

void loop_remove(struct loop_source *src)
{
	if (!src || src->dead)
		return;
	/* The fd is open by contract; were it not, epoll has forgotten it. */
	(void)control(src, EPOLL_CTL_DEL);
	if (src->owns_fd)
		src->fd = close_fd(src->fd);
	src->dead = true;
	list_remove(&src->link);
	list_insert(&src->loop->dead, &src->link);
}

void loop_stop(struct loop *loop)
{
	uint64_t one = 1;

	atomic_store(&loop->stop, true);
	/* Fails only when the counter is full: then it is awake anyway. */
	if (write(loop->wake_fd, &one, sizeof(one)) < 0)
		return;
}

struct wait *loop_wait(struct loop *loop)
{
	return &loop->wait;
}

static void dispatch(struct loop *loop, const struct epoll_event *ev)
{
	struct loop_source *src = ev->data.ptr;

	if (!src) {
		uint64_t n;

		if (read(loop->wake_fd, &n, sizeof(n)) < 0)
			return; /* somebody's wake-up was already taken */
		return;
	}
	if (src->dead)
		return;
	switch (src->kind) {
	case SOURCE_FD:
		src->fn.fd(src, ev->events, src->user);
		break;
	case SOURCE_TIMER: {
		uint64_t n;

		/* Re-armed since epoll reported it: not due any more. */
		if (read(src->fd, &n, sizeof(n)) != (ssize_t)sizeof(n))
			break;
		src->fn.timer(src, src->user);
		break;
	}
	case SOURCE_SIGNAL: {
		struct signalfd_siginfo si;

		if (read(src->fd, &si, sizeof(si)) != (ssize_t)sizeof(si))
			break;
		src->fn.signal(src, (int)si.ssi_signo, src->user);
		break;
	}
	}
}

/* Call what is ready, wait at most @timeout_ms. */
static int dispatch_ready(struct loop *loop, int timeout_ms)
{
	struct epoll_event ev[LOOP_MAX_EVENTS];
	int n = epoll_wait(loop->epfd, ev, LOOP_MAX_EVENTS, timeout_ms);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++)
		dispatch(loop, &ev[i]);
	reap(loop);
	return n;
}

int loop_run_once(struct loop *loop, int timeout_ms)
{
	return dispatch_ready(loop, timeout_ms);
}

int loop_run(struct loop *loop)
{
	int n = 0;

	while (n >= 0) {
		bool more = wait_spin(&loop->wait, &loop->stop);

		if (atomic_load(&loop->stop))
			return 0;
		n = dispatch_ready(loop, more ? 0 : -1);
	}
	return n;
}
