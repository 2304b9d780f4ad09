/* SPDX-License-Identifier: MIT */
/* Planes of an instance on the real core: what may be shown, and to whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vgpu/display.h>

#include "device/device.h"
#include "device/module.h"
#include "display/plane.h"
#include "display/reader.h"
#include "rig/inproc-client.h"
#include "util/loop.h"

/* ------------------------------------------------------------------ */
/* A device with memory of every kind                                  */
/* ------------------------------------------------------------------ */

#define KIB 1024u

static uint64_t no_read(struct vgpu_device *dev, void *data, uint64_t offset,
			unsigned size)
{
	return 0;
}

static const struct vgpu_mmio_ops ops = {
	.min_access = 1,
	.max_access = 8,
	.read = no_read,
};

static void no_write(struct vgpu_device *dev, void *data, uint64_t offset,
		     uint64_t value, unsigned size)
{
}

static const struct vgpu_mmio_ops bell_ops = {
	.min_access = 4,
	.max_access = 4,
	.write = no_write,
};

#define AREA(area_kind, at, len, area_ops)                                     \
	{                                                                      \
		.kind = (area_kind), .offset = (at), .size = (len),            \
		.ops = (area_ops)                                              \
	}

static const struct vgpu_area areas[] = {
	AREA(VGPU_AREA_MAPPED, 0, 64 * KIB, NULL),
	AREA(VGPU_AREA_MEMORY, 64 * KIB, 64 * KIB, NULL),
	AREA(VGPU_AREA_TRAPPED, 128 * KIB, 64 * KIB, &ops),
	AREA(VGPU_AREA_MAPPED, 192 * KIB, 32 * KIB, NULL),
	AREA(VGPU_AREA_DOORBELL, 240 * KIB, 4, &bell_ops),
};

/* Shows something from the first reset on, as a boot picture would be. */
static bool show_at_reset;

static void reset(struct vgpu_device *dev, enum vgpu_reset_reason reason)
{
	struct vgpu_plane plane = {
		.format = VGPU_FORMAT_C8,
		.width = 8,
		.height = 8,
		.stride = 8,
		.region = VGPU_REGION_BAR2,
	};

	if (show_at_reset)
		assert_int_equal(vgpu_plane_set(dev, 3, &plane), 0);
}

static const struct vgpu_pci_desc pci = {
	.vendor_id = 0x1234,
	.device_id = 1,
	.class_code = 0x038000,
	.bars[2] = { .size = 256 * KIB, VGPU_LIST(areas, areas) },
};

static const struct vgpu_device_ops device_ops = { .pci = &pci,
						   .reset = reset };

static const struct vgpu_type types[] = { {
	.name = "test-planes",
	.description = "memory of every kind",
} };
static const struct vgpu_driver driver = {
	.name = "test",
	.version = "1",
	.description = "test",
	VGPU_LIST(types, types),
	.instance = &device_ops,
};

struct rig {
	struct loop *loop;
	struct module *module;
	struct vgpu_core *core;
	struct vgpu_device *dev;
};

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct device_config config;

	assert_non_null(rig);
	assert_int_equal(loop_new(&rig->loop), 0);
	assert_int_equal(module_from_driver(&driver, &rig->module), 0);
	config = (struct device_config){
		.loop = rig->loop,
		.module = rig->module,
		.type = module_type(rig->module, 0),
	};
	assert_int_equal(device_create(&config, &rig->core), 0);
	rig->dev = rig->core->dev;
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	device_destroy(rig->core);
	module_close(rig->module);
	loop_free(rig->loop);
	free(rig);
	show_at_reset = false;
	return 0;
}

static struct vgpu_plane plane_at(uint64_t offset, uint32_t width,
				  uint32_t height, uint32_t stride)
{
	return (struct vgpu_plane){
		.format = VGPU_FORMAT_XRGB8888,
		.width = width,
		.height = height,
		.stride = stride,
		.region = VGPU_REGION_BAR2,
		.offset = offset,
	};
}

static struct vgpu_plane_shm record(struct rig *rig, unsigned index)
{
	struct display_reader *r;
	struct vgpu_plane_shm p;

	assert_int_equal(display_capture(rig->core, &r), 0);
	assert_int_equal(display_reader_plane(r, index, &p), 0);
	display_reader_free(r);
	return p;
}

/* ------------------------------------------------------------------ */

static void there_is_none_before_the_first_word(void **state)
{
	struct rig *rig = *state;
	struct vgpu_plane off = { 0 };
	struct display_reader *r;
	struct vgpu_rect rect = { 0, 0, 1, 1 };
	int fd;

	assert_int_equal(display_fd(rig->core, &fd), -ENODATA);
	assert_int_equal(display_capture(rig->core, &r), -ENODATA);
	vgpu_plane_damage(rig->dev, 0, &rect);
	assert_int_equal(display_fd(rig->core, &fd), -ENODATA);
	assert_int_equal(vgpu_plane_set(rig->dev, 0, &off), 0);
	assert_int_equal(display_fd(rig->core, &fd), 0);
	assert_int_equal(record(rig, 0).format, 0);
}

