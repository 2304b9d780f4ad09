/* SPDX-License-Identifier: MIT */
/* The jobs of a context that were sent and are not over: numbers alone. */
#ifndef RG_JOBS_H
#define RG_JOBS_H

#include <stdbool.h>
#include <stdint.h>

#include "../proto.h"

#define RG_MAX_JOBS   256u   /* of a context, sent and not over */
#define RG_JOB_DWORDS 16384u /* of one job */

struct rg_jobs {
	uint64_t seq, done;    /* of the last one that was sent, is over */
	uint32_t bytes, marks; /* what they take of the hardware's ring */
	unsigned first, n;     /* a queue */
	struct rg_job_end {
		uint64_t seq;
		uint32_t head; /* the guest's, behind it */
		uint32_t bytes, marks;
	} ends[RG_MAX_JOBS];
};

static inline bool rg_jobs_over(const struct rg_jobs *jobs)
{
	return jobs->done == jobs->seq;
}

/* Is there room for any job here, and in the hardware's ring? If not, the
 * parent half kicks when some are over. */
static inline bool rg_jobs_room(const struct rg_jobs *jobs)
{
	return jobs->n < RG_MAX_JOBS &&
	       jobs->bytes + RG_JOB_DWORDS * sizeof(uint32_t) + RG_JOB_EXTRA <=
		       RG_SLOT_BYTES &&
	       jobs->marks + RG_JOB_IRQS + 1 <= RG_SLOT_MARKS;
}

/* The next one, of @n dwords with @irqs interrupts, is sent. There is room. */
static inline void rg_jobs_add(struct rg_jobs *jobs, uint32_t n, uint32_t irqs,
			       uint32_t head)
{
	struct rg_job_end *end =
		&jobs->ends[(jobs->first + jobs->n++) % RG_MAX_JOBS];

	end->seq = ++jobs->seq;
	end->head = head;
	end->bytes = n * (uint32_t)sizeof(uint32_t) + RG_JOB_EXTRA;
	end->marks = (irqs < RG_JOB_IRQS ? irqs : RG_JOB_IRQS) + 1;
	jobs->bytes += end->bytes;
	jobs->marks += end->marks;
}

/* Those up to @done are over, it is said. *@head: behind the last of them */
static inline void rg_jobs_retire(struct rg_jobs *jobs, uint64_t done,
				  uint32_t *head)
{
	if (done > jobs->seq)
		done = jobs->seq;
	if (done > jobs->done)
		jobs->done = done;
	for (; jobs->n && jobs->ends[jobs->first].seq <= jobs->done;
	     jobs->n--) {
		const struct rg_job_end *end = &jobs->ends[jobs->first];

		*head = end->head;
		jobs->bytes -= end->bytes;
		jobs->marks -= end->marks;
		jobs->first = (jobs->first + 1) % RG_MAX_JOBS;
	}
}

#endif
