/* SPDX-License-Identifier: MIT */
/* The command line of vgpu-parent. */
#ifndef VGPU_PARENT_OPTIONS_H
#define VGPU_PARENT_OPTIONS_H

#include <sys/types.h>

#include "../common/cmdline.h"
#include "../common/sandbox.h"
#include "util/log-sink.h"

/* Exit codes, as vgpu-device's */
enum {
	EXIT_OK = 0,
	EXIT_RUNTIME = 1, /* the hardware, or something while running */
	EXIT_USAGE = EXIT_CODE_USAGE, /* the command line makes no sense */
	EXIT_TYPE = 3,		      /* the driver was refused */
	EXIT_SOCKET = 4,	      /* the socket can't be made */
};

/**
 * struct options - what the user wants
 * @config: what the driver is to open
 * @socket_path: where anybody may connect; NULL: nobody
 * @control_path: or NULL; one of the two is there
 * @sandbox: what of it has to be there
 */
struct options {
	const char *driver;
	const char *config;
	const char *socket_path;
	mode_t socket_mode;
	const char *control_path;
	enum sandbox_mode sandbox;
	enum log_level log_level;
	enum log_format log_format;
};

/* Return: -1: go on; or an exit code: all was said, on stdout or stderr. */
int options_parse(int argc, char **argv, struct options *ret_options);

#endif
