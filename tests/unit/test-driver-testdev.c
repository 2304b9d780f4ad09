/* SPDX-License-Identifier: MIT */
/*
 * The test device on the real core. Other tests build on what is checked
 * here: that its registers, windows and areas are what they say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include "device/doorbell.h"
#include "rig/clock.h"
#include "rig/driver.h"

#define CONFIG VGPU_REGION_CONFIG
#define REGS   VGPU_REGION_BAR0
#define IO     VGPU_REGION_BAR3
#define MIX    VGPU_REGION_BAR4
#define KIB    1024u

static int setup(void **state)
{
	*state = rig_new("testdev");
	return 0;
}

static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

static void registers_work(void **state)
{
	struct rig *rig = *state;

	wr(rig, REGS, 0x08, 0x12345678, 4);
	assert_int_equal(rd(rig, REGS, 0x08, 4), 0x12345678);
	assert_int_equal(rd(rig, REGS, 0x0a, 1), 0x34);
	/* Nobody has enabled MSI: INTx is raised. */
	assert_int_equal(rd(rig, REGS, 0x18, 4), VGPU_IRQ_INTX);
	wr(rig, REGS, 0x00, 3, 4);
	assert_int_equal(rd(rig, REGS, 0x04, 4), 1);
	assert_int_equal(rd(rig, REGS, 0x0c, 4), 1);
	assert_int_equal(rd(rig, CONFIG, 6, 2) & 8, 8);
	wr(rig, REGS, 0x0c, 0, 4);
	assert_int_equal(rd(rig, CONFIG, 6, 2) & 8, 0);
	/* Vectors by number: INTx has none, MSI has 8. */
	wr(rig, REGS, 0x1c, 0 << 8 | VGPU_IRQ_INTX, 4);
	assert_int_equal(rd(rig, REGS, 0x1c, 4), EINVAL);
	wr(rig, REGS, 0x1c, 7 << 8 | VGPU_IRQ_MSI, 4);
	assert_int_equal(rd(rig, REGS, 0x1c, 4), 0);
	wr(rig, REGS, 0x1c, 8 << 8 | VGPU_IRQ_MSI, 4);
	assert_int_equal(rd(rig, REGS, 0x1c, 4), EINVAL);
	wr(rig, REGS, 0x1c, 200, 4);
	assert_int_equal(rd(rig, REGS, 0x1c, 4), EINVAL);
	/* I/O ports are some of the same. */
	assert_int_equal(rd(rig, IO, 0, 4), 0x12345678);
	assert_int_equal(rd(rig, IO, 4, 4), 1);
	wr(rig, IO, 0, 0x5a, 1);
	assert_int_equal(rd(rig, REGS, 0x08, 4), 0x1234565a);
	assert_int_equal(rd(rig, IO, 16, 4), 0xffffffff);
}

static void resets_are_counted(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(rd(rig, REGS, 0x10, 4), 0);
	assert_int_equal(rd(rig, REGS, 0x14, 4), VGPU_RESET_NEW_CLIENT);
	wr(rig, REGS, 0x08, 1, 4);
	wr(rig, REGS, 0x0c, 1, 4);
	wr(rig, MIX, 64 * KIB, 1, 8);
	device_reset(rig->core, VGPU_RESET_CLIENT);
	device_reset(rig->core, VGPU_RESET_FLR);
	assert_int_equal(rd(rig, REGS, 0x10, 4), 2);
	assert_int_equal(rd(rig, REGS, 0x14, 4), VGPU_RESET_FLR);
	assert_int_equal(rd(rig, REGS, 0x08, 4), 0);
	assert_int_equal(rd(rig, REGS, 0x0c, 4), 0);
	assert_int_equal(rd(rig, CONFIG, 6, 2) & 8, 0);
	assert_int_equal(rd(rig, MIX, 64 * KIB, 8), 0);

	/* One that the guest knows nothing of: what it set up stays. */
	wr(rig, CONFIG, 4, 6, 2);
	wr(rig, REGS, 0x08, 1, 4);
	device_reset(rig->core, VGPU_RESET_DMA);
	assert_int_equal(rd(rig, REGS, 0x14, 4), VGPU_RESET_DMA);
	assert_int_equal(rd(rig, REGS, 0x08, 4), 0);
	assert_int_equal(rd(rig, CONFIG, 4, 2), 6);
	device_reset(rig->core, VGPU_RESET_FLR);
	assert_int_equal(rd(rig, CONFIG, 4, 2), 0);
}

