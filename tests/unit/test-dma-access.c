/* SPDX-License-Identifier: MIT */
/* Ways into client memory: copies, values, segments, messages; and unmaps that
 * wait for who still uses it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dma/access.h"
#include "dma/hold.h"
#include "dma/remote.h"
#include "rig/clock.h"
#include "state/arena.h"
#include "util/bytes.h"
#include "util/loop.h"

#define PAGE 4096ull
#define MIB  (1ull << 20)
#define RW   (DMA_PROT_READ | DMA_PROT_WRITE)

static struct arena *arena;
static struct dma_space *space;
static struct loop *loop;
static int fd;
static uint8_t *client; /* the client's view of the file */

/* What the owner was asked */
static struct {
	int unmaps, overdue, lost, requests, answer, unmap_result;
	uint64_t iova, size;
	struct dma_remote_request req;
	char data[DMA_REMOTE_MAX];
} owner;

static int on_unmap(uint64_t iova, uint64_t size, void *user)
{
	(void)user;
	owner.unmaps++;
	owner.iova = iova;
	owner.size = size;
	return owner.unmap_result;
}

static void on_overdue(void *user)
{
	(void)user;
	owner.overdue++;
}

static void on_lost(uint32_t pages, void *user)
{
	(void)user;
	owner.lost = (int)pages;
}

static int on_remote(const struct dma_remote_request *req, void *user)
{
	(void)user;
	if (owner.answer)
		return owner.answer;
	owner.requests++;
	owner.req = *req;
	if (req->data)
		memcpy(owner.data, req->data, req->len);
	return 0;
}

static const struct dma_owner_ops owner_ops = {
	.unmap = on_unmap,
	.overdue = on_overdue,
	.lost = on_lost,
	.remote = on_remote,
};

