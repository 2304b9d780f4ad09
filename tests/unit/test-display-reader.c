/* SPDX-License-Identifier: MIT */
/*
 * The shared description from both ends: an honest writer, one that writes
 * while it is read, and files that somebody made up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "display/reader.h"
#include "display/shm.h"

struct rig {
	struct shm_writer *w;
	struct display_reader *r;
	int vram;
	uint8_t *pixels;
};

#define VRAM_SIZE (1u << 20)

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	assert_int_equal(shm_writer_new("test", &rig->w), 0);
	assert_int_equal(display_reader_new(shm_writer_fd(rig->w), &rig->r), 0);
	rig->vram = memfd_create("vram", MFD_CLOEXEC);
	assert_int_equal(ftruncate(rig->vram, VRAM_SIZE), 0);
	rig->pixels = mmap(NULL, VRAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			   rig->vram, 0);
	assert_true(rig->pixels != MAP_FAILED);
	assert_int_equal(display_reader_set_file(rig->r, 0, false, rig->vram),
			 0);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	display_reader_free(rig->r);
	shm_writer_free(rig->w);
	munmap(rig->pixels, VRAM_SIZE);
	close(rig->vram);
	free(rig);
	return 0;
}

static struct vgpu_plane plane_of(uint32_t format, uint32_t width,
				  uint32_t height, uint32_t stride,
				  uint64_t offset)
{
	return (struct vgpu_plane){
		.format = format,
		.width = width,
		.height = height,
		.stride = stride,
		.region = VGPU_REGION_BAR0,
		.offset = offset,
	};
}

static struct vgpu_plane_shm record(struct rig *rig, unsigned index)
{
	struct vgpu_plane_shm p;

	assert_int_equal(display_reader_plane(rig->r, index, &p), 0);
	return p;
}

/* ------------------------------------------------------------------ */

static void planes_are_published(void **state)
{
	struct vgpu_plane plane = plane_of(VGPU_FORMAT_RGB565, 64, 32, 128, 8);
	struct rig *rig = *state;
	struct vgpu_plane_shm p;

	assert_int_equal(record(rig, 0).format, 0);
	assert_int_equal(record(rig, 0).flags, VGPU_PLANE_DAMAGE_UNKNOWN);
	shm_set_plane(rig->w, 1, &plane, VGPU_PLANE_HIDDEN);
	assert_int_equal(record(rig, 0).serial, 0);
	p = record(rig, 1);
	assert_int_equal(p.serial, 1);
	assert_int_equal(p.sequence, 2);
	assert_int_equal(p.flags,
			 VGPU_PLANE_DAMAGE_UNKNOWN | VGPU_PLANE_HIDDEN);
	assert_int_equal(p.format, VGPU_FORMAT_RGB565);
	assert_int_equal(p.width, 64);
	assert_int_equal(p.height, 32);
	assert_int_equal(p.stride, 128);
	assert_int_equal(p.offset, 8);
	/* The same again is nothing new. */
	shm_set_plane(rig->w, 1, &plane, VGPU_PLANE_HIDDEN);
	assert_int_equal(record(rig, 1).sequence, 2);
	plane.offset = 0;
	shm_set_plane(rig->w, 1, &plane, VGPU_PLANE_HIDDEN);
	assert_int_equal(record(rig, 1).serial, 2);
	plane.format = 0;
	shm_set_plane(rig->w, 1, &plane, 0);
	assert_int_equal(record(rig, 1).serial, 3);
	assert_int_equal(record(rig, 1).width, 0);
	assert_int_equal(display_reader_plane(rig->r, VGPU_MAX_PLANES, &p),
			 -ERANGE);
}

