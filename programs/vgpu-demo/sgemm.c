/* SPDX-License-Identifier: MIT */
/* C = A B, of whole numbers so small that no sum is rounded. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job.h"

#define DEFAULT_SIZE 768u
#define ROWS	     64u /* of a piece */
#define CHECKED	     48u /* rows that the CPU computes, too */

enum { A, B, C };

static void fill(float *m, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++)
		m[i] = (float)((int)(demo_random(&seed) % 9) - 4);
}

static int set_up(struct demo *d)
{
	uint64_t bytes;
	int err = 0;

	d->size = d->options->size ? d->options->size : DEFAULT_SIZE;
	if (d->size < ROWS || d->size > REFGPU_SGEMM_MAX_K) {
		demo_say("--size %u: matrices have %u to %u rows", d->size,
			 ROWS, REFGPU_SGEMM_MAX_K);
		return -EINVAL;
	}
	bytes = 4ull * d->size * d->size;
	for (unsigned i = A; !err && i <= C; i++)
		err = demo_buffer(d, i, bytes);
	if (err)
		return err;
	fill(demo_ptr(d, A), (size_t)d->size * d->size, 1);
	fill(demo_ptr(d, B), (size_t)d->size * d->size, 2);
	d->pieces = (d->size - 1) / ROWS + 1;
	return 0;
}

static void piece(struct demo *d, unsigned i, struct vgpu_rg_stream *s)
{
	uint64_t skip = 4ull * i * ROWS * d->size;
	unsigned left = d->size - i * ROWS;

	vgpu_rg_sgemm(s, &(struct vgpu_rg_sgemm){
				 .m = left < ROWS ? left : ROWS,
				 .n = d->size,
				 .k = d->size,
				 .lda = d->size,
				 .ldb = d->size,
				 .ldc = d->size,
				 .alpha = 1,
				 .a = d->va[A] + skip,
				 .b = d->va[B],
				 .c = d->va[C] + skip,
			 });
}

static int check(struct demo *d)
{
	const float *a = demo_ptr(d, A), *b = demo_ptr(d, B);
	const float *c = demo_ptr(d, C);
	unsigned n = d->size, step = n / CHECKED ? n / CHECKED : 1, rows = 0;
	float *row = malloc(n * sizeof(*row));
	int err = 0;

	if (!row)
		return -ENOMEM;
	/* The last row, and others upwards from it */
	for (unsigned i = n; !err && i > step; i -= step, rows++) {
		size_t at = (size_t)(i - 1) * n;

		memset(row, 0, n * sizeof(*row));
		for (unsigned k = 0; k < n; k++)
			for (unsigned j = 0; j < n; j++)
				row[j] += a[at + k] * b[(size_t)k * n + j];
		if (memcmp(row, c + at, n * sizeof(*row))) {
			demo_say("wrong: row %u is not what the CPU computes",
				 i - 1);
			err = -EBADMSG;
		}
	}
	free(row);
	if (!err)
		demo_checked(d, "%u of %u rows are the CPU's, bit by bit", rows,
			     n);
	return err;
}

static void report(struct demo *d)
{
	double n = d->size;

	printf("sgemm %u x %u x %u: %.2f Gflop/s\n", d->size, d->size, d->size,
	       2 * n * n * n * d->rounds / (double)d->ns);
}

const struct job job_sgemm = {
	.name = "sgemm",
	.set_up = set_up,
	.piece = piece,
	.check = check,
	.report = report,
};
