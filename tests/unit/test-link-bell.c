/* SPDX-License-Identifier: MIT */
/* Doorbells between a worker and its parent: none is lost, whoever sleeps, and
 * one who misuses them harms nobody else. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "link/bell.h"
#include "link/shared.h"
#include "util/cleanup.h"
#include "util/loop.h"

struct end {
	struct loop *loop;
	struct bell *bell;
	_Atomic unsigned rung;
	_Atomic unsigned *shared; /* counts up; read when rung */
	unsigned seen, stop_at;
	struct bell *answer; /* ring it for each */
	bool free_it;
};

static void on_rung(void *user)
{
	struct end *e = user;

	e->rung++;
	if (e->shared)
		e->seen = atomic_load_explicit(e->shared, memory_order_relaxed);
	if (e->answer)
		bell_ring(e->answer);
	if (e->stop_at && e->seen >= e->stop_at)
		loop_stop(e->loop);
	if (e->free_it) {
		bell_free(e->bell);
		e->bell = NULL;
	}
}

struct rig {
	struct end parent, worker;
	int wake_of_parent, page; /* what the worker has */
};

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	int p[BELL_N_FDS], w[BELL_N_FDS];

	assert_non_null(r);
	signal(SIGPIPE, SIG_IGN); /* as the programs do */
	assert_int_equal(bell_make(p, w), 0);
	r->wake_of_parent = dup(w[BELL_FD_OTHER]);
	r->page = dup(w[BELL_FD_PAGE]);
	assert_int_equal(loop_new(&r->parent.loop), 0);
	assert_int_equal(loop_new(&r->worker.loop), 0);
	assert_int_equal(bell_new(r->parent.loop, BELL_PARENT, p, on_rung,
				  &r->parent, &r->parent.bell),
			 0);
	assert_int_equal(bell_new(r->worker.loop, BELL_WORKER, w, on_rung,
				  &r->worker, &r->worker.bell),
			 0);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	bell_free(r->parent.bell);
	bell_free(r->worker.bell);
	loop_free(r->parent.loop);
	loop_free(r->worker.loop);
	close_fd(r->wake_of_parent);
	close_fd(r->page);
	free(r);
	return 0;
}

static void turn(struct end *e)
{
	while (loop_run_once(e->loop, 0) > 0)
		;
}

static void test_one_for_many(void **state)
{
	struct rig *r = *state;

	turn(&r->parent);
	assert_int_equal(r->parent.rung, 0);
	for (unsigned i = 0; i < 100000; i++) /* more than a pipe holds */
		bell_ring(r->worker.bell);
	turn(&r->parent);
	assert_int_equal(r->parent.rung, 1);
	turn(&r->parent);
	assert_int_equal(r->parent.rung, 1);
	bell_ring(r->worker.bell);
	turn(&r->parent);
	assert_int_equal(r->parent.rung, 2);
	assert_int_equal(r->worker.rung, 0);
	bell_ring(r->parent.bell);
	turn(&r->worker);
	assert_int_equal(r->worker.rung, 1);
}

static void test_freed_in_its_own_call(void **state)
{
	struct rig *r = *state;

	r->parent.free_it = true;
	bell_ring(r->worker.bell);
	turn(&r->parent);
	assert_int_equal(r->parent.rung, 1);
	bell_ring(r->worker.bell); /* to nobody */
	turn(&r->parent);
	assert_int_equal(r->parent.rung, 1);
}

static void test_muted(void **state)
{
	struct rig *r = *state;

	bell_ring(r->worker.bell);
	bell_mute(r->parent.bell);
	turn(&r->parent);
	assert_int_equal(r->parent.rung, 0);
	bell_ring(r->parent.bell);
	turn(&r->worker);
	assert_int_equal(r->worker.rung, 1);
}

static void test_the_other_side_has_gone(void **state)
{
	struct rig *r = *state;

	bell_free(r->worker.bell);
	r->worker.bell = NULL;
	r->wake_of_parent = close_fd(r->wake_of_parent);
	turn(&r->parent); /* ends: the hang-up does not wake it again */
	bell_ring(r->parent.bell);
	assert_int_equal(r->parent.rung, 0);
}

