/* SPDX-License-Identifier: MIT */
/*
 * The reference GPU: vGPUs beside the hardware's model itself, which one user
 * programs with nobody in between ("native"). Both do the same jobs in turn in
 * one run, and medians of the ratios are printed beside what is aimed at.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "refgpu.h"

#define ROUNDS	  7u
#define ROUND_NS  50000000u
#define MS	  1000000u
#define SECOND_NS 1000000000u
#define SHORT_NS  50000.0
#define GIB	  (1ull << 30)

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *v, unsigned n)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n / 2];
}

static void line(const char *what, const char *measured, const char *aim)
{
	printf("%-44s %-36s %s\n", what, measured, aim);
	fflush(stdout);
}

/* ---- one vGPU beside native ------------------------------------------ */

static void compare(struct vgpu_rg_device *native, struct vgpu_rg_device *vgpu,
		    const char *name, enum kind kind, unsigned n, double aim)
{
	double ratio[ROUNDS], bare[ROUNDS];
	char measured[64], aimed[32];
	struct load a, b;

	load_init(&a, native, kind, n);
	load_init(&b, vgpu, kind, n);
	load_rate(&a, ROUND_NS);
	load_rate(&b, ROUND_NS);
	for (unsigned i = 0; i < ROUNDS; i++) {
		bare[i] = load_rate(&a, ROUND_NS);
		ratio[i] = load_rate(&b, ROUND_NS) / bare[i];
	}
	snprintf(measured, sizeof(measured), "%6.1f %% of native's %.0f us",
		 100 * median(ratio, ROUNDS), 1e6 / median(bare, ROUNDS));
	snprintf(aimed, sizeof(aimed), ">= %.0f %%", aim);
	line(name, measured, aimed);
	load_fini(&a);
	load_fini(&b);
}

/* How many elements of saxpy take SHORT_NS. */
static unsigned short_job(struct vgpu_rg_device *native)
{
	struct load l;
	unsigned n = 65536;
	double ns;

	load_init(&l, native, JOB_SHORT, n);
	load_rate(&l, 4 * ROUND_NS);
	ns = 1e9 / load_rate(&l, 4 * ROUND_NS);
	load_fini(&l);
	return (unsigned)(n * SHORT_NS / ns) & ~15u;
}

/* ---- page tables ----------------------------------------------------- */

/* ns of an empty job, the first one that sees a fresh table of 1 GiB, and of
 * the next one, which touches each page. */
static void fresh_table(struct vgpu_rg_device *dev, struct vgpu_rg_buffer *buf,
			double *ret_empty, double *ret_touch)
{
	const uint16_t lines = 16383;
	struct vgpu_rg_stream empty = { 0 }, touch = { 0 };
	struct vgpu_rg_context *ctx;
	uint64_t va, fence, begin, at = 0;

	must(vgpu_rg_context_new(dev, NULL, &ctx), "context");
	must(vgpu_rg_map(ctx, buf, VGPU_RG_READ | VGPU_RG_WRITE | VGPU_RG_SMALL,
			 &va),
	     "map");
	while (at < GIB / REFGPU_PAGE) {
		uint64_t left = GIB / REFGPU_PAGE - at;
		uint16_t h = left < lines ? (uint16_t)left : lines;

		vgpu_rg_rect_fill(
			&touch,
			(struct vgpu_rg_surface){ va + at * REFGPU_PAGE, 4096 },
			(struct vgpu_rg_point){ 0, 0 },
			(struct vgpu_rg_point){ 1, h }, 7);
		at += h;
	}
	begin = now_ns();
	must(vgpu_rg_submit(ctx, &empty, &fence), "submit");
	must(vgpu_rg_wait(ctx, fence, VGPU_RG_FOR_EVER), "fresh table");
	*ret_empty = (double)(now_ns() - begin);
	begin = now_ns();
	must(vgpu_rg_submit(ctx, &touch, &fence), "submit");
	must(vgpu_rg_wait(ctx, fence, VGPU_RG_FOR_EVER), "fresh table");
	*ret_touch = (double)(now_ns() - begin);
	vgpu_rg_stream_free(&touch);
	vgpu_rg_context_free(ctx);
	usleep(100000); /* no pin of it is left for the next one */
}

#define FRESH 5u