/* What one access becomes: offset, size, and how many ops that takes. */
static void windows_split_and_join(void **state)
{
	static const struct {
		uint64_t at;
		unsigned size, reads, extra_reads, writes;
	} cases[] = {
		{ 0x100, 1, 1, 0, 1 }, { 0x100, 8, 8, 0, 8 },
		{ 0x101, 3, 3, 0, 3 }, { 0x200, 2, 1, 0, 1 },
		{ 0x200, 8, 4, 0, 4 }, { 0x200, 1, 1, 1, 1 },
		{ 0x201, 2, 2, 2, 2 }, { 0x300, 4, 1, 0, 1 },
		{ 0x300, 8, 2, 0, 2 }, { 0x400, 8, 1, 0, 1 },
		{ 0x400, 4, 1, 1, 1 }, { 0x404, 8, 2, 2, 2 },
		{ 0x500, 8, 1, 0, 1 }, { 0x600, 7, 1, 0, 1 },
		{ 0x601, 8, 1, 0, 1 },
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t value = 0x0123456789abcdef >> (64 - 8 * cases[i].size);
		uint64_t reads = rd(rig, REGS, 0x20, 4);
		uint64_t writes = rd(rig, REGS, 0x24, 4);

		wr(rig, REGS, cases[i].at, value, cases[i].size);
		assert_int_equal(rd(rig, REGS, 0x24, 4) - writes,
				 cases[i].writes);
		assert_int_equal(rd(rig, REGS, 0x20, 4) - reads,
				 cases[i].extra_reads);
		assert_int_equal(rd(rig, REGS, cases[i].at, cases[i].size),
				 value);
		assert_int_equal(rd(rig, REGS, 0x20, 4) - reads,
				 cases[i].extra_reads + cases[i].reads);
	}
}

static void windows_have_their_ways(void **state)
{
	struct rig *rig = *state;

	/* No partial writes */
	wr(rig, REGS, 0x300, 0x11223344, 4);
	wr(rig, REGS, 0x300, 0x5566, 2);
	assert_int_equal(rd(rig, REGS, 0x300, 4), 0x11223344);
	assert_int_equal(rd(rig, REGS, 0x302, 2), 0x1122);
	/* No write op, no read op: what is written there is read here. */
	wr(rig, REGS, 0x700, 1, 4);
	assert_int_equal(rd(rig, REGS, 0x700, 4), 0x600d0000);
	wr(rig, REGS, 0x800, 0x1234, 4);
	assert_int_equal(rd(rig, REGS, 0x800, 4), 0xffffffff);
	assert_int_equal(rd(rig, REGS, 0x700, 4), 0x600d1234);
	/* Between windows */
	assert_int_equal(rd(rig, REGS, 0x140, 8), UINT64_MAX);
	assert_int_equal(rd(rig, REGS, 0x13c, 8) >> 32, 0xffffffff);
}

static void areas_are_of_every_kind(void **state)
{
	struct rig *rig = *state;
	struct vgpu_device *dev = rig->core->dev;
	static const unsigned starts[] = { 0, 64, 128, 256, 512 };
	static const bool memory[] = { true, false, true, true, false };

	for (unsigned i = 0; i < 5; i++) {
		uint8_t *p = vgpu_device_memory(dev, MIX, starts[i] * KIB, 8);

		assert_int_equal(p != NULL, memory[i]);
		wr(rig, MIX, starts[i] * KIB, 0x1122334455667788ull + i, 8);
		assert_int_equal(rd(rig, MIX, starts[i] * KIB, 8),
				 i == 4 ? UINT64_MAX
					: 0x1122334455667788ull + i);
		if (p)
			assert_int_equal(p[0], 0x88 + i);
	}
	/* One access over the border of two areas: from mapped to trapped */
	wr(rig, MIX, 64 * KIB - 4, 0xaabbccdd11223344, 8);
	assert_int_equal(rd(rig, MIX, 64 * KIB - 4, 8), 0xaabbccdd11223344);
	assert_int_equal(rd(rig, MIX, 64 * KIB, 8), 0x11223344aabbccdd);
	/* The last mapped bytes and the hole */
	wr(rig, MIX, 512 * KIB - 4, 0, 8);
	assert_int_equal(rd(rig, MIX, 512 * KIB - 4, 8), 0xffffffff00000000);
}

