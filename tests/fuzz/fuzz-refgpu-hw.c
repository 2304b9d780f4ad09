/* SPDX-License-Identifier: MIT */
/*
 * The model of the reference GPU, with small memory of just its size, fed with
 * commands, tables, registers. Whatever they are, it touches nothing else,
 * answers, and can be reset.
 *
 * An input is: the ring (a count, dwords), a batch (the same), then steps. A
 * context is set up to begin with, with a table that maps itself, too: commands
 * may change tables, ring and batch.
 */
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include <refgpu-hw.h>

#include "fuzz.h"

#define VRAM	  (1u << 20)
#define MODULE	  (128u << 10) /* at 0 */
#define SECOND	  (512u << 10) /* another one comes and goes there */
#define SYSTEM	  (64u << 10)
#define CONTEXTS  4u
#define MAX_STEPS 64u
#define LONG_NS	  200000u /* work that goes on for longer is left alone */

/* Offsets in VRAM; GPU addresses are the same, and system memory follows. */
#define ROOT  0x0000u
#define MID   0x2000u
#define LEAF  0x3000u
#define RING  0x4000u
#define CTL   0x5000u
#define BATCH 0x6000u

static struct refgpu_hw *hw;
static uint8_t *vram, *second, *memory;
static atomic_uint inside;

static void enter(void *user)
{
	atomic_fetch_add(&inside, 1);
}

static void leave(void *user)
{
	atomic_fetch_sub(&inside, 1);
}

static void *ptr(void *user, uint64_t addr, unsigned prot)
{
	REQUIRE(atomic_load(&inside) && prot && !(prot & ~3u));
	return addr < SYSTEM ? memory + addr : NULL;
}

static void irq(void *user, unsigned vector)
{
	REQUIRE(vector < REFGPU_NUM_VECTORS);
}

static void start(void)
{
	static const struct refgpu_hw_bus bus = { enter, leave, ptr };
	static const struct refgpu_hw_config config = {
		.vram_size = VRAM,
		.contexts = CONTEXTS,
		.xres = 1024,
		.yres = 768,
		.bus = &bus,
		.irq = irq,
	};

	vram = aligned_alloc(4096, MODULE);
	second = aligned_alloc(4096, MODULE);
	memory = aligned_alloc(4096, SYSTEM);
	REQUIRE(vram && second && memory);
	REQUIRE(!refgpu_hw_new(&config, &hw));
	REQUIRE(!refgpu_hw_vram_plug(hw, 0, vram, MODULE));
}

static void store64(uint32_t at, uint64_t value)
{
	atomic_store((_Atomic uint64_t *)(vram + at % MODULE / 8 * 8), value);
}

static void tables(void)
{
	const uint64_t rw = REFGPU_PTE_READ | REFGPU_PTE_WRITE;

	memset(vram, 0, MODULE);
	memset(second, 0, MODULE);
	memset(memory, 0, SYSTEM);
	store64(ROOT, MID | REFGPU_PTE_VALID);
	store64(MID, LEAF | REFGPU_PTE_VALID);
	store64(MID + 8, REFGPU_PTE_VALID | REFGPU_PTE_HUGE | rw);
	for (uint32_t i = 0; i < MODULE / 4096; i++)
		store64(LEAF + i * 8, i * 4096ull | REFGPU_PTE_VALID | rw);
	for (uint32_t i = 0; i < SYSTEM / 4096; i++)
		store64(LEAF + MODULE / 512 + i * 8,
			i * 4096ull | REFGPU_PTE_VALID | REFGPU_PTE_SYSTEM |
				rw);
}

static void reg(uint32_t offset, uint32_t value)
{
	refgpu_hw_write(hw, offset, value);
}

static void context(uint32_t bits)
{
	reg(REFGPU_CTX(0, REFGPU_CTX_CONTROL), 0);
	reg(REFGPU_CTX(0, REFGPU_CTX_ROOT_LO), ROOT | REFGPU_PTE_VALID);
	reg(REFGPU_CTX(0, REFGPU_CTX_RING_LO), RING);
	reg(REFGPU_CTX(0, REFGPU_CTX_RING_SIZE), 4096);
	reg(REFGPU_CTX(0, REFGPU_CTX_CTL_LO), CTL);
	reg(REFGPU_CTX(0, REFGPU_CTX_CONTROL),
	    REFGPU_CTX_ENABLE |
		    (bits & (REFGPU_CTX_HOST_RING | REFGPU_CTX_PRIV |
			     1u << REFGPU_CTX_ENGINE_SHIFT)));
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void settle(void)
{
	uint64_t end = now() + LONG_NS;

	while (refgpu_hw_read(hw, REFGPU_STATUS) && now() < end)
		sched_yield();
}

/* Registers by what they belong to, so that short inputs reach them. */
static void write_register(struct input *in)
{
	uint32_t which = (uint32_t)take(in, 1);
	uint32_t value = (uint32_t)take(in, 4);

	switch (which % 4) {
	case 0:
		reg(which & ~3u, value); /* RESET among them */
		break;
	case 1:
		reg(REFGPU_ENG(which >> 7, which >> 2 << 2 & 0x3c), value);
		break;
	case 2:
		reg(REFGPU_DISP_CONTROL + (which & 0x3c), value);
		break;
	default:
		reg(REFGPU_CTX(which >> 7, which & 0x7c), value);
	}
}

static void read_register(struct input *in)
{
	uint32_t offset = (uint32_t)take(in, 2) * 4;

	refgpu_hw_read(hw, offset);
	REQUIRE(refgpu_hw_read(hw, offset | 1) == ~0u);
}

static void step(struct input *in)
{
	uint8_t what = (uint8_t)take(in, 1);

	switch (what % 10) {
	case 0:
		write_register(in);
		break;
	case 1:
		read_register(in);
		break;
	case 2: {
		uint32_t at = (uint32_t)take(in, 2) * 8;

		store64(at, take(in, 8));
		break;
	}
	case 3:
		refgpu_hw_doorbell(hw, what >> 4);
		break;
	case 4:
		reg(REFGPU_ENG(what >> 7, REFGPU_ENG_SUBMIT), what >> 5 & 3);
		break;
	case 5:
		refgpu_hw_vram_plug(hw, SECOND, second, MODULE);
		break;
	case 6:
		refgpu_hw_vram_unplug(hw, SECOND);
		memset(second, 0, MODULE);
		break;
	case 7:
		context((uint32_t)take(in, 1));
		break;
	case 8:
		reg(REFGPU_CTX(0, REFGPU_CTX_RESUME), 1);
		break;
	default:
		settle();
	}
}

static uint32_t dwords(struct input *in, uint32_t at)
{
	uint32_t n = (uint32_t)take(in, 1);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t d = (uint32_t)take(in, 4);

		memcpy(vram + at + i * 4, &d, 4);
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint32_t n;

	if (!hw)
		start();
	reg(REFGPU_RESET, 1);
	refgpu_hw_vram_unplug(hw, SECOND);
	tables();
	context((uint32_t)take(&in, 1));
	n = dwords(&in, RING);
	dwords(&in, BATCH);
	atomic_store((_Atomic uint32_t *)(vram + CTL), n * 4);
	refgpu_hw_doorbell(hw, 0);
	settle();
	for (unsigned i = 0; in.len && i < MAX_STEPS; i++)
		step(&in);
	reg(REFGPU_RESET, 1);
	REQUIRE(!refgpu_hw_read(hw, REFGPU_STATUS) && !atomic_load(&inside));
	return 0;
}