static void fresh_tables(struct vgpu_rg_device *native,
			 struct vgpu_rg_device *vgpu)
{
	struct vgpu_rg_device *const devs[] = { native, vgpu };
	double empty[2][FRESH], touch[2][FRESH];
	char measured[64];

	for (unsigned d = 0; d < 2; d++) {
		struct vgpu_rg_buffer *buf;

		must(vgpu_rg_buffer_new(devs[d], GIB, VGPU_RG_SYSTEM, &buf),
		     "1 GiB");
		memset(vgpu_rg_buffer_ptr(buf), 1, GIB);
		for (unsigned i = 0; i < FRESH; i++)
			fresh_table(devs[d], buf, &empty[d][i], &touch[d][i]);
		vgpu_rg_buffer_free(buf);
	}
	snprintf(measured, sizeof(measured), "%6.1f ms",
		 median(empty[1], FRESH) / 1e6);
	line("a fresh table of 1 GiB of 4 KiB pages", measured, "<= 60 ms");
	snprintf(measured, sizeof(measured), "%6.1f ms (native %.1f ms)",
		 median(touch[1], FRESH) / 1e6, median(touch[0], FRESH) / 1e6);
	line("  and then a job that touches each of them", measured, "");
}

/* ---- latency --------------------------------------------------------- */

#define TRIPS 2000u

/* Bytes there and back between two processes, both sleeping. */
static double floor_ns(void)
{
	double trips[TRIPS];
	char buf[24] = { 0 };
	int fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
		must(-errno, "socketpair");
	pid = fork();
	if (!pid) {
		close(fds[0]);
		while (read(fds[1], buf, sizeof(buf)) == sizeof(buf))
			if (write(fds[1], buf, sizeof(buf)) < 0)
				break;
		_exit(0);
	}
	for (unsigned i = 0; i < TRIPS; i++) {
		uint64_t begin = now_ns();

		if (write(fds[0], buf, sizeof(buf)) < 0 ||
		    read(fds[0], buf, sizeof(buf)) < 0)
			must(-errno, "socket");
		trips[i] = (double)(now_ns() - begin);
	}
	close(fds[0]);
	close(fds[1]);
	waitpid(pid, NULL, 0);
	return median(trips, TRIPS);
}

/* From the doorbell of an empty job to its end, as vgpu_rg_wait() sees it. */
static double trip_ns(struct vgpu_rg_device *dev)
{
	double trips[TRIPS];
	struct load l;

	load_init(&l, dev, JOB_EMPTY, 0);
	for (unsigned i = 0; i < TRIPS; i++) {
		uint64_t begin = now_ns(), fence;

		must(vgpu_rg_submit(l.ctx, &l.stream, &fence), "submit");
		must(vgpu_rg_wait(l.ctx, fence, VGPU_RG_FOR_EVER), "wait");
		trips[i] = (double)(now_ns() - begin);
	}
	load_fini(&l);
	return median(trips, TRIPS);
}

static void latency(struct vgpu_rg_device *native, struct vgpu_rg_device *vgpu)
{
	double ratio[5], trip[5], bare[5], floor[5];
	char measured[64];

	for (unsigned i = 0; i < 5; i++) {
		floor[i] = floor_ns();
		bare[i] = trip_ns(native);
		trip[i] = trip_ns(vgpu);
		ratio[i] = trip[i] / floor[i];
	}
	snprintf(measured, sizeof(measured),
		 "%6.1f x the floor: %.0f us, %.0f us", median(ratio, 5),
		 median(trip, 5) / 1e3, median(floor, 5) / 1e3);
	line("an empty job, doorbell to interrupt", measured, "<= 3 x");
	snprintf(measured, sizeof(measured), "%6.1f us", median(bare, 5) / 1e3);
	line("  natively", measured, "");
}

/* ---- many ------------------------------------------------------------ */

struct many {
	struct rig rig;
	struct vgpu_rg_device *dev[RIG_MAX];
	struct load load[RIG_MAX];
	struct runner *runner[RIG_MAX];
	uint64_t done[RIG_MAX], engine[RIG_MAX];
};

static void many_start(struct many *m, unsigned n, const unsigned *weights)
{
	rig_start(&m->rig, n, weights);
	for (unsigned i = 0; i < n; i++)
		m->dev[i] = rig_connect(&m->rig, i);
}

