/* SPDX-License-Identifier: MIT */
/*
 * The parent half: owns the GPU, and shares it between vGPUs. It gets records
 * from instance halves (proto.h), none of which it believes.
 *
 *   parent.c   the board: opening, vGPUs that come and go
 *   config.c   what the operator wants it to be
 *   ring.c     records: taken in turns, copied, looked at
 *   table.c    page tables, as the hardware walks them
 *   bank.c     the memory that they and rings are in
 *   ctx.c      contexts of the hardware, jobs in their rings
 *   sched.c    who runs; what the hardware reports
 *   state.c    what of a vGPU is here and nowhere else
 *
 * VRAM's address space: a window for each vGPU's VRAM, then a *bank* for each,
 * which is memory of this process that no command can name: no entry of a
 * shadow table leads there.
 *
 * The parent's loop only; the model's interrupts come from other threads, and
 * do nothing but wake the loop.
 */
#ifndef RG_PARENT_H
#define RG_PARENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <refgpu-hw.h>
#include <vgpu/sched.h>

#include "../audit.h"
#include "../proto.h"

/* Limits */
#define RGP_MAX_CLIENTS 128u		/* vGPUs on one board */
#define RGP_FAIR_CLIENTS 64u		/* so many share one half of the contexts */
#define RGP_HOST_RING	(512u << 10)	/* bytes of a context's ring */
#define RGP_TABLE_PAGES (RG_MAX_TABLES + RGP_GONE_PAGES)
#define RGP_MAX_MARKS	1024u		/* in a ring: ends of jobs, interrupts */
#define RGP_MAX_NONSENSE 64u		/* a vGPU that says more is dropped */
#define RGP_GONE_PAGES	64u		/* of tables, that may still be walked */

/* Work in one go, so that no vGPU holds the loop */
#define RGP_GO_BYTES	(512u << 10) /* of records */
#define RGP_GO_ENTRIES	65536u	     /* of page tables */
#define RGP_PROGRESS_JOBS 32u	     /* from one look at the ring to the next */

/* Semaphores that others may have reached are looked at after */
#define RGP_WAIT_MIN_NS 50000u
#define RGP_WAIT_MAX_NS 1000000u
/* Where an interrupt came before its command was over: likewise */
#define RGP_LOOK_MIN_NS 20000u
#define RGP_LOOK_MAX_NS 1000000u

/* The bank of a vGPU */
#define RGP_RINGS_AT	0ull
#define RGP_ROOTS_AT	(RGP_RINGS_AT + RG_MAX_SLOTS * (uint64_t)RGP_HOST_RING)
#define RGP_ROOT_SIZE	(2 * REFGPU_PAGE)
#define RGP_CTLS_AT	(RGP_ROOTS_AT + RG_MAX_SLOTS * RGP_ROOT_SIZE)
#define RGP_CTL_STRIDE	256ull
#define RGP_TABLES_AT \
	(RGP_CTLS_AT + RG_MAX_SLOTS * RGP_CTL_STRIDE)
#define RGP_BANK_SIZE	(RGP_TABLES_AT + RGP_TABLE_PAGES * REFGPU_PAGE)
#define RGP_BANK_STRIDE (128ull << 20)

_Static_assert(RGP_BANK_SIZE <= RGP_BANK_STRIDE, "a bank has room");
_Static_assert(RGP_TABLES_AT % REFGPU_PAGE == 0, "tables are pages");
_Static_assert(RG_RECORD_MAX < RGP_HOST_RING / 2, "any job fits");
_Static_assert(RG_SLOT_BYTES < RGP_HOST_RING, "what may be sent fits");
_Static_assert(RG_SLOT_MARKS <= RGP_MAX_MARKS, "likewise");

struct rgp_client;

/* ---- bank.c ---------------------------------------------------------- */

struct rgp_bank {
	uint8_t *base;
	uint64_t at; /* in VRAM's address space */
	/* Pages of tables: in use, with so many valid entries; free ones are
	 * zero */
	uint16_t *used;
	uint32_t *free;
	uint32_t n_free, n_fresh;
};

int rgp_bank_init(struct rgp_bank *bank, uint64_t at);
void rgp_bank_fini(struct rgp_bank *bank);
/* A zeroed page; NULL: RGP_TABLE_PAGES are in use. */
uint64_t *rgp_bank_get(struct rgp_bank *bank);
void rgp_bank_put(struct rgp_bank *bank, uint64_t *page);

static inline uint64_t rgp_bank_addr(const struct rgp_bank *bank,
				     const void *ptr)
{
	return bank->at + (uint64_t)((const uint8_t *)ptr - bank->base);
}

static inline void *rgp_bank_ptr(const struct rgp_bank *bank, uint64_t addr)
{
	return bank->base + (addr - bank->at);
}