static void damage_is_clipped_and_counted(void **state)
{
	struct vgpu_plane plane = plane_of(VGPU_FORMAT_C8, 100, 50, 100, 0);
	struct vgpu_rect inside = { 10, 20, 30, 10 },
			 over = { 90, 45, 99, ~0u };
	struct vgpu_rect outside = { 100, 0, 1, 1 }, empty = { 0, 0, 0, 5 };
	struct rig *rig = *state;
	struct vgpu_plane_shm p;

	shm_damage(rig->w, 0, &inside); /* of a plane that is off */
	assert_int_equal(record(rig, 0).damage_count, 0);
	shm_set_plane(rig->w, 0, &plane, 0);
	shm_damage(rig->w, 0, &inside);
	shm_damage(rig->w, 0, &over);
	shm_damage(rig->w, 0, &outside);
	shm_damage(rig->w, 0, &empty);
	p = record(rig, 0);
	assert_int_equal(p.damage_count, 2);
	assert_int_equal(p.flags & VGPU_PLANE_DAMAGE_UNKNOWN, 0);
	assert_memory_equal(&p.damage[0], &inside, sizeof(inside));
	assert_int_equal(p.damage[1].width, 10);
	assert_int_equal(p.damage[1].height, 5);
	assert_int_equal(p.serial, 1);
	for (unsigned i = 2; i < VGPU_DAMAGE_SLOTS + 1; i++)
		shm_damage(rig->w, 0, &inside);
	p = record(rig, 0);
	assert_int_equal(p.damage_count, VGPU_DAMAGE_SLOTS + 1);
	assert_memory_equal(&p.damage[0], &inside, sizeof(inside));
	assert_int_equal(p.damage[1].x, 90);
}

static void renewal_forgets(void **state)
{
	struct vgpu_plane plane = plane_of(VGPU_FORMAT_C8, 100, 50, 100, 0);
	struct vgpu_rect rect = { 0, 0, 1, 1 };
	uint32_t colours[256] = { 0xffffff };
	struct rig *rig = *state;
	struct vgpu_plane_shm p;

	assert_int_equal(display_reader_generation(rig->r), 1);
	shm_set_plane(rig->w, 2, &plane, 0);
	shm_set_palette(rig->w, 2, colours);
	shm_damage(rig->w, 2, &rect);
	assert_int_equal(record(rig, 2).palette[0], 0xffffff);
	shm_renew(rig->w);
	assert_int_equal(display_reader_generation(rig->r), 2);
	p = record(rig, 2);
	assert_int_equal(p.format, 0);
	assert_int_equal(p.palette[0], 0);
	assert_int_equal(p.flags, VGPU_PLANE_DAMAGE_UNKNOWN);
}

static void readers_cannot_write(void **state)
{
	struct rig *rig = *state;
	int fd = shm_writer_fd(rig->w);

	assert_ptr_equal(
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
		MAP_FAILED);
	assert_int_equal(errno, EACCES);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
}

/* ------------------------------------------------------------------ */

static void shows(struct rig *rig, uint32_t format, const void *pixel,
		  size_t bytes, uint32_t rgb)
{
	struct vgpu_plane plane =
		plane_of(format, 3, 2, (uint32_t)(3 * bytes + 5), 7);
	struct picture p;

	memset(rig->pixels, 0, 128);
	/* Second line, third pixel */
	memcpy(rig->pixels + 7 + 3 * bytes + 5 + 2 * bytes, pixel, bytes);
	shm_set_plane(rig->w, 0, &plane, 0);
	assert_int_equal(display_reader_picture(rig->r, 0, &p), 0);
	assert_int_equal(p.width, 3);
	assert_int_equal(p.height, 2);
	for (unsigned i = 0; i < 6; i++) {
		uint32_t got = (uint32_t)p.rgb[3 * i] << 16 |
			       (uint32_t)p.rgb[3 * i + 1] << 8 |
			       p.rgb[3 * i + 2];

		assert_int_equal(got, i == 5 ? rgb : 0);
	}
	picture_fini(&p);
}

static void every_format_is_read(void **state)
{
	uint32_t colours[256] = { [5] = 0xff123456 };
	struct rig *rig = *state;

	shm_set_palette(rig->w, 0, colours);
	shows(rig, VGPU_FORMAT_XRGB8888, "\x56\x34\x12\xff", 4, 0x123456);
	shows(rig, VGPU_FORMAT_BGRX8888, "\xff\x12\x34\x56", 4, 0x123456);
	shows(rig, VGPU_FORMAT_RGB888, "\x56\x34\x12", 3, 0x123456);
	shows(rig, VGPU_FORMAT_BGR888, "\x12\x34\x56", 3, 0x123456);
	shows(rig, VGPU_FORMAT_RGB565, "\x00\xf8", 2, 0xff0000);
	shows(rig, VGPU_FORMAT_RGB565, "\xe0\x07", 2, 0x00ff00);
	shows(rig, VGPU_FORMAT_RGB565, "\x10\x84", 2, 0x848284);
	shows(rig, VGPU_FORMAT_RGB565 | VGPU_FORMAT_BIG_ENDIAN, "\xf8\x01", 2,
	      0xff0008);
	shows(rig, VGPU_FORMAT_XRGB1555, "\x00\xfc", 2, 0xff0000);
	shows(rig, VGPU_FORMAT_XRGB1555, "\xe0\x03", 2, 0x00ff00);
	shows(rig, VGPU_FORMAT_XRGB1555 | VGPU_FORMAT_BIG_ENDIAN, "\x00\x1f", 2,
	      0x0000ff);
	shows(rig, VGPU_FORMAT_C8, "\x05", 1, 0x123456);
}

