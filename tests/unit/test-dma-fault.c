/* SPDX-License-Identifier: MIT */
/*
 * Every step that can fail does so once: what the system refuses (memory,
 * mappings, descriptors) is an error, and nothing is half done.
 *
 * The linker puts our functions in the place of the C library's (--wrap); the
 * n-th of their calls fails, for n = 1, 2, ... until an operation gets through.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <vgpu/iommu.h>

#include "dma/access.h"
#include "dma/iommu-chunks.h"
#include "dma/pin.h"
#include "dma/remote.h"
#include "state/arena.h"
#include "util/loop.h"

#define PAGE 4096ull
#define MIB  (1ull << 20)
#define RW   (DMA_PROT_READ | DMA_PROT_WRITE)

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
WRAP(int, statx,
     (int fd, const char *path, int flags, unsigned mask, struct statx *x),
     (fd, path, flags, mask, x), ENOMEM, -1)
WRAP(int, fstatfs64, (int fd, struct statfs *st), (fd, st), ENOMEM, -1)
WRAP(int, eventfd, (unsigned n, int flags), (n, flags), EMFILE, -1)
WRAP(int, ftruncate64, (int fd, off_t n), (fd, n), ENOSPC, -1)
WRAP(int, memfd_create, (const char *name, unsigned flags), (name, flags),
     EMFILE, -1)
WRAP(ssize_t, getrandom, (void *p, size_t n, unsigned flags), (p, n, flags),
     EAGAIN, -1)

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

/* ------------------------------------------------------------------ */
/* What must not change                                                */
/* ------------------------------------------------------------------ */

static struct arena *arena;
static struct dma_space *space;
static struct vgpu_iommu *cpu;
static int fd, fd2;

struct snapshot {
	struct dma_space_stats maps;
	struct dma_pin_stats pins;
	struct vgpu_iommu_stats iommu;
	size_t fds;
};

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

static struct snapshot look(void)
{
	struct snapshot s;

	memset(&s, 0, sizeof(s));
	if (space) {
		dma_space_get_stats(space, &s.maps);
		dma_space_pin_stats(space, &s.pins);
		/* Tables may stay for the next map; they count as in use. */
		s.maps.table_bytes = 0;
	}
	vgpu_iommu_get_stats(cpu, &s.iommu);
	s.fds = open_fds();
	return s;
}

/* Do it with every failure; @undo what it did when it got through. */
static void with_failures(const char *what, int (*op)(void), void (*undo)(void))
{
	for (int n = 1;; n++) {
		struct snapshot before = look(), after;
		int err;

		assert_true(n < 100);
		failed = false;
		fail_in = n;
		err = op();
		fail_in = 0;
		if (!failed) {
			assert_true(err >= 0);
			if (n == 1)
				fail_msg("%s: nothing was made to fail", what);
			undo();
			return;
		}
		if (err >= 0) { /* it could do without */
			undo();
		} else {
			after = look();
			if (memcmp(&before, &after, sizeof(before)))
				fail_msg("%s: the failure of call %d left "
					 "something behind",
					 what, n);
		}
	}
}

/* ------------------------------------------------------------------ */

static struct dma_space *made;

static int make(void)
{
	return dma_space_new(arena, NULL, &made);
}

static void unmake(void)
{
	dma_space_free(made);
}

static void spaces(void **state)
{
	(void)state;
	/* Without the space that the others use: it would be found. */
	assert_int_equal(arena_new("fault", &arena), 0);
	assert_int_equal(vgpu_iommu_cpu_new(NULL, &cpu), 0);
	space = NULL;
	with_failures("new space", make, unmake);
	vgpu_iommu_destroy(cpu);
	arena_free(arena);
}

static int setup(void **state)
{
	(void)state;
	fail_in = 0;
	assert_int_equal(arena_new("fault", &arena), 0);
	assert_int_equal(dma_space_new(arena, NULL, &space), 0);
	assert_int_equal(vgpu_iommu_cpu_new(NULL, &cpu), 0);
	assert_int_equal(dma_space_set_iommu(space, cpu), 0);
	fd = memfd_create("one", MFD_CLOEXEC);
	fd2 = memfd_create("two", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, 16 * MIB), 0);
	assert_int_equal(ftruncate(fd2, 16 * MIB), 0);
	assert_int_equal(dma_space_map(space, 0, 8 * MIB, RW, fd, 0), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dma_space_free(space);
	vgpu_iommu_destroy(cpu);
	arena_free(arena);
	close(fd);
	close(fd2);
	return 0;
}