/* How many entries of the page are valid */
static inline uint16_t *rgp_bank_used(const struct rgp_bank *bank,
				      const void *page)
{
	return &bank->used[((uint64_t)((const uint8_t *)page - bank->base) -
			    RGP_TABLES_AT) /
			   REFGPU_PAGE];
}

/* ---- table.c --------------------------------------------------------- */

#define RGP_GONE_RUNS 2048u

/* A vGPU's addresses that a table had, and pages of tables: the hardware may
 * know them until it has been told to forget. */
struct rgp_gone {
	unsigned n_runs, n_pages;
	bool valid; /* there was something valid */
	struct {
		uint64_t addr, len;
	} runs[RGP_GONE_RUNS];
	uint64_t *pages[RGP_GONE_PAGES];
};

/* The table of a context, and how to make the hardware forget it */
struct rgp_table {
	struct rgp_client *client;
	uint64_t *root;
	unsigned ctx;
	bool live; /* the hardware may be using it */
};

/**
 * rgp_table_write() - put entries as the instance half named them
 * @va: multiple of REFGPU_PAGE, as all of it below REFGPU_VA_SIZE
 *
 * Return: 0; -EFAULT: not an address of this vGPU; -EINVAL: not an entry;
 * -ENOSPC: RGP_TABLE_PAGES. What was before the one that failed is done.
 */
int rgp_table_write(struct rgp_table *table, uint64_t va, const uint64_t *ptes,
		    uint32_t n);

/**
 * rgp_table_run() - likewise, entries that count up; 0 takes them away
 * @va: what is done is taken off, as from @n
 * @work: entries that may still be done in this go; what was is taken off
 *
 * Return: as above; -EAGAIN: there is more to do.
 */
int rgp_table_run(struct rgp_table *table, uint64_t *va, uint64_t *n,
		  uint64_t *pte, uint32_t *work);

/* Nothing that was replaced is in use any more: at the end of each record. */
void rgp_table_flush(struct rgp_table *table);

/* ---- ctx.c ----------------------------------------------------------- */

/* In a ring: when its head has come by, a job is over, or an interrupt was
 * raised */
struct rgp_mark {
	uint64_t at;	 /* bytes since the context was started */
	uint64_t seq;	 /* 0: an interrupt of the guest's */
	uint32_t cookie;
	bool signals; /* an interrupt tells that it has come by */
};

enum rgp_state {
	RGP_NONE = 0,
	RGP_LIVE,
	RGP_DEAD, /* refused, failed or reset: stands until it is closed */
};

/* A slot: a context of a vGPU */
struct rgp_slot {
	struct rgp_client *client;
	unsigned id;
	enum rgp_state state;
	unsigned engine;
	uint32_t generation; /* the instance half's */
	bool has_ctx;
	unsigned ctx; /* of the hardware */
	struct vgpu_sched_entity *entity;
	struct rgp_table table;
	uint8_t *ring;
	struct refgpu_ctl *ctl;
	uint64_t tail, head; /* bytes since the start */
	uint64_t seq;	     /* of the last job that came */
	uint64_t done, told; /* over, and the instance half was kicked */
	uint64_t told_head;
	struct rgp_mark *marks; /* a queue of RGP_MAX_MARKS */
	unsigned first_mark, n_marks;
	uint64_t progress_seq; /* of the last job that reports its end */
	uint64_t time, time_0; /* of the hardware's counter: last, first */
	bool faulted;	       /* stands at a page */
	/* For a semaphore */
	bool waiting;
	uint64_t retry_at, retry_ns;
};

struct rgp_parent;

/* A vGPU */
struct rgp_client {
	struct rgp_parent *parent;
	struct vgpu_parent_instance *inst;
	unsigned index;
	uint64_t vram_at, vram_size;
	bool plugged; /* its VRAM is there */
	struct rgp_bank bank;
	struct vgpu_sched_group *group;
	struct rg_shared *shared;
	struct rgp_slot *slots; /* RG_MAX_SLOTS */
	unsigned n_ctx, n_waiting;
	unsigned fair; /* contexts that it has for sure */
	struct rgp_gone gone;
	/* Records */
	uint64_t tail, head;
	bool queued;   /* for another go */
	bool blocked;  /* a ring is full */
	unsigned blocked_slot;
	uint64_t scanned; /* records that were looked at for its end */
	unsigned nonsense;
	bool saved; /* its state was taken: nothing of it runs any more */
	/* The record that is being worked on, our copy */
	bool has_record;
	uint64_t run_va, run_n, run_pte; /* what is left of a run */
	_Alignas(8) uint8_t record[RG_RECORD_MAX];
	/* After the end: what is left to be released */
	bool dying;
	struct rgp_client *next_busy;
};

