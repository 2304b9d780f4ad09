/* SPDX-License-Identifier: MIT */
/*
 * Prints what is made from the table of verbs at build time: completions for
 * bash and zsh, and the manual page. Not installed.
 */
#include <stdio.h>
#include <string.h>

#include "generate.h"

int main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";

	if (!strcmp(what, "bash")) {
		generate_bash();
	} else if (!strcmp(what, "zsh")) {
		generate_zsh();
	} else if (!strcmp(what, "man")) {
		generate_man();
	} else {
		fputs("usage: generate bash|zsh|man\n", stderr);
		return 2;
	}
	return fflush(stdout) || ferror(stdout);
}
