/* SPDX-License-Identifier: MIT */
/*
 * Four threads use client memory in every way there is, while the client maps
 * and unmaps it as fast as it can.
 *
 * What shows a stale access: the moment an unmap is answered, the client
 * poisons the memory. A thread that still gets to it reads poison; one that
 * still writes changes the poison, which the client looks at before it maps
 * the memory again. When the last range of a file goes, its mapping goes too,
 * and whoever is still there crashes.
 *
 * Each thread has a page of its own in every range: the threads don't race
 * with each other, only with the unmap.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vgpu/iommu.h>

#include "dma/access.h"
#include "dma/pin.h"
#include "state/arena.h"
#include "util/loop.h"

#define PAGE	 4096ull
#define MIB	 (1ull << 20)
#define RW	 (DMA_PROT_READ | DMA_PROT_WRITE)
#define POISON	 0xdeadbeefdeadbeefull
#define CYCLES	 4000	    /* at least, and on until ... */
#define USES	 5000	    /* ... each thread got at memory so often ... */
#define HELD	 50	    /* ... and so many unmaps had to wait */
#define TOO_MANY (1u << 24) /* cycles: somebody never gets at memory */
#define RANGES	 8u
#define THREADS	 4u

static struct arena *arena;
static struct dma_space *space;
static struct loop *loop;
static struct vgpu_iommu *cpu;
static uint8_t *client; /* the client's view of the file */

static _Atomic bool stop;
static _Atomic uint64_t uses[THREADS], misses, stale;

/* Even ranges are a page for each thread, odd ones 2 MiB. */
static uint64_t size_of(unsigned r)
{
	return r & 1 ? 2 * MIB : THREADS * PAGE;
}

static uint64_t iova_of(unsigned r)
{
	return r * 4 * MIB;
}

