/* SPDX-License-Identifier: MIT */
/* The command line of vgpu-parent. */
#ifndef VGPU_PARENT_OPTIONS_H
#define VGPU_PARENT_OPTIONS_H

#include <stdbool.h>
#include <sys/types.h>

#include "../common/sandbox.h"
#include "../common/usage.h"
#include "util/log-sink.h"

/* Exit codes, as vgpu-device's */
enum {
	EXIT_OK = 0,
	EXIT_RUNTIME = 1, /* the hardware, or something while running */
	EXIT_USAGE = EXIT_CODE_USAGE, /* the command line makes no sense */
	EXIT_TYPE = 3,	  /* the driver was refused */
	EXIT_SOCKET = 4,  /* the socket can't be made */
};

/**
 * struct options - what the user wants
 * @done: all was said: --help, --version
 * @config: what the driver is to open
 * @socket_path: where anybody may connect; NULL: nobody
 * @control_path: or NULL; one of the two is there
 * @sandbox: what of it has to be there
 */
struct options {
	bool done;
	const char *driver;
	const char *config;
	const char *socket_path;
	mode_t socket_mode;
	const char *control_path;
	enum sandbox_mode sandbox;
	enum log_level log_level;
	enum log_format log_format;
};

/* Return: 0, or an exit code; what is wrong was said on stderr. */
int options_parse(int argc, char **argv, struct options *ret_options);

#endif
