/* SPDX-License-Identifier: MIT */
/*
 * What it costs to reach client memory, and to map, unmap and pin it.
 *
 * Address to pointer is measured against a bare table (bare.h) in alternating
 * rounds, so that whatever else the machine does meets both; printed are
 * medians and their ratio. What passes the socket is in bench-wire.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <vgpu/iommu.h>

#include "bare.h"
#include "device/device.h"
#include "dma/access.h"
#include "dma/pin.h"
#include "state/arena.h"
#include "util/bytes.h"

#define ROUNDS  15
#define LOOKUPS 65536u /* addresses in a round's list */
#define BLOCK   (2ull << 20)
#define PAGE    4096ull
#define RW      (VGPU_DMA_READ | VGPU_DMA_WRITE)

static void check(int err, const char *what)
{
	if (err >= 0)
		return;
	fprintf(stderr, "bench-dma: %s: %s\n", what, strerror(-err));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

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

/* What is asked for beside what there is, as far as it goes on a line */
static void most(double value, double aim, const char *what)
{
	printf("  %s<= %g %s", what, aim, value <= aim ? "yes" : "NO");
}

static void least(double value, double aim, const char *what)
{
	printf("  %s>= %g %s", what, aim, value >= aim ? "yes" : "NO");
}

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* ------------------------------------------------------------------ */
/* A device that has nothing but memory                                */
/* ------------------------------------------------------------------ */

struct bed {
	struct vgpu_core core;
	struct vgpu_device dev;
	struct arena *arena;
	int fd;
};

static void bed_make(struct bed *bed, uint64_t file_size)
{
	memset(bed, 0, sizeof(*bed));
	check(arena_new("bench", &bed->arena), "arena");
	check(dma_space_new(bed->arena, NULL, &bed->core.dma), "space");
	bed->dev.core = &bed->core;
	bed->core.dma_low = dma_space_low(bed->core.dma);
	bed->fd = memfd_create("bench", MFD_CLOEXEC);
	if (bed->fd < 0 || ftruncate(bed->fd, (off_t)file_size) < 0)
		check(-errno, "memfd");
}

static void bed_free(struct bed *bed)
{
	dma_space_free(bed->core.dma);
	arena_free(bed->arena);
	close(bed->fd);
}

/* ------------------------------------------------------------------ */
/* Address to pointer                                                  */
/* ------------------------------------------------------------------ */

enum way { CALL, INLINED, PUBLIC, WRITE, SECTION, NUM_LOOKUPS };

/* A dependent round's next address is known when the last pointer is: bit 0
 * of a pointer to 8 aligned bytes is 0 and adds nothing, but the processor has
 * to wait for it. */
#define LOOP(address, expr)                        \
	for (size_t i = 0; i < LOOKUPS; i++) {     \
		uint64_t a = (address);            \
						   \
		sum += (uintptr_t)(expr);          \
	}
#define ROUND(expr)                                          \
	do {                                                 \
		if (dependent)                               \
			LOOP(list[i] + (sum & 1), expr)      \
		else                                         \
			LOOP(list[i], expr)                  \
	} while (0)

static void *in_section(struct vgpu_device *dev, uint64_t iova)
{
	void *p;

	vgpu_dma_enter(dev);
	p = vgpu_dma_ptr(dev, iova, 8, VGPU_DMA_READ);
	vgpu_dma_leave(dev);
	return p;
}

static uint64_t round_of(enum way way, struct bed *bed, struct bare *bare,
			 const uint64_t *list, bool dependent)
{
	uint64_t sum = 0;

	switch (way) {
	case CALL:
		ROUND(bare_find(bare, a));
		break;
	case INLINED:
		ROUND(bare_walk(bare, a));
		break;
	case PUBLIC:
		vgpu_dma_enter(&bed->dev);
		ROUND(vgpu_dma_ptr(&bed->dev, a, 8, VGPU_DMA_READ));
		vgpu_dma_leave(&bed->dev);
		break;
	case WRITE:
		vgpu_dma_enter(&bed->dev);
		ROUND(vgpu_dma_ptr(&bed->dev, a, 8, VGPU_DMA_WRITE));
		vgpu_dma_leave(&bed->dev);
		break;
	default:
		ROUND(in_section(&bed->dev, a));
	}
	return sum;
}

static volatile uint64_t sink;

static void lookups(size_t ranges, bool random, bool dependent)
{
	uint64_t *list = malloc(LOOKUPS * sizeof(*list));
	double ns[NUM_LOOKUPS][ROUNDS];
	struct bare bare = { .tops = ranges };
	struct bed bed;
	uint64_t seed = 88172645463325252ull;
	const char *base;

	bed_make(&bed, ranges * BLOCK);
	for (size_t i = 0; i < ranges; i++)
		check(dma_space_map(bed.core.dma, i * BLOCK, BLOCK, RW, bed.fd,
				    i * BLOCK), "map");
	bare.top = calloc(ranges, sizeof(*bare.top));
	vgpu_dma_enter(&bed.dev);
	base = vgpu_dma_ptr(&bed.dev, 0, 8, VGPU_DMA_READ);
	vgpu_dma_leave(&bed.dev);
	for (size_t i = 0; i < ranges; i++)
		bare.top[i] = (uintptr_t)base + i * BLOCK;
	for (size_t i = 0; i < LOOKUPS; i++)
		list[i] = random ? next_random(&seed) % (ranges * BLOCK) & ~7ull :
				   i * (ranges * BLOCK / LOOKUPS & ~7ull);
	for (int r = -1; r < ROUNDS; r++)
		for (enum way w = 0; w < NUM_LOOKUPS; w++) {
			uint64_t start = now_ns();

			sink = round_of(w, &bed, &bare, list, dependent);
			if (r >= 0)
				ns[w][r] = (double)(now_ns() - start) / LOOKUPS;
		}
	printf("%8zu %-10s %-11s %8.2f %8.2f %8.2f %8.2f %8.2f %9.2f %9.2f",
	       ranges, random ? "random" : "sequential",
	       dependent ? "dependent" : "independent",
	       median(ns[INLINED], ROUNDS), median(ns[CALL], ROUNDS),
	       median(ns[PUBLIC], ROUNDS), median(ns[WRITE], ROUNDS),
	       median(ns[SECTION], ROUNDS),
	       median(ns[PUBLIC], ROUNDS) / median(ns[CALL], ROUNDS),
	       median(ns[PUBLIC], ROUNDS) / median(ns[INLINED], ROUNDS));
	if (ranges == 1)
		most(median(ns[PUBLIC], ROUNDS), 5, "read ");
	else if (ranges <= 65536)
		most(median(ns[PUBLIC], ROUNDS) / median(ns[CALL], ROUNDS), 1.3,
		     "/called ");
	printf("\n");
	free(bare.top);
	free(list);
	bed_free(&bed);
}

static void bench_lookups(void)
{
	static const size_t ranges[] = { 1, 64, 4096, 65536, 1000000 };

	printf("address to pointer, ns (a bare table, inlined and behind a "
	       "call; vgpu_dma_ptr() in a\nsection, to read and to write, and "
	       "to read with a section of its own; ratios of reads)\n"
	       "%8s %-10s %-11s %8s %8s %8s %8s %8s %9s %9s\n",
	       "ranges", "", "", "inlined", "called", "read", "write", "+sec",
	       "/called", "/inlined");
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
		for (int k = 0; k < 4; k++)
			lookups(ranges[i], k & 1, k & 2);
}

/* ------------------------------------------------------------------ */
/* Maps                                                                */
/* ------------------------------------------------------------------ */

static uint64_t memory_kib(void)
{
	char line[128];
	unsigned long long anon = 0, shmem = 0;
	FILE *f = fopen("/proc/self/status", "re");

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		sscanf(line, "RssAnon: %llu", &anon);
		sscanf(line, "RssShmem: %llu", &shmem);
	}
	fclose(f);
	return anon + shmem;
}

