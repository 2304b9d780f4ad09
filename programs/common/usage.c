/* SPDX-License-Identifier: MIT */
#include "usage.h"

#include <stdarg.h>
#include <stdio.h>

int usage_wrong(const char *program, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", program);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nTry '%s --help'.\n", program);
	return EXIT_CODE_USAGE;
}
