/* SPDX-License-Identifier: MIT */
/*
 * Numbers over time, a line each TRACE_NS: nanoseconds of CLOCK_MONOTONIC,
 * nanoseconds that an engine has worked for the context, pieces of work done.
 */
#ifndef DEMO_TRACE_H
#define DEMO_TRACE_H

#include <stdint.h>

struct trace;
struct vgpu_rg_context;

#define TRACE_NS 100000000u

/* @path: NULL: none, and no trace either. Return: 0; errno of fopen(3). */
int trace_new(const char *path, struct trace **ret_trace);
/* NULL is fine. Return: 0, or why what was written may not be there. */
int trace_free(struct trace *trace);

/* Write a line if it is time. NULL is fine. Return: errors of
 * vgpu_rg_context_time(). */
int trace_step(struct trace *trace, struct vgpu_rg_context *ctx,
	       unsigned pieces);

#endif
