/* SPDX-License-Identifier: MIT */
#include "usage.h"

#include <stdarg.h>
#include <stdio.h>

#include "util/cleanup.h"
#include "util/text.h"

int usage_wrong(const char *program, const char *fmt, ...)
{
	cleanup_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (text)
		text_make_printable(text); /* words of others may be in it */
	fprintf(stderr, "%s: %s\nTry '%s --help'.\n", program,
		text ? text : "a wrong command line", program);
	return EXIT_CODE_USAGE;
}
