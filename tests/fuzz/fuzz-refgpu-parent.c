/* SPDX-License-Identifier: MIT */
/*
 * refgpu's parent half, real but for its neighbours' patience: a worker says
 * whatever the input wants, on the real core, IOMMU backend and model.
 *
 * The input is a row of steps; each begins with a byte:
 *   0  a record as it is: kind, slot, 2 bytes of size, 1 of length, so many bytes
 *   1  RG_PTES: slot, 4 bytes page, n; n entries, as below
 *   2  RG_RUN: slot, 4 bytes page, 4 bytes n, an entry
 *   3  RG_JOB: slot, n, n dwords
 *   4  RG_OPEN: slot, engine
 *   5  kick, and the parent works
 *   6  8 bytes: so many entries were written, it says
 *   7  2 bytes offset / 64 in the ring, 8 bytes: stored there, as it is
 *   8  pages are unpinned; they are not pinned again
 *   9  fresh VRAM
 *  10  another one: RG_CLOSE, RG_RESUME ...: kind, slot
 * An entry is a byte, and what it says: 0: none; 1: a pinned page: which, prot;
 * 2: VRAM: 3 bytes page, prot; 3: a page of the neighbour's; 4: 8 bytes.
 *
 * Whatever is said: the neighbour's memory stays as it is, and its jobs run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "../unit/refgpu-worker-rig.h"
#include "fuzz.h"
#include "link/wire.h"
#include "util/bytes.h"
#include "util/log.h"

#define MAX_STEPS 256
#define REUSE	  200 /* inputs for one parent */
#define PINS	  64u
#define CANARY	  65536u
#define RW	  (REFGPU_PTE_VALID | REFGPU_PTE_READ | REFGPU_PTE_WRITE)

static struct rig *rig;
static struct worker *neighbour;
static uint64_t theirs;
static unsigned used;

static void drop_line(enum log_level level, const char *subject,
		      const char *text)
{
	(void)level;
	(void)subject;
	(void)text;
}

static void start(void)
{
	log_setup(drop_line, LOG_LEVEL_DEBUG);
	rig = rig_new("software,vram=256m,contexts=128");
	neighbour = worker_new(rig, 1);
	REQUIRE(!worker_pin(neighbour, 0, 1, 3, &theirs));
	worker_open(neighbour, 0, 0);
	worker_run(neighbour, 0, 0, WORKER_VRAM / 4096, RW);
	memset(neighbour->vram, 0x5a, CANARY);
	memset(neighbour->memory, 0x5a, CANARY);
}

static bool is_canary(const uint8_t *p)
{
	return p[0] == 0x5a && !memcmp(p, p + 1, CANARY - 1);
}

static uint64_t entry(struct input *in, const uint64_t *addrs)
{
	uint64_t value;

	switch (take(in, 1) % 5) {
	case 0:
		return 0;
	case 1:
		value = addrs[take(in, 1) % PINS] | REFGPU_PTE_SYSTEM;
		return value | (take(in, 1) & 7);
	case 2:
		value = take(in, 3) << 12;
		return value | (take(in, 1) & 7);
	case 3:
		return theirs | RW | REFGPU_PTE_SYSTEM;
	default:
		return take(in, 8);
	}
}

static void raw_record(struct worker *w, struct input *in)
{
	uint16_t kind = (uint16_t)take(in, 1), slot = (uint16_t)take(in, 1);
	uint32_t size = (uint32_t)take(in, 2), n = (uint32_t)take(in, 1);
	struct rg_record *r =
		worker_record(w, kind, slot, (uint32_t)sizeof(*r) + 256);

	r->size = size;
	for (uint32_t i = 0; i < n; i++)
		((uint8_t *)(r + 1))[i] = (uint8_t)take(in, 1);
}

static void some_ptes(struct worker *w, struct input *in, const uint64_t *addrs)
{
	unsigned slot = (unsigned)take(in, 1);
	uint64_t va = take(in, 4) << 12, ptes[256];
	uint32_t n = (uint32_t)take(in, 1);

	for (uint32_t i = 0; i < n; i++)
		ptes[i] = entry(in, addrs);
	worker_ptes(w, slot, va, ptes, n);
}

static void some_run(struct worker *w, struct input *in, const uint64_t *addrs)
{
	unsigned slot = (unsigned)take(in, 1);
	uint64_t va = take(in, 4) << 12, n = take(in, 4);

	worker_run(w, slot, va, n, entry(in, addrs));
}

static void some_job(struct worker *w, struct input *in)
{
	unsigned slot = (unsigned)take(in, 1) % RG_MAX_SLOTS;
	uint32_t n = (uint32_t)take(in, 1), dwords[256];

	for (uint32_t i = 0; i < n; i++)
		dwords[i] = (uint32_t)take(in, 4);
	worker_job(w, slot, dwords, n);
}

/* Room is not waited for: who lies may never get any. */
static bool has_room(const struct worker *w)
{
	return w->ring.own - *w->ring.tail <= (RG_RING_SIZE - 8192) / RG_ENTRY;
}

static void step(struct worker *w, struct input *in, const uint64_t *addrs,
		 bool *pinned)
{
	unsigned what = (unsigned)take(in, 1) % 11;
	uint64_t at;

	if (what < 5 || what == 10)
		if (!has_room(w))
			return;
	switch (what) {
	case 0:
		raw_record(w, in);
		break;
	case 1:
		some_ptes(w, in, addrs);
		break;
	case 2:
		some_run(w, in, addrs);
		break;
	case 3:
		some_job(w, in);
		break;
	case 4:
		at = take(in, 1) % RG_MAX_SLOTS;
		worker_open(w, (unsigned)at, (unsigned)take(in, 1) % 3);
		break;
	case 5:
		worker_kick(w);
		rig_run(rig);
		break;
	case 6:
		worker_lie(w, take(in, 8));
		break;
	case 7:
		at = take(in, 2) * RG_ENTRY % RG_RING_SIZE;
		for (unsigned i = 0; i < 8; i++)
			w->ring.entries[at + i] = (uint8_t)take(in, 1);
		break;
	case 8:
		if (*pinned)
			worker_unpin_begin(w, addrs, PINS);
		*pinned = false;
		break;
	case 9:
		if (*pinned) /* a call at a time */
			worker_give_vram(w);
		break;
	case 10:
		at = take(in, 1);
		worker_small(w, (unsigned)at, (unsigned)take(in, 1));
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint64_t addrs[PINS], seq;
	uint32_t d[8];
	struct worker *w;
	bool pinned = true;

	if (!rig)
		start();
	/* Those before it are put away by and by. */
	for (unsigned i = 0; !(w = worker_new(rig, 100)); i++) {
		REQUIRE(i < 1000);
		rig_run(rig);
	}
	REQUIRE(!worker_pin(w, 0, PINS, 3, addrs));
	for (unsigned i = 0; i < MAX_STEPS && in.len && !w->dropped; i++)
		step(w, &in, addrs, &pinned);
	worker_kick(w);
	rig_run(rig);
	worker_free(w);
	rig_run(rig);

	REQUIRE(is_canary(neighbour->vram) && is_canary(neighbour->memory));
	seq = worker_job(neighbour, 0, d,
			 cmd_fill(d, 1u << 20, 4096, ++used));
	worker_kick(neighbour);
	worker_until_done(neighbour, 0, seq);
	REQUIRE(!memcmp(neighbour->vram + (1u << 20) + 4092, &used, 4));
	if (used % REUSE)
		return 0;
	worker_free(neighbour);
	rig_free(rig);
	rig = NULL;
	return 0;
}
