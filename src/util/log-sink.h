/* SPDX-License-Identifier: MIT */
/*
 * Where a program's log lines go: one write to stderr for each, in one of
 * three forms. A reader that doesn't keep up (a full pipe) loses lines, and is
 * told how many; it never holds up the program.
 */
#ifndef UTIL_LOG_SINK_H
#define UTIL_LOG_SINK_H

#include "log.h"

/**
 * enum log_format - what a line looks like
 * @LOG_FORMAT_TEXT: time, level, whom it is about, message; for people
 * @LOG_FORMAT_JSON: an object with "time", "level", "program", "instance" and
 *                   "type" (once known), "subject" (if there is one) and
 *                   "message"
 * @LOG_FORMAT_JOURNAL: "<6>" and the message: what journald and others take
 *                      from a service's stderr; they add the time
 */
enum log_format {
	LOG_FORMAT_TEXT,
	LOG_FORMAT_JSON,
	LOG_FORMAT_JOURNAL,
};

/* Longest line in any form, bytes: what a pipe takes in one piece. */
#define LOG_SINK_LINE 4096

/**
 * struct log_sink_config - the constant parts of all lines
 * @instance: UUID of the instance that the program serves; may be NULL
 * @type: the instance's type; may be NULL
 *
 * Strings must outlive the program's logging.
 */
struct log_sink_config {
	enum log_format format;
	const char *program;
	const char *instance;
	const char *type;
};

/* Send all lines up to @max_level there. At start, before there are threads;
 * may be called again as more becomes known. */
void log_sink_setup(const struct log_sink_config *config,
		    enum log_level max_level);

/* JOURNAL if stderr is journald's, else TEXT. */
enum log_format log_format_default(void);

/* "text", "json", "journal-prefix". Return: 0; -EINVAL. */
int log_format_parse(const char *name, enum log_format *ret_format);

/* "error", "warning", "notice", "info", "debug". Return: 0; -EINVAL. */
int log_level_parse(const char *name, enum log_level *ret_level);

/**
 * log_sink_format() - make one line, newline included; no I/O
 * @buf: LOG_SINK_LINE bytes; no NUL is written
 *
 * Return: bytes.
 */
size_t log_sink_format(const struct log_sink_config *config,
		       const struct timespec *when, enum log_level level,
		       const char *subject, const char *line,
		       char buf[LOG_SINK_LINE]);

#endif
