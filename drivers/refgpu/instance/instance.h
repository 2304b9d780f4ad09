/* SPDX-License-Identifier: MIT */
/*
 * The instance half: a vGPU that looks like a reference GPU. Its registers are
 * kept here; what its guest wants done is copied, checked, translated and sent
 * to the parent half. docs/mediation.md tells how.
 *
 *   types.c     what there is to choose from
 *   instance.c  making, resetting, ending a vGPU
 *   regs.c      registers of the device and of contexts
 *   slot.c      contexts: starting, stopping, what became of them
 *   submit.c    from a doorbell to jobs
 *   stream.c    commands out of rings and batches, one by one
 *   space.c     the guest's page tables, shadowed; its memory
 *   ring.c      records to the parent half
 *   events.c    and what comes back
 *   display.c   the pipe
 *
 * All of it runs on the instance's loop.
 */
#ifndef RG_INSTANCE_H
#define RG_INSTANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vgpu/display.h>
#include <vgpu/parent.h>
#include <vgpu/shadow.h>

#include "../audit.h"
#include "../proto.h"

#define RG_CONTEXTS 32u /* of each vGPU */

/* Limits */
#define RG_MAX_JOBS    256u   /* of a slot, sent and not over */
#define RG_JOB_DWORDS  16384u /* of one job */
#define RG_HEAD_EVERY  32u    /* ring commands between two stores of head */
#define RG_MAX_UNMAPS  256u   /* that wait for the parent */
#define RG_SAME_FAULTS 16u    /* in a row, mended in vain: the bus fails */
#define RG_MAX_DROPS   4096u  /* of a shadow, for one job: the bus fails */
#define RG_MAX_PTES    512u   /* entries of one record */
#define RG_WINDOW      1024u  /* dwords of commands that are copied at once */

/* Time and room, so that no guest holds the loop, or needs to wait in it */
#define RG_PUMP_NS	 1000000u   /* work for one slot in one go */
#define RG_INVALIDATE_NS 4000000u   /* compare in a register write, else drop */
#define RG_PATIENCE_NS	 200000000u /* for the parent, in a register write */
#define RG_SYNC_PAGES	 4096u	    /* in one piece */
#define RG_ROOM_SYNC	 (384u << 10) /* free in the ring before a piece */
#define RG_ROOM_LAST	 (32u << 10) /* of the ring: for RG_CLOSE and the like */

/* The guest-visible state of a context: registers as they read, but for what
 * the parent half counts */
struct rg_ctx {
	uint64_t root, ring, ctl, inv, fault_va;
	uint32_t control, ring_size, state, head, event, fault, error, cookie;
	uint32_t time_hi, reserved;
};

/* Where a slot stands in its commands */
struct rg_level {
	uint64_t va;
	uint32_t n, pos; /* dwords */
};

struct rg_stream {
	uint32_t fetch;	   /* ring: byte of the next command */
	uint32_t tail;	   /* as last read */
	unsigned depth;	   /* 0: in the ring, k: in level[k - 1] */
	unsigned unstored; /* ring commands since head was stored last */
	struct rg_level level[REFGPU_BATCH_NESTING];
};

enum rg_pending {
	RG_PENDING_NONE = 0,
	RG_PENDING_INVALIDATE, /* then go on */
	RG_PENDING_COMMANDS,   /* that follow may be written: then go on */
	RG_PENDING_FAULT,      /* commands can't be read: tell the guest */
	RG_PENDING_ERROR,
};

struct rg_job_end {
	uint64_t seq;
	uint32_t head;
	uint32_t bytes, marks; /* what it takes of the hardware's ring */
};

/* Where a context stands in its commands: what its registers show when it is
 * asked, and what whoever goes on with it has to know. */