static void many_run(struct many *m, unsigned n, enum kind kind)
{
	for (unsigned i = 0; i < n; i++)
		load_init(&m->load[i], m->dev[i], kind, 0);
	for (unsigned i = 0; i < n; i++)
		m->runner[i] = runner_start(&m->load[i]);
}

/* Jobs per second of all, from now on for @ns. */
static double many_rate(struct many *m, unsigned n, uint64_t ns)
{
	uint64_t begin = now_ns(), sum = 0;

	for (unsigned i = 0; i < n; i++)
		m->done[i] = runner_done(m->runner[i]);
	usleep((useconds_t)(ns / 1000));
	for (unsigned i = 0; i < n; i++)
		sum += runner_done(m->runner[i]) - m->done[i];
	return (double)sum * 1e9 / (double)(now_ns() - begin);
}

static void many_stop(struct many *m, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (m->runner[i])
			runner_stop(m->runner[i]);
	for (unsigned i = 0; i < n; i++) {
		load_fini(&m->load[i]);
		vgpu_rg_close(m->dev[i]);
	}
	rig_stop(&m->rig);
}

/* What it costs that they don't share their data: @n contexts of one user, whom
 * the hardware has take turns. */
static void natively(struct vgpu_rg_device *native, unsigned n)
{
	static struct load l[RIG_MAX];
	double ratio[5];
	char measured[64];

	for (unsigned i = 0; i < n; i++)
		load_init(&l[i], native, JOB_SGEMM, 0);
	loads_rate(l, n, 4 * ROUND_NS);
	for (unsigned i = 0; i < 5; i++) {
		double bare = load_rate(&l[0], 8 * ROUND_NS);

		ratio[i] = loads_rate(l, n, 12 * ROUND_NS) / bare;
	}
	for (unsigned i = 0; i < n; i++)
		load_fini(&l[i]);
	snprintf(measured, sizeof(measured), "%6.1f %%",
		 100 * median(ratio, 5));
	line("  natively, in as many contexts of one user", measured, "");
}

static void sum_of(struct vgpu_rg_device *native, enum kind kind,
		   const char *name, unsigned n, const char *aim)
{
	static struct many m;
	const unsigned rounds = n > 8 ? 2 : 5;
	double ratio[5];
	char what[64], measured[64];
	struct load l;

	memset(&m, 0, sizeof(m));
	many_start(&m, n, NULL);
	load_init(&l, native, kind, 0);
	load_rate(&l, 4 * ROUND_NS);
	for (unsigned i = 0; i < rounds; i++) {
		double bare = load_rate(&l, 8 * ROUND_NS);

		many_run(&m, n, kind);
		usleep(100000);
		ratio[i] = many_rate(&m, n, 12 * ROUND_NS) / bare;
		for (unsigned k = 0; k < n; k++) {
			runner_stop(m.runner[k]);
			m.runner[k] = NULL;
			if (i < rounds - 1)
				load_fini(&m.load[k]);
		}
	}
	load_fini(&l);
	many_stop(&m, n);
	snprintf(what, sizeof(what), "%s on %u vGPUs, all together", name, n);
	snprintf(measured, sizeof(measured), "%6.1f %% of native",
		 100 * median(ratio, rounds));
	line(what, measured, aim);
}

/* The engine's time for each, from a second on after all have begun. */
static void weights_held(void)
{
	static const unsigned weights[] = { 1, 2, 4, 8 };
	static struct many m;
	const unsigned n = 4, all = 15;
	uint64_t before[4], after[4], sum = 0;
	char measured[64];
	double worst = 0;

	memset(&m, 0, sizeof(m));
	many_start(&m, n, weights);
	many_run(&m, n, JOB_SGEMM);
	usleep(300000);
	for (unsigned i = 0; i < n; i++)
		before[i] = runner_engine(m.runner[i]);
	usleep(2000000);
	for (unsigned i = 0; i < n; i++) {
		after[i] = runner_engine(m.runner[i]) - before[i];
		sum += after[i];
	}
	many_stop(&m, n);
	for (unsigned i = 0; i < n; i++) {
		double share = (double)after[i] / (double)sum;
		double want = (double)weights[i] / all;
		double off = share > want ? share - want : want - share;

		worst = off / want > worst ? off / want : worst;
	}
	snprintf(measured, sizeof(measured), "%6.1f %% off at worst",
		 100 * worst);
	line("weights 1:2:4:8 over 2 s", measured, "<= 3 %");
}

