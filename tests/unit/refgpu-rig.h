/* SPDX-License-Identifier: MIT */
/*
 * A model with some VRAM and system memory, and what a small driver does: page
 * tables, rings, doorbells. For tests of hw/refgpu.
 *
 * System memory is a buffer at bus address RIG_BUS; pages can be refused. A
 * context's tables come from the top of VRAM.
 */
#ifndef REFGPU_RIG_H
#define REFGPU_RIG_H

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <refgpu-hw.h>

#define RIG_VRAM     (64ull << 20)
#define RIG_MODULE   (32ull << 20) /* plugged at 0; the rest is empty */
#define RIG_BUS	     0x100000000ull
#define RIG_SYSTEM   (16ull << 20)
#define RIG_CONTEXTS 40u
#define RIG_RING     4096u
/* GPU addresses of a context's ring and control block */
#define RIG_RING_VA 0x1000000ull
#define RIG_CTL_VA  0x2000000ull
#define RW	    (REFGPU_PTE_READ | REFGPU_PTE_WRITE)
#define PATIENCE_S  30

struct rig {
	struct refgpu_hw *hw;
	uint8_t *vram, *system;
	uint64_t tables; /* the next table page is below */
	_Atomic unsigned irqs[REFGPU_NUM_VECTORS];
	_Atomic unsigned inside; /* sections that are open */
	atomic_bool refused[RIG_SYSTEM / 4096];
	pthread_mutex_t door; /* who is on the bus has gone through */
};

/* A context as its driver sees it */
struct gpu {
	struct rig *rig;
	unsigned ctx;
	uint64_t root;
	struct refgpu_ctl *ctl;
	uint32_t *ring, ring_size, tail;
};

static void rig_enter(void *user)
{
	struct rig *rig = user;

	atomic_fetch_add(&rig->inside, 1);
}

static void rig_leave(void *user)
{
	struct rig *rig = user;

	atomic_fetch_sub(&rig->inside, 1);
}

static void *rig_ptr(void *user, uint64_t addr, unsigned prot)
{
	struct rig *rig = user;

	pthread_mutex_lock(&rig->door);
	pthread_mutex_unlock(&rig->door);
	if (!atomic_load(&rig->inside) || !(prot & 3) || addr < RIG_BUS ||
	    addr - RIG_BUS >= RIG_SYSTEM ||
	    atomic_load(&rig->refused[(addr - RIG_BUS) / 4096]))
		return NULL;
	return rig->system + (addr - RIG_BUS);
}

static void rig_irq(void *user, unsigned vector)
{
	struct rig *rig = user;

	atomic_fetch_add(&rig->irqs[vector], 1);
}

static inline void rig_start(struct rig *rig)
{
	static const struct refgpu_hw_bus bus = { rig_enter, rig_leave,
						  rig_ptr };
	struct refgpu_hw_config config = {
		.vram_size = RIG_VRAM,
		.contexts = RIG_CONTEXTS,
		.xres = 1024,
		.yres = 768,
		.bus = &bus,
		.irq = rig_irq,
		.user = rig,
	};

	memset(rig, 0, sizeof(*rig));
	pthread_mutex_init(&rig->door, NULL);
	rig->vram = aligned_alloc(4096, RIG_MODULE);
	rig->system = aligned_alloc(4096, RIG_SYSTEM);
	if (!rig->vram || !rig->system)
		abort();
	memset(rig->vram, 0, RIG_MODULE);
	memset(rig->system, 0, RIG_SYSTEM);
	rig->tables = RIG_MODULE;
	if (refgpu_hw_new(&config, &rig->hw) ||
	    refgpu_hw_vram_plug(rig->hw, 0, rig->vram, RIG_MODULE))
		abort();
}

static inline void rig_stop(struct rig *rig)
{
	refgpu_hw_free(rig->hw);
	pthread_mutex_destroy(&rig->door);
	free(rig->vram);
	free(rig->system);
}

static inline uint32_t rd(struct rig *rig, uint32_t reg)
{
	return refgpu_hw_read(rig->hw, reg);
}

static inline void wr(struct rig *rig, uint32_t reg, uint32_t value)
{
	refgpu_hw_write(rig->hw, reg, value);
}

