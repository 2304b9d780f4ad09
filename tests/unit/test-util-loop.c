/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "util/loop.h"

struct counts {
	struct loop *loop;
	int calls;
	struct loop_source *other;
};

static void on_fd(struct loop_source *src, uint32_t events, void *user)
{
	struct counts *c = user;

	assert_true(events & EPOLLIN);
	c->calls++;
	loop_remove(src);
	loop_remove(c->other); /* ready in the same round: must not be called */
}

static void on_never(struct loop_source *src, uint32_t events, void *user)
{
	(void)src;
	(void)events;
	(void)user;
	fail_msg("called after its removal");
}

static void removal_in_the_same_round(void **state)
{
	struct counts c = { 0 };
	struct loop_source *a;
	int p[2];

	(void)state;
	assert_int_equal(loop_new(&c.loop), 0);
	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], "xy", 2), 2);
	int dupfd = dup(p[0]);
	/* Whichever runs first removes the other one. */
	assert_int_equal(loop_add_fd(c.loop, p[0], EPOLLIN, on_fd, &c, &a), 0);
	assert_int_equal(loop_add_fd(c.loop, dupfd, EPOLLIN, on_never, &c,
				     &c.other), 0);
	assert_int_equal(loop_run_once(c.loop, 1000), 2);
	assert_int_equal(c.calls, 1);
	assert_int_equal(loop_run_once(c.loop, 0), 0);
	close(p[0]);
	close(p[1]);
	close(dupfd);
	loop_free(c.loop);
}

static void on_timer(struct loop_source *src, void *user)
{
	struct counts *c = user;

	if (++c->calls == 3)
		loop_stop(c->loop);
	(void)src;
}

static void timer_repeats_until_stop(void **state)
{
	struct counts c = { 0 };
	struct loop_source *t;

	(void)state;
	assert_int_equal(loop_new(&c.loop), 0);
	assert_int_equal(loop_add_timer(c.loop, on_timer, &c, &t), 0);
	assert_int_equal(loop_arm_timer(t, 1000000, 1000000), 0);
	assert_int_equal(loop_run(c.loop), 0);
	assert_int_equal(c.calls, 3);
	loop_remove(t);
	loop_free(c.loop);
}

static void on_signal(struct loop_source *src, int signo, void *user)
{
	struct counts *c = user;

	assert_int_equal(signo, SIGUSR1);
	c->calls++;
	loop_stop(c->loop);
	(void)src;
}

static void signal_is_a_callback(void **state)
{
	struct counts c = { 0 };
	struct loop_source *s;

	(void)state;
	assert_int_equal(loop_new(&c.loop), 0);
	assert_int_equal(loop_add_signal(c.loop, SIGUSR1, on_signal, &c, &s), 0);
	assert_int_equal(kill(getpid(), SIGUSR1), 0);
	assert_int_equal(loop_run(c.loop), 0);
	assert_int_equal(c.calls, 1);
	loop_remove(s);
	loop_free(c.loop);
}

struct counting_poller {
	struct wait_poller poller;
	struct loop *loop;
	int calls;
};

static bool count_poll(struct wait_poller *poller)
{
	struct counting_poller *p = (struct counting_poller *)poller;

	p->calls++;
	if (p->calls == 100)
		loop_stop(p->loop);
	return p->calls < 5;
}

static void heat(struct loop_source *src, void *user)
{
	struct counting_poller *p = user;

	wait_mark_hot(&p->poller);
	(void)src;
}

static void on_stop(struct loop_source *src, void *user)
{
	loop_stop(user);
	(void)src;
}

static void pollers_spin_only_when_hot(void **state)
{
	struct counting_poller p = { .poller.poll = count_poll };
	struct loop_source *t, *stop;

	(void)state;
	assert_int_equal(loop_new(&p.loop), 0);
	wait_add(loop_wait(p.loop), &p.poller);
	assert_int_equal(loop_add_timer(p.loop, on_stop, p.loop, &stop), 0);
	assert_int_equal(loop_arm_timer(stop, 20000000, 0), 0);
	assert_int_equal(loop_run(p.loop), 0);
	assert_int_equal(p.calls, 0); /* cold: never called */
	loop_free(NULL);
	loop_remove(stop);

	struct loop *second;
	assert_int_equal(loop_new(&second), 0);
	wait_remove(loop_wait(p.loop), &p.poller);
	loop_free(p.loop);
	p.loop = second;
	wait_add(loop_wait(second), &p.poller);
	assert_int_equal(loop_add_timer(second, heat, &p, &t), 0);
	assert_int_equal(loop_arm_timer(t, 1000, 1000), 0);
	assert_int_equal(loop_run(second), 0);
	assert_true(p.calls >= 100);
	loop_remove(t);
	wait_remove(loop_wait(second), &p.poller);
	loop_free(second);
}

struct pair_poller {
	struct wait_poller poller;
	struct loop *loop;
	struct pair_poller *other;
	int polls, rests;
};

static bool poll_pair(struct wait_poller *poller)
{
	struct pair_poller *p = (struct pair_poller *)poller;

	p->polls++;
	if (p->other)
		wait_remove(loop_wait(p->loop), &p->other->poller);
	return false;
}

static void rest_pair(struct wait_poller *poller)
{
	struct pair_poller *p = (struct pair_poller *)poller;

	p->rests++;
	loop_stop(p->loop);
}

static void heat_pair(struct loop_source *src, void *user)
{
	struct pair_poller *p = user;

	(void)src;
	wait_mark_hot(&p->poller);
	wait_mark_hot(&p->other->poller);
}

/* One poller removes the next in its round; the one that is left is told when
 * polling ends, and the one that is gone is not called again. */
static void pollers_may_remove_each_other(void **state)
{
	struct pair_poller a = { .poller = { poll_pair, rest_pair } };
	struct pair_poller b = { .poller = { poll_pair, rest_pair } };
	struct loop_source *t;

	(void)state;
	assert_int_equal(loop_new(&a.loop), 0);
	b.loop = a.loop;
	a.other = &b;
	wait_add(loop_wait(a.loop), &b.poller);
	wait_add(loop_wait(a.loop), &a.poller); /* in front of b */
	assert_int_equal(loop_add_timer(a.loop, heat_pair, &a, &t), 0);
	assert_int_equal(loop_arm_timer(t, 1, 0), 0);
	assert_int_equal(loop_run(a.loop), 0);
	assert_true(a.polls > 0);
	assert_int_equal(a.rests, 1);
	assert_int_equal(b.polls, 0);
	assert_int_equal(b.rests, 0);
	loop_remove(t);
	wait_remove(loop_wait(a.loop), &a.poller);
	loop_free(a.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(removal_in_the_same_round),
		cmocka_unit_test(timer_repeats_until_stop),
		cmocka_unit_test(signal_is_a_callback),
		cmocka_unit_test(pollers_spin_only_when_hot),
		cmocka_unit_test(pollers_may_remove_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