static void million(const char *what, uint64_t size, int shuffled)
{
	enum { N = 1000000 };
	uint32_t *order = malloc(N * sizeof(*order));
	uint64_t seed = 42, kib, t[11];
	struct bed bed;

	for (uint32_t i = 0; i < N; i++)
		order[i] = i;
	for (uint32_t i = N - 1; shuffled && i; i--) {
		uint32_t j = (uint32_t)(next_random(&seed) % (i + 1));
		uint32_t v = order[i];

		order[i] = order[j];
		order[j] = v;
	}
	bed_make(&bed, N * size);
	kib = memory_kib();
	for (int tenth = 0; tenth < 10; tenth++) {
		t[tenth] = now_ns();
		for (int i = tenth * (N / 10); i < (tenth + 1) * (N / 10); i++)
			check(dma_space_map(bed.core.dma, order[i] * size, size,
					    RW, bed.fd, order[i] * size), "map");
	}
	t[10] = now_ns();
	kib = memory_kib() - kib;
	printf("%-30s %9.0f %9.0f %9.2f %11.1f", what,
	       (double)(t[1] - t[0]) / (N / 10),
	       (double)(t[10] - t[9]) / (N / 10),
	       (double)(t[10] - t[9]) / (double)(t[1] - t[0]),
	       (double)kib * 1024 / N);
	t[0] = now_ns();
	check(dma_space_unmap_all(bed.core.dma, NULL, NULL), "unmap");
	printf(" %12.1f", (double)(now_ns() - t[0]) / 1e6);
	most((double)(t[10] - t[9]) / (double)(t[1] - t[0]), 1.2, "/first ");
	most((double)kib * 1024 / N, 64, "bytes ");
	printf("\n");
	bed_free(&bed);
	free(order);
}

