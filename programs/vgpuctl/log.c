/* SPDX-License-Identifier: MIT */
/*
 * vgpuctl log: what a vGPU's process has logged.
 *
 * vgpud keeps it beside the vGPU's sockets, in a file named "log".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "control/json.h"
#include "instance.h"
#include "util/cleanup.h"

#define LOG_NAME "log"
/* Between looks at a file that is followed. */
#define FOLLOW_NS (200l * 1000000l)
/* Looks that miss the file, between questions whether the vGPU is still there. */
#define FOLLOW_ASK 5

enum { OPT_LINES, OPT_FOLLOW, N_OPTIONS };

static const struct cmd_option options[N_OPTIONS] = {
	[OPT_LINES] = { 'n', "lines", "N", "the last N lines only" },
	[OPT_FOLLOW] = { 'f', "follow", NULL, "go on with what comes" },
};

static void print_line(const struct ctl *ctl, char *line)
{
	struct json_object *obj;

	line[strcspn(line, "\n")] = '\0';
	if (!ctl->json) {
		ctl_print_line("%s", line);
		return;
	}
	obj = json_object_new_object();
	json_set_string(&obj, "line", line);
	ctl_print_json_line(obj);
	json_object_put(obj);
}

/* Print what is there; a line whose end is still to come is left. */
static void print_rest(const struct ctl *ctl, FILE *file, bool last)
{
	cleanup_free char *line = NULL;
	size_t room = 0;
	ssize_t n;

	while ((n = getline(&line, &room, file)) > 0) {
		if (line[n - 1] != '\n' && !last) {
			fseeko(file, -n, SEEK_CUR);
			break;
		}
		print_line(ctl, line);
	}
	clearerr(file);
}

/* Leave @file where its last @lines lines begin. */
static void skip_to_last(FILE *file, long lines)
{
	cleanup_free char *line = NULL;
	size_t room = 0;
	long all = 0;

	while (getline(&line, &room, file) > 0)
		all++;
	rewind(file);
	for (; all > lines && getline(&line, &room, file) > 0; all--)
		;
}

/* Another file has its name now, or it was cut: begin at the new one. @missing
 * counts looks that found none. */
static FILE *reopen(FILE *file, const char *path, unsigned *missing)
{
	struct stat now, ours;
	FILE *next;

	if (stat(path, &now)) {
		++*missing;
		return file;
	}
	*missing = 0;
	if (fstat(fileno(file), &ours))
		return file;
	if (now.st_ino == ours.st_ino && now.st_dev == ours.st_dev) {
		if (now.st_size < ftello(file))
			rewind(file);
		return file;
	}
	next = fopen(path, "re");
	if (!next)
		return file;
	fclose(file);
	return next;
}

/* One that is stopped has no log, but may have one again. Who does not know,
 * since vgpud does not answer, goes on. */
static bool is_removed(const struct ctl *ctl, const char *uuid)
{
	struct json_object *params = ctl_named(uuid);
	struct control_result res = { 0 };
	bool removed;
	int err;

	err = control_call(ctl->vgpud_path, IO_VGPUD_MANAGER "Show", params,
			   ctl->timeout_ms, &res);
	json_object_put(params);
	if (err)
		return false;
	removed = res.error &&
		  !strcmp(res.error, IO_VGPUD_MANAGER "NoSuchInstance");
	control_result_release(&res);
	return removed;
}

static int follow(const struct ctl *ctl, FILE **file, const char *path,
		  const char *uuid)
{
	const struct timespec pause = { .tv_nsec = FOLLOW_NS };
	unsigned missing = 0;
	bool end = false;
	int code;

	for (;;) {
		print_rest(ctl, *file, end);
		code = ctl_flush();
		if (code)
			return code;
		if (end)
			break;
		nanosleep(&pause, NULL);
		*file = reopen(*file, path, &missing);
		end = missing % FOLLOW_ASK == 1 && is_removed(ctl, uuid);
	}
	ctl_note("%s was removed: no more follows", uuid);
	return EXIT_OK;
}

static char *log_path(struct json_object *instance)
{
	const char *control = json_get_string(instance, "control", "");
	const char *slash = strrchr(control, '/');
	char *path;

	if (!slash || asprintf(&path, "%.*s/" LOG_NAME, (int)(slash - control),
			       control) < 0)
		return NULL;
	return path;
}

static int show(struct ctl *ctl, struct json_object *instance, long lines)
{
	cleanup_free char *path = log_path(instance);
	cleanup_file FILE *file = NULL;

	if (!path)
		return ctl_fail(EXIT_FAILED, "log: vgpud doesn't say where the "
					     "files of this vGPU are");
	file = fopen(path, "re");
	if (!file && errno == ENOENT)
		return ctl_fail(EXIT_FAILED,
				"log: there is none (%s): it has not run since "
				"vgpud made that folder",
				path);
	if (!file)
		return ctl_fail(EXIT_FAILED, "log: cannot read %s: %s%s", path,
				strerror(errno),
				errno == EACCES
					? " (it is for vgpud's user and root)"
					: "");
	if (lines >= 0)
		skip_to_last(file, lines);
	if (ctl->values[OPT_FOLLOW])
		return follow(ctl, &file, path,
			      json_get_string(instance, "uuid", ""));
	print_rest(ctl, file, true);
	return ctl_flush();
}

static int run(struct ctl *ctl)
{
	const char *number = ctl->values[OPT_LINES];
	struct control_result res;
	long lines = -1;
	char *end;
	int code;

	if (number) {
		errno = 0;
		lines = strtol(number, &end, 10);
		if (*number < '0' || *number > '9' || *end || errno)
			return ctl_fail(EXIT_USAGE,
					"log: --lines is a number, not '%s'",
					number);
	}
	code = ctl_show(ctl, ctl->operand, &res);
	if (code)
		return code;
	code = show(ctl, json_member(res.parameters, "instance"), lines);
	control_result_release(&res);
	return code;
}

const struct cmd_verb verb_log = {
	.name = "log",
	.summary = "what a vGPU's process has logged",
	.text = "Prints the log of the process that serves the vGPU, and of "
		"those before it, as far\n"
		"as vgpud keeps it: some 100 KiB, until the machine is "
		"switched off. vgpud's own\n"
		"log is where its starter put it: 'journalctl -u vgpud'. "
		"--follow ends when the\n"
		"vGPU is removed.",
	.example = "  $ vgpuctl log desk -n 20\n"
		   "  $ vgpuctl log desk --follow\n",
	.options = options,
	.n_options = N_OPTIONS,
	.operand = "NAME",
	.target = ASKS_VGPUD,
	.run = run,
};
