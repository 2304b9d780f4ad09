/* SPDX-License-Identifier: MIT */
#include "log.h"

#include <stdio.h>

#include "loop.h"

#define LINE_MAX_BYTES 1024

static void sink_stderr(enum log_level level, const char *subject,
			const char *line)
{
	if (subject)
		fprintf(stderr, "%s: %s\n", subject, line);
	else
		fprintf(stderr, "%s\n", line);
}

/* Set once at start, read by all threads after that. */
static log_sink sink = sink_stderr;
static _Atomic(enum log_level) max_level = LOG_LEVEL_WARNING;

void log_setup(log_sink new_sink, enum log_level level)
{
	sink = new_sink ? new_sink : sink_stderr;
	max_level = level;
}

void log_set_level(enum log_level level)
{
	max_level = level;
}

bool log_wants(enum log_level level)
{
	return level <= max_level;
}

/* A guest may choose bytes that end up in a line (names, JSON): no control
 * character of its choice reaches the operator's terminal. */
static void make_printable(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

void log_vline(enum log_level level, const char *subject, const char *fmt,
	       va_list ap)
{
	char line[LINE_MAX_BYTES];

	if (!log_wants(level))
		return;
	vsnprintf(line, sizeof(line), fmt, ap);
	make_printable(line);
	sink(level, subject, line);
}

void log_line(enum log_level level, const char *subject, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vline(level, subject, fmt, ap);
	va_end(ap);
}

bool log_allowed(struct log_limit *limit, const char *subject)
{
	uint64_t now = loop_now_ns();

	if (!limit->window_start_ns ||
	    now - limit->window_start_ns >= LOG_LIMIT_WINDOW_NS) {
		uint32_t suppressed = limit->suppressed;

		limit->window_start_ns = now;
		limit->in_window = 0;
		limit->suppressed = 0;
		if (suppressed)
			log_warning(subject, "%u similar lines suppressed",
				    suppressed);
	}
	if (limit->in_window >= LOG_LIMIT_BURST) {
		limit->suppressed++;
		return false;
	}
	limit->in_window++;
	return true;
}
