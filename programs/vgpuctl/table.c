/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "util/text.h"

#define GAP "  "

/* Valid UTF-8 without anything that steers a terminal. */
static char *clean(const char *text)
{
	char *copy = text_to_utf8(text && *text ? text : "-");

	if (copy)
		text_make_printable(copy);
	return copy;
}

static int make_room(struct table *t)
{
	size_t room = t->room ? 2 * t->room : 16;
	char **cells;

	if (t->n_rows < t->room)
		return 0;
	cells = reallocarray(t->cells, room * t->n_columns, sizeof(*cells));
	if (!cells)
		return -ENOMEM;
	t->cells = cells;
	t->room = room;
	return 0;
}

static const char *cell_at(const struct table *t, size_t row, size_t column)
{
	const char *cell = t->cells[row * t->n_columns + column];

	return !row && *cell == '>' ? cell + 1 : cell;
}

/* Kept as rows come: looking at all rows for each one takes the square. */
static void widen(struct table *t, size_t row, size_t column)
{
	size_t width = text_columns(cell_at(t, row, column));

	if (width > t->widths[column])
		t->widths[column] = width;
}

static void add_row(struct table *t, const char *const *cells)
{
	if (t->failed)
		return;
	t->failed = make_room(t);
	if (t->failed)
		return;
	for (size_t i = 0; i < t->n_columns; i++) {
		char *cell = clean(cells[i]);

		t->cells[t->n_rows * t->n_columns + i] = cell;
		if (cell)
			widen(t, t->n_rows, i);
		else
			t->failed = -ENOMEM;
	}
	t->n_rows++; /* also a row with a gap: table_free() finds it */
}

void table_heading(struct table *t, const char *const *cells)
{
	add_row(t, cells);
}

void table_row(struct table *t, ...)
{
	const char *cells[TABLE_MAX_COLUMNS];
	va_list ap;

	va_start(ap, t);
	for (size_t i = 0; i < t->n_columns; i++)
		cells[i] = va_arg(ap, const char *);
	va_end(ap);
	add_row(t, cells);
}

size_t table_width(const struct table *t)
{
	size_t width = (t->n_columns - 1) * strlen(GAP);

	for (size_t i = 0; i < t->n_columns; i++)
		width += t->widths[i];
	return width;
}

char *table_line(const struct table *t, size_t row)
{
	char *line = NULL;
	size_t size;
	FILE *f;

	if (t->failed)
		return NULL;
	f = open_memstream(&line, &size);
	if (!f)
		return NULL;
	for (size_t i = 0; i < t->n_columns; i++) {
		const char *cell = cell_at(t, row, i);
		int pad = (int)(t->widths[i] - text_columns(cell));

		if (t->cells[i][0] == '>')
			fprintf(f, "%*s%s", pad, "", cell);
		else if (i + 1 < t->n_columns)
			fprintf(f, "%s%*s", cell, pad, "");
		else
			fputs(cell, f);
		if (i + 1 < t->n_columns)
			fputs(GAP, f);
	}
	if (fclose(f)) {
		free(line);
		return NULL;
	}
	return line;
}

int table_print(struct table *t)
{
	bool ok = !t->failed;

	for (size_t i = 0; ok && i < t->n_rows; i++) {
		char *line = table_line(t, i);

		ok = line;
		if (ok)
			puts(line);
		free(line);
	}
	table_free(t);
	if (!ok)
		return ctl_fail(EXIT_FAILED, "%s", strerror(ENOMEM));
	return ctl_flush();
}

void table_free(struct table *t)
{
	for (size_t i = 0; i < t->n_rows * t->n_columns; i++)
		free(t->cells[i]);
	free(t->cells);
	*t = (struct table){ .n_columns = t->n_columns };
}
