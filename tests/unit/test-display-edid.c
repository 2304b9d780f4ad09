/* SPDX-License-Identifier: MIT */
/*
 * EDID blocks, read back by a decoder of its own (written from the standard's
 * tables, not from the encoder), and by edid-decode where that is installed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vgpu/display.h>

struct mode {
	unsigned x, y, htotal, vtotal, clock_khz;
	unsigned hsync_start, hsync_end, vsync_start, vsync_end;
};

static struct vgpu_edid_info info_of(unsigned x, unsigned y, unsigned hz)
{
	return (struct vgpu_edid_info){
		.vendor = "VGP",
		.name = "test",
		.serial = 0x12345678,
		.xres = x,
		.yres = y,
		.refresh = hz,
	};
}

static unsigned sum(const uint8_t *p, size_t n)
{
	unsigned s = 0;

	while (n--)
		s += *p++;
	return s & 0xff;
}

static struct mode decode_descriptor(const uint8_t *d)
{
	struct mode m;

	m.clock_khz = (d[0] + 256u * d[1]) * 10;
	m.x = d[2] + 16u * (d[4] & 0xf0);
	m.htotal = m.x + d[3] + 256u * (d[4] & 0x0f);
	m.y = d[5] + 16u * (d[7] & 0xf0);
	m.vtotal = m.y + d[6] + 256u * (d[7] & 0x0f);
	m.hsync_start = m.x + d[8] + 4u * (d[11] & 0xc0);
	m.hsync_end = m.hsync_start + d[9] + 16u * (d[11] & 0x30);
	m.vsync_start = m.y + d[10] / 16u + 4u * (d[11] & 0x0c);
	m.vsync_end = m.vsync_start + d[10] % 16u + 16u * (d[11] & 0x03);
	return m;
}

static unsigned u16_plus_1(const uint8_t *p)
{
	return p[0] + 256u * (p[1] & 0x7f) + 1;
}

/* Walks the blocks of a DisplayID section up to a type I timing. */
static struct mode decode_displayid(const uint8_t *ext)
{
	size_t at = 5, end = 5 + ext[2];
	const uint8_t *d;
	struct mode m;

	assert_int_equal(ext[0], 0x70);
	assert_true(end <= 126);
	assert_int_equal(sum(ext + 1, ext[2] + 5u), 0);
	while (ext[at] != 0x03) {
		at += 3u + ext[at + 2];
		assert_true(at < end);
	}
	assert_int_equal(ext[at + 2], 20);
	d = ext + at + 3;
	m.clock_khz = (d[0] + 256u * d[1] + 65536u * d[2] + 1) * 10;
	assert_true(d[3] & 0x80); /* preferred */
	m.x = u16_plus_1(d + 4);
	m.htotal = m.x + u16_plus_1(d + 6);
	m.hsync_start = m.x + u16_plus_1(d + 8);
	m.hsync_end = m.hsync_start + u16_plus_1(d + 10);
	m.y = u16_plus_1(d + 12);
	m.vtotal = m.y + u16_plus_1(d + 14);
	m.vsync_start = m.y + u16_plus_1(d + 16);
	m.vsync_end = m.vsync_start + u16_plus_1(d + 18);
	return m;
}

static void assert_plausible(const struct mode *m, unsigned hz)
{
	uint64_t mhz = m->clock_khz * 1000000ull / m->htotal / m->vtotal;

	assert_true(m->x < m->hsync_start && m->hsync_start < m->hsync_end);
	assert_true(m->hsync_end < m->htotal);
	assert_true(m->y < m->vsync_start && m->vsync_start < m->vsync_end);
	assert_true(m->vsync_end < m->vtotal);
	/* 10 kHz is the step of the clock: 0.5 % off at the smallest mode. */
	assert_in_range(mhz, hz * 995u, hz * 1000u + 5);
}

