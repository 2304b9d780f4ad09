/* SPDX-License-Identifier: MIT */
#include "log-sink.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bytes.h"
#include "text.h"

/* Bytes of a message or a subject that are kept: with each of them escaped,
 * the parts of a line still fit LOG_SINK_LINE. */
#define PART_MAX 1200

static struct log_sink_config sink_config; /* set at start, then only read */
static atomic_uint lost;

static const char *level_name(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "error";
	case LOG_LEVEL_WARNING:
		return "warning";
	case LOG_LEVEL_NOTICE:
		return "notice";
	case LOG_LEVEL_INFO:
		return "info";
	case LOG_LEVEL_DEBUG:
		return "debug";
	}
	return "error";
}

int log_level_parse(const char *name, enum log_level *ret_level)
{
	for (int l = LOG_LEVEL_ERROR; l <= LOG_LEVEL_DEBUG; l++)
		if (!strcmp(name, level_name((enum log_level)l))) {
			*ret_level = (enum log_level)l;
			return 0;
		}
	return -EINVAL;
}

int log_format_parse(const char *name, enum log_format *ret_format)
{
	static const char *const names[] = {
		[LOG_FORMAT_TEXT] = "text",
		[LOG_FORMAT_JSON] = "json",
		[LOG_FORMAT_JOURNAL] = "journal-prefix",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i])) {
			*ret_format = (enum log_format)i;
			return 0;
		}
	return -EINVAL;
}

enum log_format log_format_default(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	if (stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	    !fstat(STDERR_FILENO, &st) && st.st_dev == dev && st.st_ino == ino)
		return LOG_FORMAT_JOURNAL;
	return LOG_FORMAT_TEXT;
}

/* Copy at most @max bytes of @s, printable; never half a character. */
static void copy_part(char *buf, size_t max, const char *s)
{
	size_t len = strnlen(s, max - 1);

	if (s[len])
		while (len && ((unsigned char)s[len] & 0xc0) == 0x80)
			len--;
	memcpy(buf, s, len);
	buf[len] = '\0';
	text_make_printable(buf);
}

static size_t put(char *buf, size_t at, const char *s)
{
	size_t len = MIN(strlen(s), LOG_SINK_LINE - at);

	memcpy(buf + at, s, len);
	return at + len;
}

/* "key":"value" of printable UTF-8: nothing but quote and backslash needs an
 * escape. */
static size_t put_json(char *buf, size_t at, const char *key, const char *value)
{
	at = put(buf, at, at > 1 ? ",\"" : "\"");
	at = put(buf, at, key);
	at = put(buf, at, "\":\"");
	for (; *value; value++) {
		char c[3] = { '\\', *value, '\0' };

		at = put(buf, at, *value == '"' || *value == '\\' ? c : c + 1);
	}
	return put(buf, at, "\"");
}

size_t log_sink_format(const struct log_sink_config *config,
		       const struct timespec *when, enum log_level level,
		       const char *subject, const char *line,
		       char buf[LOG_SINK_LINE])
{
	char message[PART_MAX], about[128] = "", stamp[40];
	struct tm tm;
	size_t at = 0, n;

	copy_part(message, sizeof(message), line);
	if (subject)
		copy_part(about, sizeof(about), subject);
	gmtime_r(&when->tv_sec, &tm);
	n = strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(stamp + n, sizeof(stamp) - n, ".%03ldZ",
		 when->tv_nsec / 1000000);

	if (config->format == LOG_FORMAT_JSON) {
		at = put(buf, at, "{");
		at = put_json(buf, at, "time", stamp);
		at = put_json(buf, at, "level", level_name(level));
		at = put_json(buf, at, "program", config->program);
		if (config->instance)
			at = put_json(buf, at, "instance", config->instance);
		if (config->type)
			at = put_json(buf, at, "type", config->type);
		if (subject)
			at = put_json(buf, at, "subject", about);
		at = put_json(buf, at, "message", message);
		return put(buf, at, "}\n");
	}
	if (config->format == LOG_FORMAT_JOURNAL) {
		char prefix[] = { '<', (char)('0' + level), '>', '\0' };

		at = put(buf, at, prefix);
	} else {
		at = put(buf, at, stamp);
		at = put(buf, at, " ");
		at = put(buf, at, level_name(level));
		at = put(buf, at, " ");
	}
	at = put(buf, at, subject ? about : config->program);
	at = put(buf, at, ": ");
	at = put(buf, at, message);
	return put(buf, at, "\n");
}

/* Return: false: it would have blocked, or there is nobody to write to. */
static bool write_line(enum log_level level, const char *subject,
		       const char *line)
{
	struct pollfd pfd = { .fd = STDERR_FILENO, .events = POLLOUT };
	char buf[LOG_SINK_LINE];
	struct timespec now;
	size_t len;

	/* A pipe that is ready takes LOG_SINK_LINE bytes without blocking. */
	if (poll(&pfd, 1, 0) <= 0 || !(pfd.revents & POLLOUT))
		return false;
	clock_gettime(CLOCK_REALTIME, &now);
	len = log_sink_format(&sink_config, &now, level, subject, line, buf);
	return write(STDERR_FILENO, buf, len) == (ssize_t)len;
}

static void sink(enum log_level level, const char *subject, const char *line)
{
	unsigned n = atomic_load(&lost);

	if (n) {
		char text[64];

		snprintf(text, sizeof(text),
			 "%u log lines were lost: stderr was not read", n);
		if (write_line(LOG_LEVEL_WARNING, NULL, text))
			atomic_fetch_sub(&lost, n);
	}
	if (!write_line(level, subject, line))
		atomic_fetch_add(&lost, 1);
}

void log_sink_setup(const struct log_sink_config *config,
		    enum log_level max_level)
{
	sink_config = *config;
	log_setup(sink, max_level);
}
