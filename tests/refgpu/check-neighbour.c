/* SPDX-License-Identifier: MIT */
/*
 * Whoever shares the hardware with an evil-doer: its memory holds a pattern
 * that only its own commands change, and what they compute has to be right.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "check-hostile.h"

#define CANARY_SIZE (8u << 20)
#define STRIPE	    (64u << 10)

static uint32_t canary(uint64_t i)
{
	return (uint32_t)(i * 2654435761u) ^ 0xca9a41e5;
}

static void paint(struct mem *m)
{
	uint32_t *p = m->p;

	for (uint64_t i = 0; i < m->size / 4; i++)
		p[i] = canary(i);
}

static void look(const struct mem *m, const char *where)
{
	const uint32_t *p = m->p;

	for (uint64_t i = 0; i < m->size / 4; i++)
		if (p[i] != canary(i))
			FAIL("%s: the canary at 0x%llx is 0x%08x", where,
			     (unsigned long long)i * 4, p[i]);
}

static bool wanted(void)
{
	struct pollfd p = { .fd = 0, .events = POLLIN };

	return !poll(&p, 1, 0);
}

/* Copy a stripe of the canary out and compare it. */
static void work(struct vgpu_rg_context *ctx, const struct mem *from,
		 const struct mem *to, unsigned turn)
{
	uint64_t at = (uint64_t)turn * STRIPE % CANARY_SIZE;
	struct vgpu_rg_stream s = { 0 };

	vgpu_rg_fill(&s, to->va, STRIPE, turn);
	vgpu_rg_copy(&s, to->va + 64, from->va + at, STRIPE - 64);
	run(ctx, &s);
	vgpu_rg_stream_free(&s);
	if (((uint32_t *)to->p)[15] != turn ||
	    memcmp((char *)to->p + 64, (char *)from->p + at, STRIPE - 64))
		FAIL("turn %u: what was copied is not what arrived", turn);
}

void neighbour(struct vgpu_rg_device *dev)
{
	struct vgpu_rg_context *ctx;
	struct mem vram, system, vram_out, system_out;
	uint64_t start, slowest = 0, ns;
	unsigned turns = 0;

	MUST(vgpu_rg_context_new(dev, NULL, &ctx));
	vram = mem_new(ctx, CANARY_SIZE, VGPU_RG_VRAM, VGPU_RG_READ);
	system = mem_new(ctx, CANARY_SIZE, VGPU_RG_SYSTEM, VGPU_RG_READ);
	vram_out = mem_new(ctx, STRIPE, VGPU_RG_VRAM, RW);
	system_out = mem_new(ctx, STRIPE, VGPU_RG_SYSTEM, RW);
	paint(&vram);
	paint(&system);
	printf("started\n");
	do {
		start = check_now();
		work(ctx, &vram, &system_out, turns);
		work(ctx, &system, &vram_out, turns);
		ns = check_now() - start;
		slowest = ns > slowest ? ns : slowest;
		turns++;
		if (turns % 64 == 0) {
			look(&vram, "VRAM");
			look(&system, "system memory");
		}
	} while (wanted());
	look(&vram, "VRAM");
	look(&system, "system memory");
	printf("passed: %u turns, the slowest of %u us\n", turns,
	       (unsigned)(slowest / 1000));
}
