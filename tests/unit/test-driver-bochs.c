/* SPDX-License-Identifier: MIT */
/*
 * The bochs driver's registers: what a guest sees that uses them as they are
 * meant to be used. (What else it may do is in test-driver-bochs-core.c.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "rig/driver.h"
#include "util/log.h"

static uint64_t mmio(struct rig *rig, uint64_t offset, unsigned size)
{
	return rd(rig, VGPU_REGION_BAR2, offset, size);
}

static void set_mmio(struct rig *rig, uint64_t offset, uint64_t value,
		     unsigned size)
{
	wr(rig, VGPU_REGION_BAR2, offset, value, size);
}

enum {
	ID,
	XRES,
	YRES,
	BPP,
	ENABLE,
	BANK,
	VIRT_WIDTH,
	VIRT_HEIGHT,
	X_OFFSET,
	Y_OFFSET,
	MEMORY_64K,
};

static uint16_t dispi(struct rig *rig, unsigned reg)
{
	return (uint16_t)mmio(rig, 0x500 + 2 * reg, 2);
}

static void set_dispi(struct rig *rig, unsigned reg, uint16_t value)
{
	set_mmio(rig, 0x500 + 2 * reg, value, 2);
}

static void set_port(struct rig *rig, unsigned port, uint8_t value)
{
	set_mmio(rig, 0x400 + port - 0x3c0, value, 1);
}

static uint8_t port(struct rig *rig, unsigned number)
{
	return (uint8_t)mmio(rig, 0x400 + number - 0x3c0, 1);
}

static void set_mode(struct rig *rig, unsigned x, unsigned y, unsigned bpp)
{
	set_dispi(rig, ENABLE, 0);
	set_dispi(rig, BPP, (uint16_t)bpp);
	set_dispi(rig, XRES, (uint16_t)x);
	set_dispi(rig, YRES, (uint16_t)y);
	set_dispi(rig, ENABLE, 0x41);
}

static int setup(void **state)
{
	struct rig *rig = rig_new("bochs-16m");

	rig_attach(rig);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

/* Nothing that a guest does with its screen is worth a line to an operator. */
static void no_line(enum log_level level, const char *subject, const char *line)
{
	(void)subject;
	if (level < LOG_LEVEL_DEBUG)
		fail_msg("logged: %s", line);
}

/* ------------------------------------------------------------------ */

static void looks_like_bochs(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(rig->core->desc.vendor_id, 0x1234);
	assert_int_equal(rig->core->desc.device_id, 0x1111);
	assert_int_equal(rig->core->desc.class_code, 0x038000);
	assert_int_equal(rig->core->desc.revision, 2);
	assert_int_equal(rig->core->desc.bars[2].size, 4096);
	assert_int_equal(rig->core->desc.bars[0].flags, VGPU_BAR_PREFETCH);
	assert_int_equal(dispi(rig, ID), 0xb0c5);
	assert_int_equal(dispi(rig, MEMORY_64K), (16 << 20) >> 16);
	assert_int_equal(mmio(rig, 0x600, 4), 8);
	assert_int_equal(mmio(rig, 0x604, 4), 0x1e1e1e1e);
	assert_int_equal(rig_plane(rig)->format, 0);
}

static void types_are_sane(void **state)
{
	const struct vgpu_driver *drv = vgpu_driver_module.driver;

	(void)state;
	for (size_t i = 0; i < drv->n_types; i++) {
		const struct vgpu_type *t = &drv->types[i];
		struct rig *rig = rig_new(t->name);

		/* Two pictures fit: Linux up to 6.12 flips in VRAM. */
		assert_true(t->vram_size >= 8ull * t->xres * t->yres);
		assert_int_equal(rig->core->regions[VGPU_REGION_BAR0].size,
				 t->vram_size);
		assert_int_equal(dispi(rig, MEMORY_64K), t->vram_size >> 16);
		set_mode(rig, t->xres, t->yres, 32);
		assert_int_equal(rig_plane(rig)->format, VGPU_FORMAT_XRGB8888);
		rig_free(rig);
	}
}

static void edid_is_there(void **state)
{
	struct rig *rig = *state;
	unsigned sum = 0;

	assert_int_equal(mmio(rig, 0, 8), 0x00ffffffffffff00);
	for (unsigned i = 0; i < 128; i++)
		sum += (unsigned)mmio(rig, i, 1);
	assert_int_equal(sum & 0xff, 0);
	/* Preferred mode 1024x768 */
	assert_int_equal(mmio(rig, 54 + 2, 1), 1024 & 0xff);
	assert_int_equal(mmio(rig, 54 + 4, 1) >> 4, 1024 >> 8);
	assert_int_equal(mmio(rig, 54 + 5, 2) & 0xff, 768 & 0xff);
	/* The rest of the window is zero, also across the end of the block. */
	assert_int_equal(mmio(rig, 0xfc, 8), 0);
	assert_int_equal(mmio(rig, 0x3f8, 8), 0);
}

