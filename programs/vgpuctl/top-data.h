/* SPDX-License-Identifier: MIT */
/* What 'vgpuctl top' shows: counters of all vGPUs, and how fast they grow. */
#ifndef VGPUCTL_TOP_DATA_H
#define VGPUCTL_TOP_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "call.h"
#include "table.h"

#define TOP_MAX_ENGINES 8

/**
 * struct top_vgpu - one of them
 * @time_ns: CLOCK_MONOTONIC when its counters were read; 0: it has none
 * @accesses, @irqs: counted since its process started
 * @access_rate, @irq_rate: a second; -1: not known yet
 * @engine_ns: that it has had of each engine of its parent
 * @engines: the part of each one's time that it has; known when the rates are
 * @client: process; -1: none
 */
struct top_vgpu {
	char uuid[40], label[68], type[64], state[16];
	int64_t worker, client;
	uint64_t time_ns;
	int64_t engine_ns[TOP_MAX_ENGINES];
	size_t n_engines;
	int64_t accesses, irqs, mapped, pinned;
	double access_rate, irq_rate, engines[TOP_MAX_ENGINES];
};

struct top_sample {
	struct top_vgpu *vgpus;
	size_t n;
};

/**
 * top_sample_take() - ask vgpud, and each vGPU that runs
 * @before: an earlier sample, for the rates; may be empty
 *
 * Return: 0, or an exit code; what went wrong was said.
 */
int top_sample_take(struct ctl *ctl, const struct top_sample *before,
		    struct top_sample *ret_sample);
void top_sample_free(struct top_sample *sample);

/* The busiest first; those that don't run last. */
void top_sample_sort(struct top_sample *sample);

/* A heading and a row for each. @columns: cut names so that lines have no more,
 * if that is possible; 0: don't. Of a UUID the first digits are a name, too. */
#define TOP_COLUMNS 9
void top_sample_table(const struct top_sample *sample, struct table *table,
		      size_t columns);

struct json_object *top_sample_json(const struct top_sample *sample);

#endif
