/* SPDX-License-Identifier: MIT */
/*
 * C = alpha AB + beta C, a tile of C in each group. What is read is packed into
 * private memory first, so that the sections are short and the arithmetic runs
 * on memory that nobody takes away. The rows of A serve all tiles beside each
 * other.
 */
#include <string.h>

#include "../commands.h"
#include "../engine.h"
#include "../mmu.h"
#include "../section.h"
#include "kernels.h"

#define TILE	     REFGPU_SGEMM_TILE
#define ROWS_AT_ONCE SGEMM_LINES

struct problem {
	uint32_t m, n, k, lda, ldb, ldc;
	float alpha, beta;
	uint64_t a, b, c;
	uint32_t row, col, rows, cols; /* of the tile */
};

static struct problem problem_of(const uint32_t *a, const uint32_t g[3])
{
	struct problem p = {
		.m = a[0],
		.n = a[1],
		.k = a[2],
		.lda = a[3],
		.ldb = a[4],
		.ldc = a[5],
		.alpha = command_f32(a[6]),
		.beta = command_f32(a[7]),
		.a = command_u64(a + 8),
		.b = command_u64(a + 10),
		.c = command_u64(a + 12),
		.row = g[1] * TILE,
		.col = g[0] * TILE,
	};

	p.rows = p.m - p.row < TILE ? p.m - p.row : TILE;
	p.cols = p.n - p.col < TILE ? p.n - p.col : TILE;
	return p;
}

static bool bad(const uint32_t *a)
{
	return a[2] > REFGPU_SGEMM_MAX_K || a[8] % 4 || a[10] % 4 || a[12] % 4;
}

static void bounds(const uint32_t *a, uint64_t max[3])
{
	max[0] = kernels_groups(a[1], TILE);
	max[1] = kernels_groups(a[0], TILE);
	max[2] = 1;
}

static uint64_t element(uint64_t base, uint64_t row, uint32_t stride,
			uint64_t col)
{
	return mmu_add(base, (row * stride + col) * 4);
}

/* Rows of A, columns [@k, @k + @kc) of them: SGEMM_MR rows become columns. */
static enum step pack_a(struct engine *e, const struct problem *p, uint32_t k,
			uint32_t kc)
{
	float line[SGEMM_KC], *to = e->scratch->a + (size_t)k * TILE;

	for (uint32_t i = 0; i < TILE; i++) {
		float *d = to + i / SGEMM_MR * kc * SGEMM_MR + i % SGEMM_MR;

		if (i >= p->rows)
			memset(line, 0, sizeof(line));
		else if (mmu_read(e, element(p->a, p->row + i, p->lda, k), line,
				  kc * sizeof(float)))
			return STEP_FAULT;
		for (uint32_t j = 0; j < kc; j++)
			d[j * SGEMM_MR] = line[j];
	}
	return STEP_DONE;
}

/* @n rows of B from row @k on: where they are, and on their way to the cache. A
 * row that lies across pages goes to the scratch first. */
static enum step find_b(struct engine *e, const struct problem *p, uint32_t k,
			uint32_t n, const float *row[ROWS_AT_ONCE])
{
	for (uint32_t i = 0; i < n; i++) {
		uint64_t va = element(p->b, (uint64_t)k + i, p->ldb, p->col);
		size_t bytes = p->cols * sizeof(float), len = bytes;

		row[i] = mmu_ptr(e, va, PROT_READ_, &len);
		if (!row[i])
			return STEP_FAULT;
		for (size_t at = 0; at < len; at += 64)
			__builtin_prefetch((const char *)row[i] + at);
		if (len == bytes)
			continue;
		row[i] = e->scratch->line[i];
		if (mmu_read(e, va, e->scratch->line[i], bytes))
			return STEP_FAULT;
	}
	return STEP_DONE;
}

/* Rows of B, the tile's columns of them, in blocks of SGEMM_NR columns. */
static enum step pack_b(struct engine *e, const struct problem *p, uint32_t k,
			uint32_t kc)
{
	const float *row[ROWS_AT_ONCE];
	float *b = e->scratch->b;

	if (p->cols < TILE)
		memset(b, 0, sizeof(e->scratch->b));
	for (uint32_t i = 0; i < kc; i++) {
		const float *from;

		if (i % ROWS_AT_ONCE == 0 &&
		    find_b(e, p, k + i,
			   kc - i < ROWS_AT_ONCE ? kc - i : ROWS_AT_ONCE, row))
			return STEP_FAULT;
		from = row[i % ROWS_AT_ONCE];
		for (uint32_t j = 0; j < TILE; j += SGEMM_NR) {
			float *to = b + (size_t)j * kc + i * SGEMM_NR;

			if (p->cols >= j + SGEMM_NR)
				memcpy(to, from + j, SGEMM_NR * sizeof(float));
			else if (p->cols > j)
				memcpy(to, from + j,
				       (p->cols - j) * sizeof(float));
		}
	}
	return STEP_DONE;
}

/* The tile's sums, in the scratch. */
static enum step multiply(struct engine *e, const struct problem *p, uint32_t y)
{
	struct scratch *s = e->scratch;
	bool packed = s->packed && s->packed_y == y;

	s->packed = false;
	memset(s->c, 0, sizeof(s->c));
	for (uint32_t k = 0, kc; k < p->k; k += kc) {
		const float *a = s->a + (size_t)k * TILE;

		kc = p->k - k < SGEMM_KC ? p->k - k : SGEMM_KC;
		if (!packed && pack_a(e, p, k, kc))
			return STEP_FAULT;
		if (pack_b(e, p, k, kc))
			return STEP_FAULT;
		section_end(e);
		for (uint32_t j = 0; j < TILE; j += SGEMM_NR)
			for (uint32_t i = 0; i < TILE; i += SGEMM_MR)
				e->hw->ops->sgemm(s->c + i * TILE + j,
						  a + (size_t)i * kc,
						  s->b + (size_t)j * kc, kc);
		section_begin(e);
		if (engine_cut(e))
			return STEP_CUT;
	}
	s->packed = true;
	s->packed_y = y;
	return STEP_DONE;
}

/* Into C, from element .part on. Where beta is 0, C is not read. */
static enum step store(struct engine *e, struct context *c,
		       const struct problem *p)
{
	unsigned prot = PROT_WRITE_ | (p->beta != 0 ? PROT_READ_ : 0);

	while (c->s.part < p->rows * TILE) {
		uint32_t i = c->s.part / TILE, j = c->s.part % TILE, n;
		const float *sum = e->scratch->c + c->s.part;
		size_t len = (p->cols - j) * sizeof(float);
		float *d;

		if (j >= p->cols) { /* as a driver may load it */
			c->s.part = (i + 1) * TILE;
			continue;
		}
		d = mmu_ptr(e, element(p->c, p->row + i, p->ldc, p->col + j),
			    prot, &len);
		if (!d)
			return STEP_FAULT;
		n = (uint32_t)(len / sizeof(float));
		for (uint32_t x = 0; x < n; x++)
			d[x] = p->beta != 0 ? p->alpha * sum[x] + p->beta * d[x]
					    : p->alpha * sum[x];
		c->s.part = j + n == p->cols ? (i + 1) * TILE : c->s.part + n;
	}
	return STEP_DONE;
}

static enum step group(struct engine *e, struct context *c, const uint32_t *a,
		       const uint32_t g[3])
{
	struct problem p = problem_of(a, g);
	enum step r = multiply(e, &p, g[1]);

	return r ? r : store(e, c, &p);
}

const struct kernel kernel_sgemm = { 14, bad, bounds, group };
