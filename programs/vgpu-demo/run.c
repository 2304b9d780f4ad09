/* SPDX-License-Identifier: MIT */
/* Running a job: a few pieces ahead, and a look at each when it is done. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job.h"
#include "trace.h"
#include "util/loop.h"

/** AHEAD - pieces that are submitted before the first of them is done */
#define AHEAD 16u

/** PATIENCE_NS - with a piece, which takes some ms on an idle GPU */
#define PATIENCE_NS 60000000000ull

/** SLICE_NS - of a wait, after which signals are looked at */
#define SLICE_NS 200000000u

#define PROGRESS_NS 100000000u /* from one line of it to the next */

void demo_say(const char *fmt, ...)
{
	va_list ap;

	fputs("vgpu-demo: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static void erase_progress(const struct demo *d)
{
	if (d->options->progress)
		fputs("\r\033[K", stderr);
}

void demo_checked(const struct demo *d, const char *fmt, ...)
{
	va_list ap;

	erase_progress(d);
	fputs("  checked: ", stdout);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

bool demo_interrupted(int signals)
{
	struct pollfd p = { .fd = signals, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

int demo_buffer_in(struct demo *d, unsigned i, uint64_t size, unsigned where)
{
	int err = vgpu_rg_buffer_new(d->dev, size, where, &d->buffers[i]);

	if (!err)
		err = vgpu_rg_map(d->ctx, d->buffers[i],
				  VGPU_RG_READ | VGPU_RG_WRITE, &d->va[i]);
	if (err == -ENOSPC)
		demo_say("%s needs %.1f MiB more of video memory than the vGPU "
			 "has free: choose a smaller --size, --system, or a "
			 "vGPU of a larger type",
			 d->options->job->name, (double)size / (1 << 20));
	else if (err)
		demo_say("cannot allocate %.1f MiB: %s",
			 (double)size / (1 << 20), strerror(-err));
	return err;
}

int demo_buffer(struct demo *d, unsigned i, uint64_t size)
{
	return demo_buffer_in(
		d, i, size, d->options->system ? VGPU_RG_SYSTEM : VGPU_RG_VRAM);
}

static void say_failed(struct demo *d, int err)
{
	char why[200];

	if (err == -EFAULT || err == -EIO) {
		vgpu_rg_context_explain(d->ctx, why, sizeof(why));
		demo_say("%s failed: %s", d->options->job->name, why);
	} else if (err == -ETIMEDOUT) {
		demo_say("%s: nothing was done for %llu s: does something else "
			 "occupy the GPU?",
			 d->options->job->name, PATIENCE_NS / 1000000000u);
	} else if (err == -EINTR) {
		demo_say("stopped");
	} else if (err == -ENOTCONN) {
		demo_say("%s: the vGPU has gone; its log says why",
			 d->options->job->name);
	} else {
		demo_say("%s failed: %s", d->options->job->name,
			 strerror(-err));
	}
}

/* How far it is, or how long it has run. */
static void show_progress(const struct demo *d, unsigned done, uint64_t ns)
{
	const struct options *o = d->options;

	if (o->seconds > 0)
		fprintf(stderr, "\r%s: %.1f of %.1f s, %u rounds ",
			o->job->name, (double)ns / 1e9, o->seconds, d->rounds);
	else
		fprintf(stderr, "\r%s: %3u %% ", o->job->name,
			done * 100 / d->pieces);
	fflush(stderr);
}

struct flight {
	uint64_t fences[AHEAD];
	uint64_t begin, shown;
	unsigned submitted, done; /* pieces, of all rounds */
};

static int submit_one(struct demo *d, struct flight *f)
{
	struct vgpu_rg_stream s = { 0 };
	int err;

	d->options->job->piece(d, f->submitted % d->pieces, &s);
	err = vgpu_rg_submit(d->ctx, &s, &f->fences[f->submitted % AHEAD]);
	if (!err)
		f->submitted++;
	vgpu_rg_stream_free(&s);
	return err;
}

static int wait_for(struct demo *d, uint64_t fence)
{
	uint64_t begin = loop_now_ns();
	int err;

	do {
		if (demo_interrupted(d->signals))
			return -EINTR;
		err = vgpu_rg_wait(d->ctx, fence, SLICE_NS);
	} while (err == -ETIMEDOUT && loop_now_ns() - begin < PATIENCE_NS);
	return err;
}

static int finish_one(struct demo *d, struct flight *f)
{
	int err = wait_for(d, f->fences[f->done % AHEAD]);
	uint64_t now;

	if (err)
		return err;
	f->done++;
	d->rounds = f->done / d->pieces;
	now = loop_now_ns();
	if (d->options->progress && now - f->shown > PROGRESS_NS) {
		show_progress(d, f->done % d->pieces, now - f->begin);
		f->shown = now;
	}
	return trace_step(d->trace, d->ctx, f->done);
}

/* Whether the round that begins now is wanted. */
static bool another_round(const struct demo *d, const struct flight *f)
{
	return !f->submitted ||
	       (double)(loop_now_ns() - f->begin) < d->options->seconds * 1e9;
}

static int run_rounds(struct demo *d)
{
	struct flight f = { .begin = loop_now_ns() };
	unsigned ahead = d->piece_ns ? 1 : AHEAD;
	int err = trace_step(d->trace, d->ctx, 0);

	f.shown = f.begin;
	while (!err) {
		bool more = f.submitted % d->pieces || another_round(d, &f);
		uint64_t begin = loop_now_ns();

		if (more)
			err = submit_one(d, &f);
		else if (f.done == f.submitted)
			break;
		if (!err && (!more || f.submitted - f.done == ahead))
			err = finish_one(d, &f);
		if (d->piece_ns && more)
			d->piece_ns[(f.submitted - 1) % d->pieces] +=
				loop_now_ns() - begin;
	}
	d->ns = loop_now_ns() - f.begin;
	erase_progress(d);
	return err;
}

/* A round that does not count: it brings in memory that nobody has touched. */
static int warm_up(struct demo *d)
{
	struct flight f = { 0 };
	int err = 0;

	while (!err && f.submitted < d->pieces) {
		err = submit_one(d, &f);
		if (!err)
			err = wait_for(d, f.fences[(f.submitted - 1) % AHEAD]);
	}
	return err;
}

static int run(struct demo *d)
{
	int err = d->options->job->set_up(d);
	uint64_t before = 0;

	if (err)
		return EXIT_FAILED; /* it was said */
	if (d->piece_ns)
		err = warm_up(d);
	if (!err)
		err = vgpu_rg_context_time(d->ctx, &before);
	if (!err)
		err = run_rounds(d);
	if (!err)
		err = vgpu_rg_context_time(d->ctx, &d->engine_ns);
	if (err) {
		say_failed(d, err);
		return EXIT_FAILED;
	}
	d->engine_ns -= before;
	d->options->job->report(d);
	printf("  %u round%s in %.3f s; the engine worked for it %.1f %% of "
	       "the "
	       "time\n",
	       d->rounds, d->rounds == 1 ? "" : "s", (double)d->ns / 1e9,
	       100.0 * (double)d->engine_ns / (double)d->ns);
	fflush(stdout);
	if (d->options->progress)
		fputs("checking with the CPU ...", stderr);
	err = d->options->job->check(d);
	if (err)
		erase_progress(d);
	if (err == -EBADMSG)
		return EXIT_WRONG;
	if (err) {
		demo_say("cannot check: %s", strerror(-err));
		return EXIT_FAILED;
	}
	if (d->options->output && d->options->job->picture(d))
		return EXIT_FAILED;
	return fflush(stdout) ? EXIT_FAILED : EXIT_OK;
}

int demo_run(struct demo *d)
{
	struct vgpu_rg_info info = vgpu_rg_info(d->dev);
	int code, err;

	if (d->options->system && !info.system) {
		demo_say("this way to the vGPU has no system memory");
		return EXIT_FAILED;
	}
	err = vgpu_rg_context_new(d->dev, NULL, &d->ctx);
	if (err) {
		demo_say("cannot start a context: %s", strerror(-err));
		return EXIT_FAILED;
	}
	err = trace_new(d->options->trace, &d->trace);
	if (err) {
		demo_say("--trace %s: %s", d->options->trace, strerror(-err));
		return EXIT_FAILED;
	}
	code = run(d);
	err = trace_free(d->trace);
	if (err) {
		demo_say("--trace %s: %s", d->options->trace, strerror(-err));
		code = code ? code : EXIT_FAILED;
	}
	free(d->piece_ns);
	return code;
}
