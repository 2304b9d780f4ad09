/* SPDX-License-Identifier: MIT */
/* The dirty log. */
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

#include <vgpu/iommu.h>

#include "dma/access.h"
#include "dma/pin.h"
#include "dma/remote.h"
#include "rig/clock.h"
#include "state/arena.h"

#define PAGE 4096ull
#define MIB  (1ull << 20)
#define R    DMA_PROT_READ
#define W    DMA_PROT_WRITE
#define RW   (R | W)
#define SIZE (16 * MIB)

static struct arena *arena;
static struct dma_space *space;
static struct vgpu_iommu *cpu;
static uint8_t *client;
static int fd;

static int setup(void **state)
{
	(void)state;
	assert_int_equal(arena_new("test", &arena), 0);
	assert_int_equal(dma_space_new(arena, NULL, &space), 0);
	assert_int_equal(vgpu_iommu_cpu_new(NULL, &cpu), 0);
	assert_int_equal(dma_space_set_iommu(space, cpu), 0);
	fd = memfd_create("test", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	client = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(client != MAP_FAILED);
	assert_int_equal(dma_space_map(space, 0, SIZE / 2, RW, fd, 0), 0);
	assert_int_equal(
		dma_space_map(space, SIZE / 2, SIZE / 2, RW, fd, SIZE / 2), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dma_space_free(space);
	vgpu_iommu_destroy(cpu);
	arena_free(arena);
	munmap(client, SIZE);
	close(fd);
	return 0;
}

static void start(uint64_t iova, uint64_t size)
{
	const struct dma_log_range range = { iova, size };
	uint64_t page;

	assert_int_equal(dma_space_log_start(space, PAGE, &range, 1, &page), 0);
	assert_int_equal(page, PAGE);
}

/* The dirty pages of SIZE bytes from @iova on, as the bits of one number per
 * 64 pages; how many, and which is the first */
static unsigned report(uint64_t iova, uint64_t size, uint64_t page_size,
		       uint64_t *ret_first)
{
	uint64_t bytes = dma_log_bitmap_bytes(iova, size, page_size);
	uint64_t *bits = calloc(1, bytes + 8), n = 0;

	assert_true(bytes);
	bits[bytes / 8] = 0x5a5a;
	assert_int_equal(
		dma_space_log_report(space, iova, size, page_size, bits), 0);
	assert_int_equal(bits[bytes / 8], 0x5a5a);
	*ret_first = UINT64_MAX;
	for (uint64_t i = 0; i < bytes * 8; i++) {
		if (!(bits[i / 64] >> (i % 64) & 1))
			continue;
		if (!n++)
			*ret_first = i;
	}
	free(bits);
	return (unsigned)n;
}

static void every_way_of_writing_is_logged(void **state)
{
	struct vgpu_dma_segment seg[2];
	uint64_t first, v = 0, addr, iova = 300 * PAGE;

	(void)state;
	assert_int_equal(dma_space_write(space, 0, "x", 1), 0);
	start(0, SIZE);
	assert_int_equal(report(0, SIZE, PAGE, &first), 0);
	assert_int_equal(dma_space_write(space, 5 * PAGE - 1, "xy", 2), 0);
	assert_int_equal(report(0, SIZE, PAGE, &first), 2);
	assert_int_equal(first, 4);
	assert_int_equal(report(0, SIZE, PAGE, &first), 0);
	assert_int_equal(dma_space_store(space, 9 * PAGE, 4, 1), 0);
	assert_int_equal(report(0, SIZE, PAGE, &first), 1);
	assert_int_equal(first, 9);
	assert_int_equal(dma_space_cmpxchg(space, 11 * PAGE, 8, &v, 1), 1);
	assert_int_equal(report(0, SIZE, PAGE, &first), 1);
	assert_int_equal(first, 11);
	dma_enter();
	assert_non_null(dma_space_ptr(space, 64 * PAGE, 130 * PAGE, W));
	dma_leave();
	assert_int_equal(report(0, SIZE, PAGE, &first), 130);
	assert_int_equal(first, 64);
	/* held: when put back; over the seam of two ranges */
	assert_int_equal(dma_space_get(space, SIZE / 2 - 3, 5, W, seg, 2), 2);
	assert_int_equal(report(0, SIZE, PAGE, &first), 0);
	dma_space_put(space, seg, 2);
	assert_int_equal(report(0, SIZE, PAGE, &first), 2);
	assert_int_equal(first, SIZE / 2 / PAGE - 1);
	/* pinned: in every report, and in one more */
	assert_int_equal(dma_space_pin(space, &iova, 1, W, &addr), 0);
	assert_int_equal(report(0, SIZE, PAGE, &first), 1);
	assert_int_equal(report(0, SIZE, PAGE, &first), 1);
	assert_int_equal(first, 300);
	assert_int_equal(report(0, 300 * PAGE, PAGE, &first), 0);
	dma_space_unpin(space, &iova, 1, W);
	assert_int_equal(report(0, SIZE, PAGE, &first), 1);
	assert_int_equal(report(0, SIZE, PAGE, &first), 0);
	/* reading is not writing */
	assert_int_equal(dma_space_read(space, 0, &v, 8), 0);
	assert_int_equal(dma_space_load(space, 0, 8, &v), 0);
	assert_int_equal(dma_space_pin(space, &iova, 1, R, &addr), 0);
	assert_int_equal(dma_space_get(space, 0, 5, R, seg, 1), 1);
	dma_space_put(space, seg, 1);
	dma_enter();
	assert_non_null(dma_space_ptr(space, 0, 8, R));
	dma_leave();
	dma_space_unpin(space, &iova, 1, R);
	assert_int_equal(report(0, SIZE, PAGE, &first), 0);
	/* what was written stays dirty when it is unmapped */
	assert_int_equal(dma_space_write(space, 0, "x", 1), 0);
	assert_int_equal(dma_space_unmap_all(space, NULL, NULL), 0);
	assert_int_equal(report(0, SIZE, PAGE, &first), 1);
	assert_int_equal(dma_space_log_stop(space), 0);
}

static void pages_of_any_size(void **state)
{
	uint64_t first;

	(void)state;
	start(0, SIZE);
	for (uint64_t shift = 0; shift < 64; shift += 1 + (shift > 21) * 9) {
		uint64_t page = 1ull << shift,
			 want = page < PAGE ? PAGE / page : 1;

		assert_int_equal(dma_space_write(space, 6 * MIB + 7, "x", 1),
				 0);
		assert_int_equal(report(0, SIZE, page, &first), want);
		assert_int_equal(first, 6 * MIB / page);
		assert_int_equal(report(0, SIZE, page, &first), 0);
	}
	/* bits of large pages stand for all their small ones */
	for (uint64_t i = 0; i < SIZE; i += 3 * PAGE)
		assert_int_equal(dma_space_write(space, i, "x", 1), 0);
	assert_int_equal(report(0, SIZE, 2 * MIB, &first), SIZE / (2 * MIB));
	assert_int_equal(report(0, SIZE, PAGE, &first), 0);
	/* A page that a report covers in part is reported, and stays. */
	assert_int_equal(dma_space_write(space, 8 * PAGE, "x", 1), 0);
	assert_int_equal(report(8 * PAGE + 512, 512, 512, &first), 1);
	assert_int_equal(report(8 * PAGE, 512, 512, &first), 1);
	assert_int_equal(report(7 * PAGE, PAGE + 1, PAGE, &first), 1);
	assert_int_equal(first, 1);
	assert_int_equal(report(0, 8 * PAGE, PAGE, &first), 0);
	assert_int_equal(report(9 * PAGE, PAGE, PAGE, &first), 0);
	assert_int_equal(report(8 * PAGE, PAGE, PAGE, &first), 1);
	assert_int_equal(report(8 * PAGE, PAGE, PAGE, &first), 0);
	assert_int_equal(dma_space_log_stop(space), 0);
}

static void ranges_of_the_clients_choice(void **state)
{
	/* not sorted; not a map's; odd; beyond all maps; the top */
	const struct dma_log_range ranges[] = {
		{ 1ull << 40, 1ull << 20 },
		{ 2 * MIB + 100, 4 * MIB },
		{ 0, PAGE },
		{ 7 * MIB, 2 * MIB },
		{ 0 - PAGE, PAGE },
	};
	uint64_t first, page;

	(void)state;
	assert_int_equal(dma_space_map(space, 0 - PAGE, PAGE, RW, fd, 0), 0);
	assert_int_equal(dma_space_log_start(space, PAGE, ranges, 5, &page), 0);
	for (uint64_t i = 0; i < SIZE; i += PAGE)
		assert_int_equal(dma_space_write(space, i, "x", 1), 0);
	/* page 0; the page with 2 MiB + 100 was written below it, the next
	 * 1024 are inside, and 512 from 7 MiB on */
	assert_int_equal(report(0, SIZE, PAGE, &first), 1 + 1024 + 512);
	assert_int_equal(first, 0);
	assert_int_equal(dma_space_write(space, 2 * MIB + 99, "xy", 2), 0);
	assert_int_equal(report(0, SIZE, PAGE, &first), 1);
	assert_int_equal(first, 512);
	assert_int_equal(dma_space_write(space, UINT64_MAX, "x", 1), 0);
	assert_int_equal(report(0 - 4 * PAGE, 4 * PAGE, PAGE, &first), 1);
	assert_int_equal(first, 3);
	assert_int_equal(report(1ull << 40, 1ull << 20, PAGE, &first), 0);
	assert_int_equal(dma_space_log_stop(space), 0);
}

static void numbers_that_make_no_sense(void **state)
{
	const struct dma_log_range good = { 0, SIZE }, empty = { 0, 0 },
				   wraps = { 0 - PAGE, 2 * PAGE },
				   all = { 0, UINT64_MAX };
	const struct dma_log_range overlap[] = { { PAGE, PAGE },
						 { 0, PAGE + 1 } };
	uint64_t bits[8], page, first;
	struct dma_log_range *many;

	(void)state;
	assert_int_equal(dma_space_log_stop(space), -EINVAL);
	assert_int_equal(dma_space_log_report(space, 0, PAGE, PAGE, bits),
			 -EINVAL);
	assert_int_equal(dma_space_log_start(space, PAGE, &good, 0, &page),
			 -EINVAL);
	assert_int_equal(dma_space_log_start(space, 0, &good, 1, &page),
			 -EINVAL);
	assert_int_equal(dma_space_log_start(space, 3, &good, 1, &page),
			 -EINVAL);
	assert_int_equal(dma_space_log_start(space, PAGE, &empty, 1, &page),
			 -EINVAL);
	assert_int_equal(dma_space_log_start(space, PAGE, &wraps, 1, &page),
			 -EINVAL);
	assert_int_equal(dma_space_log_start(space, PAGE, overlap, 2, &page),
			 -EINVAL);
	many = calloc(DMA_LOG_MAX_RANGES + 1, sizeof(*many));
	for (uint64_t i = 0; i <= DMA_LOG_MAX_RANGES; i++)
		many[i] = (struct dma_log_range){ i * PAGE, PAGE };
	assert_int_equal(dma_space_log_start(space, PAGE, many,
					     DMA_LOG_MAX_RANGES + 1, &page),
			 -E2BIG);
	assert_int_equal(dma_space_log_start(space, PAGE, many,
					     DMA_LOG_MAX_RANGES, &page),
			 0);
	assert_int_equal(dma_space_log_start(space, PAGE, &good, 1, &page),
			 -EBUSY);
	assert_int_equal(dma_space_write(space, 77 * PAGE, "x", 1), 0);
	assert_int_equal(report(0, SIZE, PAGE, &first), 1);
	assert_int_equal(first, 77);
	assert_int_equal(dma_space_log_report(space, 0, 0, PAGE, bits),
			 -EINVAL);
	assert_int_equal(dma_space_log_report(space, 0, PAGE, 0, bits),
			 -EINVAL);
	assert_int_equal(dma_space_log_report(space, 0, PAGE, 24, bits),
			 -EINVAL);
	assert_int_equal(dma_space_log_report(space, UINT64_MAX, 2, 1, bits),
			 -EINVAL);
	assert_int_equal(dma_space_log_stop(space), 0);
	free(many);
	/* Everything there is: larger pages, so that it fits */
	assert_int_equal(dma_space_log_start(space, PAGE, &all, 1, &page), 0);
	assert_true(page > PAGE);
	assert_true(UINT64_MAX / page / 8 <= DMA_LOG_MAX_BYTES);
	assert_int_equal(dma_space_write(space, 0, "x", 1), 0);
	assert_int_equal(report(0, SIZE, MIB, &first), SIZE / MIB);
	/* SIZE is a small part of that page, which stays. */
	assert_int_equal(report(SIZE, SIZE, MIB, &first), SIZE / MIB);
	/* A space may go while it logs. */
}

static sem_t marked;
static _Atomic int left;

static void *slow_writer(void *arg)
{
	volatile char *p;
	unsigned slept = clock_sleeps();

	(void)arg;
	dma_enter();
	p = dma_space_ptr(space, 0, 1, W);
	assert_non_null(p);
	sem_post(&marked);
	/* Whoever does not wait for this thread never sleeps. */
	while (clock_sleeps() == slept)
		sched_yield();
	*p = 1;
	left = 1;
	dma_leave();
	return NULL;
}

static void a_report_waits_for_the_write(void **state)
{
	pthread_t thread;
	uint64_t first;

	(void)state;
	left = 0;
	assert_int_equal(sem_init(&marked, 0, 0), 0);
	start(0, SIZE);
	assert_int_equal(pthread_create(&thread, NULL, slow_writer, NULL), 0);
	assert_int_equal(sem_wait(&marked), 0);
	assert_int_equal(report(0, SIZE, PAGE, &first), 1);
	assert_int_equal(left, 1);
	pthread_join(thread, NULL);
	assert_int_equal(report(0, SIZE, PAGE, &first), 0);
	assert_int_equal(dma_space_log_stop(space), 0);
}

/* ------------------------------------------------------------------ */
/* No bit is lost                                                      */
/* ------------------------------------------------------------------ */

#define WRITERS 3
#define WRITES	30000

static _Atomic int running;

/* Writes its own pages (every third), in every way. */
static void *writer(void *arg)
{
	uint64_t self = (uintptr_t)arg, seed = self + 1;

	for (uint64_t n = 1; n <= WRITES; n++) {
		struct vgpu_dma_segment seg;
		uint64_t iova, *p, addr;

		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		iova = ((seed >> 40) % (SIZE / PAGE / WRITERS) * WRITERS +
			self) *
		       PAGE;
		switch (n % 5) {
		case 0:
			dma_space_write(space, iova + 8, &n, 8);
			break;
		case 1:
			dma_space_store(space, iova + 16, 8, n);
			break;
		case 2:
			dma_enter();
			p = dma_space_ptr(space, iova, PAGE, W);
			p[3] = n;
			dma_leave();
			break;
		case 3:
			assert_int_equal(
				dma_space_get(space, iova, PAGE, W, &seg, 1),
				1);
			((uint64_t *)seg.ptr)[4] = n;
			dma_space_put(space, &seg, 1);
			break;
		default:
			assert_int_equal(
				dma_space_pin(space, &iova, 1, W, &addr), 0);
			assert_int_equal(
				vgpu_iommu_cpu_write(cpu, addr + 40, &n, 8), 0);
			dma_space_unpin(space, &iova, 1, W);
		}
	}
	running--;
	return NULL;
}

/* What a migration does: copy what is reported, again and again. */
static void copy_reported(uint8_t *copy)
{
	uint64_t bits[SIZE / PAGE / 64] = { 0 };

	assert_int_equal(dma_space_log_report(space, 0, SIZE, PAGE, bits), 0);
	for (uint64_t i = 0; i < SIZE / PAGE; i++)
		if (bits[i / 64] >> (i % 64) & 1)
			memcpy(copy + i * PAGE, client + i * PAGE, PAGE);
}

static void no_bit_is_lost(void **state)
{
	uint8_t *copy = calloc(1, SIZE);
	pthread_t threads[WRITERS];
	unsigned reports = 0;

	(void)state;
	start(0, SIZE);
	running = WRITERS;
	for (uintptr_t i = 0; i < WRITERS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, writer, (void *)i),
			0);
	while (running) {
		copy_reported(copy);
		reports++;
		usleep(200);
	}
	for (int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	copy_reported(copy);
	assert_true(reports > 0);
	for (uint64_t i = 0; i < SIZE; i += PAGE)
		assert_memory_equal(copy + i, client + i, PAGE);
	assert_int_equal(dma_space_log_stop(space), 0);
	free(copy);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(every_way_of_writing_is_logged),
		T(pages_of_any_size),
		T(ranges_of_the_clients_choice),
		T(numbers_that_make_no_sense),
		T(a_report_waits_for_the_write),
		T(no_bit_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
