/* SPDX-License-Identifier: MIT */
/* The command line of vgpu-demo. */
#ifndef DEMO_OPTIONS_H
#define DEMO_OPTIONS_H

#include <stdbool.h>

#include "../common/cmdline.h"

/* Exit codes; in the manual page, too. */
enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1, /* no vGPU, or it failed */
	EXIT_USAGE = EXIT_CODE_USAGE,
	EXIT_WRONG = 3, /* the vGPU's results are not the CPU's */
};

#define OPTIONS_MAX_SIZE    16384u
#define OPTIONS_MAX_SECONDS 86400u

struct job;

/**
 * struct options - what the user wants
 * @command: what to compute
 * @job: the one of that name
 * @socket: of a vgpu-device, or NULL
 * @vgpu: name of one that vgpud has, or NULL
 * @vgpud: its control socket, or NULL: where it is as a rule
 * @type: of the vGPU that is started for the occasion
 * @output: a picture, or NULL
 * @trace: a file for numbers over time, or NULL
 * @size: 0: the job's own
 * @seconds: do it again and again for so long; 0: once
 * @system: data in the program's memory, not in VRAM
 * @progress: show it
 */
struct options {
	const char *command;
	const struct job *job;
	const char *socket, *vgpu, *vgpud, *type;
	const char *output, *trace;
	unsigned size;
	double seconds;
	bool system, progress;
};

/* All but @job. Return: -1: go on; or an exit code: all was said. */
int options_parse(int argc, char **argv, struct options *ret_options);

#endif
