/* SPDX-License-Identifier: MIT */
/* Jobs on long vectors: saxpy, a sum, a histogram. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "job.h"

#define DEFAULT_SIZE 16u /* Mi elements */
#define MAX_SIZE     512u
#define PIECE	     (1u << 20) /* elements */

static int set_size(struct demo *d)
{
	d->size = d->options->size ? d->options->size : DEFAULT_SIZE;
	if (d->size > MAX_SIZE) {
		demo_say("--size %u: up to %u Mi elements", d->size, MAX_SIZE);
		return -EINVAL;
	}
	d->pieces = d->size;
	return 0;
}

static size_t elements(const struct demo *d)
{
	return (size_t)d->size << 20;
}

/* ---- saxpy ---------------------------------------------------------- */

/* Sums of quarters are exact for a million rounds. */
#define FACTOR	  0.25f
#define MAX_X	  15.f
#define MAX_EXACT 4000000.f

static float x_of(size_t i)
{
	return (float)(i * 7 % 16);
}

static float y_of(size_t i)
{
	return (float)(i * 5 % 11);
}

static int saxpy_set_up(struct demo *d)
{
	float *x, *y;
	int err = set_size(d);

	for (unsigned i = 0; !err && i < 2; i++)
		err = demo_buffer(d, i, 4 * elements(d));
	if (err)
		return err;
	x = demo_ptr(d, 0);
	y = demo_ptr(d, 1);
	for (size_t i = 0; i < elements(d); i++) {
		x[i] = x_of(i);
		y[i] = y_of(i);
	}
	return 0;
}

static void saxpy_piece(struct demo *d, unsigned i, struct vgpu_rg_stream *s)
{
	uint64_t skip = 4ull * PIECE * i;

	vgpu_rg_saxpy(s, PIECE, FACTOR, d->va[0] + skip, d->va[1] + skip);
}

static int saxpy_check(struct demo *d)
{
	const float *y = demo_ptr(d, 1);

	if ((float)d->rounds * FACTOR * MAX_X > MAX_EXACT) {
		printf("  not checked: after so many rounds sums are "
		       "rounded\n");
		return 0;
	}
	for (size_t i = 0; i < elements(d); i++) {
		float want = y_of(i) + (float)d->rounds * FACTOR * x_of(i);

		if (y[i] != want) {
			demo_say("wrong: element %zu is %g, not %g", i,
				 (double)y[i], (double)want);
			return -EBADMSG;
		}
	}
	demo_checked(d, "all %zu elements are the CPU's", elements(d));
	return 0;
}

static void saxpy_report(struct demo *d)
{
	double n = (double)elements(d) * d->rounds;

	printf("saxpy of %u Mi elements: %.2f Gflop/s, %.2f GB/s\n", d->size,
	       2 * n / (double)d->ns, 12 * n / (double)d->ns);
}

const struct job job_saxpy = {
	.name = "saxpy",
	.set_up = saxpy_set_up,
	.piece = saxpy_piece,
	.check = saxpy_check,
	.report = saxpy_report,
};

/* ---- reduce --------------------------------------------------------- */

static int reduce_set_up(struct demo *d)
{
	float *x;
	int err = set_size(d);

	if (!err)
		err = demo_buffer(d, 0, 4 * elements(d));
	if (!err)
		err = demo_buffer(d, 1, 4 * elements(d) / REFGPU_REDUCE_GROUP);
	if (err)
		return err;
	x = demo_ptr(d, 0);
	for (size_t i = 0; i < elements(d); i++)
		x[i] = x_of(i);
	return 0;
}

static void reduce_piece(struct demo *d, unsigned i, struct vgpu_rg_stream *s)
{
	vgpu_rg_reduce(s, PIECE, d->va[0] + 4ull * PIECE * i,
		       d->va[1] + 4ull * PIECE / REFGPU_REDUCE_GROUP * i);
}

static int reduce_check(struct demo *d)
{
	const float *sums = demo_ptr(d, 1);
	size_t n = elements(d) / REFGPU_REDUCE_GROUP;
	double sum = 0, want = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)sums[i];
	for (size_t i = 0; i < elements(d); i++)
		want += (double)x_of(i);
	if (sum != want) {
		demo_say("wrong: the sum is %.0f, not %.0f", sum, want);
		return -EBADMSG;
	}
	demo_checked(d, "the sum is the CPU's, %.0f", sum);
	return 0;
}

static void reduce_report(struct demo *d)
{
	printf("sum of %u Mi floats: %.2f GB/s\n", d->size,
	       4 * (double)elements(d) * d->rounds / (double)d->ns);
}

const struct job job_reduce = {
	.name = "reduce",
	.set_up = reduce_set_up,
	.piece = reduce_piece,
	.check = reduce_check,
	.report = reduce_report,
};

/* ---- histogram ------------------------------------------------------ */

#define BINS 256u

static int histogram_set_up(struct demo *d)
{
	uint32_t seed = 3;
	uint8_t *x;
	int err = set_size(d);

	if (!err)
		err = demo_buffer(d, 0, elements(d));
	if (!err)
		err = demo_buffer(d, 1, BINS * 4);
	if (err)
		return err;
	x = demo_ptr(d, 0);
	for (size_t i = 0; i < elements(d); i++)
		x[i] = (uint8_t)(demo_random(&seed) >> 11);
	return 0;
}

static void histogram_piece(struct demo *d, unsigned i,
			    struct vgpu_rg_stream *s)
{
	vgpu_rg_histogram(s, PIECE, d->va[0] + (uint64_t)PIECE * i, d->va[1]);
}

static int histogram_check(struct demo *d)
{
	const uint32_t *bins = demo_ptr(d, 1);
	const uint8_t *x = demo_ptr(d, 0);
	uint32_t want[BINS] = { 0 };

	for (size_t i = 0; i < elements(d); i++)
		want[x[i]] += d->rounds;
	for (unsigned i = 0; i < BINS; i++) {
		if (bins[i] == want[i])
			continue;
		demo_say("wrong: there are %u bytes of %u, not %u", bins[i], i,
			 want[i]);
		return -EBADMSG;
	}
	demo_checked(d, "all %u counters are the CPU's", BINS);
	return 0;
}

static void histogram_report(struct demo *d)
{
	printf("histogram of %u MiB: %.2f GB/s\n", d->size,
	       (double)elements(d) * d->rounds / (double)d->ns);
}

const struct job job_histogram = {
	.name = "histogram",
	.set_up = histogram_set_up,
	.piece = histogram_piece,
	.check = histogram_check,
	.report = histogram_report,
};
