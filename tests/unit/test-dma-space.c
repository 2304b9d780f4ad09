/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dma/reader.h"
#include "dma/pin-private.h"
#include "dma/space-private.h"
#include "dma/space.h"
#include "state/arena.h"

#define PAGE 4096ull
#define MIB  (1ull << 20)
#define GIB  (1ull << 30)
#define RW   (DMA_PROT_READ | DMA_PROT_WRITE)

static struct arena *arena;
static struct dma_space *space;

static int setup(void **state)
{
	(void)state;
	assert_int_equal(arena_new("test", &arena), 0);
	assert_int_equal(dma_space_new(arena, NULL, &space), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dma_space_free(space);
	arena_free(arena);
	return 0;
}

static int memfd(uint64_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static int map(uint64_t iova, uint64_t size, int fd, uint64_t offset)
{
	return dma_space_map(space, iova, size, RW, fd, offset);
}

static int unmap(uint64_t iova, uint64_t size)
{
	return dma_space_unmap(space, iova, size, NULL, NULL);
}

/* NULL also where nothing is mapped */
static void *at(uint64_t iova)
{
	struct dma_found f = { 0 };

	dma_enter();
	if (dma_space_find(space, iova, &f))
		f.ptr = NULL;
	dma_leave();
	return f.ptr;
}

static bool mapped(uint64_t iova)
{
	struct dma_found f;
	int err;

	dma_enter();
	err = dma_space_find(space, iova, &f);
	dma_leave();
	return !err;
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

static void memory_is_found(void **state)
{
	int fd = memfd(8 * MIB);
	uint32_t v;
	struct dma_found f;

	(void)state;
	assert_int_equal(map(PAGE, 8 * MIB - PAGE, fd, PAGE), 0);
	for (uint64_t a = PAGE; a < 8 * MIB; a += PAGE) {
		v = (uint32_t)a;
		assert_int_equal(pwrite(fd, &v, 4, (off_t)a), 4);
		assert_int_equal(*(uint32_t *)at(a), v);
	}
	*(uint32_t *)at(3 * MIB + 8) = 77;
	assert_int_equal(pread(fd, &v, 4, 3 * MIB + 8), 4);
	assert_int_equal(v, 77);
	close(fd);
	assert_int_equal(*(uint32_t *)at(3 * MIB + 8), 77);
	assert_false(mapped(0));
	assert_false(mapped(8 * MIB));
	assert_false(mapped(UINT64_MAX));
	assert_int_equal(dma_space_find(space, 5 * MIB, &f), 0);
	assert_int_equal(f.len, 3 * MIB);
	assert_int_equal(f.prot, RW);
	assert_int_equal(unmap(PAGE, 8 * MIB - PAGE), 0);
	assert_false(mapped(PAGE));
	assert_int_equal(dma_space_count(space), 0);
}

static void bad_requests_change_nothing(void **state)
{
	int fd = memfd(4 * MIB), p[2], dir, ro, path;
	char name[64];
	struct dma_space_stats s;
	size_t fds;

	(void)state;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	ro = open(name, O_RDONLY | O_CLOEXEC);
	path = open(name, O_PATH | O_CLOEXEC);
	dir = open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(pipe(p), 0);
	fds = open_fds();
	/* alignment, size, wrap */
	assert_int_equal(map(1, PAGE, fd, 0), -EINVAL);
	assert_int_equal(map(0, PAGE + 1, fd, 0), -EINVAL);
	assert_int_equal(map(0, PAGE, fd, 512), -EINVAL);
	assert_int_equal(map(0, 0, fd, 0), -EINVAL);
	assert_int_equal(map(0 - PAGE, 2 * PAGE, -1, 0), -EINVAL);
	assert_int_equal(map(PAGE, 0 - PAGE, -1, 0), -ENOSPC);
	assert_int_equal(map(2 * PAGE, 0 - PAGE, -1, 0), -EINVAL);
	assert_int_equal(dma_space_map(space, 0, PAGE, 0, fd, 0), -EINVAL);
	assert_int_equal(dma_space_map(space, 0, PAGE, 4, fd, 0), -EINVAL);
	/* beyond the file's end, and far beyond */
	assert_int_equal(map(0, 4 * MIB + PAGE, fd, 0), -EINVAL);
	assert_int_equal(map(0, PAGE, fd, 4 * MIB), -EINVAL);
	assert_int_equal(map(0, PAGE, fd, 0 - PAGE), -EINVAL);
	assert_int_equal(map(0, PAGE, fd, 1ull << 62), -EINVAL);
	assert_int_equal(map(0, PAGE, fd, INT64_MAX & ~(PAGE - 1)), -EINVAL);
	/* kinds of descriptors */
	assert_int_equal(map(0, PAGE, p[0], 0), -EINVAL);
	assert_int_equal(map(0, PAGE, dir, 0), -EINVAL);
	assert_int_equal(map(0, PAGE, path, 0), -EACCES);
	assert_int_equal(map(0, PAGE, 9999, 0), -EBADF);
	assert_int_equal(map(0, PAGE, ro, 0), -EACCES);
	assert_int_equal(dma_space_map(space, 0, PAGE, DMA_PROT_WRITE, ro, 0),
			 -EACCES);
	assert_int_equal(open_fds(), fds);
	dma_space_get_stats(space, &s);
	assert_int_equal(s.maps, 0);
	assert_int_equal(s.files, 0);
	assert_int_equal(s.bytes, 0);
	assert_int_equal(dma_space_map(space, 0, PAGE, DMA_PROT_READ, ro, 0),
			 0);
	/* The file is known now, but not for writing by this descriptor. */
	assert_int_equal(map(MIB, PAGE, fd, 0), 0);
	assert_int_equal(map(2 * MIB, PAGE, ro, 0), -EACCES);
	close(fd);
	close(ro);
	close(path);
	close(dir);
	close(p[0]);
	close(p[1]);
}

static void only_memory_files_unless_allowed(void **state)
{
	struct dma_limits any = { .allow_any_file = true };
	char name[] = "dma-test-XXXXXX";
	int fd = mkstemp(name);

	(void)state;
	assert_true(fd >= 0);
	unlink(name);
	assert_int_equal(ftruncate(fd, MIB), 0);
	assert_int_equal(map(0, MIB, fd, 0), -EMEDIUMTYPE);
	teardown(NULL);
	assert_int_equal(arena_new("test", &arena), 0);
	assert_int_equal(dma_space_new(arena, &any, &space), 0);
	assert_int_equal(map(0, MIB, fd, 0), 0);
	close(fd);
}

static void sealed_files_can_be_read(void **state)
{
	int fd = memfd(MIB);

	(void)state;
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	assert_int_equal(map(0, MIB, fd, 0), -EACCES);
	assert_int_equal(dma_space_map(space, 0, MIB, DMA_PROT_READ, fd, 0), 0);
	assert_int_equal(map(MIB, MIB, fd, 0), -EACCES);
	assert_int_equal(*(char *)at(0), 0);
	close(fd);
}

/* What can't shrink is not asked for its size each time it comes, so all that
 * may differ is here: who has it open for what, and how long it has become. */
static void sealed_size_hides_nothing(void **state)
{
	int fd = memfd(2 * MIB), other = memfd(2 * MIB), ro, again;
	struct dma_space_stats s;
	char name[64];

	(void)state;
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	ro = open(name, O_RDONLY | O_CLOEXEC);
	again = dup(fd);
	assert_int_equal(map(0, MIB, fd, 0), 0);
	assert_int_equal(map(MIB, MIB, again, MIB), 0);
	*(char *)at(0) = 1;
	*(char *)at(MIB) = 2;
	assert_int_equal(map(2 * MIB, MIB, other, 0), 0);
	assert_int_equal(*(char *)at(2 * MIB), 0);
	assert_int_equal(map(3 * MIB, MIB, again, 0), 0);
	assert_int_equal(*(char *)at(3 * MIB), 1);
	assert_int_equal(map(4 * MIB, MIB, ro, 0), -EACCES);
	assert_int_equal(dma_space_map(space, 4 * MIB, MIB, DMA_PROT_READ, ro,
				       MIB),
			 0);
	assert_int_equal(*(char *)at(4 * MIB), 2);
	assert_int_equal(map(5 * MIB, MIB, fd, 2 * MIB), -EINVAL);
	assert_int_equal(ftruncate(fd, 3 * MIB), 0);
	assert_int_equal(map(5 * MIB, MIB, fd, 2 * MIB), 0);
	*(char *)at(5 * MIB) = 3;
	assert_int_equal(map(6 * MIB, MIB, fd, 2 * MIB), 0);
	assert_int_equal(*(char *)at(6 * MIB), 3);
	assert_int_equal(unmap(0, 7 * MIB), 0);
	dma_space_get_stats(space, &s);
	assert_int_equal(s.files, 0);
	/* Nothing of a file that was let go is believed. */
	assert_int_equal(map(0, MIB, fd, 2 * MIB), 0);
	assert_int_equal(*(char *)at(0), 3);
	close(fd);
	close(other);
	close(ro);
	close(again);
}

static void overlap_is_refused(void **state)
{
	const uint64_t base = 4 * MIB;
	const struct {
		uint64_t iova, size;
	} bad[] = {
		{ base, MIB },
		{ base, PAGE },
		{ base - PAGE, 2 * PAGE },
		{ base + MIB - PAGE, PAGE },
		{ base + MIB - PAGE, 8 * MIB },
		{ 0, 16 * MIB },
		{ 0, 1ull << 40 },
	};

	(void)state;
	assert_int_equal(map(base, MIB, -1, 0), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(map(bad[i].iova, bad[i].size, -1, 0), -EEXIST);
	assert_int_equal(map(base - PAGE, PAGE, -1, 0), 0);
	assert_int_equal(map(base + MIB, PAGE, -1, 0), 0);
	assert_int_equal(dma_space_count(space), 3);
	assert_null(at(base));
	assert_true(mapped(base));
}

static void unmap_spans_but_does_not_cut(void **state)
{
	int fd = memfd(16 * MIB);

	(void)state;
	for (uint64_t i = 0; i < 8; i++) /* holes in between */
		assert_int_equal(map(i * 2 * MIB, MIB, fd, i * MIB), 0);
	assert_int_equal(unmap(PAGE, MIB - PAGE), -EINVAL);
	assert_int_equal(unmap(0, MIB - PAGE), -EINVAL);
	assert_int_equal(unmap(0, 2 * MIB + PAGE), -EINVAL);
	assert_int_equal(unmap(PAGE, 8 * MIB), -EINVAL);
	assert_int_equal(unmap(PAGE, PAGE), -EINVAL);
	assert_int_equal(unmap(MIB, MIB), -ENOENT);
	assert_int_equal(unmap(64 * MIB, 1ull << 50), -ENOENT);
	assert_int_equal(unmap(0, 0), -EINVAL);
	assert_int_equal(unmap(1, PAGE), -EINVAL);
	assert_int_equal(unmap(0, 1), -EINVAL);
	assert_int_equal(unmap(0 - PAGE, 2 * PAGE), -EINVAL);
	assert_int_equal(dma_space_count(space), 8);
	assert_int_equal(unmap(MIB, 4 * MIB), 0); /* 1 and 2 */
	assert_int_equal(dma_space_count(space), 6);
	assert_true(mapped(0));
	assert_false(mapped(2 * MIB));
	assert_false(mapped(4 * MIB));
	assert_true(mapped(6 * MIB));
	assert_int_equal(map(2 * MIB, 4 * MIB, fd, 0), 0);
	assert_int_equal(dma_space_unmap_all(space, NULL, NULL), 0);
	assert_int_equal(dma_space_unmap_all(space, NULL, NULL), 0);
	assert_int_equal(dma_space_count(space), 0);
	assert_false(mapped(0));
	close(fd);
}

static void the_top_of_the_address_space(void **state)
{
	const uint64_t top = 0 - 4 * MIB;
	int fd = memfd(4 * MIB);

	(void)state;
	assert_int_equal(map(top, 4 * MIB, fd, 0), 0);
	assert_int_equal(map(1ull << 48, PAGE, fd, 0), 0);
	assert_int_equal(map((1ull << 48) - PAGE, PAGE, fd, 0), 0);
	*(char *)at(UINT64_MAX) = 1;
	assert_int_equal(*(char *)at(UINT64_MAX), 1);
	assert_int_equal(unmap(1ull << 47, 0 - (1ull << 47)), 0);
	assert_int_equal(dma_space_count(space), 0);
	/* Across windows; and as many windows as there are, then again. */
	assert_int_equal(map((1ull << 48) - MIB, 2 * MIB, fd, MIB), 0);
	assert_ptr_equal((char *)at((1ull << 48) - 1) + 1, at(1ull << 48));
	assert_int_equal(dma_space_unmap_all(space, NULL, NULL), 0);
	for (uint64_t round = 0; round < 2; round++) {
		for (uint64_t i = 1; i < DMA_MAX_WINDOWS; i++)
			assert_int_equal(map((i + round * 100) << 48, PAGE, fd,
					     i * PAGE),
					 0);
		assert_int_equal(map(99ull << 48, PAGE, fd, 0), -ENOSPC);
		assert_int_equal(dma_space_unmap_all(space, NULL, NULL), 0);
		assert_false(mapped((1 + round * 100) << 48));
	}
	close(fd);
}

static void a_file_is_mapped_and_open_once(void **state)
{
	int fd = memfd(16 * MIB);
	struct dma_space_stats s;
	size_t fds = open_fds();

	(void)state;
	for (uint64_t i = 0; i < 512; i++) {
		int d = dup(fd);

		assert_int_equal(map(i * PAGE, PAGE, d, (511 - i) * PAGE), 0);
		close(d);
	}
	dma_space_get_stats(space, &s);
	assert_int_equal(s.maps, 512);
	assert_int_equal(s.files, 1);
	assert_int_equal(s.bytes, 2 * MIB);
	assert_int_equal(open_fds(), fds + 1);
	/* A file that grew */
	assert_int_equal(ftruncate(fd, 32 * MIB), 0);
	assert_int_equal(map(GIB, MIB, fd, 31 * MIB), 0);
	assert_int_equal(ftruncate(fd, 33 * MIB), 0);
	assert_int_equal(map(2 * GIB, MIB, fd, 32 * MIB), 0);
	assert_int_equal(ftruncate(fd, 64 * MIB), 0);
	assert_int_equal(map(3 * GIB, MIB, fd, 63 * MIB), 0);
	dma_space_get_stats(space, &s);
	assert_int_equal(s.files, 3);
	*(char *)at(3 * GIB) = 9;
	*(char *)at(0) = 8;
	assert_int_equal(unmap(0, 1ull << 40), 0);
	assert_int_equal(open_fds(), fds);
	dma_space_get_stats(space, &s);
	assert_int_equal(s.files, 0);
	assert_int_equal(s.bytes, 0);
	close(fd);
}

static void limits_have_names(void **state)
{
	struct dma_limits l = { .max_maps = 4,
				.max_files = 2,
				.max_table_bytes = 1 << 20 };
	int fd[3];
	struct dma_space_stats s;
	uint64_t n;

	(void)state;
	teardown(NULL);
	assert_int_equal(arena_new("test", &arena), 0);
	assert_int_equal(dma_space_new(arena, &l, &space), 0);
	for (int i = 0; i < 3; i++)
		fd[i] = memfd(MIB);
	for (uint64_t i = 0; i < 2; i++)
		assert_int_equal(map(i * MIB, MIB, fd[i], 0), 0);
	assert_int_equal(map(2 * MIB, MIB, fd[2], 0), -ENOSPC);
	assert_int_equal(map(2 * MIB, MIB, fd[0], 0), 0);
	assert_int_equal(map(3 * MIB, MIB, fd[0], 0), 0);
	assert_int_equal(map(4 * MIB, MIB, fd[0], 0), -ENOSPC);
	assert_int_equal(unmap(3 * MIB, MIB), 0);
	assert_int_equal(map(4 * MIB, MIB, fd[0], 0), 0);

	/* One page in each 2 MiB costs a table of 4 KiB. */
	teardown(NULL);
	l.max_maps = 0;
	assert_int_equal(arena_new("test", &arena), 0);
	assert_int_equal(dma_space_new(arena, &l, &space), 0);
	for (n = 0; !map(n * 2 * MIB, PAGE, fd[0], 0); n++)
		;
	assert_in_range(n, 200, 256);
	assert_int_equal(map(n * 2 * MIB, PAGE, fd[0], 0), -ENOSPC);
	dma_space_get_stats(space, &s);
	assert_in_range(s.table_bytes, 1, 1 << 20);
	assert_int_equal(s.maps, n);
	/* So does an enormous range, all at once. */
	assert_int_equal(map(1ull << 46, DMA_MAX_BYTES, -1, 0), -ENOSPC);
	assert_int_equal(map(1ull << 46, 1ull << 46, -1, 0), -ENOSPC);
	assert_false(mapped(1ull << 46));
	/* What was given back can be used again. */
	assert_int_equal(dma_space_unmap_all(space, NULL, NULL), 0);
	for (uint64_t i = 0; i < n; i++)
		assert_int_equal(map(GIB + i * 2 * MIB, PAGE, fd[0], 0), 0);
	for (int i = 0; i < 3; i++)
		close(fd[i]);
}

static void a_truncated_file_does_not_kill(void **state)
{
	int fd = memfd(4 * MIB);
	struct dma_space_stats s;
	char *p;

	(void)state;
	assert_int_equal(map(0, 4 * MIB, fd, 0), 0);
	memset(at(0), 0x5a, 4 * MIB);
	assert_int_equal(ftruncate(fd, MIB), 0);
	p = at(2 * MIB);
	assert_int_equal(*(volatile char *)p, 0);
	*(volatile char *)p = 1;
	assert_int_equal(*(volatile char *)p, 1);
	assert_int_equal(*(volatile char *)at(MIB - 1), 0x5a);
	dma_space_get_stats(space, &s);
	assert_int_equal(s.replaced_pages, 1);
	/* However many pages: the number of kernel mappings stays small. */
	for (uint64_t a = 4 * MIB - PAGE; a >= MIB; a -= PAGE)
		*(volatile char *)at(a) = 2;
	dma_space_get_stats(space, &s);
	assert_in_range(s.replaced_pages, 2, 1000);
	/* The next range of the file gets it as it is now. */
	assert_int_equal(ftruncate(fd, 4 * MIB), 0);
	assert_int_equal(map(8 * MIB, MIB, fd, 2 * MIB), 0);
	*(char *)at(8 * MIB) = 3;
	assert_int_equal(pread(fd, &(char){ 0 }, 1, 0), 1);
	assert_int_equal(pread(fd, p, 1, 2 * MIB), 1);
	assert_int_equal(*p, 3);
	close(fd);
}

static void a_successor_finds_everything(void **state)
{
	struct dma_space *heir;
	struct arena *a;
	int fd = memfd(8 * MIB);

	(void)state;
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(
			map(i * 3 * PAGE, PAGE, i % 7 ? fd : -1, i * PAGE), 0);
	for (uint64_t i = 0; i < 100; i += 3)
		assert_int_equal(unmap(i * 3 * PAGE, PAGE), 0);
	close(fd);
	*(char *)at(3 * PAGE) = 42;
	/* What the dead one would have left: its arena and its descriptors */
	assert_int_equal(arena_open(arena_fd(arena), &a), 0);
	assert_int_equal(dma_space_new(a, NULL, &heir), 0);
	assert_int_equal(dma_space_count(heir), dma_space_count(space));
	for (uint64_t i = 0; i < 100; i++) {
		struct dma_found f, g;
		int err = dma_space_find(space, i * 3 * PAGE, &f);

		assert_int_equal(dma_space_find(heir, i * 3 * PAGE, &g), err);
		if (!err && f.ptr)
			assert_memory_equal(f.ptr, g.ptr, PAGE);
		if (!err)
			assert_int_equal(!!f.ptr, !!g.ptr);
	}
	/* Both free lists are the same one: only the heir may go on. */
	close(space->notice_fd);
	free(space->local);
	free(space->spare_unmap);
	free(space->remote);
	dma_pins_free(space);
	dma_table_fini(&space->table);
	for (uint32_t i = 0; i < space->files.n; i++) {
		struct dma_file *f = &space->files.files[i];

		munmap(f->base, f->record->len);
	}
	free(space->files.files);
	free(space);
	arena_free(arena);
	space = heir;
	arena = a;
	assert_int_equal(map(0, PAGE, -1, 0), 0);
	assert_int_equal(dma_space_unmap_all(space, NULL, NULL), 0);

	/* A descriptor that is not there any more */
	fd = memfd(MIB);
	assert_int_equal(map(0, MIB, fd, 0), 0);
	close(fd);
	fd = space->files.records[0].fd;
	close(fd);
	assert_int_equal(dma_space_new(arena, NULL, &heir), -ESTALE);
	space->files.records[0].fd = -1;
}

/* Random maps and unmaps against a plain array of pages */
static void like_a_plain_array(void **state)
{
	enum { PAGES = 4096 };
	static uint16_t model[PAGES]; /* 0: nothing; else id */
	int fd = memfd(PAGES * PAGE);
	uint64_t seed = 88172645463325252ull;
	uint16_t id = 0;

	(void)state;
	memset(model, 0, sizeof(model));
	for (int step = 0; step < 4000; step++) {
		uint64_t first, n, i;
		bool hit = false, cut = false;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		first = seed % PAGES;
		n = 1 + (seed >> 20) % ((seed >> 40 & 3) ? 32 : 1500);
		if (n > PAGES - first)
			n = PAGES - first;
		for (i = first; i < first + n; i++)
			hit |= !!model[i];
		cut = (first && model[first] &&
		       model[first - 1] == model[first]) ||
		      (first + n < PAGES && model[first + n] &&
		       model[first + n - 1] == model[first + n]);
		if (seed >> 50 & 1) {
			assert_int_equal(
				map(first * PAGE, n * PAGE, fd, first * PAGE),
				hit ? -EEXIST : 0);
			if (!hit && !++id)
				id = 1;
			for (i = first; !hit && i < first + n; i++)
				model[i] = id;
		} else {
			assert_int_equal(unmap(first * PAGE, n * PAGE),
					 !hit  ? -ENOENT
					 : cut ? -EINVAL
					       : 0);
			if (hit && !cut)
				memset(&model[first], 0, n * sizeof(model[0]));
		}
		for (i = 0; i < PAGES; i += 1 + step % 37)
			assert_int_equal(mapped(i * PAGE), !!model[i]);
	}
	close(fd);
}

static void private_memory_is_noticed(void **state)
{
	int fd = memfd(MIB);
	void *p;

	(void)state;
	assert_int_equal(dma_space_sharing(space, getpid()),
			 DMA_SHARING_UNKNOWN);
	assert_int_equal(map(0, PAGE, -1, 0), 0);
	assert_int_equal(dma_space_sharing(space, getpid()), DMA_SHARING_NONE);
	assert_int_equal(map(MIB, MIB, fd, 0), 0);
	/* This process is the server and has it mapped shared: ask about a
	 * child, which is the client. */
	for (int shared = 0; shared < 2; shared++) {
		int go[2];
		pid_t pid;

		assert_int_equal(pipe(go), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (!pid) {
			p = mmap(NULL, MIB, PROT_READ | PROT_WRITE,
				 shared ? MAP_SHARED : MAP_PRIVATE, fd, 0);
			_exit(p == MAP_FAILED || write(go[1], "x", 1) != 1 ||
			      pause());
		}
		assert_int_equal(read(go[0], &(char){ 0 }, 1), 1);
		assert_int_equal(dma_space_sharing(space, pid),
				 shared ? DMA_SHARING_SHARED
					: DMA_SHARING_PRIVATE);
		kill(pid, SIGKILL);
		close(go[0]);
		close(go[1]);
	}
	close(fd);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(memory_is_found),
		T(bad_requests_change_nothing),
		T(only_memory_files_unless_allowed),
		T(sealed_files_can_be_read),
		T(sealed_size_hides_nothing),
		T(overlap_is_refused),
		T(unmap_spans_but_does_not_cut),
		T(the_top_of_the_address_space),
		T(a_file_is_mapped_and_open_once),
		T(limits_have_names),
		T(a_truncated_file_does_not_kill),
		T(a_successor_finds_everything),
		T(like_a_plain_array),
		T(private_memory_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
