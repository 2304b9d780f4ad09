/* SPDX-License-Identifier: MIT */
/*
 * How fast the model of the reference GPU is, programmed straight: what one
 * user without any vGPU gets. Medians; what is compared runs in turn.
 */
#include <sched.h>

#include <kernels/kernels.h>

#include "../tests/unit/refgpu-rig.h"

#define ROUNDS	    9
#define COPY_ROUNDS 31
#define DATA	    0x40000000ull /* VA: VRAM, 4 KiB pages */
#define HUGE	    0x80000000ull /* VA: VRAM, 2 MiB pages */
#define SYS	    0xc0000000ull /* VA: system memory, 4 KiB pages */
#define N	    1024u	  /* of sgemm */
#define BYTES	    (8ull << 20)  /* of a copy */
#define COPIES	    8		  /* in one go, so that idling doesn't count */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), compare);
	return v[n / 2];
}

static double cpu_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static double my_ns(void)
{
	return cpu_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* ns of the engine's processor until the ring is empty */
static double worked(struct gpu *g)
{
	struct engine *e = &g->rig->hw->engine[REFGPU_ENGINE_RENDER];
	clockid_t clock;
	double start;

	pthread_getcpuclockid(e->thread, &clock);
	start = cpu_ns(clock);
	gpu_kick(g);
	while (gpu_head(g) != g->tail)
		sched_yield();
	return cpu_ns(clock) - start;
}

/* ns until the ring is empty, looking all the time */
static double timed(struct gpu *g)
{
	uint64_t start = rig_now();

	gpu_kick(g);
	while (gpu_head(g) != g->tail)
		;
	return (double)(rig_now() - start);
}

/* ------------------------------------------------------------------ */
/* Arithmetic                                                          */
/* ------------------------------------------------------------------ */

/* What anybody writes: the compiler vectorises the innermost loop. */
__attribute__((optimize("O3"))) static void
plain_sgemm(float *c, const float *a, const float *b)
{
	memset(c, 0, N * N * sizeof(float));
	for (unsigned kk = 0; kk < N; kk += 64)
		for (unsigned i = 0; i < N; i++)
			for (unsigned k = kk; k < kk + 64; k++)
				for (unsigned j = 0; j < N; j++)
					c[i * N + j] +=
						a[i * N + k] * b[k * N + j];
}

/* The innermost loops on memory that stays in the cache: the core's best */
static double peak(const struct kernel_ops *ops)
{
	struct scratch *s = kernels_scratch();
	double start;
	const int times = 2000;

	memset(s->a, 0, sizeof(s->a));
	memset(s->b, 0, sizeof(s->b));
	memset(s->c, 0, sizeof(s->c));
	start = my_ns();
	for (int n = 0; n < times; n++)
		for (unsigned j = 0; j < 64; j += SGEMM_NR)
			for (unsigned i = 0; i < 64; i += SGEMM_MR)
				ops->sgemm(s->c + i * 64 + j,
					   s->a + i * SGEMM_KC,
					   s->b + j * SGEMM_KC, SGEMM_KC);
	start = my_ns() - start;
	free(s);
	return 2.0 * 64 * 64 * SGEMM_KC * times / start;
}

static void sgemm(struct rig *rig, struct gpu *g)
{
	double gpu[ROUNDS], best[ROUNDS], plain[3];
	const double flop = 2.0 * N * N * N;
	float *m = (float *)rig->vram;

	for (unsigned i = 0; i < 2 * N * N; i++)
		m[i] = (float)(i % 1000) / 500 - 1;
	for (int i = 0; i < ROUNDS; i++) {
		EMIT(g, REFGPU_CMD(REFGPU_OP_DISPATCH, 19), REFGPU_KERNEL_SGEMM,
		     N / 64, N / 64, 1, N, N, N, N, N, N, f32(1), 0, A(DATA),
		     A(DATA + N * N * 4), A(DATA + N * N * 8));
		gpu[i] = flop / worked(g);
		best[i] = peak(rig->hw->ops);
	}
	for (int i = 0; i < 3; i++) {
		double start = my_ns();

		plain_sgemm(m + 2 * N * N, m, m + N * N);
		plain[i] = flop / (my_ns() - start);
	}
	printf("  sgemm %u^3, 4 KiB pages    %8.1f GFlop/s   innermost loop"
	       " alone %.1f, plain C %.1f\n",
	       N, median(gpu, ROUNDS), median(best, ROUNDS), median(plain, 3));
}

static void mandelbrot(struct rig *rig, struct gpu *g)
{
	double v[ROUNDS];
	const uint32_t w = 1024, h = 768;

	for (int i = 0; i < ROUNDS; i++) {
		EMIT(g, REFGPU_CMD(REFGPU_OP_DISPATCH, 19),
		     REFGPU_KERNEL_MANDELBROT, w / 32, h / 32, 1, A(DATA),
		     w * 4, w, h, 256, A(f64(-2.2)), A(f64(-1.2)),
		     A(f64(3.2 / w)), A(f64(2.4 / h)));
		v[i] = w * h * 1e3 / worked(g);
	}
	printf("  mandelbrot, 256 iterations  %8.1f Mpixel/s\n",
	       median(v, ROUNDS));
}

/* ------------------------------------------------------------------ */
/* Memory                                                              */
/* ------------------------------------------------------------------ */

/* Of both the median and, since neighbours take cache and bandwidth away, the
 * best. */
static void copy(const char *what, struct gpu *g, uint64_t to, uint64_t from,
		 uint8_t *p, const uint8_t *q, size_t piece)
{
	const double gib = (double)(COPIES * BYTES) * 1e9 / (1 << 30);
	double v[COPY_ROUNDS], w[COPY_ROUNDS];

	for (int i = 0; i < COPY_ROUNDS; i++) {
		double start;

		for (int j = 0; j < COPIES; j++)
			EMIT(g, REFGPU_CMD(REFGPU_OP_COPY, 7), A(to), A(from),
			     A(BYTES));
		v[i] = gib / worked(g);
		start = my_ns();
		for (size_t at = 0; at < COPIES * BYTES; at += piece) {
			memcpy(p + at % BYTES, q + at % BYTES, piece);
			atomic_signal_fence(memory_order_seq_cst);
		}
		w[i] = gib / (my_ns() - start);
	}
	qsort(v, COPY_ROUNDS, sizeof(*v), compare);
	qsort(w, COPY_ROUNDS, sizeof(*w), compare);
	printf("  copy 8 MiB, %-15s %8.2f GiB/s      memcpy of %zu KiB pieces"
	       " %.2f; best %.2f, %.2f: %.2f\n",
	       what, v[COPY_ROUNDS / 2], piece >> 10, w[COPY_ROUNDS / 2],
	       v[COPY_ROUNDS - 1], w[COPY_ROUNDS - 1],
	       v[COPY_ROUNDS - 1] / w[COPY_ROUNDS - 1]);
}

/* ------------------------------------------------------------------ */
/* Jobs                                                                */
/* ------------------------------------------------------------------ */

#define TRIPS 2000

static void round_trip(struct gpu *g)
{
	static double v[TRIPS];

	for (int i = 0; i < TRIPS; i++) {
		EMIT(g, REFGPU_CMD(REFGPU_OP_FENCE, 5), A(DATA), A(i));
		v[i] = timed(g) / 1e3;
	}
	qsort(v, TRIPS, sizeof(*v), compare);
	printf("  empty job, doorbell to head %8.2f us          best %.2f\n",
	       median(v, TRIPS), v[0]);
}

/* As many as fit the ring */
static void small_jobs(struct gpu *g)
{
	double v[ROUNDS];
	const unsigned jobs = 100, ns = 50000;

	for (int i = 0; i < ROUNDS; i++) {
		for (unsigned j = 0; j < jobs; j++) {
			EMIT(g, REFGPU_CMD(REFGPU_OP_DISPATCH, 7),
			     REFGPU_KERNEL_SPIN, 1, 1, 1, A(ns));
			EMIT(g, REFGPU_CMD(REFGPU_OP_FENCE, 5), A(DATA), A(j));
		}
		v[i] = jobs * 1e9 / timed(g);
	}
	qsort(v, ROUNDS, sizeof(*v), compare);
	printf("  jobs of 50 us               %8.0f 1/s        best %.0f: %.1f "
	       "%%"
	       " of the engine's time\n",
	       median(v, ROUNDS), v[ROUNDS - 1], v[ROUNDS - 1] * ns / 1e7);
}

static void commands(struct gpu *g)
{
	double v[ROUNDS];
	const unsigned n = 3200;

	for (int i = 0; i < ROUNDS; i++) {
		for (unsigned j = 0; j < n; j++)
			EMIT(g, REFGPU_CMD(REFGPU_OP_FENCE, 5), A(DATA), A(j));
		v[i] = worked(g) / n;
	}
	printf("  a fence in a full ring      %8.0f ns\n", median(v, ROUNDS));
}

int main(void)
{
	static struct rig rig;
	struct gpu g;

	rig_start(&rig);
	gpu_open_sized(&g, &rig, 0, REFGPU_ENGINE_RENDER, 65536, 0);
	gpu_map(&g, DATA, 0, 24 << 20, RW);
	for (uint64_t at = 0; at < 24 << 20; at += REFGPU_HUGE)
		gpu_map_huge(&g, HUGE + at, at, RW);
	gpu_map(&g, SYS, RIG_BUS, 8 << 20, RW | REFGPU_PTE_SYSTEM);
	printf("the model of the reference GPU, loops for %s\n",
	       rig.hw->ops == &kernels_generic ? "any processor" :
#ifdef __x86_64__
	       rig.hw->ops == &kernels_avx512 ? "AVX-512"
					      : "AVX2"
#else
					       "this one"
#endif
	);
	sgemm(&rig, &g);
	mandelbrot(&rig, &g);
	copy("VRAM, 2 MiB", &g, HUGE + BYTES, HUGE, rig.vram + BYTES, rig.vram,
	     CHUNK);
	copy("VRAM, 4 KiB", &g, DATA + BYTES, DATA, rig.vram + BYTES, rig.vram,
	     4096);
	copy("system, 4 KiB", &g, DATA + BYTES, SYS, rig.vram + BYTES,
	     rig.system, 4096);
	round_trip(&g);
	small_jobs(&g);
	commands(&g);
	rig_stop(&rig);
	return 0;
}