static void a_plane_is_wholly_in_memory(void **state)
{
	struct rig *rig = *state;
	static const struct {
		uint64_t offset;
		uint32_t w, h, stride;
		int err;
	} cases[] = {
		{ 0, 128, 128, 512, 0 },
		{ 64 * KIB, 128, 128, 512, 0 },
		{ 192 * KIB, 64, 128, 256, 0 },
		/* The last line may be shorter than a stride. */
		{ 0, 100, 128, 512, 0 },
		{ 112, 100, 128, 512, 0 },
		{ 113, 100, 128, 512, -EINVAL },
		/* Over the end of an area, though into another memory one */
		{ 4, 128, 128, 512, -EINVAL },
		{ 32 * KIB, 128, 128, 512, -EINVAL },
		/* In registers, in a hole, a doorbell, behind the BAR */
		{ 128 * KIB, 1, 1, 4, -EINVAL },
		{ 224 * KIB, 1, 1, 4, -EINVAL },
		{ 240 * KIB, 1, 1, 4, -EINVAL },
		{ 256 * KIB, 1, 1, 4, -EINVAL },
		{ ~0ull, 1, 1, 4, -EINVAL },
		{ ~0ull - 3, 128, 128, 512, -EINVAL },
		/* Numbers whose products wrap in 32 bits */
		{ 0, 16384, 16384, 0xffffffff, -EINVAL },
		{ 0, 16384, 16384, 0x40000000, -EINVAL },
		{ 0, 0x40000001, 1, 4, -EINVAL },
		{ 0, 16385, 1, 65540, -EINVAL },
		{ 0, 1, 16385, 4, -EINVAL },
		{ 0, 0, 1, 4, -EINVAL },
		{ 0, 1, 0, 4, -EINVAL },
		{ 0, 2, 2, 7, -EINVAL },
		{ 0, 1, 2, 0, -EINVAL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vgpu_plane good = plane_at(0, 2, 2, 8);
		struct vgpu_plane p = plane_at(cases[i].offset, cases[i].w,
					       cases[i].h, cases[i].stride);

		assert_int_equal(vgpu_plane_set(rig->dev, 0, &good), 0);
		assert_int_equal(vgpu_plane_set(rig->dev, 0, &p), cases[i].err);
		/* What is refused is off. */
		assert_int_equal(record(rig, 0).format,
				 cases[i].err ? 0 : VGPU_FORMAT_XRGB8888);
	}
}

static void nonsense_is_refused(void **state)
{
	struct rig *rig = *state;
	struct {
		struct vgpu_plane plane;
		uint64_t later;
	} longer = { 0 };
	struct vgpu_plane p = plane_at(0, 2, 2, 8);
	uint32_t colours[256] = { 0 };

	assert_int_equal(vgpu_plane_set(rig->dev, VGPU_MAX_PLANES, &p),
			 -ERANGE);
	assert_int_equal(vgpu_plane_palette(rig->dev, VGPU_MAX_PLANES, colours),
			 -ERANGE);
	for (unsigned region = 0; region < 20; region++) {
		p.region = region;
		assert_int_equal(vgpu_plane_set(rig->dev, 0, &p),
				 region == 2 ? 0 : -EINVAL);
	}
	p = plane_at(0, 2, 2, 8);
	p.format = 0x20202020;
	assert_int_equal(vgpu_plane_set(rig->dev, 0, &p), -EINVAL);
	p = plane_at(0, 2, 2, 8);
	longer.plane = p;
	assert_int_equal(vgpu_plane_set_sized(rig->dev, 0, &longer.plane,
					      sizeof(longer)),
			 0);
	longer.later = 1;
	assert_int_equal(vgpu_plane_set_sized(rig->dev, 0, &longer.plane,
					      sizeof(longer)),
			 -E2BIG);
	assert_int_equal(record(rig, 0).format, 0);
	vgpu_plane_damage(rig->dev, VGPU_MAX_PLANES, NULL);
	vgpu_plane_damage(rig->dev, ~0u, NULL);
}

static void pictures_come_from_either_file(void **state)
{
	static const uint64_t offsets[] = { 16, 64 * KIB + 16, 192 * KIB + 16 };
	struct rig *rig = *state;

	for (size_t i = 0; i < 3; i++) {
		struct vgpu_plane p = plane_at(offsets[i], 2, 2, 8);
		uint8_t *memory =
			vgpu_device_memory(rig->dev, 2, offsets[i], 16);
		struct display_reader *r;
		struct picture picture;

		assert_non_null(memory);
		memory[12] = (uint8_t)(0x10 + i);
		assert_int_equal(vgpu_plane_set(rig->dev, 0, &p), 0);
		assert_int_equal(display_capture(rig->core, &r), 0);
		assert_int_equal(display_reader_picture(r, 0, &picture), 0);
		assert_int_equal(picture.rgb[11], 0x10 + i);
		assert_int_equal(record(rig, 0).flags & VGPU_PLANE_HIDDEN,
				 i == 1 ? VGPU_PLANE_HIDDEN : 0);
		picture_fini(&picture);
		display_reader_free(r);
	}
}

static void damage_is_passed_on(void **state)
{
	struct rig *rig = *state;
	struct vgpu_plane p = plane_at(0, 20, 10, 80);
	struct vgpu_rect rect = { 1, 2, 3, 4 };

	assert_int_equal(vgpu_plane_set(rig->dev, 0, &p), 0);
	assert_int_equal(record(rig, 0).flags, VGPU_PLANE_DAMAGE_UNKNOWN);
	vgpu_plane_damage(rig->dev, 0, &rect);
	vgpu_plane_damage(rig->dev, 0, NULL);
	assert_int_equal(record(rig, 0).flags, 0);
	assert_int_equal(record(rig, 0).damage_count, 2);
	assert_int_equal(record(rig, 0).damage[0].height, 4);
	assert_int_equal(record(rig, 0).damage[1].width, 20);
	assert_int_equal(record(rig, 0).damage[1].height, 10);
}

/* A client comes, and goes. */
static void serve_another(struct rig *rig)
{
	struct inproc client;

	inproc_init(&client);
	assert_int_equal(inproc_attach(&client, rig->core), 0);
	inproc_detach(&client);
}

static void another_client_sees_nothing_of_the_last(void **state)
{
	struct rig *rig = *state;
	struct vgpu_plane p = plane_at(0, 2, 2, 8);
	uint32_t colours[256] = { 0xabcdef };
	struct display_reader *old;
	struct picture picture;
	uint8_t *memory = vgpu_device_memory(rig->dev, 2, 0, 16);

	serve_another(rig);
	memory[2] = 0x77;
	assert_int_equal(vgpu_plane_set(rig->dev, 0, &p), 0);
	assert_int_equal(vgpu_plane_palette(rig->dev, 0, colours), 0);
	assert_int_equal(display_capture(rig->core, &old), 0);
	assert_int_equal(display_reader_generation(old), 1);
	show_at_reset = true;
	serve_another(rig);
	assert_int_equal(display_reader_generation(old), 2);
	assert_int_equal(record(rig, 0).format, 0);
	assert_int_equal(record(rig, 0).palette[0], 0);
	assert_int_equal(memory[2], 0);
	/* What the driver shows at the reset is there. */
	assert_int_equal(record(rig, 3).format, VGPU_FORMAT_C8);
	/* The old reader has the old files: the pixels of the last client, and
	 * nothing of the new one. */
	memory[2] = 0x99;
	assert_int_equal(vgpu_plane_set(rig->dev, 0, &p), 0);
	assert_int_equal(display_reader_picture(old, 0, &picture), 0);
	assert_int_equal(picture.rgb[0], 0x77);
	picture_fini(&picture);
	display_reader_free(old);
}

static void other_processes_get_read_only_files(void **state)
{
	struct rig *rig = *state;
	struct vgpu_plane p = plane_at(0, 2, 2, 8);
	int fd;

	assert_int_equal(vgpu_plane_set(rig->dev, 0, &p), 0);
	for (int hidden = 0; hidden < 2; hidden++) {
		assert_int_equal(display_region_fd(rig->core, 2, hidden, &fd),
				 0);
		assert_ptr_equal(
			mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0),
			MAP_FAILED);
		assert_int_equal(write(fd, "x", 1), -1);
		close(fd);
	}
	assert_int_equal(display_region_fd(rig->core, 0, false, &fd), -ENOENT);
	assert_int_equal(display_region_fd(rig->core, 6, false, &fd), -ENOENT);
	assert_int_equal(display_region_fd(rig->core, ~0u, true, &fd), -ENOENT);
}