/* What two have while a third one hangs, beside what they had before. */
static void while_one_hangs(void)
{
	struct vgpu_rg_stream spin = { 0 };
	struct vgpu_rg_context *ctx;
	static struct many m;
	char measured[64];
	double before, after;

	memset(&m, 0, sizeof(m));
	many_start(&m, 3, NULL);
	must(vgpu_rg_context_new(m.dev[2], NULL, &ctx), "context");
	many_run(&m, 2, JOB_SGEMM);
	usleep(200000);
	before = many_rate(&m, 2, SECOND_NS);
	vgpu_rg_spin(&spin, 1, 3600ull * SECOND_NS);
	must(vgpu_rg_submit(ctx, &spin, NULL), "submit");
	usleep(1000000);
	after = many_rate(&m, 2, SECOND_NS);
	vgpu_rg_stream_free(&spin);
	vgpu_rg_close(m.dev[2]);
	many_stop(&m, 2);
	snprintf(measured, sizeof(measured), "%6.1f %% of before",
		 100 * after / before);
	line("share of others, 1 s after one hangs", measured, ">= 95 %");
}

/* ---- which ----------------------------------------------------------- */

struct pair {
	struct vgpu_rg_device *native, *vgpu;
};

static void jobs(struct pair *p)
{
	compare(p->native, p->vgpu, "sgemm", JOB_SGEMM, 0, 97);
	compare(p->native, p->vgpu, "mandelbrot", JOB_MANDELBROT, 0, 97);
	compare(p->native, p->vgpu, "copy", JOB_COPY, 0, 97);
}

static void short_jobs(struct pair *p)
{
	compare(p->native, p->vgpu, "jobs of 50 us", JOB_SHORT,
		short_job(p->native), 90);
}

static void tables(struct pair *p)
{
	compare(p->native, p->vgpu, "1,000 entries changed, pages copied",
		JOB_TABLE, 0, 90);
	compare(p->native, p->vgpu, "1,000 entries changed, bytes counted",
		JOB_TABLE, 1, 90);
}

static void fresh(struct pair *p)
{
	fresh_tables(p->native, p->vgpu);
}

static void trips(struct pair *p)
{
	latency(p->native, p->vgpu);
}

static void eight(struct pair *p)
{
	/* One whose data stays in the caches, and one where each vGPU finds
	 * them full of the others'. */
	sum_of(p->native, JOB_MANDELBROT, "mandelbrot", 8, ">= 95 %");
	sum_of(p->native, JOB_SGEMM, "sgemm", 8, ">= 95 %");
	natively(p->native, 8);
}

static void weights(struct pair *p)
{
	(void)p;
	weights_held();
}

static void hang(struct pair *p)
{
	(void)p;
	while_one_hangs();
}

static void sixty_four(struct pair *p)
{
	sum_of(p->native, JOB_SGEMM, "sgemm", 64, "(it works)");
}

static const struct {
	const char *name;
	void (*fn)(struct pair *p);
} all[] = {
	{ "jobs", jobs },	{ "short", short_jobs }, { "tables", tables },
	{ "fresh", fresh },	{ "trips", trips },	 { "eight", eight },
	{ "weights", weights }, { "hang", hang },	 { "64", sixty_four },
};

static bool wanted(const char *name, char **argv)
{
	if (!argv[1])
		return true;
	for (unsigned i = 1; argv[i]; i++)
		if (!strcmp(argv[i], name))
			return true;
	return false;
}

/* Names of what to measure, from all[]; without any, all of it. */
int main(int argc, char **argv)
{
	struct pair p = { .native = native_new() };
	struct rig rig;

	(void)argc;
	signal(SIGPIPE, SIG_IGN);
	rig_start(&rig, 1, NULL);
	p.vgpu = rig_connect(&rig, 0);
	line("", "measured", "aimed at");
	for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (wanted(all[i].name, argv))
			all[i].fn(&p);
	vgpu_rg_close(p.vgpu);
	rig_stop(&rig);
	vgpu_rg_close(p.native);
	return 0;
}
