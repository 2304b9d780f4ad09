/* SPDX-License-Identifier: MIT */
/*
 * A job: something that the GPU does in pieces, once or for some time, and
 * whose result the CPU can check.
 */
#ifndef DEMO_JOB_H
#define DEMO_JOB_H

#include <stdint.h>

#include <vgpu/refgpu-user.h>

#include "options.h"

struct demo;
struct trace;

/**
 * struct job - one of the program's commands
 * @name: the command
 * @set_up: allocate and fill buffers; sets demo.pieces
 * @piece: append the commands of a piece of the work, 0 to demo.pieces - 1
 * @check: compare the result with the CPU's: 0, -EBADMSG (said), or errno
 * @report: say how fast it was
 * @picture: write demo.options->output, or NULL: there is none
 */
struct job {
	const char *name;
	int (*set_up)(struct demo *d);
	void (*piece)(struct demo *d, unsigned i, struct vgpu_rg_stream *s);
	int (*check)(struct demo *d);
	void (*report)(struct demo *d);
	int (*picture)(struct demo *d);
};

/* Ends with NULL. */
extern const struct job *const all_jobs[];
extern const struct job job_mandelbrot, job_sgemm, job_saxpy, job_stream,
	job_reduce, job_histogram;

/** DEMO_MAX_BUFFERS - of one job */
#define DEMO_MAX_BUFFERS 4u

/**
 * struct demo - a job that runs
 * @signals: readable when the user wants it to end
 * @buffers, @va: memory that demo_buffer() has made
 * @size: --size, or the job's default
 * @pieces: of a round
 * @rounds: that were done
 * @ns: the time it took
 * @engine_ns: the time that the engine spent on it
 * @piece_ns: by piece, where a job wants it (allocated), or NULL
 */
struct demo {
	const struct options *options;
	struct vgpu_rg_device *dev;
	struct vgpu_rg_context *ctx;
	struct trace *trace;
	int signals;
	struct vgpu_rg_buffer *buffers[DEMO_MAX_BUFFERS];
	uint64_t va[DEMO_MAX_BUFFERS];
	unsigned size, pieces, rounds;
	uint64_t ns, engine_ns;
	uint64_t *piece_ns;
};

/* Run, check, report. Return: an exit code; what went wrong was said. */
int demo_run(struct demo *d);

/* Buffer @i, in VRAM or as --system says. Said on failure. */
int demo_buffer(struct demo *d, unsigned i, uint64_t size);
/* Likewise, whatever --system says. @where: VGPU_RG_* */
int demo_buffer_in(struct demo *d, unsigned i, uint64_t size, unsigned where);
static inline void *demo_ptr(const struct demo *d, unsigned i)
{
	return vgpu_rg_buffer_ptr(d->buffers[i]);
}

/* Whether the user wants it to end (SIGINT, SIGTERM). */
bool demo_interrupted(int signals);

/* What a check has found to be right. */
__attribute__((format(printf, 2, 3))) void demo_checked(const struct demo *d,
							const char *fmt, ...);

/* "vgpu-demo: ..." on stderr. */
__attribute__((format(printf, 1, 2))) void demo_say(const char *fmt, ...);

/* The next number of a sequence that looks random. */
static inline uint32_t demo_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

#endif