static inline uint64_t rig_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Until it is so; a test whose subject hangs ends here. */
#define WAIT_FOR(cond)                                                         \
	do {                                                                   \
		uint64_t end_ = rig_now() + PATIENCE_S * 1000000000ull;        \
		while (!(cond)) {                                              \
			if (rig_now() > end_) {                                \
				fprintf(stderr, "%s:%d: never: %s\n",          \
					__FILE__, __LINE__, #cond);            \
				abort();                                       \
			}                                                      \
			sched_yield();                                         \
		}                                                              \
	} while (0)

/* ------------------------------------------------------------------ */
/* Page tables, in VRAM                                                */
/* ------------------------------------------------------------------ */

static inline uint64_t rig_table(struct rig *rig, uint64_t bytes)
{
	rig->tables = (rig->tables - bytes) & ~(bytes - 1);
	memset(rig->vram + rig->tables, 0, bytes);
	return rig->tables;
}

static inline _Atomic uint64_t *rig_entry(struct rig *rig, uint64_t table,
					  uint64_t index)
{
	return (_Atomic uint64_t *)(rig->vram + (table & REFGPU_PTE_ADDR)) +
	       index;
}

static inline uint64_t rig_next(struct rig *rig, _Atomic uint64_t *entry)
{
	if (!(atomic_load(entry) & REFGPU_PTE_VALID))
		atomic_store(entry, rig_table(rig, 4096) | REFGPU_PTE_VALID);
	return atomic_load(entry);
}

static inline _Atomic uint64_t *gpu_mid(struct gpu *g, uint64_t va)
{
	_Atomic uint64_t *root = rig_entry(g->rig, g->root, va >> 30);

	return rig_entry(g->rig, rig_next(g->rig, root), va >> 21 & 511);
}

/* The leaf entry of @va, with its tables. */
static inline _Atomic uint64_t *gpu_pte(struct gpu *g, uint64_t va)
{
	return rig_entry(g->rig, rig_next(g->rig, gpu_mid(g, va)),
			 va >> 12 & 511);
}

/* @bits: SYSTEM, READ, WRITE. Tables may be read at the same time. */
static inline void gpu_map(struct gpu *g, uint64_t va, uint64_t addr,
			   uint64_t bytes, uint64_t bits)
{
	for (uint64_t at = 0; at < bytes; at += 4096)
		atomic_store(gpu_pte(g, va + at),
			     (addr + at) | bits | REFGPU_PTE_VALID);
}

static inline void gpu_map_huge(struct gpu *g, uint64_t va, uint64_t addr,
				uint64_t bits)
{
	atomic_store(gpu_mid(g, va),
		     addr | bits | REFGPU_PTE_VALID | REFGPU_PTE_HUGE);
}

static inline void gpu_invalidate(struct gpu *g, uint64_t va, uint32_t pages)
{
	wr(g->rig, REFGPU_CTX(g->ctx, REFGPU_CTX_INV_LO), (uint32_t)va);
	wr(g->rig, REFGPU_CTX(g->ctx, REFGPU_CTX_INV_HI), (uint32_t)(va >> 32));
	wr(g->rig, REFGPU_CTX(g->ctx, REFGPU_CTX_INV_PAGES), pages);
}

/* ------------------------------------------------------------------ */
/* Contexts                                                            */
/* ------------------------------------------------------------------ */

static inline uint32_t gpu_rd(struct gpu *g, uint32_t reg)
{
	return rd(g->rig, REFGPU_CTX(g->ctx, reg));
}

static inline void gpu_wr(struct gpu *g, uint32_t reg, uint32_t value)
{
	wr(g->rig, REFGPU_CTX(g->ctx, reg), value);
}

/* Registers, with ENABLE: as a driver starts it. @bits: HOST_RING, PRIV */
static inline void gpu_enable(struct gpu *g, unsigned engine, uint32_t bits,
			      uint64_t ring, uint64_t ctl)
{
	uint64_t root = g->root | REFGPU_PTE_VALID;

	gpu_wr(g, REFGPU_CTX_ROOT_LO, (uint32_t)root);
	gpu_wr(g, REFGPU_CTX_ROOT_HI, (uint32_t)(root >> 32));
	gpu_wr(g, REFGPU_CTX_RING_LO, (uint32_t)ring);
	gpu_wr(g, REFGPU_CTX_RING_HI, (uint32_t)(ring >> 32));
	gpu_wr(g, REFGPU_CTX_RING_SIZE, g->ring_size);
	gpu_wr(g, REFGPU_CTX_CTL_LO, (uint32_t)ctl);
	gpu_wr(g, REFGPU_CTX_CTL_HI, (uint32_t)(ctl >> 32));
	memset(g->ctl, 0, sizeof(*g->ctl));
	g->tail = 0;
	gpu_wr(g, REFGPU_CTX_CONTROL,
	       REFGPU_CTX_ENABLE | bits | engine << REFGPU_CTX_ENGINE_SHIFT);
}

/* Ring and control block in pages of VRAM of their own */
static inline void gpu_open_sized(struct gpu *g, struct rig *rig, unsigned ctx,
				  unsigned engine, uint32_t ring_size,
				  uint32_t bits)
{
	uint64_t ring, ctl;

	*g = (struct gpu){ .rig = rig, .ctx = ctx, .ring_size = ring_size };
	g->root = rig_table(rig, 8192);
	ring = rig_table(rig, ring_size);
	ctl = rig_table(rig, 4096);
	g->ring = (uint32_t *)(rig->vram + ring);
	g->ctl = (struct refgpu_ctl *)(rig->vram + ctl);
	if (bits & REFGPU_CTX_HOST_RING) {
		gpu_enable(g, engine, bits, ring, ctl);
		return;
	}
	gpu_map(g, RIG_RING_VA, ring, ring_size, REFGPU_PTE_READ);
	gpu_map(g, RIG_CTL_VA, ctl, 4096, RW);
	gpu_enable(g, engine, bits, RIG_RING_VA, RIG_CTL_VA);
}

static inline void gpu_open(struct gpu *g, struct rig *rig, unsigned ctx,
			    unsigned engine)
{
	gpu_open_sized(g, rig, ctx, engine, RIG_RING, 0);
}

static inline uint32_t gpu_head(struct gpu *g)
{
	return atomic_load_explicit((_Atomic uint32_t *)&g->ctl->head,
				    memory_order_acquire);
}

static inline void gpu_dword(struct gpu *g, uint32_t d)
{
	uint32_t next = (g->tail + 4) & (g->ring_size - 1);

	WAIT_FOR(next != gpu_head(g));
	g->ring[g->tail / 4] = d;
	g->tail = next;
}

static inline void gpu_emit(struct gpu *g, const uint32_t *d, size_t n)
{
	for (size_t i = 0; i < n; i++)
		gpu_dword(g, d[i]);
}

#define EMIT(g, ...)                                                           \
	do {                                                                   \
		const uint32_t d_[] = { __VA_ARGS__ };                         \
		gpu_emit(g, d_, sizeof(d_) / sizeof(d_[0]));                   \
	} while (0)
#define LO(x) ((uint32_t)(uint64_t)(x))
#define HI(x) ((uint32_t)((uint64_t)(x) >> 32))
#define A(x)  LO(x), HI(x)

static inline uint32_t f32(float f)
{
	uint32_t d;

	memcpy(&d, &f, 4);
	return d;
}

static inline uint64_t f64(double f)
{
	uint64_t d;

	memcpy(&d, &f, 8);
	return d;
}

/* The new tail, without a doorbell */
static inline void gpu_publish(struct gpu *g)
{
	atomic_store_explicit((_Atomic uint32_t *)&g->ctl->tail, g->tail,
			      memory_order_release);
}

static inline void gpu_kick(struct gpu *g)
{
	gpu_publish(g);
	refgpu_hw_doorbell(g->rig->hw, g->ctx);
}

static inline void gpu_wait(struct gpu *g)
{
	WAIT_FOR(gpu_head(g) == g->tail);
}

static inline void gpu_run(struct gpu *g)
{
	gpu_kick(g);
	gpu_wait(g);
}

static inline uint32_t gpu_state(struct gpu *g)
{
	return gpu_rd(g, REFGPU_CTX_STATE);
}

static inline void gpu_close(struct gpu *g)
{
	gpu_wr(g, REFGPU_CTX_CONTROL, 0);
}

#endif