/* A new file; pages at both ends that need tables of their own */
static int map(void)
{
	return dma_space_map(space, (1ull << 50) + PAGE, 8 * MIB, RW, fd2, 0);
}

static int map_known(void)
{
	return dma_space_map(space, (1ull << 40) + PAGE, PAGE, RW, fd, 0);
}

static int map_remote(void)
{
	return dma_space_map(space, (1ull << 41) + PAGE, 4 * MIB, RW, -1, 0);
}

static void unmap_rest(void)
{
	assert_int_equal(
		dma_space_unmap(space, 16 * MIB, 1ull << 60, NULL, NULL), 0);
}

static void maps(void **state)
{
	(void)state;
	with_failures("map of a new file", map, unmap_rest);
	with_failures("map of a known file", map_known, unmap_rest);
	assert_int_equal(dma_space_map(space, 1ull << 55, PAGE, RW, -1, 0), 0);
	assert_int_equal(map_remote(), 0);
	unmap_rest();
}

static int unmap(void)
{
	return dma_space_unmap(space, 0, 8 * MIB, NULL, NULL);
}

static void map_again(void)
{
	assert_int_equal(dma_space_map(space, 0, 8 * MIB, RW, fd, 0), 0);
}

static void unmaps(void **state)
{
	(void)state;
	with_failures("unmap", unmap, map_again);
}

static uint64_t iovas[300], addrs[300];

static int pin(void)
{
	for (uint64_t i = 0; i < 300; i++)
		iovas[i] = i * 5 * PAGE;
	return dma_space_pin(space, iovas, 300, RW, addrs);
}

static void unpin(void)
{
	dma_space_unpin(space, iovas, 300, RW);
}

static void pins(void **state)
{
	(void)state;
	with_failures("pin", pin, unpin);
}

static int no_map(void *ctx, uint64_t iova, void *ptr, uint64_t size,
		  unsigned prot)
{
	return 0;
}

static int no_unmap(void *ctx, uint64_t iova, uint64_t size)
{
	return 0;
}

static void pins_for_hardware(void **state)
{
	static const struct iommu_chunk_ops ops = { .map = no_map,
						    .unmap = no_unmap };
	static const struct iova_range range = { 0, UINT64_MAX };
	const struct iommu_chunks_config config = {
		.name = "test",
		.ops = &ops,
		.ranges = &range,
		.n_ranges = 1,
		.mask = UINT64_MAX,
		.max_mappings = 100,
		.chunk = 64 << 10,
	};

	(void)state;
	assert_int_equal(dma_space_set_iommu(space, NULL), 0);
	vgpu_iommu_destroy(cpu);
	assert_int_equal(iommu_chunks_new(&config, &cpu), 0);
	assert_int_equal(dma_space_set_iommu(space, cpu), 0);
	with_failures("pin by chunks", pin, unpin);
}

static int log_start(void)
{
	const struct dma_log_range range = { 0, 8 * MIB };
	uint64_t page;

	return dma_space_log_start(space, PAGE, &range, 1, &page);
}

static void log_stop(void)
{
	assert_int_equal(dma_space_log_stop(space), 0);
}

static void logs(void **state)
{
	(void)state;
	with_failures("start of the log", log_start, log_stop);
	assert_false(dma_space_log_active(space));
}

static void on_copied(int err, void *user)
{
	(void)user;
	assert_int_equal(err, -ECANCELED);
}

static char buf[16];

static int copy(void)
{
	return dma_space_copy(space, false, 0, buf, sizeof(buf), on_copied,
			      NULL);
}

static void cancel(void)
{
	dma_space_cancel(space, NULL, NULL);
}

static void copies(void **state)
{
	(void)state;
	with_failures("asynchronous copy", copy, cancel);
}

static struct vgpu_iommu *iommu;

static int make_iommu(void)
{
	return vgpu_iommu_cpu_new(NULL, &iommu);
}

static void unmake_iommu(void)
{
	vgpu_iommu_destroy(iommu);
}

static void backends(void **state)
{
	(void)state;
	with_failures("new backend", make_iommu, unmake_iommu);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spaces), T(maps), T(unmaps), T(pins),
		T(pins_for_hardware),	  T(logs), T(copies), T(backends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