static void it_has_one_of_everything(void **state)
{
	struct rig *rig = *state;
	unsigned at = (unsigned)rd(rig, CONFIG, 0x34, 1), ids = 0, vendor = 0;
	uint8_t rom[4096];

	assert_int_equal(rd(rig, CONFIG, 0, 4), 0x7e571234);
	for (; at; at = (unsigned)rd(rig, CONFIG, at + 1, 1)) {
		ids |= 1u << rd(rig, CONFIG, at, 1);
		if (rd(rig, CONFIG, at, 1) == 0x09)
			vendor = at;
	}
	/* PM, MSI, vendor, express, MSI-X */
	assert_int_equal(ids, 1 << 1 | 1 << 5 | 1 << 9 | 1 << 16 | 1 << 17);
	assert_int_equal(rd(rig, CONFIG, vendor + 2, 1), 16);
	assert_int_equal(rd(rig, CONFIG, vendor + 3, 4),
			 'v' | 'g' << 8 | 'p' << 16 | 'u' << 24);
	/* writes, complement of the next one, two writable bytes */
	assert_int_equal(rd(rig, CONFIG, vendor + 12, 4), 0x0000ff00);
	wr(rig, CONFIG, vendor + 12, 0xffffffff, 4);
	assert_int_equal(rd(rig, CONFIG, vendor + 12, 4), 0x0fff0001);
	wr(rig, CONFIG, vendor + 14, 0x5a, 1);
	assert_int_equal(rd(rig, CONFIG, vendor + 12, 4), 0x0f5aa502);

	assert_int_equal(rig->core->regions[VGPU_REGION_ROM].size, 4096);
	assert_int_equal(region_read(rig->core, VGPU_REGION_ROM, 0, rom, 4096),
			 0);
	assert_memory_equal(rom, "\x55\xaa", 2);
	assert_memory_equal(rom + rom[0x18], "PCIR\x34\x12\x57\x7e", 8);
	for (unsigned i = 0x40; i < 4096; i++)
		assert_int_equal(rom[i], (uint8_t)(i * 7 + (i >> 8)));
	assert_int_equal(region_write(rig->core, VGPU_REGION_ROM, 0, rom, 4),
			 -EPERM);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void count(void *user)
{
	++*(unsigned *)user;
}

static struct vgpu_timer *victim;

static void free_itself(void *user)
{
	count(user);
	vgpu_timer_free(victim);
}

static void timers_fire_once(void **state)
{
	struct rig *r = *state;
	struct vgpu_device *dev = r->core->dev;
	struct vgpu_timer *t;
	unsigned n = 0;

	vgpu_timer_free(NULL);
	assert_int_equal(vgpu_timer_new(dev, count, &n, &t), 0);
	assert_int_equal(vgpu_timer_new(dev, free_itself, &n, &victim), 0);
	clock_run(r->loop, S);
	assert_int_equal(n, 0);
	assert_int_equal(vgpu_timer_arm(t, S), 0);
	clock_run(r->loop, S - 1);
	assert_int_equal(n, 0);
	clock_run(r->loop, 1);
	assert_int_equal(n, 1);
	clock_run(r->loop, 9 * S);
	assert_int_equal(n, 1);
	assert_int_equal(vgpu_timer_arm(victim, 1), 0);
	clock_run(r->loop, S);
	assert_int_equal(n, 2);
	/* One that was disarmed, or is gone, does not. */
	assert_int_equal(vgpu_timer_arm(t, 1), 0);
	assert_int_equal(vgpu_timer_arm(t, 0), 0);
	clock_run(r->loop, S);
	assert_int_equal(vgpu_timer_arm(t, 1), 0);
	clock_turn(S);
	vgpu_timer_free(t);
	clock_run(r->loop, S);
	assert_int_equal(n, 2);
}

static void engine_time_is_counted(void **state)
{
	struct rig *r = *state;
	struct device_stats *stats = &r->core->stats;

	assert_int_equal(stats->n_engines, 0);
	vgpu_device_account(r->core->dev, 1, 700);
	vgpu_device_account(r->core->dev, 1, 900);
	vgpu_device_account(r->core->dev, VGPU_MAX_ENGINES, 1);
	assert_int_equal(stats->n_engines, 2);
	assert_int_equal(stats->engine_ns[0], 0);
	assert_int_equal(stats->engine_ns[1], 900);
}

static void doorbells_ring_by_eventfd(void **state)
{
	struct rig *r = *state;
	struct doorbell_fd fds[REGION_MAX_AREAS], again[REGION_MAX_AREAS];

	rig_attach(r);
	assert_int_equal(doorbells_offer(r->core, MIX, fds, REGION_MAX_AREAS),
			 0);
	assert_int_equal(doorbells_offer(r->core, REGS, fds, 1), 1);
	assert_int_equal(doorbells_offer(r->core, REGS, fds, REGION_MAX_AREAS),
			 2);
	assert_int_equal(fds[0].offset, 0xa00);
	assert_int_equal(fds[0].size, 4);
	assert_int_equal(fds[1].offset, 0xa04);
	assert_true(fds[0].fd != fds[1].fd);
	assert_int_equal(rd(r, REGS, 0x914, 4), 0);
	assert_int_equal(eventfd_write(fds[0].fd, 1), 0);
	assert_int_equal(eventfd_write(fds[1].fd, 3), 0);
	rig_turn(r);
	assert_int_equal(rd(r, REGS, 0x914, 4), 2); /* 3 at once are one */
	assert_int_equal(r->core->stats.doorbells, 2);
	wr(r, REGS, 0xa00, 1, 4); /* an access rings as well */
	assert_int_equal(rd(r, REGS, 0x914, 4), 3);
	/* Asked again: the same ones */
	assert_int_equal(doorbells_offer(r->core, REGS, again,
					 REGION_MAX_AREAS),
			 2);
	assert_int_equal(again[1].fd, fds[1].fd);
	/* They go with the client. */
	inproc_detach(&r->client);
	assert_null(r->core->doorbells);
	assert_int_equal(eventfd_write(fds[0].fd, 1), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(registers_work),	       TEST(resets_are_counted),
		TEST(windows_split_and_join),  TEST(windows_have_their_ways),
		TEST(areas_are_of_every_kind), TEST(it_has_one_of_everything),
		TEST(timers_fire_once),	       TEST(engine_time_is_counted),
		TEST(doorbells_ring_by_eventfd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