static void a_mode_is_set(void **state)
{
	struct rig *rig = *state;

	set_mode(rig, 800, 600, 32);
	assert_int_equal(rig_plane(rig)->format, VGPU_FORMAT_XRGB8888);
	assert_int_equal(rig_plane(rig)->width, 800);
	assert_int_equal(rig_plane(rig)->height, 600);
	assert_int_equal(rig_plane(rig)->stride, 3200);
	assert_int_equal(rig_plane(rig)->region, VGPU_REGION_BAR0);
	assert_int_equal(rig_plane(rig)->offset, 0);
	assert_int_equal(dispi(rig, VIRT_WIDTH), 800);
	assert_int_equal(dispi(rig, VIRT_HEIGHT), (16 << 20) / 3200);
	set_dispi(rig, ENABLE, 0);
	assert_int_equal(rig_plane(rig)->format, 0);
}

static void formats_follow_depth_and_order(void **state)
{
	static const struct {
		unsigned bpp, bytes;
		uint32_t little, big;
	} formats[] = {
		{ 8, 1, VGPU_FORMAT_C8, VGPU_FORMAT_C8 },
		{ 15, 2, VGPU_FORMAT_XRGB1555,
		  VGPU_FORMAT_XRGB1555 | VGPU_FORMAT_BIG_ENDIAN },
		{ 16, 2, VGPU_FORMAT_RGB565,
		  VGPU_FORMAT_RGB565 | VGPU_FORMAT_BIG_ENDIAN },
		{ 24, 3, VGPU_FORMAT_RGB888, VGPU_FORMAT_BGR888 },
		{ 32, 4, VGPU_FORMAT_XRGB8888, VGPU_FORMAT_BGRX8888 },
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		set_mode(rig, 640, 480, formats[i].bpp);
		assert_int_equal(rig_plane(rig)->format, formats[i].little);
		assert_int_equal(rig_plane(rig)->stride,
				 640 * formats[i].bytes);
		set_mmio(rig, 0x604, 0xbebebebe, 4);
		assert_int_equal(rig_plane(rig)->format, formats[i].big);
		assert_int_equal(mmio(rig, 0x604, 4), 0xbebebebe);
		set_mmio(rig, 0x604, 0x12345678, 4); /* not a byte order */
		assert_int_equal(mmio(rig, 0x604, 4), 0xbebebebe);
		set_mmio(rig, 0x604, 0x1e1e1e1e, 4);
		assert_int_equal(rig_plane(rig)->format, formats[i].little);
	}
	set_mmio(rig, 0x600, 0xffffffff, 4);
	assert_int_equal(mmio(rig, 0x600, 4), 8);
}

/* Linux's buffers begin at any page: 800x600 the second time. */
static void the_picture_starts_anywhere(void **state)
{
	struct rig *rig = *state;
	uint32_t start = 1921024;

	set_mode(rig, 800, 600, 32);
	set_dispi(rig, VIRT_WIDTH, 800);
	set_dispi(rig, X_OFFSET, (uint16_t)(start % 3200 / 4));
	set_dispi(rig, Y_OFFSET, (uint16_t)(start / 3200));
	assert_int_equal(dispi(rig, X_OFFSET), 256);
	assert_int_equal(dispi(rig, Y_OFFSET), 600);
	assert_int_equal(rig_plane(rig)->format, VGPU_FORMAT_XRGB8888);
	assert_int_equal(rig_plane(rig)->offset, start);
	assert_int_equal(rig_plane(rig)->stride, 3200);
	/* Enabling again starts from the beginning. */
	set_dispi(rig, ENABLE, 0);
	set_dispi(rig, ENABLE, 0x41);
	assert_int_equal(dispi(rig, X_OFFSET), 0);
	assert_int_equal(rig_plane(rig)->offset, 0);
}

static void a_wider_line_is_a_longer_stride(void **state)
{
	struct rig *rig = *state;

	set_mode(rig, 800, 600, 16);
	set_dispi(rig, VIRT_WIDTH, 1024);
	assert_int_equal(rig_plane(rig)->stride, 2048);
	assert_int_equal(rig_plane(rig)->width, 800);
	assert_int_equal(dispi(rig, VIRT_HEIGHT), (16 << 20) / 2048);
	set_dispi(rig, VIRT_WIDTH, 100); /* less than what is shown */
	assert_int_equal(dispi(rig, VIRT_WIDTH), 800);
	set_dispi(rig, VIRT_HEIGHT, 1);
	assert_int_equal(dispi(rig, VIRT_HEIGHT), (16 << 20) / 1600);
}

