/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "job.h"

#define DEFAULT_TYPE "refgpu-1g"

static const char usage[] =
	"Usage: vgpu-demo COMMAND [OPTION...]\n"
	"\n"
	"Computes something on a virtual GPU (the reference GPU), checks the "
	"result with\n"
	"the CPU and says how fast it was.\n"
	"\n"
	"Commands, and what --size means for them (and is without it):\n";

static const char usage_options[] =
	"\n"
	"Where (one of them; without any, vgpu-parent and vgpu-device are "
	"started for the\n"
	"occasion, and end with it):\n"
	"  --vgpu NAME       a vGPU of vgpud: its label, or its UUID; see "
	"'vgpuctl list'\n"
	"  --vgpud PATH      with --vgpu: vgpud's control socket, where it is "
	"not the usual\n"
	"  --socket PATH     a vGPU's vfio-user socket (of vgpu-device "
	"--socket-path)\n"
	"  --type TYPE       for the occasion: a vGPU of this type "
	"(default: " DEFAULT_TYPE ")\n"
	"\n"
	"What:\n"
	"  -o, --output FILE mandelbrot: save the picture, as PNG\n"
	"  -n, --size N      how much, see above\n"
	"  -t, --seconds S   do it again and again for so long\n"
	"  --system          keep the data in this program's memory, not in "
	"the "
	"vGPU's\n"
	"  --trace FILE      write ten times a second: ns of the clock, ns "
	"that "
	"the engine\n"
	"                    has worked for us, pieces of work done\n"
	"  -q, --quiet       show no progress (there is none if stderr is no "
	"terminal)\n"
	"  --version         print the version, and exit\n"
	"  -h, --help        print this, and exit\n"
	"\n"
	"Examples:\n"
	"  $ vgpu-demo mandelbrot -o out.png\n"
	"  $ vgpuctl create refgpu-1g --label fast && vgpu-demo sgemm --vgpu "
	"fast\n"
	"\n"
	"Exit status: 0 all is well; 1 no vGPU, or it failed; 2 wrong command "
	"line; 3 the\n"
	"results are not the CPU's.\n";

enum {
	OPT_VGPU = 256,
	OPT_VGPUD,
	OPT_SOCKET,
	OPT_TYPE,
	OPT_SYSTEM,
	OPT_TRACE,
	OPT_VERSION,
};

static const struct option long_options[] = {
	{ "vgpu", required_argument, NULL, OPT_VGPU },
	{ "vgpud", required_argument, NULL, OPT_VGPUD },
	{ "socket", required_argument, NULL, OPT_SOCKET },
	{ "type", required_argument, NULL, OPT_TYPE },
	{ "output", required_argument, NULL, 'o' },
	{ "size", required_argument, NULL, 'n' },
	{ "seconds", required_argument, NULL, 't' },
	{ "system", no_argument, NULL, OPT_SYSTEM },
	{ "trace", required_argument, NULL, OPT_TRACE },
	{ "quiet", no_argument, NULL, 'q' },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

#define wrong(...) usage_wrong("vgpu-demo", __VA_ARGS__)

const struct job *const all_jobs[] = {
	&job_mandelbrot, &job_sgemm,	 &job_saxpy, &job_stream,
	&job_reduce,	 &job_histogram, NULL
};

static void print_usage(void)
{
	fputs(usage, stdout);
	for (unsigned i = 0; all_jobs[i]; i++)
		printf("  %-12s %-50s %s\n", all_jobs[i]->name,
		       all_jobs[i]->what, all_jobs[i]->size);
	fputs(usage_options, stdout);
}

static int parse_size(const char *arg, struct options *o)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(arg, &end, 10);
	if (*arg < '0' || *arg > '9' || *end || errno || !n ||
	    n > OPTIONS_MAX_SIZE)
		return wrong("--size %s: a number from 1 to %u is expected",
			     arg, OPTIONS_MAX_SIZE);
	o->size = (unsigned)n;
	return 0;
}

static int parse_seconds(const char *arg, struct options *o)
{
	char *end;
	double s;

	errno = 0;
	s = strtod(arg, &end);
	if (end == arg || *end || errno || !isfinite(s) || s <= 0 ||
	    s > OPTIONS_MAX_SECONDS)
		return wrong("--seconds %s: a number of seconds is expected, "
			     "such as 2.5",
			     arg);
	o->seconds = s;
	return 0;
}

static int parse_one(int opt, char *arg, struct options *o)
{
	switch (opt) {
	case OPT_VGPU:
		o->vgpu = arg;
		return 0;
	case OPT_VGPUD:
		o->vgpud = arg;
		return 0;
	case OPT_SOCKET:
		o->socket = arg;
		return 0;
	case OPT_TYPE:
		o->type = arg;
		return 0;
	case 'o':
		o->output = arg;
		return 0;
	case 'n':
		return parse_size(arg, o);
	case 't':
		return parse_seconds(arg, o);
	case OPT_SYSTEM:
		o->system = true;
		return 0;
	case OPT_TRACE:
		o->trace = arg;
		return 0;
	case 'q':
		o->progress = false;
		return 0;
	default: /* getopt_long() has said what is wrong */
		fputs("Try 'vgpu-demo --help'.\n", stderr);
		return EXIT_USAGE;
	}
}

static const struct job *find_job(const char *name)
{
	for (unsigned i = 0; all_jobs[i]; i++)
		if (!strcmp(all_jobs[i]->name, name))
			return all_jobs[i];
	return NULL;
}

/* What does not go together. */
static int check(const struct options *o)
{
	if (o->socket && o->vgpu)
		return wrong("--socket and --vgpu: which of the two?");
	if (o->vgpud && !o->vgpu)
		return wrong("--vgpud needs --vgpu NAME: which of its vGPUs?");
	if (o->type && (o->socket || o->vgpu))
		return wrong("--type is for a vGPU that is started for the "
			     "occasion; this one is there already");
	if (o->output && !o->job->picture)
		return wrong("--output is for mandelbrot; %s makes no picture",
			     o->job->name);
	return 0;
}

int options_parse(int argc, char **argv, struct options *ret_options)
{
	struct options o = { .progress = isatty(2) };
	int opt, err;

	while ((opt = getopt_long(argc, argv, "o:n:t:qh", long_options,
				  NULL)) != -1) {
		if (opt == OPT_VERSION || opt == 'h') {
			if (opt == 'h')
				print_usage();
			else
				printf("vgpu-demo %s\n", VGPU_VERSION);
			*ret_options = (struct options){ 0 };
			return 0;
		}
		err = parse_one(opt, optarg, &o);
		if (err)
			return err;
	}
	if (optind == argc)
		return wrong("what is it to compute? mandelbrot, sgemm ...");
	o.job = find_job(argv[optind]);
	if (!o.job)
		return wrong("there is no command '%s'", argv[optind]);
	if (optind + 1 < argc)
		return wrong("'%s' is one word too many", argv[optind + 1]);
	err = check(&o);
	if (err)
		return err;
	if (!o.type)
		o.type = DEFAULT_TYPE;
	*ret_options = o;
	return 0;
}
