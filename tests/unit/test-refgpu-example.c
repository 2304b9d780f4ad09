/* SPDX-License-Identifier: MIT */
/* The example of docs/refgpu.md, as it is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>

#include "refgpu-rig.h"

static struct rig rig;

static void w(uint32_t reg, uint32_t value)
{
	wr(&rig, reg, value);
}

static uint32_t r(uint32_t reg)
{
	return rd(&rig, reg);
}

static void doorbell(uint32_t offset)
{
	refgpu_hw_doorbell(rig.hw, offset / 4);
}

#define ROOT 0x00000 /* offsets in VRAM: 8 KiB, then pages */
#define MID  0x02000
#define LEAF 0x03000
#define RING 0x04000
#define CTL  0x05000
#define PAGE 0x06000

static void fill(uint64_t *vram, uint32_t colour)
{
	const uint64_t valid = REFGPU_PTE_VALID;
	const uint64_t rw = REFGPU_PTE_READ | REFGPU_PTE_WRITE;
	struct refgpu_ctl *ctl = (void *)((char *)vram + CTL);
	uint32_t *ring = (void *)((char *)vram + RING);

	for (int i = 0; i < PAGE / 8; i++)
		vram[i] = 0;
	vram[ROOT / 8] = MID | valid; /* GPU addresses 0 to 1 GiB */
	vram[MID / 8] = LEAF | valid; /* 0 to 2 MiB */
	for (int i = 0; i < 3; i++)   /* 0, 0x1000, 0x2000 */
		vram[LEAF / 8 + i] = (RING + 0x1000 * i) | valid | rw;

	w(REFGPU_CTX(0, REFGPU_CTX_CONTROL), 0);
	w(REFGPU_CTX(0, REFGPU_CTX_ROOT_LO), ROOT | REFGPU_PTE_VALID);
	w(REFGPU_CTX(0, REFGPU_CTX_ROOT_HI), 0);
	w(REFGPU_CTX(0, REFGPU_CTX_RING_LO), 0);
	w(REFGPU_CTX(0, REFGPU_CTX_RING_HI), 0);
	w(REFGPU_CTX(0, REFGPU_CTX_RING_SIZE), 4096);
	w(REFGPU_CTX(0, REFGPU_CTX_CTL_LO), 0x1000);
	w(REFGPU_CTX(0, REFGPU_CTX_CTL_HI), 0);
	w(REFGPU_CTX(0, REFGPU_CTX_CONTROL),
	  REFGPU_CTX_ENABLE | REFGPU_ENGINE_COPY << REFGPU_CTX_ENGINE_SHIFT);

	ring[0] = REFGPU_CMD(REFGPU_OP_FILL, 6);
	ring[1] = 0x2000; /* to there, low half and high half */
	ring[2] = 0;
	ring[3] = 4096; /* so many bytes */
	ring[4] = 0;
	ring[5] = colour;
	__atomic_store_n(&ctl->tail, 6 * 4, __ATOMIC_RELEASE);
	doorbell(REFGPU_DOORBELL(0));
	while (__atomic_load_n(&ctl->head, __ATOMIC_ACQUIRE) != 6 * 4)
		if (r(REFGPU_CTX(0, REFGPU_CTX_STATE)) >= REFGPU_STATE_FAULT)
			abort(); /* CTX_FAULT or CTX_ERROR say why */
}

static void test_example(void **state)
{
	rig_start(&rig);
	fill((uint64_t *)rig.vram, 0xc0ffee);
	for (unsigned i = 0; i < 4096; i += 4)
		assert_int_equal(*(uint32_t *)(rig.vram + PAGE + i), 0xc0ffee);
	assert_int_equal(*(uint32_t *)(rig.vram + PAGE + 4096), 0);
	rig_stop(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_example),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
