/* SPDX-License-Identifier: MIT */
/* The command line of vgpud, and where things lie. */
#ifndef VGPUD_OPTIONS_H
#define VGPUD_OPTIONS_H

#include <stdbool.h>

#include "manager.h"
#include "../common/usage.h"
#include "util/log-sink.h"

enum {
	EXIT_OK = 0,
	EXIT_RUNTIME = 1, /* something failed while starting or running */
	EXIT_USAGE = EXIT_CODE_USAGE, /* the command line makes no sense */
	EXIT_RUNNING = 3, /* another one runs on the same folders */
};

struct options {
	bool done; /* all was said: --help, --version */
	struct manager_paths paths;
	enum log_level log_level;
	enum log_format log_format;
};

/* Return: 0, or an exit code; what is wrong was said on stderr. Paths are to
 * be freed by options_release(), also then. */
int options_parse(int argc, char **argv, struct options *ret_options);
void options_release(struct options *options);

#endif