static void nonsense_shows_nothing(void **state)
{
	struct rig *rig = *state;

	set_dispi(rig, ENABLE, 0x41); /* no mode at all */
	assert_int_equal(rig_plane(rig)->format, 0);
	assert_int_equal(dispi(rig, VIRT_HEIGHT), 0);
	set_mode(rig, 16000, 12000, 32); /* more than there is memory */
	assert_int_equal(rig_plane(rig)->format, 0);
	set_mode(rig, 1024, 768, 32);
	set_dispi(rig, Y_OFFSET, 0xffff);
	assert_int_equal(rig_plane(rig)->format, 0);
	assert_int_equal(dispi(rig, Y_OFFSET), 0xffff);
	set_dispi(rig, Y_OFFSET, 4096 - 768);
	assert_int_equal(rig_plane(rig)->format, VGPU_FORMAT_XRGB8888);
	set_dispi(rig, Y_OFFSET, 4096 - 767);
	assert_int_equal(rig_plane(rig)->format, 0);
	set_dispi(rig, VIRT_WIDTH, 0xffff);
	set_dispi(rig, X_OFFSET, 0xffff);
	set_dispi(rig, Y_OFFSET, 0xffff);
	assert_int_equal(rig_plane(rig)->format, 0);
	/* A start at 4 GiB, whose lower 32 bits are 0 */
	set_mode(rig, 64, 64, 32);
	set_dispi(rig, VIRT_WIDTH, 0x8000);
	assert_int_equal(rig_plane(rig)->format, VGPU_FORMAT_XRGB8888);
	set_dispi(rig, Y_OFFSET, 0x8000);
	assert_int_equal(rig_plane(rig)->format, 0);
}

static void registers_keep_to_their_values(void **state)
{
	struct rig *rig = *state;

	for (unsigned v = 0; v <= 0xffff; v++) {
		uint16_t was = dispi(rig, ID);

		set_dispi(rig, ID, (uint16_t)v);
		assert_int_equal(dispi(rig, ID),
				 v >= 0xb0c0 && v <= 0xb0c5 ? v : was);
		was = dispi(rig, BPP);
		set_dispi(rig, BPP, (uint16_t)v);
		assert_int_equal(dispi(rig, BPP),
				 v == 8 || v == 15 || v == 16 || v == 24 ||
						 v == 32
					 ? v
					 : was);
	}
	set_dispi(rig, XRES, 16000);
	set_dispi(rig, XRES, 16001);
	assert_int_equal(dispi(rig, XRES), 16000);
	set_dispi(rig, YRES, 12000);
	set_dispi(rig, YRES, 12001);
	assert_int_equal(dispi(rig, YRES), 12000);
	set_dispi(rig, MEMORY_64K, 1);
	assert_int_equal(dispi(rig, MEMORY_64K), 256);
	set_dispi(rig, BANK, 7);
	assert_int_equal(dispi(rig, BANK), 7);
	set_dispi(rig, ENABLE, 0xffff);
	assert_int_equal(dispi(rig, ENABLE), 0xe3);
}

static void a_mode_stays_while_it_is_on(void **state)
{
	struct rig *rig = *state;

	set_mode(rig, 1024, 768, 32);
	set_dispi(rig, XRES, 640);
	set_dispi(rig, YRES, 480);
	set_dispi(rig, BPP, 8);
	assert_int_equal(dispi(rig, XRES), 1024);
	assert_int_equal(dispi(rig, YRES), 768);
	assert_int_equal(dispi(rig, BPP), 32);
}

static void capabilities_are_told(void **state)
{
	struct rig *rig = *state;

	set_mode(rig, 1024, 768, 32);
	set_dispi(rig, ENABLE, 0x02);
	assert_int_equal(dispi(rig, XRES), 16000);
	assert_int_equal(dispi(rig, YRES), 12000);
	assert_int_equal(dispi(rig, BPP), 32);
	set_dispi(rig, XRES, 640); /* is stored all the same */
	set_dispi(rig, ENABLE, 0);
	assert_int_equal(dispi(rig, XRES), 640);
	assert_int_equal(dispi(rig, YRES), 768);
}

static void the_screen_blanks(void **state)
{
	struct rig *rig = *state;

	set_mode(rig, 1024, 768, 32);
	/* As Linux does it. */
	set_port(rig, 0x3c2, 0x01);
	(void)port(rig, 0x3da);
	set_port(rig, 0x3c0, 0x00);
	assert_int_equal(rig_plane(rig)->format, 0);
	assert_int_equal(port(rig, 0x3cc), 0x01);
	/* The flip-flop: this one is data and does not unblank. */
	set_port(rig, 0x3c0, 0x20);
	assert_int_equal(rig_plane(rig)->format, 0);
	(void)port(rig, 0x3da);
	set_port(rig, 0x3c0, 0x20);
	assert_int_equal(rig_plane(rig)->format, VGPU_FORMAT_XRGB8888);
	assert_int_equal(port(rig, 0x3c0), 0x20);
	/* Who polls for the retrace sees both levels. */
	assert_int_equal((port(rig, 0x3da) ^ port(rig, 0x3da)) & 0x08, 0x08);
	/* Ports without a function */
	assert_int_equal(port(rig, 0x3c4), 0xff);
	set_port(rig, 0x3d5, 0x12);
	assert_int_equal(port(rig, 0x3d5), 0xff);
}

