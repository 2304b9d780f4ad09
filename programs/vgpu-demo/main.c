/* SPDX-License-Identifier: MIT */
/* vgpu-demo: something to see of a virtual GPU, without a VM. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

#include "job.h"
#include "util/cleanup.h"
#include "where.h"

/* SIGINT and SIGTERM are read from this descriptor, between two pieces of
 * work: what was started for the occasion has to be ended. */
static int take_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

const struct job *const all_jobs[] = {
	&job_mandelbrot, &job_sgemm,	 &job_saxpy, &job_stream,
	&job_reduce,	 &job_histogram, NULL
};

static int run(const struct options *o)
{
	struct occasion occasion = { 0 };
	struct demo d = { .options = o, .signals = take_signals() };
	int code = EXIT_FAILED;

	if (d.signals < 0)
		demo_say("signalfd: %s", strerror(errno));
	else if (!where_connect(o, d.signals, &occasion, &d.dev))
		code = demo_run(&d);
	vgpu_rg_close(d.dev);
	occasion_end(&occasion);
	close_fd(d.signals);
	return code;
}

int main(int argc, char **argv)
{
	struct options options;
	int code;

	signal(SIGPIPE, SIG_IGN);
	code = options_parse(argc, argv, &options);
	if (code >= 0)
		return code;
	for (unsigned i = 0; all_jobs[i]; i++)
		if (!strcmp(all_jobs[i]->name, options.command))
			options.job = all_jobs[i];
	return run(&options);
}
