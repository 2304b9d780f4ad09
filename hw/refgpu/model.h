/* SPDX-License-Identifier: MIT */
/*
 * What the model is made of. Who may touch what:
 *
 * - "lock": under refgpu_hw.lock, which registers and engines take. It is
 *   never held within a section, nor while config.irq is called.
 * - "engine": by the thread of the engine that runs the context, or under the
 *   lock while none runs it.
 * - atomic: as said there.
 *
 * A *section* (section.h) is the time in which an engine may use pointers to
 * memory. Whoever takes memory or a translation away waits for the sections
 * that were open.
 */
#ifndef MODEL_H
#define MODEL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "refgpu-hw.h"

/* Of the bus: what the device does with memory. */
#define PROT_READ_  1u
#define PROT_WRITE_ 2u

#define TLB_ENTRIES	 4096u
#define TLB_HUGE_ENTRIES 256u
#define COMMAND_MAX	 (5u + REFGPU_ARGS_MAX) /* dwords that are kept */
#define EVENTS_MAX	 256u			/* of an engine, unread */
#define MAX_MODULES	 1024u
#define SLICE_NS	 2000000u /* of the arbiter */
#define SEM_POLL_NS	 1000000u /* waiting contexts are looked at */
#define CHUNK		 65536u	  /* bytes between two boundaries */
#define SECTION_CHUNKS	 8u	  /* in a section, if nobody waits for it */
#define SPIN_NS		 50000u /* an engine looks for work before it sleeps */

struct engine;

/* What became of a step of a command. */
enum step {
	STEP_DONE = 0,
	STEP_AGAIN, /* there is more of it; this is a boundary */
	STEP_IDLE,  /* the ring is empty */
	STEP_WAIT,  /* for a semaphore */
	STEP_FAULT, /* engine.fault, .fault_va */
	STEP_ERROR, /* engine.error */
	STEP_CUT,   /* a request to stop at once */
};

enum phase {
	PHASE_FETCH = 0, /* the next command is to be read */
	PHASE_EXEC,	 /* it is in .cmd, and .done of it is done */
	PHASE_RETIRE,	 /* it is done; head is to be stored */
};

/* Where a context stands in its commands: all that preemption has to keep. */
struct stream {
	enum phase phase;
	unsigned depth; /* 0: in the ring, n: in level[n - 1] */
	struct level {
		uint64_t va;
		uint32_t n, pos; /* dwords */
	} level[REFGPU_BATCH_NESTING];
	uint32_t tail; /* as last read */
	uint32_t len;  /* of the command, dwords */
	uint32_t cmd[COMMAND_MAX];
	uint64_t done;	   /* of the command: bytes, pixels */
	uint32_t group[3]; /* of a dispatch: the next one */
	uint32_t part;	   /* of the group: elements that are written */
	bool loaded; /* these three are the driver's, for the first command */
};

enum place { NOWHERE = 0, IN_QUEUE, IN_WAITERS };

struct context {
	unsigned id;
	/* lock */
	uint32_t control;
	uint64_t root, ring, ctl, inv;
	uint32_t ring_size;
	uint64_t fault_va;
	uint32_t fault, error;
	uint64_t time;
	uint32_t time_hi; /* latched */
	bool dying;	  /* somebody waits for it to stop */
	enum place place;
	struct context *prev, *next;
	/* Written under the lock (head: by the engine), read by anyone */
	_Atomic uint32_t state, event, cookie, head;
	/* Set under the lock, taken by the engine before it reads the tail */
	atomic_bool rung;
	/* What its translations are tagged with; never used twice */
	_Atomic uint64_t asid;
	/* engine */
	struct stream s;
};

struct list {
	struct context *first, *last;
};

enum request {
	REQUEST_PREEMPT = 1u << 0, /* at the next boundary */
	REQUEST_STOP = 1u << 1,	   /* at once, without a trace */
	REQUEST_RESET = 1u << 2,   /* at once: ERROR_RESET */
};
#define REQUEST_NOW (REQUEST_STOP | REQUEST_RESET)