/* Totals as the CVT standard's own generator gives them. */
static void timings_are_cvt(void **state)
{
	static const struct {
		unsigned x, y, vtotal, vsync, clock_khz;
	} known[] = {
		{ 1024, 768, 790, 4, 56000 },
		{ 1280, 1024, 1054, 7, 91000 },
		{ 1680, 1050, 1080, 6, 119000 },
		{ 1920, 1080, 1111, 5, 138500 },
		{ 2560, 1440, 1481, 5, 241500 },
		{ 3840, 2160, 2222, 5, 533250 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct vgpu_edid_info info =
			info_of(known[i].x, known[i].y, 60);
		uint8_t e[VGPU_EDID_SIZE];
		struct mode m;

		assert_int_equal(vgpu_edid_build(&info, e), 128);
		m = decode_descriptor(e + 54);
		assert_int_equal(m.x, known[i].x);
		assert_int_equal(m.y, known[i].y);
		assert_int_equal(m.htotal, m.x + 160);
		assert_int_equal(m.vtotal, known[i].vtotal);
		assert_int_equal(m.hsync_start, m.x + 48);
		assert_int_equal(m.hsync_end, m.x + 80);
		assert_int_equal(m.vsync_start, m.y + 3);
		assert_int_equal(m.vsync_end, m.y + 3 + known[i].vsync);
		/* That generator rounds down to 250 kHz. */
		assert_int_equal(m.clock_khz / 250 * 250, known[i].clock_khz);
	}
}

static void the_base_block_says_who_it_is(void **state)
{
	static const uint8_t header[] = { 0, 255, 255, 255, 255, 255, 255, 0 };
	struct vgpu_edid_info info = info_of(1024, 768, 60);
	uint8_t e[VGPU_EDID_SIZE];

	(void)state;
	memset(e, 0xaa, sizeof(e));
	assert_int_equal(vgpu_edid_build(&info, e), 128);
	assert_memory_equal(e, header, 8);
	assert_int_equal(sum(e, 128), 0);
	assert_int_equal(sum(e + 128, 128), 0);
	for (size_t i = 128; i < sizeof(e); i++)
		assert_int_equal(e[i], 0);
	/* "VGP": 10110 00111 10000, big endian */
	assert_int_equal(e[8] << 8 | e[9], 0x58f0);
	assert_memory_equal(e + 12, "\x78\x56\x34\x12", 4);
	assert_int_equal(e[18], 1);
	assert_int_equal(e[19], 4);
	assert_int_equal(e[126], 0);
	assert_memory_equal(e + 90, "\0\0\0\xfc\0test\n        ", 18);
	/* 640x480, 800x600, 1024x768; no standard timing is as small */
	assert_int_equal(e[35], 0x21);
	assert_int_equal(e[36], 0x08);
	for (size_t i = 38; i < 54; i++)
		assert_int_equal(e[i], 1);
}

static void smaller_modes_are_offered(void **state)
{
	struct vgpu_edid_info info = info_of(1920, 1080, 60);
	bool seen_1080 = false;
	uint8_t e[VGPU_EDID_SIZE];

	(void)state;
	assert_int_equal(vgpu_edid_build(&info, e), 128);
	for (size_t i = 38; i < 54; i += 2) {
		static const unsigned num[] = { 10, 3, 4, 9 };
		static const unsigned den[] = { 16, 4, 5, 16 };
		unsigned x, y;

		if (e[i] == 1 && e[i + 1] == 1)
			continue;
		x = (e[i] + 31u) * 8;
		y = x * num[e[i + 1] >> 6] / den[e[i + 1] >> 6];
		assert_in_range(x, 1280, 1920);
		assert_in_range(y, 720, 1080);
		seen_1080 |= x == 1920 && y == 1080;
	}
	assert_true(seen_1080);
}

static void large_modes_get_an_extension(void **state)
{
	static const unsigned modes[][3] = {
		{ 4096, 2160, 60 },  { 5120, 2880, 60 }, { 7680, 4320, 60 },
		{ 8192, 8192, 240 }, { 320, 8192, 24 },	 { 8192, 200, 24 },
		{ 3840, 2160, 120 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		struct vgpu_edid_info info =
			info_of(modes[i][0], modes[i][1], modes[i][2]);
		uint8_t e[VGPU_EDID_SIZE];
		struct mode m;

		assert_int_equal(vgpu_edid_build(&info, e), 256);
		assert_int_equal(e[126], 1);
		assert_int_equal(sum(e, 128), 0);
		assert_int_equal(sum(e + 128, 128), 0);
		m = decode_displayid(e + 128);
		assert_int_equal(m.x, modes[i][0]);
		assert_int_equal(m.y, modes[i][1]);
		assert_plausible(&m, modes[i][2]);
		/* The base block has a smaller one for who can't read it. */
		m = decode_descriptor(e + 54);
		assert_true(m.x < modes[i][0] && m.y < modes[i][1]);
		assert_plausible(&m, modes[i][2]);
	}
}

/* Every width and a spread of heights and rates: nothing overflows a field. */
static void any_mode_reads_back(void **state)
{
	(void)state;
	for (unsigned x = 320; x <= 8192; x++) {
		unsigned y = 200 + x * 7919 % 7993, hz = 24 + x % 217;
		struct vgpu_edid_info info = info_of(x, y, hz);
		uint8_t e[VGPU_EDID_SIZE];
		struct mode m;
		int n = vgpu_edid_build(&info, e);

		assert_true(n == 128 || n == 256);
		assert_int_equal(sum(e, 128), 0);
		m = n == 128 ? decode_descriptor(e + 54)
			     : decode_displayid(e + 128);
		assert_int_equal(m.x, x);
		assert_int_equal(m.y, y);
		assert_plausible(&m, hz);
	}
}

static void nonsense_is_refused(void **state)
{
	struct vgpu_edid_info good = info_of(1024, 768, 60), bad;
	uint8_t e[VGPU_EDID_SIZE] = { 0x5a };

	(void)state;
#define REFUSED(member, value)                                                 \
	do {                                                                   \
		bad = good;                                                    \
		bad.member = value;                                            \
		assert_int_equal(vgpu_edid_build(&bad, e), -EINVAL);           \
		assert_int_equal(e[0], 0x5a);                                  \
	} while (0)
	REFUSED(vendor[1], 'g');
	REFUSED(vendor[2], 0);
	REFUSED(name, NULL);
	REFUSED(name, "");
	REFUSED(name, "fourteen bytes");
	REFUSED(name, "line\nbreak");
	REFUSED(xres, 319);
	REFUSED(xres, 8193);
	REFUSED(yres, 199);
	REFUSED(yres, 0xffffffff);
	REFUSED(refresh, 23);
	REFUSED(refresh, 241);
	good.name = "thirteen byte";
	assert_int_equal(vgpu_edid_build(&good, e), 128);
	good.dpi = 0xffffffff; /* a size below a centimetre: unknown */
	assert_int_equal(vgpu_edid_build(&good, e), 128);
	assert_int_equal(e[21], 0);
	good.dpi = 1; /* nor does this fit */
	assert_int_equal(vgpu_edid_build(&good, e), 128);
	assert_int_equal(e[21], 0);
}

static void edid_decode_agrees(void **state)
{
	static const unsigned modes[][2] = { { 1024, 768 },  { 1280, 1024 },
					     { 1920, 1080 }, { 2560, 1440 },
					     { 3840, 2160 }, { 5120, 2880 } };

	(void)state;
	if (system("command -v edid-decode >/dev/null") != 0)
		skip();
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		struct vgpu_edid_info info =
			info_of(modes[i][0], modes[i][1], 60);
		uint8_t e[VGPU_EDID_SIZE];
		int n = vgpu_edid_build(&info, e);
		FILE *p = popen("edid-decode --check - >/dev/null 2>&1", "w");

		assert_non_null(p);
		assert_int_equal(fwrite(e, 1, (size_t)n, p), n);
		assert_int_equal(pclose(p), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timings_are_cvt),
		cmocka_unit_test(the_base_block_says_who_it_is),
		cmocka_unit_test(smaller_modes_are_offered),
		cmocka_unit_test(large_modes_get_an_extension),
		cmocka_unit_test(any_mode_reads_back),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(edid_decode_agrees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