/* The worker owns its ends, and the page: it may do with them what it likes. */
static void test_misuse(void **state)
{
	struct rig *r = *state;
	int fd = r->wake_of_parent;
	char bytes[4096] = { 0 };
	void *page;

	/* Not non-blocking any more: the parent's end is another's file. */
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	while (write(fd, bytes, sizeof(bytes)) > 0)
		;
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	assert_int_equal(shared_map(r->page, 4096, &page), 0);
	turn(&r->parent); /* all of it is read; that is not a ring */
	assert_int_equal(r->parent.rung, 0);
	memset(page, 0xff, 4096);
	assert_int_equal(write(fd, bytes, 1), 1);
	turn(&r->parent);
	assert_int_equal(r->parent.rung, 1);
	bell_ring(r->parent.bell); /* who says that it is awake isn't woken */
	turn(&r->worker);
	assert_int_equal(r->worker.rung, 0);
	munmap(page, 4096);
	assert_int_equal(ftruncate(r->page, 0), -1);
}

/* ---- no ring is lost ------------------------------------------------ */

#define MANY 20000u

static void *run_loop(void *user)
{
	struct end *e = user;

	return loop_run(e->loop) ? e : NULL;
}

/* Two threads ring; each ring has something to be seen. The loop falls asleep
 * again and again in between, while rings come at any moment of that. */
static void *ringer(void *user)
{
	struct rig *r = user;

	for (unsigned i = 0; i < MANY; i++) {
		atomic_fetch_add_explicit(r->parent.shared, 1,
					  memory_order_relaxed);
		bell_ring(r->worker.bell);
		if (!(i % 64))
			usleep(1 + i % 130);
	}
	return NULL;
}

static void test_none_is_lost(void **state)
{
	struct rig *r = *state;
	_Atomic unsigned count = 0;
	pthread_t loop, threads[2];
	void *failed;

	r->parent.shared = &count;
	r->parent.stop_at = 2 * MANY;
	pthread_create(&loop, NULL, run_loop, &r->parent);
	for (unsigned i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, ringer, r);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	pthread_join(loop, &failed); /* a lost ring: for ever */
	assert_null(failed);
	assert_int_equal(r->parent.seen, 2 * MANY);
	assert_true(r->parent.rung <= 2 * MANY);
}

static void *bounce(void *user)
{
	struct rig *r = user;

	for (unsigned i = 0; i < MANY / 4; i++) {
		unsigned before = atomic_load(&r->worker.rung);

		bell_ring(r->worker.bell);
		/* The answer comes to the worker's loop, on its thread. */
		while (atomic_load(&r->worker.rung) == before)
			sched_yield();
		if (!(i % 100))
			usleep(100);
	}
	loop_stop(r->parent.loop);
	loop_stop(r->worker.loop);
	return NULL;
}

static void test_there_and_back(void **state)
{
	struct rig *r = *state;
	pthread_t loops[2], thread;

	r->parent.answer = r->parent.bell;
	pthread_create(&loops[0], NULL, run_loop, &r->parent);
	pthread_create(&loops[1], NULL, run_loop, &r->worker);
	pthread_create(&thread, NULL, bounce, r);
	pthread_join(thread, NULL);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(loops[i], NULL);
	assert_true(r->parent.rung >= MANY / 4);
}

static void test_shared_files(void **state)
{
	void *p;
	int fd;

	(void)state;
	assert_int_equal(shared_file("test", 8192, &fd), 0);
	assert_int_equal(ftruncate(fd, 4096), -1);
	assert_int_equal(ftruncate(fd, 16384), -1);
	assert_int_equal(shared_map(fd, 12288, &p), -EPROTO);
	assert_int_equal(shared_map(fd, 8192, &p), 0);
	memset(p, 1, 8192);
	munmap(p, 8192);
	close(fd);
	fd = memfd_create("unsealed", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, 8192), 0);
	assert_int_equal(shared_map(fd, 8192, &p), -EPROTO);
	close(fd);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_for_many),   TEST(test_freed_in_its_own_call),
		TEST(test_muted),	   TEST(test_the_other_side_has_gone),
		TEST(test_misuse),	   TEST(test_none_is_lost),
		TEST(test_there_and_back), cmocka_unit_test(test_shared_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