struct rg_place {
	bool open;    /* the parent half has it */
	bool rung;    /* the tail is to be looked at */
	bool stopped; /* the parent has been told that the guest has to act */
	struct rg_stream stream;
	/* When all that was sent is over */
	enum rg_pending pending;
	uint32_t pending_code;
	uint64_t pending_va;
	uint64_t pending_n;
	/* Jobs that were sent and are not over, a queue */
	uint64_t seq, done;
	unsigned first_job, n_jobs;
	struct rg_job_end jobs[RG_MAX_JOBS];
	/* A fault of the hardware that has no answer yet */
	bool faulted;
	uint32_t fault_code;
	uint64_t fault_va, fault_seq;
	unsigned same_faults;
	uint32_t generation;
	uint64_t time_seen, time; /* the parent's count, ours */
};

struct rg_state {
	uint32_t irq_status, irq_enable, time_hi, reserved;
	struct rg_display {
		uint32_t control, format, width, height, stride;
		uint32_t commit, vblanks, status;
		uint64_t base;
		/* What is live */
		uint32_t live_format, live_width, live_height, live_stride;
		uint64_t live_base;
	} display;
	struct rg_ctx ctx[RG_CONTEXTS];
	struct rg_place place[RG_CONTEXTS];
	uint64_t power_on;    /* CLOCK_MONOTONIC, ns */
	uint64_t vblank_base; /* CLOCK_MONOTONIC of the last vblank, ns */
};

/* What is known of jobs under way, so that INVALIDATE need not wait for them */
struct rg_early {
	/* Where jobs up to .seq store to: the older ones, and the rest */
	struct rg_early_jobs {
		uint64_t seq; /* 0: there are none */
		struct vgpu_shadow_stores stores;
	} jobs[2];
	unsigned n_notes; /* jobs that will be looked through */
	bool check;	  /* an INVALIDATE of @n pages at @va is under way */
	uint64_t va, n;
	uint64_t refused; /* jobs that it has to wait for; and those that */
	uint64_t until;	  /* were under way when it didn't */
};

/* A context of this vGPU, while it is enabled: what can be made anew from its
 * place and the guest's tables */
struct rg_slot {
	struct rg *rg;
	unsigned id;
	struct rg_place *st; /* of the device's state */
	bool syncing;	     /* tables are to be compared before the next job */
	bool lost; /* the ring was too full for what its shadow has put */
	struct vgpu_shadow *shadow;
	uint32_t bytes,
		marks; /* of the jobs under way, in the hardware's ring */
	struct rg_early early;
	unsigned drops;	      /* of shadows, for the fault that has no answer */
	uint64_t fault_after; /* position in the ring before the next try */
	uint64_t opened_at;   /* likewise, before which its status is not its */
};

struct rg_unmap {
	uint64_t iova, size, fence;
};

/* Entries that are to become one record */
struct rg_entries {
	unsigned slot;
	uint64_t va;
	uint32_t n;
	uint64_t pte[RG_MAX_PTES];
};

struct rg {
	struct vgpu_device dev;
	struct rg_state *state;
	const struct vgpu_type *type;
	uint64_t vram_size;
	uint8_t *vram;
	bool has_memory; /* the parent half has our VRAM */
	uint8_t edid[VGPU_EDID_SIZE];
	/* The ring */
	struct rg_shared *shared;
	uint64_t tail, told;
	struct rg_entries entries;
	uint32_t generations; /* of contexts, as long as the parent half */
	/* Address spaces */
	struct vgpu_shadow_pool *pool;
	struct rg_unmap unmaps[RG_MAX_UNMAPS];
	unsigned n_unmaps;
	struct vgpu_timer *reap_timer, *pump_timer, *vblank_timer;
	uint64_t engine_ns[REFGPU_NUM_ENGINES];
	/* Commands on their way: copies, one window for each level */
	struct rg_window {
		uint32_t at, n; /* dwords of its level that it has */
		uint32_t dwords[RG_WINDOW];
	} window[1 + REFGPU_BATCH_NESTING];
	uint32_t job[RG_JOB_DWORDS], job_irqs;
	struct rg_slot slots[RG_CONTEXTS];
};

static inline struct rg *rg_of(struct vgpu_device *dev)
{
	return vgpu_container_of(dev, struct rg, dev);
}

static inline struct rg_ctx *rg_ctx_of(const struct rg_slot *s)
{
	return &s->rg->state->ctx[s->id];
}