/* The display is a cache of what is in the arena. */
static void a_successor_shows_the_same(void **state)
{
	struct rig *rig = *state;
	struct vgpu_plane p = plane_at(64 * KIB, 2, 2, 8);
	uint32_t colours[256] = { [7] = 0x123456 };
	struct vgpu_plane_shm before, after;

	assert_int_equal(vgpu_plane_set(rig->dev, 1, &p), 0);
	before = record(rig, 1);
	rig->core->display_ext->free(rig->core->display);
	rig->core->display_ext = NULL;
	rig->core->display = NULL;
	assert_int_equal(vgpu_plane_palette(rig->dev, 0, colours), 0);
	after = record(rig, 1);
	assert_int_equal(after.format, VGPU_FORMAT_XRGB8888);
	assert_int_equal(after.flags, before.flags);
	assert_int_equal(after.offset, before.offset);
	assert_int_equal(record(rig, 0).palette[7], 0x123456);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(there_is_none_before_the_first_word),
		TEST(a_plane_is_wholly_in_memory),
		TEST(nonsense_is_refused),
		TEST(pictures_come_from_either_file),
		TEST(damage_is_passed_on),
		TEST(another_client_sees_nothing_of_the_last),
		TEST(other_processes_get_read_only_files),
		TEST(a_successor_shows_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
