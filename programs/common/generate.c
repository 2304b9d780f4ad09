/* SPDX-License-Identifier: MIT */
/*
 * Prints what is made from a program's table of options at build time:
 * completions for bash and zsh, and the manual page. Not installed.
 */
#include <stdio.h>
#include <string.h>

#include "generate.h"
#include "util/cleanup.h"

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	cleanup_file FILE *page = NULL;

	if (!strcmp(what, "bash")) {
		generate_bash();
	} else if (!strcmp(what, "zsh")) {
		generate_zsh();
	} else if (!strcmp(what, "man") && argc == 3) {
		page = fopen(argv[2], "r");
		if (!page || generate_man(page))
			return 1;
	} else {
		fputs("usage: generate bash|zsh|man PAGE\n", stderr);
		return 2;
	}
	return fflush(stdout) || ferror(stdout);
}