uint64_t rg_now(void); /* CLOCK_MONOTONIC, ns */

/* types.c */
#define RG_N_TYPES 4u
extern const struct vgpu_type *const rg_types[RG_N_TYPES];

/* regs.c */
extern const struct vgpu_mmio_ops rg_reg_ops;
void rg_raise(struct rg *rg, uint32_t irq);
void rg_event(struct rg_slot *s, uint32_t events);

/* slot.c */
void rg_slot_write_control(struct rg_slot *s, uint32_t value);
bool rg_slot_end(struct rg_slot *s);
void rg_slot_close(struct rg_slot *s);
void rg_slots_close_all(struct rg *rg);
void rg_slot_resume(struct rg_slot *s);
void rg_slot_invalidate(struct rg_slot *s, uint64_t va, uint64_t pages);
void rg_slot_fault(struct rg_slot *s, uint64_t va, uint32_t code);
void rg_slot_error(struct rg_slot *s, uint32_t error);
void rg_slot_answer_fault(struct rg_slot *s);
void rg_slot_update(struct rg_slot *s);
uint32_t rg_slot_head(struct rg_slot *s);

/* submit.c */
void rg_slot_ring(struct rg_slot *s);
void rg_slot_pump(struct rg_slot *s);
bool rg_slot_busy(const struct rg_slot *s);
void rg_pump_all(void *user);

/* stream.c */
uint32_t rg_stream_build(struct rg_slot *s);
unsigned rg_stream_read_tail(struct rg_slot *s, uint32_t *ret_tail);

/* early.c */
void rg_early_note(struct rg_slot *s, uint32_t n);
bool rg_early_may(struct rg_slot *s);
void rg_early_invalidate(struct rg_slot *s, uint64_t va, uint64_t n);
bool rg_early_check(struct rg_slot *s);
bool rg_early_is(const struct rg_slot *s);
bool rg_early_reads(struct rg_slot *s, uint64_t va, uint64_t len);

/* space.c */
int rg_space_init(struct rg *rg);
void rg_space_fini(struct rg *rg);
enum refgpu_fault rg_space_fault_code(enum vgpu_shadow_fault fault);
enum refgpu_fault rg_space_read(struct rg_slot *s, uint64_t va, void *buf,
				size_t len, size_t *ret_done);
enum refgpu_fault rg_space_load32(struct rg_slot *s, uint64_t va,
				  uint32_t *ret_value);
const void *rg_space_ptr(struct rg_slot *s, uint64_t va, size_t len);
int rg_space_sync(struct rg_slot *s, uint64_t max_ns);
void rg_space_reap(struct rg *rg, bool all);
void rg_space_mend(struct rg *rg);
int rg_dma_unmap(struct vgpu_device *dev, uint64_t iova, uint64_t size);

/* ring.c */
uint64_t rg_ring_room(const struct rg *rg);
void *rg_ring_reserve(struct rg *rg, uint32_t size, uint32_t spare);
void rg_ring_commit(struct rg *rg);
void rg_ring_kick(struct rg *rg);
uint64_t rg_ring_passed(const struct rg *rg);
bool rg_ring_wait(struct rg *rg, uint64_t position, uint64_t max_ns);
void rg_ring_want_room(struct rg *rg);
bool rg_ring_small(struct rg *rg, unsigned slot, enum rg_kind kind);

/* events.c */
void rg_parent_kick(struct vgpu_device *dev);
void rg_parent_message(struct vgpu_device *dev, const void *msg, size_t len);

/* display.c */
uint32_t rg_display_read(struct rg *rg, uint32_t reg);
void rg_display_write(struct rg *rg, uint32_t reg, uint32_t value);
void rg_display_reset(struct rg *rg);
void rg_display_catch_up(struct rg *rg);
void rg_display_arm(struct rg *rg);
void rg_display_vblank(void *user);
int rg_display_init(struct rg *rg);

/* doorbells.c */
extern const struct vgpu_mmio_ops rg_doorbell_ops[RG_CONTEXTS];

/* parent.c, the parent half */
extern const struct vgpu_parent_ops rg_parent_ops;

#endif