static void pictures_fail_with_a_reason(void **state)
{
	struct rig *rig = *state;
	struct picture p = { .rgb = NULL };
	int pipe_fds[2];

	assert_int_equal(display_reader_picture(rig->r, 0, &p), -ENODATA);
	assert_int_equal(display_reader_picture(rig->r, 9, &p), -ERANGE);
	for (unsigned i = 0; i < 9; i++) {
		static const struct {
			uint32_t format, w, h, stride;
			uint64_t offset;
			int err;
		} bad[9] = {
			{ 0x12345678, 1, 1, 4, 0, -EBADMSG },
			{ VGPU_FORMAT_C8, 0, 1, 4, 0, -EBADMSG },
			{ VGPU_FORMAT_C8, 1, 0, 4, 0, -EBADMSG },
			{ VGPU_FORMAT_C8, 16385, 1, 20000, 0, -EBADMSG },
			{ VGPU_FORMAT_XRGB8888, 2, 2, 7, 0, -EBADMSG },
			{ VGPU_FORMAT_C8, 1, 1, 1, VRAM_SIZE, -EBADMSG },
			{ VGPU_FORMAT_C8, 2, 2, 1 << 20, 0, -EBADMSG },
			{ VGPU_FORMAT_C8, 1, 1, 1, ~0ull, -EBADMSG },
			{ VGPU_FORMAT_C8, 16384, 16384, 16384, 0, -EFBIG },
		};
		struct vgpu_plane plane = plane_of(bad[i].format, bad[i].w,
						   bad[i].h, bad[i].stride,
						   bad[i].offset);

		shm_set_plane(rig->w, 0, &plane, 0);
		assert_int_equal(display_reader_picture(rig->r, 0, &p),
				 bad[i].err);
		assert_null(p.rgb);
	}
	/* The last byte of the file is still in it. */
	struct vgpu_plane plane = plane_of(VGPU_FORMAT_C8, 2, 2, VRAM_SIZE / 2,
					   VRAM_SIZE / 2 - 2);

	shm_set_plane(rig->w, 0, &plane, 0);
	assert_int_equal(display_reader_picture(rig->r, 0, &p), 0);
	picture_fini(&p);
	/* Somebody cuts the pixels off. */
	assert_int_equal(ftruncate(rig->vram, 4096), 0);
	assert_int_equal(display_reader_picture(rig->r, 0, &p), -EBADMSG);
	/* In the other file, which is not known */
	shm_set_plane(rig->w, 0, &plane, VGPU_PLANE_HIDDEN);
	assert_int_equal(display_reader_picture(rig->r, 0, &p), -ENOENT);

	assert_int_equal(display_reader_set_file(rig->r, 6, false, rig->vram),
			 -ERANGE);
	assert_int_equal(display_reader_set_file(rig->r, 0, false, -1), -EBADF);
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(display_reader_set_file(rig->r, 0, false, pipe_fds[0]),
			 -EINVAL);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

/* ------------------------------------------------------------------ */

static int forge(const struct vgpu_display_shm *shm, size_t size, int seals)
{
	int fd = memfd_create("forged", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, shm, sizeof(*shm), 0), sizeof(*shm));
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void forged_files_are_refused(void **state)
{
	struct vgpu_display_shm *shm = calloc(1, sizeof(*shm));
	struct display_reader *r;
	int fd;

	(void)state;
	assert_non_null(shm);
	shm->magic = VGPU_DISPLAY_MAGIC;
	shm->version = VGPU_DISPLAY_VERSION;
	shm->size = sizeof(*shm);
	shm->n_planes = 0xffffffff;
	/* One that could be cut off under us */
	fd = forge(shm, sizeof(*shm), 0);
	assert_int_equal(display_reader_new(fd, &r), -EINVAL);
	close(fd);
	fd = forge(shm, sizeof(*shm) - 1, F_SEAL_SHRINK);
	assert_int_equal(display_reader_new(fd, &r), -EINVAL);
	close(fd);
	shm->version++;
	fd = forge(shm, sizeof(*shm), F_SEAL_SHRINK);
	assert_int_equal(display_reader_new(fd, &r), -EPROTONOSUPPORT);
	close(fd);
	shm->version--;
	shm->magic++;
	fd = forge(shm, sizeof(*shm), F_SEAL_SHRINK);
	assert_int_equal(display_reader_new(fd, &r), -EINVAL);
	close(fd);
	assert_int_equal(display_reader_new(-1, &r), -EINVAL);

	/* A plausible one whose records never become stable, with more planes
	 * than there are and a count of damage that wraps. */
	shm->magic--;
	shm->planes[0].sequence = 1;
	shm->planes[1].region = 0xffffffff;
	shm->planes[1].format = VGPU_FORMAT_XRGB8888;
	shm->planes[1].width = shm->planes[1].height = 0x40000001;
	shm->planes[1].stride = 0xffffffff;
	shm->planes[1].damage_count = UINT64_MAX;
	shm->planes[2] = shm->planes[1];
	shm->planes[2].width = shm->planes[2].height = 1;
	fd = forge(shm, sizeof(*shm), F_SEAL_SHRINK);
	assert_int_equal(display_reader_new(fd, &r), 0);
	for (unsigned i = 0; i < 6; i++) {
		static const int expected[] = { -EBUSY,	  -EBADMSG, -EBADMSG,
						-ENODATA, -ERANGE,  -ERANGE };
		struct picture p = { 0 };

		assert_int_equal(display_reader_picture(r, i, &p), expected[i]);
	}
	display_reader_free(r);
	close(fd);
	free(shm);
}

/* ------------------------------------------------------------------ */

struct race {
	struct shm_writer *w;
	atomic_bool stop;
};

/* Every record says the same number in each of its fields. */
static void *write_for_ever(void *arg)
{
	struct race *race = arg;

	for (uint32_t n = 1; !atomic_load(&race->stop); n = n % 1000 + 1) {
		struct vgpu_plane plane = plane_of(VGPU_FORMAT_C8, n, n, n, n);
		uint32_t colours[256];

		shm_set_plane(race->w, 0, &plane, 0);
		for (unsigned i = 0; i < 256; i++)
			colours[i] = n;
		shm_set_palette(race->w, 0, colours);
		if (n % 16 == 0) /* on one processor, let the reader run */
			sched_yield();
	}
	return NULL;
}

static bool is_torn(const struct vgpu_plane_shm *p)
{
	bool torn = p->sequence % 2 || p->width != p->height ||
		    p->width != p->stride || p->width != p->offset;

	for (unsigned i = 1; i < 256; i++)
		torn |= p->palette[i] != p->palette[0];
	return torn;
}

static void records_are_never_torn(void **state)
{
	struct rig *rig = *state;
	struct race race = { .w = rig->w };
	unsigned changes = 0, wrong = 0;
	uint64_t last = 0;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, write_for_ever, &race),
			 0);
	/* Nothing is asserted before the thread has ended. */
	while (changes < 300 && !wrong) {
		struct vgpu_plane_shm p;
		struct picture picture;
		int err = display_reader_plane(rig->r, 0, &p);

		if (err) {
			wrong += err != -EBUSY;
			continue;
		}
		wrong += is_torn(&p) || p.serial < last;
		changes += p.serial != last;
		last = p.serial;
		err = display_reader_picture(rig->r, 0, &picture);
		if (!err)
			picture_fini(&picture);
		else
			wrong += err != -EBUSY && err != -ENODATA;
	}
	atomic_store(&race.stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(wrong, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(planes_are_published),
		TEST(damage_is_clipped_and_counted),
		TEST(renewal_forgets),
		TEST(readers_cannot_write),
		TEST(every_format_is_read),
		TEST(pictures_fail_with_a_reason),
		cmocka_unit_test(forged_files_are_refused),
		TEST(records_are_never_torn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