/* Starts a context with an empty table. -ENOSPC: no more contexts */
int rgp_slot_open(struct rgp_slot *slot, unsigned engine);
/* It stops, now; its table is still there. */
void rgp_slot_stop(struct rgp_slot *slot);
/* All of it has gone but the table's entries, which have been cleared. */
void rgp_slot_close(struct rgp_slot *slot);
/* It failed: it stands, and takes no more jobs. */
void rgp_slot_die(struct rgp_slot *slot, enum rg_notice_kind kind,
		  uint32_t code);
/**
 * rgp_slot_job() - check a job, and put it into the ring
 *
 * Return: 0; -EAGAIN: no room now; -EINVAL: nonsense (@ret_error tells more).
 */
int rgp_slot_job(struct rgp_slot *slot, const uint32_t *dwords, uint32_t n,
		 uint64_t seq);
/* What has happened in its ring since the last look. */
void rgp_slot_update(struct rgp_slot *slot);
/* Is its head where an interrupt may have been raised a moment ago? */
bool rgp_slot_is_due(const struct rgp_slot *slot);
uint64_t rgp_slot_time(const struct rgp_slot *slot);
bool rgp_slot_has_work(const struct rgp_slot *slot);
void rgp_slot_fault(struct rgp_slot *slot);
void rgp_slot_resume(struct rgp_slot *slot);
void rgp_slot_set_state(struct rgp_slot *slot, enum refgpu_state state);
void rgp_slot_tell(struct rgp_slot *slot);
uint64_t rgp_now(void);

/* ---- ring.c ---------------------------------------------------------- */

/* Take records, as many as one go allows. Negative errno: drop the vGPU. */
int rgp_client_work(struct rgp_client *client);
/* Another go is due. */
void rgp_client_queue(struct rgp_client *client);
/* A ring has room again. */
void rgp_client_unblock(struct rgp_client *client, unsigned slot);
/* Clears what is left of a vGPU that has gone, as far as one go allows; true:
 * all of it. */
bool rgp_client_clear(struct rgp_client *client);

/* ---- state.c --------------------------------------------------------- */

/* The ops of struct vgpu_parent_ops */
int rgp_save(struct vgpu_parent *parent, struct vgpu_parent_instance *inst,
	     void *buf, size_t size, size_t *ret_len);
int rgp_restore(struct vgpu_parent *parent, struct vgpu_parent_instance *inst,
		const void *buf, size_t len);

/* ---- sched.c --------------------------------------------------------- */

int rgp_sched_init(struct rgp_parent *parent);
void rgp_sched_fini(struct rgp_parent *parent);
/* What the hardware has reported */
void rgp_sched_drain(struct rgp_parent *parent);
void rgp_sched_arm(struct rgp_parent *parent);
void rgp_sched_wake(struct rgp_slot *slot);
void rgp_sched_irq(void *user, unsigned vector);

/* ---- config.c -------------------------------------------------------- */

struct rgp_config {
	uint64_t vram;
	unsigned contexts;
	unsigned mode; /* enum vgpu_sched_mode */
	unsigned shares;
	uint64_t slice_ns, hang_ns; /* 0: the scheduler's own */
};

/* Return: 0; -EINVAL (it is logged). */
int rgp_config_parse(const char *text, struct rgp_config *ret_config);

/* ---- parent.c -------------------------------------------------------- */

struct rgp_parent {
	struct vgpu_parent parent;
	struct rgp_config config;
	struct vgpu_iommu *iommu;
	struct refgpu_hw *hw; /* NULL until somebody comes */
	struct vgpu_sched *sched;
	struct vgpu_parent_source *signal, *timer, *work;
	uint64_t window, vram_left;
	struct rgp_client *clients[RGP_MAX_CLIENTS];
	struct rgp_client *busy; /* want another go */
	unsigned n_ctx, promised; /* in use; not in use, and promised */
	unsigned n_fair;	  /* vGPUs that were promised some */
	uint64_t armed_at;	  /* the timer */
	uint64_t look_at, look_ns; /* at rings: an interrupt came early */
	struct rgp_slot *owners[REFGPU_MAX_CONTEXTS]; /* by context */
};

/* A register of the slot's context */
static inline uint32_t rgp_slot_read(const struct rgp_slot *slot, uint32_t reg)
{
	return refgpu_hw_read(slot->client->parent->hw,
			      REFGPU_CTX(slot->ctx, reg));
}

static inline void rgp_slot_write(const struct rgp_slot *slot, uint32_t reg,
				  uint32_t value)
{
	refgpu_hw_write(slot->client->parent->hw, REFGPU_CTX(slot->ctx, reg),
			value);
}

extern const struct vgpu_parent_ops rg_parent_ops;

#endif
