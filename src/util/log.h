/* SPDX-License-Identifier: MIT */
/*
 * Log lines. The library hands lines to a sink that the program installs
 * (none: stderr); the program decides on level, form and place.
 */
#ifndef UTIL_LOG_H
#define UTIL_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* syslog's priorities that are in use; numerically enum vgpu_log_level's */
enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

/**
 * log_sink - takes one formatted line
 * @subject: what it is about (an instance's name), or NULL
 * @line: no newline; guest-controlled bytes are already made printable
 *
 * Any thread.
 */
typedef void (*log_sink)(enum log_level level, const char *subject,
			 const char *line);

/* Install a sink and the level up to which lines are made at all. Call it at
 * start, before there are other threads. */
void log_setup(log_sink sink, enum log_level max_level);
/* Any thread, any time. */
void log_set_level(enum log_level max_level);
bool log_wants(enum log_level level);

void log_line(enum log_level level, const char *subject, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void log_vline(enum log_level level, const char *subject, const char *fmt,
	       va_list ap) __attribute__((format(printf, 3, 0)));

#define log_error(subject, ...)   log_line(LOG_LEVEL_ERROR, subject, __VA_ARGS__)
#define log_warning(subject, ...) log_line(LOG_LEVEL_WARNING, subject, __VA_ARGS__)
#define log_notice(subject, ...)  log_line(LOG_LEVEL_NOTICE, subject, __VA_ARGS__)
#define log_info(subject, ...)    log_line(LOG_LEVEL_INFO, subject, __VA_ARGS__)
#define log_debug(subject, ...)                                          \
	do {                                                             \
		if (log_wants(LOG_LEVEL_DEBUG))                          \
			log_line(LOG_LEVEL_DEBUG, subject, __VA_ARGS__); \
	} while (0)

/**
 * struct log_limit - a token bucket for lines that a guest or client causes
 *
 * Zero-initialised is full. One thread.
 */
struct log_limit {
	uint64_t window_start_ns;
	uint32_t in_window;
	uint32_t suppressed;
};

#define LOG_LIMIT_BURST     10                    /* lines ... */
#define LOG_LIMIT_WINDOW_NS (5ull * 1000000000ull) /* ... in this time */

/* May a line be logged now? Logs "N similar lines suppressed" about @subject
 * when a new window opens after some were. */
bool log_allowed(struct log_limit *limit, const char *subject);

#endif
