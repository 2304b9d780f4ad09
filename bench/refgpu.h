/* SPDX-License-Identifier: MIT */
/* What the parts of bench-refgpu share. */
#ifndef BENCH_REFGPU_H
#define BENCH_REFGPU_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <vgpu/refgpu-user.h>

uint64_t now_ns(void);
/* Say what failed, and exit; the rig's processes go with us. */
void must(int err, const char *what);

/* ---- processes (refgpu-rig.c) --------------------------------------- */

#define RIG_MAX 64u /* vGPUs */

struct rig {
	char dir[32];
	pid_t parent, devices[RIG_MAX];
	unsigned n;
};

/* Start vgpu-parent, and vGPUs of @weights (NULL: all the same). */
void rig_start(struct rig *rig, unsigned n, const unsigned *weights);
void rig_stop(struct rig *rig);
struct vgpu_rg_device *rig_connect(const struct rig *rig, unsigned i);
/* The model itself, in this process. */
struct vgpu_rg_device *native_new(void);

/* ---- jobs (refgpu-jobs.c) ------------------------------------------- */

enum kind {
	JOB_SGEMM,
	JOB_MANDELBROT,
	JOB_COPY,
	JOB_SHORT, /* saxpy of struct load.n elements */
	JOB_TABLE, /* changes TABLE_ENTRIES entries, copies what they name, or
		    * makes a histogram of it (struct load.n) */
	JOB_EMPTY,
	JOB_SPIN, /* of an hour */
};

#define TABLE_ENTRIES 1000u
#define TABLE_PAGES   7777u /* that come and go */

/* A user of a device: the same job again and again, a few of them ahead. */
struct load {
	struct vgpu_rg_device *dev;
	struct vgpu_rg_context *ctx;
	enum kind kind;
	unsigned n, ahead;
	struct vgpu_rg_buffer *buffers[3];
	uint64_t va[3];
	struct vgpu_rg_stream stream;
	uint64_t fences[32];
	unsigned turn; /* JOB_TABLE */
};

void load_init(struct load *l, struct vgpu_rg_device *dev, enum kind kind,
	       unsigned n);
void load_fini(struct load *l);

/* Jobs done per second, over at least @ns. */
double load_rate(struct load *l, uint64_t ns);

/* Likewise, of one thread with @n of them. */
double loads_rate(struct load *l, unsigned n, uint64_t ns);

/* Threads that do so until they are stopped. */
struct runner;
struct runner *runner_start(struct load *l);
/* Jobs that are done up to now. */
uint64_t runner_done(const struct runner *r);
/* ns that the engine has worked for it up to now, or a job ago. */
uint64_t runner_engine(struct runner *r);
void runner_stop(struct runner *r);

#endif
