/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vgpu/driver.h>

#include "state/arena.h"

static void blocks_are_found_again(void **state)
{
	struct arena *a, *b;
	uint32_t *p, *q;
	void *big;

	(void)state;
	assert_int_equal(arena_new("test", &a), 0);
	assert_int_equal(arena_block(a, "one", 1, 16, (void **)&p), 1);
	assert_int_equal(p[0], 0);
	p[0] = 42;
	/* Growth does not move what is there. */
	assert_int_equal(arena_block(a, "big", 1, 10 << 20, &big), 1);
	memset(big, 0xff, 10 << 20);
	assert_int_equal(arena_block(a, "one", 1, 16, (void **)&q), 0);
	assert_ptr_equal(p, q);
	assert_int_equal(arena_block(a, "one", 2, 16, &big), -ESTALE);
	assert_int_equal(arena_block(a, "one", 1, 32, &big), -ESTALE);

	/* A second mapping, as a successor would have it. */
	assert_int_equal(arena_open(arena_fd(a), &b), 0);
	assert_int_equal(arena_block(b, "one", 1, 16, (void **)&q), 0);
	assert_ptr_not_equal(p, q);
	assert_int_equal(q[0], 42);
	arena_free(a);
	assert_int_equal(q[0], 42);
	arena_free(b);
}

static void limits_have_names(void **state)
{
	struct arena *a;
	char name[ARENA_NAME_MAX + 1];
	void *p;
	int i;

	(void)state;
	assert_int_equal(arena_new("test", &a), 0);
	memset(name, 'x', sizeof(name));
	name[ARENA_NAME_MAX] = 0;
	assert_int_equal(arena_block(a, name, 1, 8, &p), -EINVAL);
	assert_int_equal(arena_block(a, "zero", 1, 0, &p), -EINVAL);
	assert_int_equal(arena_block(a, "huge", 1, ARENA_MAX_SIZE, &p), -ENOSPC);
	for (i = 0; i < ARENA_MAX_BLOCKS; i++) {
		snprintf(name, sizeof(name), "b%d", i);
		assert_int_equal(arena_block(a, name, 1, 8, &p), 1);
	}
	assert_int_equal(arena_block(a, "more", 1, 8, &p), -ENOSPC);
	arena_free(a);
	arena_free(NULL);
}

static void damaged_files_are_refused(void **state)
{
	struct arena *a, *b;
	uint8_t *raw;
	void *p;

	(void)state;
	assert_int_equal(arena_new("test", &a), 0);
	assert_int_equal(arena_block(a, "one", 1, 100, &p), 1);
	raw = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, arena_fd(a), 0);
	assert_true(raw != MAP_FAILED);
	for (size_t i = 0; i < 24; i++) { /* header and counts */
		uint8_t was = raw[i];
		int err;

		raw[i] ^= 0x80;
		err = arena_open(arena_fd(a), &b);
		if (!err) /* a bit in "used" may leave it plausible */
			arena_free(b);
		else
			assert_int_equal(err, -EINVAL);
		raw[i] = was;
	}
	raw[24 + ARENA_NAME_MAX + 8] ^= 1; /* offset of block 0: misaligned */
	assert_int_equal(arena_open(arena_fd(a), &b), -EINVAL);
	munmap(raw, 4096);
	arena_free(a);

	/* A file that can shrink under us is not an arena. */
	int fd = memfd_create("bad", 0);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	assert_int_equal(arena_open(fd, &b), -EINVAL);
	close(fd);
	assert_int_equal(arena_open(-1, &b), -EBADF);
}

struct sample {
	uint32_t a;
	uint16_t list[4];
};

static const struct vgpu_field sample_fields[] = {
	VGPU_FIELD(struct sample, a, 1),
	VGPU_FIELD_ARRAY(struct sample, list, 1),
};

static void visit(const char *name, uint32_t version, const void *ptr,
		  size_t size, const struct vgpu_field *fields, size_t n_fields,
		  void *user)
{
	(void)ptr;
	assert_string_equal(name, "sample");
	assert_int_equal(version, 1);
	assert_int_equal(size, sizeof(struct sample));
	assert_int_equal(n_fields, 2);
	assert_string_equal(fields[1].name, "list");
	assert_int_equal(fields[1].count, 4);
	++*(int *)user;
}

static void fields_are_described(void **state)
{
	const struct vgpu_field outside[] = { { "x", 8, 8, 1, 1 } };
	struct arena *a;
	int visits = 0;
	void *p;

	(void)state;
	assert_int_equal(arena_new("test", &a), 0);
	assert_int_equal(arena_block(a, "sample", 1, sizeof(struct sample), &p), 1);
	assert_int_equal(arena_describe(a, "sample", sample_fields, 2), 0);
	assert_int_equal(arena_describe(a, "other", sample_fields, 2), -ENOENT);
	assert_int_equal(arena_describe(a, "sample", outside, 1), -ERANGE);
	arena_visit(a, visit, &visits);
	assert_int_equal(visits, 1);
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_found_again),
		cmocka_unit_test(limits_have_names),
		cmocka_unit_test(damaged_files_are_refused),
		cmocka_unit_test(fields_are_described),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
