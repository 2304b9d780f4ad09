/* SPDX-License-Identifier: MIT */
/* The command line of vgpud, and where things lie. */
#ifndef VGPUD_OPTIONS_H
#define VGPUD_OPTIONS_H

#include "manager.h"
#include "../common/cmdline.h"
#include "util/log-sink.h"

enum {
	EXIT_OK = 0,
	EXIT_RUNTIME = 1, /* something failed while starting or running */
	EXIT_USAGE = EXIT_CODE_USAGE, /* the command line makes no sense */
	EXIT_RUNNING = 3,	      /* another one runs on the same folders */
};

struct options {
	struct manager_paths paths;
	enum log_level log_level;
	enum log_format log_format;
};

/* Return: -1: go on; or an exit code: all was said. Paths are to
 * be freed by options_release(), also then. */
int options_parse(int argc, char **argv, struct options *ret_options);
void options_release(struct options *options);

#endif