static void bench_maps(void)
{
	enum { N = 60000 };
	double all[ROUNDS], pair[ROUNDS];
	struct bed bed;

	printf("\n1,000,000 maps with an fd, ns each (two system calls each: "
	       "fstat, fcntl)\n%-30s %9s %9s %9s %11s %12s\n", "",
	       "first", "last", "last", "bytes of", "UNMAP_ALL");
	printf("%-30s %9s %9s %9s %11s %12s\n", "", "tenth", "tenth", "/first",
	       "memory each", "ms");
	million("2 MiB, ascending", BLOCK, 0);
	million("4 KiB, ascending", PAGE, 0);
	million("2 MiB, in any order", BLOCK, 1);
	million("4 KiB, in any order", PAGE, 1);

	bed_make(&bed, (N + 1) * BLOCK);
	for (int r = 0; r < ROUNDS; r++) {
		uint64_t start;

		for (uint64_t i = 0; i < N; i++)
			check(dma_space_map(bed.core.dma, i * BLOCK, BLOCK, RW,
					    bed.fd, i * BLOCK), "map");
		start = now_ns();
		for (int i = 0; i < 1000; i++) {
			check(dma_space_map(bed.core.dma, N * BLOCK, BLOCK, RW,
					    bed.fd, N * BLOCK), "map");
			check(dma_space_unmap(bed.core.dma, N * BLOCK, BLOCK,
					      NULL, NULL), "unmap");
		}
		pair[r] = (double)(now_ns() - start) / 1000;
		start = now_ns();
		check(dma_space_unmap_all(bed.core.dma, NULL, NULL), "unmap");
		all[r] = (double)(now_ns() - start) / 1e6;
	}
	printf("\nat 60,000 live maps: map and unmap one %.0f ns, UNMAP_ALL "
	       "%.2f ms", median(pair, ROUNDS), median(all, ROUNDS));
	most(median(all, ROUNDS), 10, "ms ");
	printf("\n");
	bed_free(&bed);
}

/* ------------------------------------------------------------------ */
/* Pins                                                                */
/* ------------------------------------------------------------------ */

static void bench_pins(void)
{
	enum { N = 512, PAGES = 1 << 20 };
	uint64_t iovas[N], addrs[N], seed = 7, start;
	double pin[ROUNDS], unpin[ROUNDS], again[ROUNDS];
	struct vgpu_iommu *iommu;
	struct bed bed;

	bed_make(&bed, PAGES * PAGE);
	check(vgpu_iommu_cpu_new(NULL, &iommu), "iommu");
	check(vgpu_dma_set_iommu(&bed.dev, iommu), "iommu");
	check(dma_space_map(bed.core.dma, 0, PAGES * PAGE, RW, bed.fd, 0),
	      "map");
	for (int r = -2; r < ROUNDS; r++) {
		uint64_t t[4];

		for (int i = 0; i < N; i++)
			iovas[i] = next_random(&seed) % PAGES * PAGE;
		t[0] = now_ns();
		check(vgpu_dma_pin(&bed.dev, iovas, N, RW, addrs), "pin");
		t[1] = now_ns();
		check(vgpu_dma_pin(&bed.dev, iovas, N, RW, addrs), "pin");
		t[2] = now_ns();
		vgpu_dma_unpin(&bed.dev, iovas, N, RW);
		start = now_ns();
		vgpu_dma_unpin(&bed.dev, iovas, N, RW);
		t[3] = now_ns();
		if (r < 0)
			continue;
		pin[r] = (double)(t[1] - t[0]) / 1e3;
		again[r] = (double)(t[2] - t[1]) / 1e3;
		unpin[r] = (double)(t[3] - start) / 1e3;
	}
	printf("\n512 scattered pages, cpu backend: pin %.1f us, pin again "
	       "%.1f us, unpin %.1f us", median(pin, ROUNDS),
	       median(again, ROUNDS), median(unpin, ROUNDS));
	most(median(pin, ROUNDS), 20, "pin ");
	printf("\n");
	bed_free(&bed);
	vgpu_iommu_destroy(iommu);
}

