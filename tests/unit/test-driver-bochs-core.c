/* SPDX-License-Identifier: MIT */
/* The bochs driver on the real core: what arrives of a client's accesses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include <vgpu/display.h>

#include "rig/driver.h"
#include "display/plane.h"
#include "display/reader.h"

#define CONFIG VGPU_REGION_CONFIG
#define MMIO   VGPU_REGION_BAR2
#define VRAM   VGPU_REGION_BAR0

static int setup(void **state)
{
	*state = rig_new("bochs-16m");
	return 0;
}

static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

static void set_mode(struct rig *rig, unsigned x, unsigned y, unsigned bpp)
{
	wr(rig, MMIO, 0x508, 0, 2);
	wr(rig, MMIO, 0x502, x, 2);
	wr(rig, MMIO, 0x504, y, 2);
	wr(rig, MMIO, 0x506, bpp, 2);
	wr(rig, MMIO, 0x508, 0x41, 2);
}

static int take(struct rig *rig, struct picture *picture)
{
	struct display_reader *r;
	int err = display_capture(rig->core, &r);

	assert_int_equal(err, 0);
	err = display_reader_picture(r, 0, picture);
	display_reader_free(r);
	return err;
}

static void config_space_is_bochs(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(rd(rig, CONFIG, 0, 4), 0x11111234);
	assert_int_equal(rd(rig, CONFIG, 8, 4), 0x03800002);
	assert_int_equal(rd(rig, CONFIG, 0x10, 4), 8); /* prefetchable */
	assert_int_equal(rd(rig, CONFIG, 0x3d, 1), 0); /* no pin */
	wr(rig, CONFIG, 0x10, 0xffffffff, 4);
	assert_int_equal(rd(rig, CONFIG, 0x10, 4), 0xff000008);
	wr(rig, CONFIG, 0x18, 0xffffffff, 4);
	assert_int_equal(rd(rig, CONFIG, 0x18, 4), 0xfffff000);
}

static void registers_take_any_access(void **state)
{
	struct rig *rig = *state;
	uint8_t edid[0x400], byte;

	assert_int_equal(rd(rig, MMIO, 0x500, 1), 0xc5);
	assert_int_equal(rd(rig, MMIO, 0x501, 1), 0xb0);
	wr(rig, MMIO, 0x502, 800, 2);
	assert_int_equal(rd(rig, MMIO, 0x500, 4), 800u << 16 | 0xb0c5);
	/* A byte of a register */
	wr(rig, MMIO, 0x503, 2, 1);
	assert_int_equal(rd(rig, MMIO, 0x502, 2), 2 << 8 | (800 & 0xff));
	/* Two registers at once */
	wr(rig, MMIO, 0x502, 600u << 16 | 800, 4);
	assert_int_equal(rd(rig, MMIO, 0x504, 2), 600);
	/* Index and data of a VGA port with one word */
	wr(rig, MMIO, 0x408, 0x2a05, 2);
	assert_int_equal(rd(rig, MMIO, 0x408, 1), 5);
	/* Nobody is at home there. */
	assert_int_equal(rd(rig, MMIO, 0x516, 2), 0xffff);
	assert_int_equal(rd(rig, MMIO, 0x5fc, 8), 0x8ffffffff);
	assert_int_equal(rd(rig, MMIO, 0xfff, 1), 0xff);
	wr(rig, MMIO, 0xff8, 0, 8);
	assert_int_equal(region_read(rig->core, MMIO, 0xfff, edid, 2), -EINVAL);

	assert_int_equal(region_read(rig->core, MMIO, 0, edid, 0x400), 0);
	for (unsigned i = 0; i < 0x400; i++) {
		byte = (uint8_t)rd(rig, MMIO, i, 1);
		assert_int_equal(byte, edid[i]);
	}
	assert_int_equal(edid[1], 0xff);
	wr(rig, MMIO, 0, 0, 8);
	assert_int_equal(rd(rig, MMIO, 1, 1), 0xff);
}

