/* SPDX-License-Identifier: MIT */
/*
 * A guest of a refgpu vGPU: page tables, a ring and a control block in its RAM,
 * and a context on them. The instance half serves it, between a core and a
 * parent half of the rig's.
 */
#ifndef TEST_REFGPU_GUEST_H
#define TEST_REFGPU_GUEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "refgpu-half-rig.h"

#define PAGE 4096ull

/* Where things are: pages of RAM, and of the address space */
#define ROOT	  0u /* two pages */
#define MID	  2u
#define LEAF	  3u
#define FIRST	  32u /* VA page i is RAM page FIRST + i, i < 512 */
#define CTL_VA	  (8 * PAGE)
#define RING_VA	  (16 * PAGE)
#define DATA_VA	  (64 * PAGE)
#define RING_SIZE 8192u

#define RW (REFGPU_PTE_VALID | REFGPU_PTE_READ | REFGPU_PTE_WRITE)

struct guest {
	struct vgpu_core *core;
	uint32_t tail;
};

static inline uint64_t sysmem(unsigned page)
{
	return REFGPU_PTE_SYSTEM | (RAM_BASE + page * PAGE);
}

static inline void *ram(struct guest *g, uint64_t va)
{
	return g->core->ram + FIRST * PAGE + va;
}

static inline struct refgpu_ctl *ctl(struct guest *g)
{
	return ram(g, CTL_VA);
}

static inline uint32_t ctx(struct guest *g, uint32_t reg)
{
	return rig_read(g->core, REFGPU_CTX(0, reg));
}

static inline void enable(struct guest *g, unsigned n, unsigned engine)
{
	rig_write64(g->core, REFGPU_CTX(n, REFGPU_CTX_ROOT_LO),
		    sysmem(ROOT) | REFGPU_PTE_VALID);
	rig_write64(g->core, REFGPU_CTX(n, REFGPU_CTX_RING_LO), RING_VA);
	rig_write(g->core, REFGPU_CTX(n, REFGPU_CTX_RING_SIZE), RING_SIZE);
	rig_write64(g->core, REFGPU_CTX(n, REFGPU_CTX_CTL_LO), CTL_VA);
	rig_write(g->core, REFGPU_CTX(n, REFGPU_CTX_CONTROL),
		  REFGPU_CTX_ENABLE | engine << REFGPU_CTX_ENGINE_SHIFT);
}

static inline int setup(void **state)
{
	struct guest *g = calloc(1, sizeof(*g));

	g->core = rig_new();
	g->core->eager = true;
	rig_ram64(g->core, ROOT, 0, sysmem(MID) | REFGPU_PTE_VALID);
	rig_ram64(g->core, MID, 0, sysmem(LEAF) | REFGPU_PTE_VALID);
	for (unsigned i = 0; i < 512; i++)
		rig_ram64(g->core, LEAF, i, sysmem(FIRST + i) | RW);
	rig_write(g->core, REFGPU_IRQ_ENABLE, REFGPU_IRQ_EVENT);
	enable(g, 0, REFGPU_ENGINE_RENDER);
	*state = g;
	return 0;
}

static inline int teardown(void **state)
{
	struct guest *g = *state;

	rig_free(g->core);
	free(g);
	return 0;
}

static inline void emit(struct guest *g, unsigned n, const uint32_t *dwords)
{
	uint8_t *ring = ram(g, RING_VA);

	for (unsigned i = 0; i < n; i++) {
		memcpy(ring + g->tail, dwords + i, 4);
		g->tail = (g->tail + 4) % RING_SIZE;
	}
}

#define EMIT(g, ...)                                                           \
	emit(g, sizeof((uint32_t[]){ __VA_ARGS__ }) / 4,                       \
	     (uint32_t[]){ __VA_ARGS__ })

static inline void ring(struct guest *g)
{
	ctl(g)->tail = g->tail;
	rig_doorbell(g->core, 0);
}

static inline void fence(struct guest *g, uint64_t va, uint64_t value)
{
	EMIT(g, REFGPU_CMD(REFGPU_OP_FENCE, 5), (uint32_t)va,
	     (uint32_t)(va >> 32), (uint32_t)value, (uint32_t)(value >> 32));
}

static inline uint32_t at(struct guest *g, uint64_t va)
{
	uint32_t v;

	memcpy(&v, ram(g, va), 4);
	return v;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
