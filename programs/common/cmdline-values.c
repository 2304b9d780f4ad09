/* SPDX-License-Identifier: MIT */
/* Values of options: words to what a program wants to know. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "cmdline.h"

const char *cmd_choices(const struct cmd_option *o)
{
	if (o->choices)
		return o->choices;
	return o->arg && strchr(o->arg, '|') ? o->arg : NULL;
}

int cmd_choice_index(const char *choices, const char *value)
{
	size_t len = strlen(value);
	int i = 0;

	if (!len || strchr(value, '|'))
		return -1;
	for (const char *p = choices; p; p = strchr(p, '|'), i++) {
		p += *p == '|';
		if (!strncmp(p, value, len) && (!p[len] || p[len] == '|'))
			return i;
	}
	return -1;
}

int cmd_text(const struct cmd_option *o, const char *arg, void *at)
{
	*(const char **)at = arg;
	return 0;
}

int cmd_list(const struct cmd_option *o, const char *arg, void *at)
{
	struct cmd_words *words = at;

	if (words->n >= o->max)
		return -E2BIG;
	words->word[words->n++] = arg;
	return 0;
}

/* Processes outlive a change of directory: only absolute paths are kept. */
int cmd_path(const struct cmd_option *o, const char *arg, void *at)
{
	char cwd[PATH_MAX], *path = NULL;

	if (arg[0] == '/' || !getcwd(cwd, sizeof(cwd)))
		path = strdup(arg);
	else if (asprintf(&path, "%s/%s", cwd, arg) < 0)
		path = NULL;
	if (!path)
		return -ENOMEM;
	free(*(char **)at);
	*(char **)at = path;
	return 0;
}

/* Digits only. */
static int take_number(const struct cmd_option *o, const char *arg, int base,
		       unsigned *at)
{
	unsigned long v;
	char *end;

	if (*arg < '0' || *arg > '9')
		return -EINVAL;
	errno = 0;
	v = strtoul(arg, &end, base);
	if (errno || *end || (double)v < o->min || (double)v > o->max)
		return -EINVAL;
	*at = (unsigned)v;
	return 0;
}

int cmd_unsigned(const struct cmd_option *o, const char *arg, void *at)
{
	return take_number(o, arg, 10, at);
}

_Static_assert(sizeof(mode_t) == sizeof(unsigned), "cmd_octal stores both");

int cmd_octal(const struct cmd_option *o, const char *arg, void *at)
{
	return take_number(o, arg, 8, at);
}

int cmd_seconds(const struct cmd_option *o, const char *arg, void *at)
{
	double seconds;
	char *end;

	errno = 0;
	seconds = strtod(arg, &end);
	if (*arg < '0' || *arg > '9' || *end || errno || !isfinite(seconds) ||
	    seconds < o->min || seconds > o->max)
		return -EINVAL;
	*(double *)at = seconds;
	return 0;
}

int cmd_choice(const struct cmd_option *o, const char *arg, void *at)
{
	int i = cmd_choice_index(cmd_choices(o), arg);

	if (i < 0)
		return -EINVAL;
	*(int *)at = i + (int)o->min;
	return 0;
}

int cmd_flag(const struct cmd_option *o, const char *arg, void *at)
{
	*(bool *)at = true;
	return 0;
}

int cmd_unset(const struct cmd_option *o, const char *arg, void *at)
{
	*(bool *)at = false;
	return 0;
}

int cmd_const(const struct cmd_option *o, const char *arg, void *at)
{
	*(int *)at = (int)o->min;
	return 0;
}

/* cmd_parse() does what these mean. */
int cmd_help(const struct cmd_option *o, const char *arg, void *at)
{
	return 0;
}

int cmd_version(const struct cmd_option *o, const char *arg, void *at)
{
	return 0;
}
