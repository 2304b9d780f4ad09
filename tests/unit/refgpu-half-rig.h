/* SPDX-License-Identifier: MIT */
/*
 * The instance half of drivers/refgpu between a core and a parent half that are
 * made for tests. For all other drivers, and for what does not have to fail on
 * command, there is rig/driver.h, with the real core.
 *
 * The core is a script's: memory is an array (.ram), of which .unmapped[] is
 * not there and RO_PAGE is read-only; .max_pins makes pins fail; timers fire
 * when rig_timers() is called, and time passes as rig/clock.h says. The parent
 * half looks at the ring when rig_take() tells it to, or at each kick (.eager),
 * or whenever somebody waits for it, unless it is .asleep; rig_finish() ends
 * its jobs, rig_fault() has one fault. It keeps the tables that hardware would
 * have, and insists that nothing is in them but what is pinned at that moment.
 *
 * What must hold is checked by REQUIRE(), so that fuzz targets can use it, too.
 */
#ifndef TEST_REFGPU_HALF_RIG_H
#define TEST_REFGPU_HALF_RIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../drivers/refgpu/audit.h"
#include "../../drivers/refgpu/instance/instance.h"

#ifndef REQUIRE
#define REQUIRE(cond)                                                          \
	do {                                                                   \
		if (!(cond)) {                                                 \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__,       \
				__LINE__, #cond);                              \
			abort();                                               \
		}                                                              \
	} while (0)
#endif

#define RAM_BASE  0x100000ull /* guest's address of its memory */
#define RAM_PAGES 4096u
#define RAM_SIZE  (RAM_PAGES * 4096ull)
#define BUS_BASE  0x7000000000ull /* the device's address of it */
#define VRAM_SIZE (64ull << 20)
#define RO_PAGE	  17u /* of RAM: the client lets the device only read it */

#define RIG_TICK 100u /* ns that each look at the clock takes */

#define HW_VA	     (1u << 16) /* pages that the hardware's tables have */
#define HW_PAGES(va) ((va) >> 12)

struct rig_job {
	uint64_t seq;
	uint32_t slot, n, at; /* at: the next command */
	uint32_t *dwords;
};

struct vgpu_core {
	struct vgpu_device *dev;
	const struct vgpu_device_ops *ops;
	struct rg_state *state;
	uint8_t *ram, *vram;
	bool unmapped[RAM_PAGES];
	unsigned pins[RAM_PAGES][4];
	int hw_refs[RAM_PAGES]; /* entries of the hardware's that have it */
	unsigned waits; /* unpins that had to wait for the parent half */
	bool asleep;	/* the parent half, also while it is waited for */
	bool eager;	/* the parent half looks whenever it is kicked */
	unsigned n_pinned, max_pins, pin_calls, unpin_calls;
	unsigned irqs[REFGPU_NUM_VECTORS];
	unsigned planes;
	struct vgpu_plane plane;
	struct rig_given {
		vgpu_dma_done_fn done;
		void *user;
	} given[8];
	unsigned n_given; /* memory that has no answer yet */
	bool slow_pins;	  /* they are over with rig_pins() */
	struct rig_pin {
		uint64_t *iovas; /* NULL: none is under way */
		unsigned n, prot;
		uint64_t *ret_addrs;
		vgpu_dma_done_fn done;
		void *user;
	} pin;
	unsigned unmaps_done;
	unsigned sections; /* open */
	/* The parent half */
	struct rg_shared *shared;
	struct vgpu_ring ring;
	bool kicked;
	struct rig_slot {
		bool open, stands;
		unsigned resumes, stops, engine;
		uint32_t generation;
		uint64_t *pte; /* HW_VA of them */
		uint64_t end;  /* none is set from here on */
		uint64_t last_seq;
		uint64_t told; /* of its jobs: the instance half was kicked */
	} slots[RG_MAX_SLOTS];
	unsigned n_records[RG_MEMORY + 1];
	uint64_t n_taken, n_seen; /* records, at the last kick for room */
	struct rig_job *jobs;
	unsigned n_jobs, n_faults;
	struct timer {
		void (*fn)(void *user);
		void *user;
		bool armed, used;
	} timers[8];
};

struct vgpu_core *rig_new(void);
void rig_free(struct vgpu_core *core);

uint32_t rig_read(struct vgpu_core *core, uint32_t reg);
void rig_write(struct vgpu_core *core, uint32_t reg, uint32_t value);
void rig_write64(struct vgpu_core *core, uint32_t reg, uint64_t value);
void rig_doorbell(struct vgpu_core *core, unsigned ctx);

/* The pin that is under way is over. Return: was there one? */
bool rig_pins(struct vgpu_core *core);
/* The parent half has the memory that it was given. */
void rig_given(struct vgpu_core *core);
/* The parent half: take at most @max records; jobs are kept. */
unsigned rig_take(struct vgpu_core *core, unsigned max);
/* Entries of the ring that were written and not taken */
static inline uint64_t rig_waiting(struct vgpu_core *core)
{
	REQUIRE(!vgpu_ring_look(&core->ring));
	return core->ring.seen - core->ring.own;
}
/* All jobs that were taken are over: FENCE and FILL are done, in order. */
void rig_finish(struct vgpu_core *core);
/* The byte that the hardware reaches at @va, or NULL */
uint8_t *rig_hw(struct vgpu_core *core, unsigned slot, uint64_t va, bool write);
void rig_kick(struct vgpu_core *core);
/* The parent half kicks if it has to (proto.h), and only then. Return: did it?
 */
bool rig_tell(struct vgpu_core *core);
void rig_fault(struct vgpu_core *core, unsigned slot, uint64_t va, bool write);
/* Until nothing is left to do; nobody may be waiting for a kick that never
 * comes. */
void rig_settle(struct vgpu_core *core);
/* Fire the timers that are armed. */
unsigned rig_timers(struct vgpu_core *core);

/* Guest: page tables with root, one middle table and leaves at page @at of RAM
 * (or VRAM) on. */
void rig_ram64(struct vgpu_core *core, uint64_t page, unsigned i, uint64_t v);

#endif
