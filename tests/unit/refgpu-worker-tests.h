/* SPDX-License-Identifier: MIT */
/* What tests of refgpu's parent half begin with. */
#ifndef TEST_REFGPU_WORKER_TESTS_H
#define TEST_REFGPU_WORKER_TESTS_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "refgpu-worker-rig.h"
#include "util/bytes.h"
#include "util/loop.h"

#define PAGE  4096ull
#define HUGE_ (2ull << 20)
#define RW    (REFGPU_PTE_VALID | REFGPU_PTE_READ | REFGPU_PTE_WRITE)
#define SYS   (RW | REFGPU_PTE_SYSTEM)
#define VA    (5ull << 30) /* where tests have their memory */

static inline int setup(void **state)
{
	*state = rig_new("software,vram=1g,contexts=256");
	return 0;
}

static inline int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

/* A worker with a context on the first engine: its VRAM at VA */
static inline struct worker *started(struct rig *rig)
{
	struct worker *w = worker_new(rig, 1);

	assert_non_null(w);
	worker_open(w, 0, REFGPU_ENGINE_RENDER);
	worker_run(w, 0, VA, WORKER_VRAM / PAGE, RW);
	return w;
}

static inline uint64_t fill(struct worker *w, unsigned slot, uint64_t va,
		     uint64_t bytes, uint32_t value)
{
	uint32_t d[8];
	uint64_t seq = worker_job(w, slot, d, cmd_fill(d, va, bytes, value));

	worker_kick(w);
	return seq;
}

static inline void assert_filled(const uint8_t *p, uint64_t bytes, uint32_t value)
{
	for (uint64_t i = 0; i < bytes; i += 4)
		if (memcmp(p + i, &value, 4))
			fail_msg("byte %llu is not filled",
				 (unsigned long long)i);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

#endif