static int setup(void **state)
{
	(void)state;
	memset(&owner, 0, sizeof(owner));
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(arena_new("test", &arena), 0);
	assert_int_equal(dma_space_new(arena, NULL, &space), 0);
	assert_int_equal(dma_space_attach(space, loop, &owner_ops, NULL), 0);
	fd = memfd_create("test", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, 8 * MIB), 0);
	client = mmap(NULL, 8 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(client != MAP_FAILED);
	/* Two ranges that touch, backwards in the file; read-only,
	 * write-only, and one without a file. */
	assert_int_equal(dma_space_map(space, 0, MIB, RW, fd, MIB), 0);
	assert_int_equal(dma_space_map(space, MIB, MIB, RW, fd, 0), 0);
	assert_int_equal(
		dma_space_map(space, 4 * MIB, MIB, DMA_PROT_READ, fd, 4 * MIB),
		0);
	assert_int_equal(
		dma_space_map(space, 5 * MIB, MIB, DMA_PROT_WRITE, fd, 5 * MIB),
		0);
	assert_int_equal(dma_space_map(space, 6 * MIB, MIB, RW, -1, 0), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dma_space_free(space);
	arena_free(arena);
	loop_free(loop);
	munmap(client, 8 * MIB);
	close(fd);
	return 0;
}

/* Pieces of several sizes, from and to every alignment */
static void long_copies(void **state)
{
	static const size_t sizes[] = { 768u << 10, (1u << 20) + 1,
					(1u << 20) + 63, 2 * MIB - 200 };
	char *buf = malloc(2 * MIB), *ref = malloc(2 * MIB);
	int seen = 0;

	(void)state;
	for (size_t i = 0; i < 2 * MIB; i++)
		ref[i] = (char)(i * 11 + i / 3000);
	for (size_t i = 0; i < ARRAY_SIZE(sizes) * 16; i++) {
		size_t n = sizes[i % ARRAY_SIZE(sizes)];
		size_t at = i * 7 % 67, skew = i * 13 % 71;

		memset(client, 0, 2 * MIB);
		assert_int_equal(dma_space_write(space, at, ref + skew, n), 0);
		memset(buf, 0x55, 2 * MIB);
		assert_int_equal(dma_space_read(space, at, buf + skew, n), 0);
		assert_memory_equal(buf + skew, ref + skew, n);
		/* and not a byte more */
		for (size_t k = 0; k < skew; k++)
			assert_int_equal(buf[k], 0x55);
		assert_int_equal(buf[skew + n], 0x55);
		/* The space's first MiB is the file's second. */
		for (size_t k = 0; k < at; k++)
			seen |= client[MIB + k];
		seen |= client[at + n < MIB ? MIB + at + n : at + n - MIB];
	}
	assert_int_equal(seen, 0);
	free(buf);
	free(ref);
}

static void copies(void **state)
{
	char *buf = malloc(2 * MIB), *ref = malloc(2 * MIB);

	(void)state;
	for (size_t i = 0; i < 2 * MIB; i++)
		ref[i] = (char)(i * 7 + i / 4096);
	assert_int_equal(dma_space_write(space, 0, ref, 2 * MIB), 0);
	assert_memory_equal(client + MIB, ref, MIB);
	assert_memory_equal(client, ref + MIB, MIB);
	memset(buf, 0, 2 * MIB);
	assert_int_equal(dma_space_read(space, 0, buf, 2 * MIB), 0);
	assert_memory_equal(buf, ref, 2 * MIB);
	/* any alignment, across the seam */
	memset(buf, 0, 100);
	assert_int_equal(dma_space_read(space, MIB - 33, buf, 77), 0);
	assert_memory_equal(buf, ref + MIB - 33, 77);
	assert_int_equal(dma_space_write(space, MIB - 1, "xy", 2), 0);
	assert_int_equal(client[2 * MIB - 1], 'x');
	assert_int_equal(client[0], 'y');
	assert_int_equal(dma_space_read(space, 3 * MIB, buf, 0), 0);
	/* where it ends */
	assert_int_equal(dma_space_read(space, 2 * MIB, buf, 1), -EFAULT);
	assert_int_equal(dma_space_read(space, 2 * MIB - 1, buf, 2), -EFAULT);
	assert_int_equal(dma_space_read(space, UINT64_MAX, buf, 2), -EINVAL);
	assert_int_equal(dma_space_read(space, 1, buf, SIZE_MAX), -EFAULT);
	assert_int_equal(dma_space_write(space, 4 * MIB, buf, 1), -EACCES);
	assert_int_equal(dma_space_read(space, 5 * MIB, buf, 1), -EACCES);
	assert_int_equal(dma_space_read(space, 5 * MIB - 1, buf, 2), -EACCES);
	assert_int_equal(dma_space_read(space, 6 * MIB, buf, 1), -EOPNOTSUPP);
	assert_int_equal(dma_space_write(space, 6 * MIB - 1, buf, 2),
			 -EOPNOTSUPP);
	free(buf);
	free(ref);
}

static void values(void **state)
{
	uint64_t v = 0;

	(void)state;
	for (unsigned size = 1; size <= 8; size *= 2) {
		uint64_t mask = ~0ull >> (64 - 8 * size);
		uint64_t at = 64, was = 0x1122334455667788ull & mask;

		assert_int_equal(
			dma_space_store(space, at, size, 0x1122334455667788ull),
			0);
		memset(&v, 0xff, sizeof(v));
		assert_int_equal(dma_space_load(space, at, size, &v), 0);
		assert_int_equal(v, was);
		v = 5;
		assert_int_equal(dma_space_cmpxchg(space, at, size, &v, 9), 0);
		assert_int_equal(v, was);
		assert_int_equal(dma_space_cmpxchg(space, at, size, &v, 9), 1);
		assert_int_equal(v, was);
		assert_int_equal(dma_space_load(space, at, size, &v), 0);
		assert_int_equal(v, 9);
		if (size > 1)
			assert_int_equal(
				dma_space_load(space, at + 1, size, &v),
				-EINVAL);
		memset(client + MIB + 64, 0, 8);
	}
	assert_int_equal(dma_space_load(space, 0, 3, &v), -EINVAL);
	assert_int_equal(dma_space_load(space, 0, 0, &v), -EINVAL);
	assert_int_equal(dma_space_load(space, 0, 16, &v), -EINVAL);
	assert_int_equal(dma_space_load(space, 2 * MIB, 4, &v), -EFAULT);
	assert_int_equal(dma_space_store(space, 4 * MIB, 4, 0), -EACCES);
	assert_int_equal(dma_space_load(space, 5 * MIB, 4, &v), -EACCES);
	assert_int_equal(dma_space_cmpxchg(space, 4 * MIB, 4, &v, 0), -EACCES);
	assert_int_equal(dma_space_store(space, 6 * MIB, 4, 0), -EOPNOTSUPP);
}

static void pointers(void **state)
{
	(void)state;
	dma_enter();
	dma_enter();
	dma_leave();
	assert_non_null(dma_space_ptr(space, 0, MIB, RW));
	assert_non_null(dma_space_ptr(space, MIB - 1, 1, DMA_PROT_READ));
	assert_null(dma_space_ptr(space, MIB - 1, 2, DMA_PROT_READ)); /* seam */
	assert_null(dma_space_ptr(space, 0, MIB + 1, DMA_PROT_READ));
	assert_null(dma_space_ptr(space, 0, SIZE_MAX, DMA_PROT_READ));
	assert_null(dma_space_ptr(space, 1, SIZE_MAX, DMA_PROT_READ));
	assert_null(
		dma_space_ptr(space, 2 * PAGE, SIZE_MAX - PAGE, DMA_PROT_READ));
	assert_null(dma_space_ptr(space, 2 * MIB, 1, DMA_PROT_READ));
	assert_null(dma_space_ptr(space, 4 * MIB, 1, RW));
	assert_null(dma_space_ptr(space, 5 * MIB, 1, DMA_PROT_READ));
	assert_null(dma_space_ptr(space, 6 * MIB, 1, DMA_PROT_READ));
	assert_null(dma_space_ptr(space, 0, 1, 0));
	assert_null(dma_space_ptr(space, 3 * MIB, 1, 0));
	assert_ptr_equal(
		dma_space_ptr(space, 4 * MIB + 5, 1, DMA_PROT_READ),
		(char *)dma_space_ptr(space, 4 * MIB, MIB, DMA_PROT_READ) + 5);
	dma_leave();
}

static sem_t inside;
static _Atomic int left;

static void *reader(void *arg)
{
	volatile uint64_t *p;
	unsigned slept = clock_sleeps();

	(void)arg;
	dma_enter();
	p = dma_space_ptr(space, 0, 8, RW);
	assert_non_null(p);
	sem_post(&inside);
	/* Whoever does not wait for this thread never sleeps. */
	while (clock_sleeps() == slept)
		sched_yield();
	*p = 1;
	left = 1;
	dma_leave();
	return NULL;
}

static void an_unmap_waits_for_sections(void **state)
{
	pthread_t thread;

	(void)state;
	left = 0;
	assert_int_equal(sem_init(&inside, 0, 0), 0);
	assert_int_equal(pthread_create(&thread, NULL, reader, NULL), 0);
	assert_int_equal(sem_wait(&inside), 0);
	assert_int_equal(dma_space_unmap(space, 0, MIB, NULL, NULL), 0);
	assert_int_equal(left, 1);
	pthread_join(thread, NULL);
}

static int unmapped;
static void on_unmapped(int err, void *user)
{
	(void)user;
	assert_int_equal(err, 0);
	unmapped++;
}

static void run(void)
{
	while (loop_run_once(loop, 0) > 0)
		;
}

static void segments_hold(void **state)
{
	struct vgpu_dma_segment seg[4];

	(void)state;
	unmapped = 0;
	assert_int_equal(dma_space_get(space, 0, 0, RW, seg, 4), -EINVAL);
	assert_int_equal(dma_space_get(space, 0, 1, 0, seg, 4), -EINVAL);
	assert_int_equal(dma_space_get(space, 0, 1, 4, seg, 4), -EINVAL);
	assert_int_equal(dma_space_get(space, 0, 2 * MIB, RW, seg, 1), -E2BIG);
	assert_int_equal(dma_space_get(space, 0, 3 * MIB, RW, seg, 4), -EFAULT);
	assert_int_equal(dma_space_get(space, 4 * MIB, 9, RW, seg, 4), -EACCES);
	assert_int_equal(dma_space_get(space, 6 * MIB, 9, RW, seg, 4),
			 -EOPNOTSUPP);
	/* What failed holds nothing. */
	assert_int_equal(dma_space_unmap(space, 4 * MIB, 3 * MIB, NULL, NULL),
			 0);
	assert_int_equal(owner.unmaps, 0);

	assert_int_equal(dma_space_get(space, 100, MIB, RW, seg, 4), 2);
	assert_int_equal(seg[0].len, MIB - 100);
	assert_int_equal(seg[1].len, 100);
	assert_int_equal(dma_space_unmap_all(space, on_unmapped, NULL),
			 -EINPROGRESS);
	assert_int_equal(owner.unmaps, 2);
	/* Gone for everybody else, and not to be mapped yet. */
	assert_int_equal(dma_space_read(space, 0, seg, 1), -EFAULT);
	assert_int_equal(dma_space_map(space, PAGE, PAGE, RW, fd, 0), -EEXIST);
	assert_int_equal(dma_space_unmap(space, 0, MIB, NULL, NULL), -ENOENT);
	assert_int_equal(dma_space_unmap(space, PAGE, MIB, NULL, NULL),
			 -ENOENT);
	memset(seg[0].ptr, 0x77, seg[0].len);
	memset(seg[1].ptr, 0x77, seg[1].len);
	assert_int_equal(client[MIB + 100], 0x77);
	run();
	assert_int_equal(unmapped, 0);
	dma_space_put(space, &seg[0], 1);
	run();
	assert_int_equal(unmapped, 0);
	assert_int_equal(dma_space_map(space, PAGE, PAGE, RW, fd, 0), 0);
	dma_space_put(space, &seg[1], 1);
	run();
	assert_int_equal(unmapped, 1);
	assert_int_equal(dma_space_count(space), 1);
}

static void the_driver_may_finish_later(void **state)
{
	struct vgpu_dma_segment seg[1];

	(void)state;
	unmapped = 0;
	owner.unmap_result = -EINPROGRESS;
	assert_int_equal(dma_space_get(space, 0, 1, RW, seg, 1), 1);
	assert_int_equal(dma_space_unmap(space, 0, MIB, on_unmapped, NULL),
			 -EINPROGRESS);
	assert_int_equal(owner.unmaps, 1);
	assert_int_equal(owner.iova, 0);
	assert_int_equal(owner.size, MIB);
	dma_space_put(space, seg, 1);
	run();
	assert_int_equal(unmapped, 0);
	dma_space_unmap_done(space, 0, MIB);
	dma_space_unmap_done(space, 0, MIB); /* harmless */
	dma_space_unmap_done(space, 0, 16 * MIB);
	assert_int_equal(unmapped, 0); /* from the loop only */
	run();
	assert_int_equal(unmapped, 1);
	dma_space_unmap_done(space, 0, MIB);
	/* What is not in use is not worth asking. */
	assert_int_equal(dma_space_unmap(space, MIB, MIB, on_unmapped, NULL),
			 0);
	assert_int_equal(owner.unmaps, 1);
}

static void a_late_driver_is_reset(void **state)
{
	struct vgpu_dma_segment seg[2];

	(void)state;
	unmapped = 0;
	owner.unmap_result = -EINPROGRESS;
	assert_int_equal(dma_space_get(space, 0, 1, RW, seg, 1), 1);
	assert_int_equal(dma_space_unmap(space, 0, MIB, on_unmapped, NULL),
			 -EINPROGRESS);
	clock_run(loop, DMA_UNMAP_PATIENCE_NS - 1 * MS);
	assert_false(owner.overdue);
	clock_run(loop, DMA_UNMAP_CHECK_NS);
	assert_true(owner.overdue);
	/* It forgot to say that it is done, and is not waited for; but memory
	 * that is held is. */
	assert_int_equal(unmapped, 0);
	dma_space_put(space, seg, 1);
	clock_run(loop, DMA_UNMAP_CHECK_NS);
	assert_int_equal(unmapped, 1);
	assert_int_equal(owner.overdue, 1);
}

/* A client that never stops asking does not put the check off. */
static void a_busy_client_does_not_help(void **state)
{
	struct vgpu_dma_segment seg[1], more[1];
	uint64_t i;

	(void)state;
	unmapped = 0;
	assert_int_equal(dma_space_get(space, 0, 1, RW, seg, 1), 1);
	assert_int_equal(dma_space_unmap(space, 0, MIB, on_unmapped, NULL),
			 -EINPROGRESS);
	for (i = 1; !owner.overdue; i++) {
		uint64_t iova = (i + 16) * MIB;

		assert_int_equal(dma_space_map(space, iova, PAGE, RW, fd, 0),
				 0);
		assert_int_equal(dma_space_get(space, iova, 1, RW, more, 1), 1);
		assert_int_equal(
			dma_space_unmap(space, iova, PAGE, on_unmapped, NULL),
			-EINPROGRESS);
		dma_space_put(space, more, 1);
		clock_run(loop, 10 * MS);
	}
	assert_in_range(i * 10 * MS, DMA_UNMAP_PATIENCE_NS,
			DMA_UNMAP_PATIENCE_NS + DMA_UNMAP_CHECK_NS + 20 * MS);
	dma_space_put(space, seg, 1);
	clock_run(loop, DMA_UNMAP_CHECK_NS);
	assert_int_equal(unmapped, i);
}

static int copied, copied_err;
static void on_copied(int err, void *user)
{
	copied += *(int *)user;
	copied_err = err;
}

static void messages(void **state)
{
	char *buf = malloc(3 * MIB), *reply = malloc(DMA_REMOTE_MAX);
	int one = 1, ten = 10;

	(void)state;
	copied = 0;
	/* 1 byte of the write-only range, 100,000 without a file */
	assert_int_equal(dma_space_copy(space, true, 6 * MIB - 1, buf, 100001,
					on_copied, &one),
			 0);
	assert_int_equal(dma_space_copy(space, false, 6 * MIB + 5, buf + MIB,
					DMA_REMOTE_MAX, on_copied, &ten),
			 0);
	assert_int_equal(owner.requests, 0);
	memset(buf, 0x42, MIB);
	run();
	assert_int_equal(client[6 * MIB - 1], 0x42);
	assert_int_equal(owner.requests, 1); /* one at a time */
	assert_int_equal(owner.req.iova, 6 * MIB);
	assert_int_equal(owner.req.len, DMA_REMOTE_MAX);
	assert_non_null(owner.req.data);
	assert_int_equal(owner.data[DMA_REMOTE_MAX - 1], 0x42);
	run();
	assert_int_equal(owner.requests, 1);
	dma_space_remote_done(space, owner.req.cookie + 1, 0, NULL,
			      0); /* whose? */
	dma_space_remote_done(space, owner.req.cookie, 0, NULL, DMA_REMOTE_MAX);
	run();
	assert_int_equal(owner.requests, 2);
	assert_int_equal(owner.req.iova, 6 * MIB + DMA_REMOTE_MAX);
	assert_int_equal(owner.req.len, 100000 - DMA_REMOTE_MAX);
	assert_int_equal(copied, 0);
	dma_space_remote_done(space, owner.req.cookie, 0, NULL, owner.req.len);
	run();
	assert_int_equal(copied, 1);
	assert_int_equal(copied_err, 0);
	assert_int_equal(owner.requests, 3);
	assert_null(owner.req.data);
	memset(reply, 0x17, DMA_REMOTE_MAX);
	dma_space_remote_done(space, owner.req.cookie, 0, reply,
			      DMA_REMOTE_MAX);
	run();
	assert_int_equal(copied, 11);
	assert_memory_equal(buf + MIB, reply, DMA_REMOTE_MAX);

	/* errors: the client's, cut short, permissions, holes, no client */
	const struct {
		uint64_t iova;
		int answer, reply, err;
		uint32_t cut;
	} bad[] = {
		{ 6 * MIB, 0, -ENODEV, -EFAULT, 0 },
		{ 6 * MIB, 0, -EIO, -EIO, 0 },
		{ 6 * MIB, 0, 0, -EIO, 1 },
		{ 6 * MIB, -ENOTCONN, 0, -ENOTCONN, 0 },
		{ 3 * MIB, 0, 0, -EFAULT, 0 },
		{ 5 * MIB, 0, 0, -EACCES, 0 },
		{ 7 * MIB - 5, 0, 0, -EFAULT, 0 },
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		copied = 0;
		owner.answer = bad[i].answer;
		owner.req.cookie = 0;
		assert_int_equal(dma_space_copy(space, false, bad[i].iova, buf,
						10, on_copied, &one),
				 0);
		run();
		if (owner.req.cookie)
			dma_space_remote_done(space, owner.req.cookie,
					      bad[i].reply, reply,
					      owner.req.len - bad[i].cut);
		run();
		assert_int_equal(copied, 1);
		assert_int_equal(copied_err, bad[i].err);
	}
	assert_int_equal(
		dma_space_copy(space, false, 0, buf, 0, on_copied, &one),
		-EINVAL);
	assert_int_equal(dma_space_copy(space, false, UINT64_MAX, buf, 2,
					on_copied, &one),
			 -EINVAL);

	/* local memory only: much of it, in rounds */
	copied = 0;
	memset(client, 0x33, 2 * MIB);
	assert_int_equal(
		dma_space_copy(space, false, 0, buf, 2 * MIB, on_copied, &one),
		0);
	assert_int_equal(copied, 0);
	run();
	assert_int_equal(copied, 1);
	assert_int_equal(buf[2 * MIB - 1], 0x33);
	free(buf);
	free(reply);
}

static bool same(void *copy_user, void *user)
{
	return copy_user == user;
}

static void messages_end(void **state)
{
	/* The last of them end with the space, after this function. */
	static char buf[16], reply[16] = "fifteen letters";
	static int one = 1, ten = 10;

	(void)state;
	copied = 0;
	for (unsigned i = 0; i < VGPU_DMA_MAX_ASYNC; i++)
		assert_int_equal(dma_space_copy(space, false, 6 * MIB, buf, 16,
						on_copied, i % 2 ? &ten : &one),
				 0);
	assert_int_equal(
		dma_space_copy(space, false, 6 * MIB, buf, 16, on_copied, &one),
		-EBUSY);
	run();
	assert_int_equal(owner.requests, 1);
	/* The one under way is among those cancelled: its data goes nowhere. */
	dma_space_cancel(space, same, &one);
	assert_int_equal(copied, VGPU_DMA_MAX_ASYNC / 2);
	assert_int_equal(copied_err, -ECANCELED);
	dma_space_remote_done(space, owner.req.cookie, 0, reply, 16);
	assert_int_equal(buf[0], 0);
	/* No room: later; then the client goes. */
	owner.answer = -EAGAIN;
	run();
	assert_int_equal(owner.requests, 1);
	owner.answer = 0;
	dma_space_remote_ready(space);
	assert_int_equal(owner.requests, 2);
	copied = 0;
	dma_space_remote_gone(space);
	owner.answer = -ENOTCONN;
	run();
	assert_int_equal(copied, 10 * VGPU_DMA_MAX_ASYNC / 2);
	assert_int_equal(copied_err, -ENOTCONN);
	dma_space_remote_gone(space);
	/* A space that goes away with copies under way ends them. */
	owner.answer = 0;
	copied = 0;
	assert_int_equal(
		dma_space_copy(space, false, 6 * MIB, buf, 16, on_copied, &one),
		0);
	run();
	assert_int_equal(owner.requests, 3);
}

static void truncation_is_told(void **state)
{
	int own = memfd_create("own", MFD_CLOEXEC);
	char c = 1;

	(void)state;
	/* A file of its own: cmocka has taken SIGBUS since the set-up, and the
	 * next file that is mapped takes it back. */
	assert_int_equal(ftruncate(own, MIB), 0);
	assert_int_equal(dma_space_map(space, 16 * MIB, MIB, RW, own, 0), 0);
	assert_int_equal(ftruncate(own, 0), 0);
	assert_int_equal(dma_space_read(space, 16 * MIB, &c, 1), 0);
	assert_int_equal(c, 0);
	assert_int_equal(dma_space_write(space, 17 * MIB - 1, &c, 1), 0);
	run();
	assert_int_equal(owner.lost, 2);
	close(own);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(long_copies),
		T(copies),
		T(values),
		T(pointers),
		T(an_unmap_waits_for_sections),
		T(segments_hold),
		T(the_driver_may_finish_later),
		T(a_late_driver_is_reset),
		T(a_busy_client_does_not_help),
		T(messages),
		T(messages_end),
		T(truncation_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