static uint64_t pick(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Breathe now and then, outside of sections: threads that never sleep are put
 * to sleep by the scheduler inside of them, and then the client waits for the
 * scheduler most of the time. */
static void breathe(uint64_t seed)
{
	if (!(seed & 0x70))
		usleep(20);
}

/* A value was read, or could not be. */
static void seen(unsigned t, int err, uint64_t value)
{
	if (err) {
		atomic_fetch_add(&misses, 1);
		return;
	}
	atomic_fetch_add(&uses[t], 1);
	if (value == POISON)
		atomic_fetch_add(&stale, 1);
}

static void *copies(void *arg)
{
	uint64_t seed = 1, v, n = 0;

	(void)arg;
	for (; !stop; breathe(seed)) {
		uint64_t at =
			iova_of(pick(&seed) % RANGES) + 8 * (pick(&seed) % 512);
		int err = seed & 1 ? dma_space_read(space, at, &v, 8)
				   : dma_space_load(space, at, 8, &v);

		seen(0, err, v);
		n++;
		if (seed & 2)
			dma_space_write(space, at, &n, 8);
		else
			dma_space_store(space, at, 8, n);
		v = n;
		dma_space_cmpxchg(space, at, 8, &v, n + 1);
	}
	return NULL;
}

static void *sections(void *arg)
{
	uint64_t seed = 2, n = 0;

	(void)arg;
	for (; !stop; breathe(seed)) {
		uint64_t at = iova_of(pick(&seed) % RANGES) + PAGE;
		uint64_t *p;

		dma_enter();
		p = dma_space_ptr(space, at, PAGE, RW);
		for (unsigned i = 0; p && i < 64; i++) {
			seen(1, 0, p[i]);
			p[i] = ++n;
		}
		if (!p)
			seen(1, -EFAULT, 0);
		dma_leave();
	}
	return NULL;
}

static void *segments(void *arg)
{
	struct vgpu_dma_segment seg;
	uint64_t seed = 3, n = 0;

	(void)arg;
	for (; !stop; breathe(seed)) {
		uint64_t at = iova_of(pick(&seed) % RANGES) + 2 * PAGE;
		uint64_t *p;
		int got = dma_space_get(space, at, PAGE, RW, &seg, 1);

		if (got < 0) {
			seen(2, got, 0);
			continue;
		}
		p = seg.ptr;
		for (unsigned i = 0; i < 200; i++) {
			seen(2, 0, p[i]);
			p[i] = ++n;
		}
		if (seed & 1)
			sched_yield(); /* held while others run */
		seen(2, 0, p[511]);
		p[511] = n;
		dma_space_put(space, &seg, 1);
	}
	return NULL;
}

/* A driver with an engine on a thread: pins, lets the engine work, unpins. */
static pthread_mutex_t driver_lock = PTHREAD_MUTEX_INITIALIZER;
static bool pinned[RANGES], wanted_back[RANGES]; /* under driver_lock */

static void *pins(void *arg)
{
	uint64_t seed = 4, n = 0, addr[RANGES] = { 0 }, v, *p;

	(void)arg;
	for (; !stop; breathe(seed)) {
		unsigned r = pick(&seed) % RANGES;
		uint64_t at = iova_of(r) + 3 * PAGE;
		bool done = false;
		int err = 0;

		pthread_mutex_lock(&driver_lock);
		if (!pinned[r]) {
			err = dma_space_pin(space, &at, 1, RW, &addr[r]);
			pinned[r] = !err;
		}
		pthread_mutex_unlock(&driver_lock);
		if (err) {
			seen(3, err, 0);
			continue;
		}
		err = vgpu_iommu_cpu_read(cpu, addr[r], &v, 8);
		seen(3, err, v);
		vgpu_iommu_cpu_write(cpu, addr[r], &n, 8);
		vgpu_iommu_cpu_enter(cpu);
		p = vgpu_iommu_cpu_ptr(cpu, addr[r], RW);
		for (unsigned i = 0; p && i < 512; i++) {
			seen(3, 0, p[i]);
			p[i] = ++n;
		}
		vgpu_iommu_cpu_leave(cpu);
		pthread_mutex_lock(&driver_lock);
		if (pinned[r] && (seed & 1 || wanted_back[r])) {
			dma_space_unpin(space, &at, 1, RW);
			pinned[r] = false;
			done = wanted_back[r];
			wanted_back[r] = false;
		}
		pthread_mutex_unlock(&driver_lock);
		if (done)
			dma_space_unmap_done(space, iova_of(r), size_of(r));
	}
	return NULL;
}

/* At once, or by the engine's thread when it comes by. */
static int on_unmap(uint64_t iova, uint64_t size, void *user)
{
	unsigned r = (unsigned)(iova / (4 * MIB));
	uint64_t at = iova + 3 * PAGE;
	int err = 0;

	(void)user;
	assert_int_equal(size, size_of(r));
	pthread_mutex_lock(&driver_lock);
	if (pinned[r] && r & 2) {
		wanted_back[r] = true;
		err = -EINPROGRESS;
	} else if (pinned[r]) {
		dma_space_unpin(space, &at, 1, RW);
		pinned[r] = false;
	}
	pthread_mutex_unlock(&driver_lock);
	return err;
}

static const struct dma_owner_ops owner_ops = {
	.unmap = on_unmap,
};

static void on_unmapped(int err, void *user)
{
	assert_int_equal(err, 0);
	*(bool *)user = true;
}

static void fill(unsigned r, uint64_t value)
{
	uint64_t *p = (uint64_t *)(client + iova_of(r) / 2);

	for (size_t i = 0; i < THREADS * PAGE / 8; i++)
		__atomic_store_n(&p[i], value, __ATOMIC_RELAXED);
}

static void check_poison(unsigned r)
{
	uint64_t *p = (uint64_t *)(client + iova_of(r) / 2);

	for (size_t i = 0; i < THREADS * PAGE / 8; i++)
		if (__atomic_load_n(&p[i], __ATOMIC_RELAXED) != POISON)
			fail_msg("range %u, page %zu was written after its "
				 "unmap was answered",
				 r, i / 512);
}

static bool enough(unsigned cycle, int held)
{
	bool yes = cycle >= CYCLES && held >= HELD && misses > 0;

	for (unsigned t = 0; t < THREADS; t++)
		yes &= uses[t] >= USES;
	return yes;
}

static void nobody_uses_what_was_taken_away(void **state)
{
	void *(*const bodies[THREADS])(void *) = { copies, sections, segments,
						   pins };
	pthread_t threads[THREADS];
	bool mapped[RANGES] = { false }, done;
	int fd = memfd_create("stress", MFD_CLOEXEC), held = 0, err;
	uint64_t seed = 99;

	(void)state;
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(arena_new("test", &arena), 0);
	assert_int_equal(dma_space_new(arena, NULL, &space), 0);
	assert_int_equal(dma_space_attach(space, loop, &owner_ops, NULL), 0);
	assert_int_equal(vgpu_iommu_cpu_new(NULL, &cpu), 0);
	assert_int_equal(dma_space_set_iommu(space, cpu), 0);
	assert_int_equal(ftruncate(fd, RANGES * 2 * MIB), 0);
	client = mmap(NULL, RANGES * 2 * MIB, PROT_READ | PROT_WRITE,
		      MAP_SHARED, fd, 0);
	assert_true(client != MAP_FAILED);
	for (unsigned r = 0; r < RANGES; r++)
		fill(r, POISON);
	for (unsigned t = 0; t < THREADS; t++)
		assert_int_equal(
			pthread_create(&threads[t], NULL, bodies[t], NULL), 0);
	for (unsigned cycle = 0; !enough(cycle, held); cycle++) {
		unsigned r = pick(&seed) % RANGES;

		assert_true(cycle < TOO_MANY);
		if (!mapped[r]) {
			check_poison(r);
			fill(r, cycle);
			assert_int_equal(dma_space_map(space, iova_of(r),
						       size_of(r), RW, fd,
						       iova_of(r) / 2),
					 0);
			mapped[r] = true;
			continue;
		}
		done = false;
		if (cycle % 64)
			err = dma_space_unmap(space, iova_of(r), size_of(r),
					      on_unmapped, &done);
		else
			err = dma_space_unmap_all(space, on_unmapped, &done);
		if (err) {
			assert_int_equal(err, -EINPROGRESS);
			held++;
			while (!done)
				loop_run_once(loop, -1);
		}
		for (unsigned i = 0; i < RANGES; i++) {
			if (!mapped[i] || (cycle % 64 && i != r))
				continue;
			fill(i, POISON);
			mapped[i] = false;
		}
	}
	stop = true;
	for (unsigned t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	for (unsigned r = 0; r < RANGES; r++)
		if (!mapped[r])
			check_poison(r);
	assert_int_equal(stale, 0);
	dma_space_free(space);
	vgpu_iommu_destroy(cpu);
	arena_free(arena);
	loop_free(loop);
	munmap(client, RANGES * 2 * MIB);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_uses_what_was_taken_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
