/* SPDX-License-Identifier: MIT */
/*
 * The innermost loops of sgemm, once for each kind of processor (as simd.c),
 * with multiplications and additions fused where it can do that. The order of
 * additions is that of k.
 */
#include <string.h>

#include "kernels.h"

#define PASTE_(a, b) a##b
#define PASTE(a, b)  PASTE_(a, b)

typedef float vf32 __attribute__((vector_size(VECTOR)));
#define LANES (VECTOR / 4)
/* A register tile: as much of MR x NR as the processor has registers for */
#if VECTOR == 64
#define ROWS 8
#define COLS 2
#elif VECTOR == 32
#define ROWS 4
#define COLS 2
#else
#define ROWS 4
#define COLS 2
#endif

static inline __attribute__((always_inline)) void
tile(float *c, const float *a, const float *b, size_t kc)
{
	vf32 sum[ROWS][COLS];

	for (int i = 0; i < ROWS; i++)
		for (int j = 0; j < COLS; j++)
			memcpy(&sum[i][j],
			       c + i * (int)REFGPU_SGEMM_TILE + j * LANES,
			       sizeof(vf32));
	for (size_t k = 0; k < kc; k++) {
		vf32 row[COLS];

		for (int j = 0; j < COLS; j++)
			memcpy(&row[j], b + j * LANES, sizeof(vf32));
		for (int i = 0; i < ROWS; i++)
			for (int j = 0; j < COLS; j++)
				sum[i][j] += a[i] * row[j];
		a += SGEMM_MR;
		b += SGEMM_NR;
	}
	for (int i = 0; i < ROWS; i++)
		for (int j = 0; j < COLS; j++)
			memcpy(c + i * (int)REFGPU_SGEMM_TILE + j * LANES,
			       &sum[i][j], sizeof(vf32));
}

void PASTE(kernels_sgemm_, LEVEL)(float *c, const float *a, const float *b,
				  size_t kc)
{
	for (unsigned i = 0; i < SGEMM_MR; i += ROWS)
		for (unsigned j = 0; j < SGEMM_NR; j += COLS * LANES)
			tile(c + i * REFGPU_SGEMM_TILE + j, a + i, b + j, kc);
}