static void colours_are_set(void **state)
{
	struct rig *rig = *state;

	set_mode(rig, 640, 480, 8);
	set_port(rig, 0x3c8, 255);
	set_port(rig, 0x3c9, 63);
	set_port(rig, 0x3c9, 0);
	set_port(rig, 0x3c9, 32);
	assert_int_equal(rig_plane(rig)->palette[255], 0xff0082);
	/* The index went on, and around. */
	set_port(rig, 0x3c9, 1);
	set_port(rig, 0x3c9, 2);
	set_port(rig, 0x3c9, 3);
	assert_int_equal(rig_plane(rig)->palette[0], 0x04080c);
	assert_int_equal(port(rig, 0x3c7), 0);
	set_port(rig, 0x3c7, 255);
	assert_int_equal(port(rig, 0x3c7), 3);
	assert_int_equal(port(rig, 0x3c9), 63);
	assert_int_equal(port(rig, 0x3c9), 0);
	assert_int_equal(port(rig, 0x3c9), 32);
	assert_int_equal(port(rig, 0x3c8), 0);
	/* 8 bits a channel */
	set_dispi(rig, ENABLE, 0x61);
	assert_int_equal(rig_plane(rig)->palette[255], 0x3f0020);
	/* The mask makes 256 entries fewer. */
	set_port(rig, 0x3c6, 0x00);
	assert_int_equal(rig_plane(rig)->palette[255], 0x010203);
	assert_int_equal(port(rig, 0x3c6), 0x00);
}

static void reset_forgets_everything(void **state)
{
	struct rig *rig = *state;
	uint8_t fresh[4096];

	assert_in_range(rig->core->state_size, 1, sizeof(fresh));
	memcpy(fresh, rig->core->state, rig->core->state_size);
	set_mode(rig, 1024, 768, 32);
	set_dispi(rig, ID, 0xb0c0);
	set_dispi(rig, BANK, 3);
	set_dispi(rig, X_OFFSET, 3);
	set_mmio(rig, 0x604, 0xbebebebe, 4);
	set_port(rig, 0x3c0, 0);
	set_port(rig, 0x3c8, 3);
	set_port(rig, 0x3c9, 3);
	device_reset(rig->core, VGPU_RESET_CLIENT);
	assert_memory_equal(rig->core->state, fresh, rig->core->state_size);
	assert_int_equal(rig_plane(rig)->format, 0);
	assert_int_equal(rig_plane(rig)->palette[3], 0);
	assert_int_equal(dispi(rig, ID), 0xb0c5);
}

/* Any access that a driver is called for as it is, in any order. */
static void anything_goes(void **state)
{
	struct rig *rig = *state;
	const struct region *bar = &rig->core->regions[VGPU_REGION_BAR2];
	uint32_t seed = 1;

	set_mode(rig, 64, 64, 32);
	for (int i = 0; i < 300000; i++) {
		const struct region_area *a;
		const struct vgpu_plane_shm *plane;
		unsigned size;
		uint64_t at;

		seed = seed * 1664525 + 1013904223;
		a = &bar->areas[seed >> 8 & 3];
		size = a->ops->max_access;
		at = (seed >> 10) % (a->size / size) * size;
		if (a->ops->write && (seed >> 31))
			set_mmio(rig, a->offset + at, seed >> 4, size);
		else
			mmio(rig, a->offset + at, size);
		plane = rig_plane(rig);
		if (plane->format) {
			assert_true(plane->width <= 16000);
			assert_true(plane->stride >= plane->width);
		}
	}
	/* Pictures came and went. */
	assert_true(rig_plane(rig)->serial > 1000);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(looks_like_bochs),
		TEST(types_are_sane),
		TEST(edid_is_there),
		TEST(a_mode_is_set),
		TEST(formats_follow_depth_and_order),
		TEST(the_picture_starts_anywhere),
		TEST(a_wider_line_is_a_longer_stride),
		TEST(nonsense_shows_nothing),
		TEST(registers_keep_to_their_values),
		TEST(a_mode_stays_while_it_is_on),
		TEST(capabilities_are_told),
		TEST(the_screen_blanks),
		TEST(colours_are_set),
		TEST(reset_forgets_everything),
		TEST(anything_goes),
	};

	log_setup(no_line, LOG_LEVEL_DEBUG);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