static void the_screen_is_what_vram_says(void **state)
{
	struct rig *rig = *state;
	struct picture p;

	assert_int_equal(take(rig, &p), -ENODATA);
	set_mode(rig, 320, 200, 32);
	wr(rig, VRAM, 4 * (320 * 100 + 7), 0x00123456, 4);
	assert_int_equal(take(rig, &p), 0);
	assert_int_equal(p.width, 320);
	assert_int_equal(p.height, 200);
	assert_memory_equal(p.rgb + 3 * (320 * 100 + 7), "\x12\x34\x56", 3);
	picture_fini(&p);
	/* A flip to where the same pixel is at the top. */
	wr(rig, MMIO, 0x510, 7, 2);
	wr(rig, MMIO, 0x512, 100, 2);
	assert_int_equal(take(rig, &p), 0);
	assert_memory_equal(p.rgb, "\x12\x34\x56", 3);
	picture_fini(&p);
	/* The other byte order */
	wr(rig, MMIO, 0x604, 0xbebebebe, 4);
	assert_int_equal(take(rig, &p), 0);
	assert_memory_equal(p.rgb, "\x34\x12\x00", 3);
	picture_fini(&p);
	/* Beyond the end of VRAM */
	wr(rig, MMIO, 0x512, 0xffff, 2);
	assert_int_equal(take(rig, &p), -ENODATA);
}

static void palettes_are_shown(void **state)
{
	struct rig *rig = *state;
	struct picture p;

	set_mode(rig, 320, 200, 8);
	wr(rig, MMIO, 0x408, 9, 1);
	wr(rig, MMIO, 0x409, 63, 1);
	wr(rig, MMIO, 0x409, 0, 1);
	wr(rig, MMIO, 0x409, 1, 1);
	wr(rig, VRAM, 0, 9, 1);
	assert_int_equal(take(rig, &p), 0);
	assert_memory_equal(p.rgb, "\xff\x00\x04\x00\x00\x00", 6);
	picture_fini(&p);
}

static void a_reset_switches_it_off_and_keeps_vram(void **state)
{
	struct rig *rig = *state;
	struct picture p;

	set_mode(rig, 320, 200, 32);
	wr(rig, VRAM, 0, 0x00ffffff, 4);
	device_reset(rig->core, VGPU_RESET_CLIENT);
	assert_int_equal(take(rig, &p), -ENODATA);
	assert_int_equal(rd(rig, MMIO, 0x502, 2), 0);
	assert_int_equal(rd(rig, VRAM, 0, 4), 0x00ffffff);
}

/* Every access that a guest could make, in no order, across resets. */
static void anything_goes(void **state)
{
	struct rig *rig = *state;
	uint32_t seed = 7, shown = 0;

	for (int i = 0; i < 100000; i++) {
		uint64_t value, at;
		unsigned size;

		seed = seed * 1664525 + 1013904223;
		size = 1 + (seed >> 9) % 8;
		at = (seed >> 12) % (0x700 - size);
		if (seed >> 31) /* mostly where something is */
			at = 0x500 + at % 0x10;
		value = seed * 2654435761ull;
		if (seed >> 30 & 1)
			wr(rig, MMIO, at, value & 0x3ff, size);
		else
			rd(rig, MMIO, at, size);
		if (i % 100 == 0) {
			struct picture p;
			int err = take(rig, &p);

			if (!err)
				picture_fini(&p);
			else
				assert_int_equal(err, -ENODATA);
			shown += !err;
		}
		if (i % 5000 == 0)
			device_reset(rig->core, VGPU_RESET_FLR);
	}
	assert_true(shown > 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(config_space_is_bochs),
		TEST(registers_take_any_access),
		TEST(the_screen_is_what_vram_says),
		TEST(palettes_are_shown),
		TEST(a_reset_switches_it_off_and_keeps_vram),
		TEST(anything_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
