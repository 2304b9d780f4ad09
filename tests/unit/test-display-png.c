/* SPDX-License-Identifier: MIT */
/* PNG files: read back by libpng's reader, and every way to fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "display/png.h"

struct rig {
	char dir[64];
	char path[96];
	struct picture p;
};

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	strcpy(rig->dir, "/tmp/vgpu-png-XXXXXX");
	assert_non_null(mkdtemp(rig->dir));
	snprintf(rig->path, sizeof(rig->path), "%s/a.png", rig->dir);
	rig->p.width = 333;
	rig->p.height = 77;
	rig->p.rgb = malloc(333 * 77 * 3);
	assert_non_null(rig->p.rgb);
	for (unsigned i = 0; i < 333 * 77 * 3; i++)
		rig->p.rgb[i] = (uint8_t)(i * 2654435761u >> 24);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	unlink(rig->path);
	/* Fails if something else was left there. */
	assert_int_equal(rmdir(rig->dir), 0);
	picture_fini(&rig->p);
	picture_fini(&rig->p);
	picture_fini(NULL);
	free(rig);
	return 0;
}

static void assert_same(const struct rig *rig, png_image *image)
{
	uint8_t *back;

	image->format = PNG_FORMAT_RGB;
	assert_int_equal(image->width, rig->p.width);
	assert_int_equal(image->height, rig->p.height);
	back = malloc(PNG_IMAGE_SIZE(*image));
	assert_non_null(back);
	assert_true(png_image_finish_read(image, NULL, back, 0, NULL));
	assert_memory_equal(back, rig->p.rgb, 333 * 77 * 3);
	free(back);
}

static void a_file_reads_back(void **state)
{
	struct rig *rig = *state;
	png_image image = { .version = PNG_IMAGE_VERSION };

	assert_int_equal(picture_save_png(&rig->p, rig->path), 0);
	assert_true(png_image_begin_read_from_file(&image, rig->path));
	assert_same(rig, &image);
	/* Over an existing one, too. */
	rig->p.rgb[0] ^= 0xff;
	assert_int_equal(picture_save_png(&rig->p, rig->path), 0);
	memset(&image, 0, sizeof(image));
	image.version = PNG_IMAGE_VERSION;
	assert_true(png_image_begin_read_from_file(&image, rig->path));
	assert_same(rig, &image);
}

static void memory_reads_back(void **state)
{
	struct rig *rig = *state;
	png_image image = { .version = PNG_IMAGE_VERSION };
	void *data;
	size_t size;

	assert_int_equal(picture_encode_png(&rig->p, &data, &size), 0);
	assert_true(png_image_begin_read_from_memory(&image, data, size));
	assert_same(rig, &image);
	free(data);
}

static void failures_are_told(void **state)
{
	struct rig *rig = *state;
	struct picture empty = { .width = 1, .height = 1 };
	char missing[128], too_long[5000];
	int fds[2];

	snprintf(missing, sizeof(missing), "%s/no/such/dir.png", rig->dir);
	assert_int_equal(picture_save_png(&rig->p, missing), -ENOENT);
	memset(too_long, 'x', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = 0;
	assert_int_equal(picture_save_png(&rig->p, too_long), -ENAMETOOLONG);
	assert_int_equal(picture_save_png(&rig->p, rig->dir), -EISDIR);
	assert_int_equal(picture_save_png(&rig->p, "/dev/full"), -ENOSPC);
	assert_int_equal(picture_write_png(&rig->p, -1), -EBADF);
	assert_int_equal(picture_save_png(&empty, rig->path), -EINVAL);
	assert_int_equal(access(rig->path, F_OK), -1);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(picture_write_png(&rig->p, fds[0]), -EBADF);
	close(fds[0]);
	close(fds[1]);
}

/* What was there stays, if the new one can't be completed. */
static void a_failure_leaves_the_old_file(void **state)
{
	struct rig *rig = *state;
	struct stat before, after;
	struct picture empty = { .width = 0 };

	assert_int_equal(picture_save_png(&rig->p, rig->path), 0);
	assert_int_equal(stat(rig->path, &before), 0);
	assert_int_equal(picture_save_png(&empty, rig->path), -EINVAL);
	assert_int_equal(stat(rig->path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(before.st_size, after.st_size);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_reads_back),
		TEST(memory_reads_back),
		TEST(failures_are_told),
		TEST(a_failure_leaves_the_old_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
