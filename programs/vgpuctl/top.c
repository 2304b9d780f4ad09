/* SPDX-License-Identifier: MIT */
/* vgpuctl top: the vGPUs at work. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#if HAVE_NCURSES
#include <locale.h>
#include <ncurses.h>
#endif

#include "top-data.h"
#include "util/cleanup.h"

#define MIN_DELAY 0.1
#define MAX_DELAY 3600.0

enum { OPT_ONCE, OPT_DELAY, N_OPTIONS };

static const struct cmd_option options[N_OPTIONS] = {
	[OPT_ONCE] = { '1', "once", NULL,
		       "print one table and end (so it does without a "
		       "terminal)" },
	[OPT_DELAY] = { 'd', "delay", "SECONDS",
			"how long rates are measured (default: 1)" },
};

static int once(struct ctl *ctl, double delay)
{
	struct timespec pause = { .tv_sec = (time_t)delay };
	struct top_sample before = { 0 }, now = { 0 };
	struct table table = { .n_columns = TOP_COLUMNS };
	int code;

	pause.tv_nsec = (long)((delay - (double)pause.tv_sec) * 1e9);
	code = top_sample_take(ctl, &before, &before);
	if (!code) {
		nanosleep(&pause, NULL);
		code = top_sample_take(ctl, &before, &now);
	}
	top_sample_free(&before);
	if (code)
		return code;
	top_sample_sort(&now);
	if (ctl->json) {
		struct json_object *out = top_sample_json(&now);

		code = ctl_print_json(out);
		json_object_put(out);
	} else {
		top_sample_table(&now, &table, 0);
		code = table_print(&table);
	}
	top_sample_free(&now);
	return code;
}

#if HAVE_NCURSES
static void draw(const struct top_sample *sample)
{
	struct table table = { .n_columns = TOP_COLUMNS };
	int rows, columns;
	size_t run = 0;
	char head[80];

	getmaxyx(stdscr, rows, columns);
	top_sample_table(sample, &table, (size_t)columns);
	for (size_t i = 0; i < sample->n; i++)
		run += sample->vgpus[i].time_ns != 0;
	snprintf(head, sizeof(head),
		 "vgpuctl top - %zu vGPUs, %zu run - q: end", sample->n, run);
	erase();
	mvaddnstr(0, 0, head, columns);
	for (int i = 0; i + 2 < rows && (size_t)i < table.n_rows; i++) {
		cleanup_free char *line = table_line(&table, (size_t)i);

		if (!i)
			attron(A_REVERSE);
		mvaddnstr(i + 2, 0, line ? line : strerror(ENOMEM), columns);
		attroff(A_REVERSE);
	}
	refresh();
	table_free(&table);
}

/* What is said while ncurses owns the terminal is lost with its screen: so the
 * first sample is taken before, and one that fails is taken again outside. */
static int live(struct ctl *ctl, double delay)
{
	struct top_sample sample = { 0 };
	int code = top_sample_take(ctl, &sample, &sample);
	int key = 0;

	if (code)
		return code;
	setlocale(LC_CTYPE, "");
	if (!initscr()) {
		top_sample_free(&sample);
		return once(ctl, delay);
	}
	cbreak();
	noecho();
	curs_set(0);
	while (!code && key != 'q' && key != 'Q') {
		struct top_sample next;

		top_sample_sort(&sample);
		draw(&sample);
		timeout((int)(delay * 1000));
		key = getch();
		if (key == KEY_RESIZE)
			continue;
		code = top_sample_take(ctl, &sample, &next);
		if (code) {
			endwin();
			code = top_sample_take(ctl, &sample, &next);
		}
		if (code)
			break;
		top_sample_free(&sample);
		sample = next;
	}
	if (!isendwin())
		endwin();
	top_sample_free(&sample);
	return code;
}
#else
static int live(struct ctl *ctl, double delay)
{
	ctl_note("This vgpuctl was built without ncurses: it prints once.");
	return once(ctl, delay);
}
#endif

static int run(struct ctl *ctl)
{
	const char *text = ctl->values[OPT_DELAY];
	double delay = 1;
	char *end;

	if (text) {
		delay = strtod(text, &end);
		if (*text < '0' || *text > '9' || *end ||
		    !(delay >= MIN_DELAY) || delay > MAX_DELAY)
			return ctl_fail(EXIT_USAGE,
					"top: --delay is a number of seconds, "
					"from %.1f to %.0f",
					MIN_DELAY, MAX_DELAY);
	}
	if (ctl->json || ctl->values[OPT_ONCE] || !isatty(STDOUT_FILENO) ||
	    !isatty(STDIN_FILENO))
		return once(ctl, delay);
	return live(ctl, delay);
}

const struct cmd_verb verb_top = {
	.name = "top",
	.summary = "the vGPUs at work, live",
	.text = "Shows for each vGPU how many accesses to its registers and "
		"interrupts there are in\n"
		"a second, which part of each shared engine's time it has, how "
		"much of\n"
		"the guest's memory is mapped and pinned, and which process "
		"uses it. The busiest is\n"
		"first; 'q' ends. Memory that is mapped straight into the "
		"guest costs no accesses.\n"
		"Without a terminal it prints one table.",
	.example = "  $ vgpuctl top\n"
		   "  $ vgpuctl top --once -o json | jq '.vgpus[0]'\n",
	.options = options,
	.n_options = N_OPTIONS,
	.target = ASKS_VGPUD,
	.run = run,
};
