/* SPDX-License-Identifier: MIT */
/* The display pipe of the reference GPU, and what its monitor says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <unistd.h>

#include <display.h>

#include "refgpu-rig.h"

#define XR24 0x34325258u
#define RG16 0x36314752u

static int setup(void **state)
{
	struct rig *rig = malloc(sizeof(*rig));

	rig_start(rig);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	rig_stop(*state);
	free(*state);
	return 0;
}

static uint32_t vblanks(struct rig *rig)
{
	return rd(rig, REFGPU_DISP_VBLANKS);
}

static void mode(struct rig *rig, uint32_t format, uint32_t width,
		 uint32_t height, uint32_t stride, uint64_t base)
{
	wr(rig, REFGPU_DISP_FORMAT, format);
	wr(rig, REFGPU_DISP_WIDTH, width);
	wr(rig, REFGPU_DISP_HEIGHT, height);
	wr(rig, REFGPU_DISP_STRIDE, stride);
	wr(rig, REFGPU_DISP_BASE_LO, (uint32_t)base);
	wr(rig, REFGPU_DISP_BASE_HI, (uint32_t)(base >> 32));
	wr(rig, REFGPU_DISP_COMMIT, 1);
	WAIT_FOR(!rd(rig, REFGPU_DISP_COMMIT));
}

static void test_scanout(void **state)
{
	struct rig *rig = *state;
	struct refgpu_hw_scanout live;

	assert_int_equal(rd(rig, REFGPU_DISP_REFRESH), 60000);
	assert_int_equal(rd(rig, REFGPU_DISP_STATUS), 0);
	assert_false(refgpu_hw_scanout(rig->hw, &live));
	wr(rig, REFGPU_IRQ_ENABLE, REFGPU_IRQ_VBLANK);
	wr(rig, REFGPU_DISP_CONTROL, 1);
	mode(rig, XR24, 640, 480, 2560, 4096);
	assert_int_equal(rd(rig, REFGPU_DISP_STATUS), 1);
	assert_true(refgpu_hw_scanout(rig->hw, &live));
	assert_int_equal(live.width, 640);
	assert_int_equal(live.base, 4096);
	/* What is written is not shown without COMMIT. */
	wr(rig, REFGPU_DISP_WIDTH, 320);
	for (uint32_t n = vblanks(rig) + 2, i = 0; i < 1; i++)
		WAIT_FOR(vblanks(rig) >= n);
	assert_true(refgpu_hw_scanout(rig->hw, &live));
	assert_int_equal(live.width, 640);
	WAIT_FOR(atomic_load(&rig->irqs[REFGPU_VECTOR_VBLANK]) >= 2);
	assert_true(rd(rig, REFGPU_IRQ_STATUS) & REFGPU_IRQ_VBLANK);
	wr(rig, REFGPU_DISP_CONTROL, 0);
	WAIT_FOR(rd(rig, REFGPU_DISP_STATUS) == 0);
	assert_false(refgpu_hw_scanout(rig->hw, &live));
}

static void test_refused(void **state)
{
	struct rig *rig = *state;
	struct refgpu_hw_scanout live;
	static const struct {
		uint32_t format, width, height, stride;
		uint64_t base;
	} bad[] = {
		{ 0, 640, 480, 2560, 0 },
		{ XR24, 0, 480, 2560, 0 },
		{ XR24, 640, 0, 2560, 0 },
		{ XR24, 8193, 1, 40000, 0 },
		{ XR24, 1, 8193, 4, 0 },
		{ XR24, 640, 480, 2556, 0 },
		{ XR24, 640, 480, 2562, 0 },
		{ XR24, 640, 480, 2560, 2 },
		{ XR24, 640, 480, 2560, RIG_MODULE - 2560 * 480 + 4 },
		{ XR24, 640, 480, 2560, RIG_VRAM },
		{ XR24, 640, 480, 2560, ~0ull - 3 },
		{ XR24, 640, 8192, 0xfffffffc, 0 },
	};

	wr(rig, REFGPU_DISP_CONTROL, 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		mode(rig, bad[i].format, bad[i].width, bad[i].height,
		     bad[i].stride, bad[i].base);
		assert_int_equal(rd(rig, REFGPU_DISP_STATUS), 2);
		assert_false(refgpu_hw_scanout(rig->hw, &live));
	}
	mode(rig, RG16, 640, 480, 1280, RIG_MODULE - 1280 * 480);
	assert_int_equal(rd(rig, REFGPU_DISP_STATUS), 1);
	wr(rig, REFGPU_RESET, 1);
	assert_int_equal(rd(rig, REFGPU_DISP_STATUS), 0);
	assert_int_equal(rd(rig, REFGPU_DISP_WIDTH), 0);
	assert_int_equal(vblanks(rig), 0);
}

static void test_edid(void **state)
{
	struct rig *rig = *state;
	uint8_t e[256], sum = 0;

	for (unsigned i = 0; i < 256; i += 4) {
		uint32_t d = rd(rig, REFGPU_DISP_EDID + i);

		memcpy(e + i, &d, 4);
	}
	for (unsigned i = 0; i < 128; i++)
		sum = (uint8_t)(sum + e[i]);
	assert_int_equal(sum, 0);
	for (unsigned i = 128; i < 256; i++)
		assert_int_equal(e[i], 0);
	assert_int_equal(e[54 + 2] | e[54 + 4] >> 4 << 8, 1024);
	assert_int_equal(e[54 + 5] | e[54 + 7] >> 4 << 8, 768);
}

/* edid-decode's opinion; 127: it is not installed. */
static void test_edid_decode(void **state)
{
	static const unsigned sizes[][2] = { { 640, 480 },   { 1024, 768 },
					     { 1280, 720 },  { 1366, 768 },
					     { 1920, 1080 }, { 2560, 1600 },
					     { 3840, 2160 }, { 8192, 4320 },
					     { 640, 400 } };
	char command[128];
	uint8_t e[128];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char name[] = "/tmp/test-refgpu-edid.XXXXXX";
		int fd = mkstemp(name), status;

		assert_true(fd >= 0);
		edid_build(sizes[i][0], sizes[i][1], e);
		assert_int_equal(write(fd, e, sizeof(e)), sizeof(e));
		close(fd);
		snprintf(command, sizeof(command),
			 "edid-decode --check %s >%s.txt 2>&1", name, name);
		status = system(command);
		if (status && status != 127 << 8) {
			snprintf(command, sizeof(command), "cat %s.txt >&2",
				 name);
			if (system(command))
				print_message("no output\n");
		}
		unlink(name);
		snprintf(command, sizeof(command), "%s.txt", name);
		unlink(command);
		if (status == 127 << 8)
			skip();
		if (status)
			fail_msg("%ux%u", sizes[i][0], sizes[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_scanout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_edid, setup, teardown),
		cmocka_unit_test(test_edid_decode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