/* ------------------------------------------------------------------ */
/* Copies                                                              */
/* ------------------------------------------------------------------ */

static void copies(size_t len)
{
	size_t total = 64u << 20, n = total / len;
	double from[ROUNDS], to[ROUNDS], rd[ROUNDS], wr[ROUNDS];
	char *buf = malloc(len), *base;
	struct bed bed;

	memset(buf, 1, len);
	bed_make(&bed, total);
	check(dma_space_map(bed.core.dma, 0, total, RW, bed.fd, 0), "map");
	vgpu_dma_enter(&bed.dev);
	base = vgpu_dma_ptr(&bed.dev, 0, total, RW);
	vgpu_dma_leave(&bed.dev);
	memset(base, 2, total);
	for (int r = -1; r < ROUNDS; r++) {
		uint64_t t[5];

		t[0] = now_ns();
		for (size_t i = 0; i < n; i++) {
			memcpy(buf, base + i * len, len);
			__asm__ volatile("" : : "r"(buf) : "memory");
		}
		t[1] = now_ns();
		for (size_t i = 0; i < n; i++)
			check(vgpu_dma_read(&bed.dev, i * len, buf, len),
			      "read");
		t[2] = now_ns();
		for (size_t i = 0; i < n; i++)
			check(vgpu_dma_write(&bed.dev, i * len, buf, len),
			      "write");
		t[3] = now_ns();
		for (size_t i = 0; i < n; i++) {
			memcpy(base + i * len, buf, len);
			__asm__ volatile("" : : "r"(buf) : "memory");
		}
		t[4] = now_ns();
		if (r < 0)
			continue;
		from[r] = (double)(t[1] - t[0]);
		rd[r] = (double)(t[2] - t[1]);
		wr[r] = (double)(t[3] - t[2]);
		to[r] = (double)(t[4] - t[3]);
	}
	printf("%10zu %10.2f %10.2f %8.3f %10.2f %10.2f %8.3f", len,
	       (double)total / median(from, ROUNDS),
	       (double)total / median(rd, ROUNDS),
	       median(from, ROUNDS) / median(rd, ROUNDS),
	       (double)total / median(to, ROUNDS),
	       (double)total / median(wr, ROUNDS),
	       median(to, ROUNDS) / median(wr, ROUNDS));
	if (len >= 64u << 10)
		least(MIN(median(from, ROUNDS) / median(rd, ROUNDS),
			  median(to, ROUNDS) / median(wr, ROUNDS)), 0.95,
		      "both ");
	printf("\n");
	bed_free(&bed);
	free(buf);
}

static void bench_copies(void)
{
	printf("\nguarded copies, GB/s, against memcpy() from and to the same "
	       "memory\n%10s %10s %10s %8s %10s %10s %8s\n", "bytes",
	       "memcpy", "read", "ratio", "memcpy", "write", "ratio");
	for (size_t len = 64; len < 64u << 10; len *= 16)
		copies(len);
	for (size_t len = 64u << 10; len <= 64u << 20; len *= 4)
		copies(len);
}

int main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : "";
	static const struct {
		const char *name;
		void (*run)(void);
	} parts[] = {
		{ "lookups", bench_lookups },
		{ "maps", bench_maps },
		{ "pins", bench_pins },
		{ "copies", bench_copies },
	};

	if (*only == '-') {
		printf("Usage: bench-dma [lookups|maps|pins|copies]\n");
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (!*only || !strcmp(only, parts[i].name))
			parts[i].run();
	return 0;
}
