/* SPDX-License-Identifier: MIT */
/*
 * Between the halves of the driver.
 *
 * They share one area (vgpu_instance_share()): a ring of records from the
 * instance half (<vgpu/ring.h>), in order, and a status page from the parent
 * half, which copies each record before it looks at it, and believes nothing.
 * Rare things (faults, errors) come back as messages of struct rg_notice.
 *
 * A *slot* is a context of the vGPU: the number that its guest knows, from 0 to
 * RG_MAX_SLOTS - 1. Which context of the hardware it is, the parent half knows.
 */
#ifndef RG_PROTO_H
#define RG_PROTO_H

#include <stdint.h>

#include <vgpu/ring.h>

#define RG_MAX_SLOTS  64u	   /* contexts of one vGPU */
#define RG_RING_SIZE  (1u << 20)   /* bytes of records */
#define RG_ENTRY      64u	   /* bytes of the ring's entries */
#define RG_RECORD_MAX (128u << 10) /* bytes of one record */
#define RG_MAX_TABLES 16384u	   /* of one vGPU's page tables, roots apart */

enum rg_kind {
	RG_OPEN = 1,   /* struct rg_open: a context, with an empty table */
	RG_CLOSE,      /* the context ends, now */
	RG_PTES,       /* struct rg_ptes, then entries */
	RG_RUN,	       /* struct rg_run: entries that count up */
	RG_JOB,	       /* struct rg_job, then dwords of audited commands */
	RG_RESUME,     /* after a fault: its page is there now */
	RG_STOP_FAULT, /* after a fault: it is the guest's; the context stands
			* until RG_CLOSE or RG_RESUME */
	RG_MEMORY,     /* reserved */
};

struct rg_record {
	uint32_t size; /* of all of it, bytes */
	uint16_t kind;
	uint16_t slot;
};

struct rg_open {
	struct rg_record r;
	uint32_t engine;     /* enum refgpu_engine */
	uint32_t generation; /* comes back in its notices */
};

/*
 * Entries for @n pages of 4 KiB from GPU address @va on. An entry is
 * a leaf of the hardware's (<vgpu/refgpu.h>): 0 takes the page away; SYSTEM has
 * a device address that the core has given this instance for a pin; others
 * have an offset in the vGPU's own VRAM. Replacing and taking away is complete,
 * TLBs included, before the record has been passed.
 */
struct rg_ptes {
	struct rg_record r;
	uint64_t va;
	uint32_t n;
	uint32_t reserved;
	/* uint64_t pte[n] follow */
};

/* As RG_PTES with pte, pte + 4096, ...; 0: takes all away. n: up to all pages
 * that there are */
struct rg_run {
	struct rg_record r;
	uint64_t va;
	uint64_t n;
	uint64_t pte;
};

/* Commands without BATCH, END, INVALIDATE and what is privileged. @seq counts
 * the slot's jobs from 1. */
struct rg_job {
	struct rg_record r;
	uint64_t seq;
	uint32_t n; /* dwords that follow */
	uint32_t reserved;
};

/*
 * Of a slot's jobs that are not over, so many fit in the hardware's ring: the
 * instance half sends no more. One that does would have its records wait, and
 * what could end the wait (RG_RESUME, say) may be one of them.
 */
#define RG_SLOT_BYTES (508u << 10) /* of commands, and */
#define RG_JOB_EXTRA  8u	   /* for each job */
#define RG_SLOT_MARKS 1024u /* IRQs, RG_JOB_IRQS of a job at most, and jobs */
#define RG_JOB_IRQS   64u

/* Written by the parent half (but in reach of both), zeroed by it for RG_OPEN
 */
struct rg_slot_status {
	uint64_t done;	 /* jobs that are over: all up to this seq */
	uint64_t time;	 /* ns on an engine */
	uint32_t events; /* REFGPU_EVENT_USER: taken by an exchange with 0 */
	uint32_t cookie;
	uint32_t state; /* enum refgpu_state, as last known */
	uint32_t reserved[9];
};

struct rg_shared {
	uint8_t ring[VGPU_RING_BYTES(RG_RING_SIZE / RG_ENTRY, RG_ENTRY)];
	uint32_t full; /* the instance half waits for room: kick it */
	uint32_t reserved[63];
	struct rg_slot_status slots[RG_MAX_SLOTS];
	uint8_t reserved2[4096 - VGPU_RING_BYTES(1, 0) - 256];
};

/* One side of it */
static inline int rg_ring_init(struct vgpu_ring *ring, struct rg_shared *shared)
{
	return vgpu_ring_init(ring, shared->ring, RG_RING_SIZE / RG_ENTRY,
			      RG_ENTRY);
}

/* Parent half to instance half, by message */
enum rg_notice_kind {
	RG_NOTICE_FAULT = 1, /* slot stands; answer RESUME or STOP_FAULT */
	RG_NOTICE_ERROR,     /* slot stands with @code, enum refgpu_error */
	RG_NOTICE_NONSENSE, /* a record of the slot was refused: @code, errno */
};

struct rg_notice {
	uint32_t kind;
	uint32_t slot;
	uint64_t va;
	uint32_t code;	     /* of a fault: as REFGPU_CTX_FAULT */
	uint32_t generation; /* of the RG_OPEN that it is about */
	uint64_t seq;	     /* the last job that was over */
};

_Static_assert(sizeof(struct rg_slot_status) == 64, "a line each");
_Static_assert(sizeof(struct rg_shared) % 4096 == 0, "pages");

#endif
