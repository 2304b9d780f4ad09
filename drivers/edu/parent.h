/* SPDX-License-Identifier: MIT */
/* What the two files of the parent half share. */
#ifndef EDU_PARENT_H
#define EDU_PARENT_H

#include "edu.h"

#define EDU_MAX_CLIENTS 64u
/* A hardware transfer takes 100 ms in QEMU. What takes longer than this hangs:
 * less than the 2 s after which a vGPU's unmap counts as overdue. */
#define EDU_WATCHDOG_NS (1500ull * 1000000)
/* Of anything from here on, all 32 bits of the factorial are zero. */
#define EDU_ZERO_FACTORIAL 34u

enum job_state { JOB_NONE, JOB_QUEUED, JOB_RUNNING };

struct edu_job {
	enum job_state state;
	bool cancelled; /* while it runs */
	struct edu_request r;
};

/* A vGPU. Its engine context is the buffer; where it is the one that is in the
 * hardware, the copy here may be old. */
struct edu_client {
	struct vgpu_parent_instance *inst;
	bool gone; /* only @inst's holds are left */
	bool wipe; /* when its job is over: the buffer is to be zero */
	enum edu_unit turn;
	uint64_t engine_ns; /* that it has had */
	struct edu_job jobs[EDU_N_UNITS];
	uint8_t buffer[EDU_BUFFER_SIZE];
};

enum edu_step {
	STEP_IDLE,
	STEP_FACTORIAL,
	STEP_SAVE, /* the buffer of who was there, to the scratch page */
	STEP_LOAD, /* that of who comes, from it */
	STEP_MOVE, /* a piece of the transfer */
};

struct edu_parent {
	struct vgpu_parent parent;
	struct edu_hw *hw;
	struct vgpu_parent_source *watchdog;
	bool dead; /* the hardware hangs for good */

	struct edu_client *clients[EDU_MAX_CLIENTS];
	unsigned next; /* whose turn it is */

	/* The engine */
	enum edu_step step;
	struct edu_client *client; /* it works for */
	enum edu_unit unit;
	uint64_t began_ns;	  /* its job */
	unsigned piece;		  /* STEP_MOVE */
	uint32_t moved;		  /* bytes of the pieces before */
	struct edu_client *owner; /* whose bytes are in the buffer, if any's */
	bool dirty;		  /* and they are newer than its copy */

	/* A page of our own that the device reaches */
	uint8_t *scratch;
	uint64_t scratch_addr;
	struct vgpu_iommu_memory memory;
};

/* engine.c */
void edu_engine_kick(struct edu_parent *p); /* start something, if idle */
void edu_engine_irq(void *user);
void edu_engine_watchdog(void *user);
/* End a job: reply, release. Not the running one, unless @p->step is idle. */
void edu_job_end(struct edu_parent *p, struct edu_client *c, enum edu_unit unit,
		 int err, uint32_t value);
void edu_client_wipe(struct edu_parent *p, struct edu_client *c);
/* The engine stops, now, in mid-job. */
void edu_engine_stop(struct edu_parent *p, int err);

#endif