struct tlb_entry {
	uint64_t asid, pte; /* pte: with the page's own ADDR and HUGE */
	uint32_t vpn;
};

struct engine {
	struct refgpu_hw *hw;
	unsigned id;
	pthread_t thread;
	clockid_t clock; /* of the thread */
	bool started;

	/* lock */
	uint32_t mode;
	struct context *next; /* host mode: the second one */
	struct list queue, waiters;
	uint64_t start, polled; /* when it began; when waiters were looked at */
	uint64_t start_clock;	/* when it began, by engine_worked() */
	uint32_t events[EVENTS_MAX];
	unsigned first_event;
	bool sleeping, quit;
	pthread_cond_t wake;
	/* Written under the lock, read by anyone */
	_Atomic(struct context *) cur;
	_Atomic uint32_t n_events;
	_Atomic uint32_t request; /* of the run of cur: enum request */
	_Atomic uint32_t rivals;  /* contexts that want it, other than cur */
	_Atomic uint32_t kicks;	  /* counts reasons to look */

	/* Odd: in a section */
	_Atomic uint64_t section;
	/* Somebody waits for its end: a hint, which may get lost */
	atomic_bool awaited;

	/* The thread's own */
	struct context *run;
	uint64_t asid;
	const struct modules *modules;
	const struct module *module; /* the last one that was hit */
	bool arbitrated;
	unsigned polls;
	bool stored;	      /* a semaphore may have changed */
	uint32_t stores_seen; /* when the last SEM_WAIT looked */
	uint32_t fault, error;
	uint64_t fault_va;
	struct tlb_entry *tlb, *huge;
	struct scratch *scratch; /* kernels' (kernels/kernels.h) */
};

struct module {
	uint64_t offset, size;
	uint8_t *ptr;
};

struct modules {
	size_t n;
	struct module m[MAX_MODULES]; /* sorted by offset */
};

struct display {
	uint32_t control, format, width, height, stride;
	uint64_t base;
	bool commit;
	uint32_t vblanks, status;
	struct refgpu_hw_scanout live;
	bool on; /* vblanks come */
	uint8_t edid[256];
	pthread_t thread;
	pthread_cond_t wake;
	bool started, quit;
};

struct refgpu_hw {
	struct refgpu_hw_config config;
	pthread_mutex_t lock;
	pthread_cond_t left; /* a context left its engine; a reset is over */
	uint64_t power_on;
	/* lock */
	bool resetting;
	uint32_t fire; /* vectors to be fired when the lock is free */
	uint32_t time_hi;
	uint32_t irq_enable;
	uint32_t ctx_events[REFGPU_MAX_CONTEXTS / 32];
	_Atomic uint32_t irq_status;
	_Atomic uint32_t waiters;
	_Atomic uint32_t stores; /* to what may be semaphores */
	_Atomic uint64_t asids;

	pthread_mutex_t vram_lock;
	_Atomic(struct modules *) modules; /* one of: */
	struct modules tables[2];

	const struct kernel_ops *ops;
	struct display display;
	struct engine engine[REFGPU_NUM_ENGINES];
	struct context *ctx;
};

/* hw.c */
void hw_lock(struct refgpu_hw *hw);
/* Also fires the vectors that were raised. */
void hw_unlock(struct refgpu_hw *hw);
/* A moment of interrupt @vector; lock. */
void hw_irq(struct refgpu_hw *hw, unsigned vector);
uint64_t hw_now(void);
void hw_reset(struct refgpu_hw *hw);
/* As a driver's write, from @self's thread if that is an engine. */
void hw_write(struct refgpu_hw *hw, uint32_t offset, uint32_t value,
	      const struct engine *self);

static inline unsigned context_engine(const struct context *c)
{
	return c->control >> REFGPU_CTX_ENGINE_SHIFT & 0xfu;
}

#endif
